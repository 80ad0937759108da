// The port to log files: which there are, held open and read in pieces, with word of changes; and our own dead letters.
// inotify by one watch per folder costs 0.3 % of a core at 1,000 files, polling each 1.5 % (reference/logs.md section 7).
import { watch } from 'node:fs';
import {
  constants,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  stat,
  unlink,
  type FileHandle,
} from 'node:fs/promises';
import { dirname } from 'node:path';
import { BerthError, messageOf } from '../errors.ts';
import { diskError, isErrno } from './files.ts';
import { walk } from './walk.ts';

export type LogFileStat = {
  readonly inode: string;
  readonly device: string;
  /** When the inode was made, in nanoseconds; undefined where the file system does not say. */
  readonly birthNs: string | undefined;
  readonly size: number;
  readonly mtimeMs: number;
  /** Names that the file has: 0 = deleted, but held open. */
  readonly links: number;
};

/** A regular file, open for reading until disposed of; it stays the same file whatever its name becomes. */
export type LogFile = AsyncDisposable & {
  /** Throws `disk`. */
  stat(): Promise<LogFileStat>;
  /** At most `length` bytes; fewer only at the end of the file. Throws `disk`. */
  read(position: number, length: number): Promise<Buffer>;
  /** The same into memory that is there; how many bytes. Throws `disk`. */
  readInto(target: Uint8Array, position: number): Promise<number>;
};

export type LogFiles = {
  /**
   * Paths of the regular files that match, or links to one; never an archive (`.gz`, ...), folder, FIFO or device.
   * What cannot be looked into is left out, as if it were not there.
   */
  expand(pattern: string): Promise<readonly string[]>;
  /** The folders in which files of the pattern are or may come; of these the first, that all are below, need not be there. */
  expandFolders(pattern: string): Promise<readonly string[]>;
  /** Names in a folder, of whatever kind; none if there is no such folder or it may not be read. */
  list(folder: string): Promise<readonly string[]>;
  /** By which a folder that was made anew is told from the one before; undefined: there is none. */
  folderInode(folder: string): Promise<string | undefined>;
  isLink(path: string): Promise<boolean>;
  /** undefined: nothing there, or no regular file. Throws `not-permitted`, `disk`. */
  stat(path: string): Promise<LogFileStat | undefined>;
  /** undefined: nothing there, or no regular file. Throws `not-permitted`, `disk`. */
  open(path: string): Promise<LogFile | undefined>;
  /** Deletes the file if it is still this one; false: it is not. Throws `disk`. */
  remove(path: string, inode: string): Promise<boolean>;
  /**
   * Calls with a name in the folder: `list` = a file came, went or was renamed; `data` = its content grew or shrank.
   * undefined: it cannot be watched (no such folder, no inotify watch left); then look by yourself, often.
   * A watch may fall silent, e.g. when its folder is deleted: `lost` says so.
   */
  watch(folder: string, onChange: WatchListener): Disposable | undefined;
  /**
   * Appends to a private file (0600; missing folders 0700), which becomes `<path>.1` once it would outgrow `maxBytes`.
   * `replaced`: there was one already, whose content is gone now. Throws `disk`.
   */
  append(path: string, text: string, maxBytes: number): Promise<{ readonly replaced: boolean }>;
  /** A private file (0600; missing folders 0700) to go on with. Throws `disk`. */
  openAppend(path: string): Promise<AppendFile>;
};

/** Stays open until disposed of. */
export type AppendFile = AsyncDisposable & {
  /** Resolves once it is on the disk, to survive a power cut. Throws `disk`; a part may be written then. */
  append(text: string): Promise<void>;
};

export type WatchListener = (kind: 'list' | 'data' | 'lost', name: string | undefined) => void;

const archive = /\.(gz|zip|bz2|tar|zst|rar)$/;

export function isArchive(path: string): boolean {
  return archive.test(path);
}

export const systemLogFiles: LogFiles = {
  expand: async (pattern) => {
    const { files } = await walk(pattern, 'files');
    return files.filter((path) => !isArchive(path)).toSorted();
  },

  expandFolders: async (pattern) => (await walk(pattern, 'folders')).folders,

  list: async (folder) => {
    try {
      return await readdir(folder);
    } catch {
      return [];
    }
  },

  folderInode: async (folder) => {
    const found = await bigStat(folder).catch(() => undefined);
    return found?.isDirectory() === true ? String(found.ino) : undefined;
  },

  isLink: async (path) =>
    await lstat(path).then(
      (found) => found.isSymbolicLink(),
      () => false,
    ),

  stat: async (path) => {
    try {
      const found = await bigStat(path);
      return found.isFile() ? statOf(found) : undefined;
    } catch (error) {
      return absentOrThrow(path, error);
    }
  },

  open: async (path) => {
    try {
      // Not by opening: to open a FIFO lets its waiting writer go on, and then kills it.
      if (!(await stat(path)).isFile()) return undefined;
      const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      if ((await handle.stat()).isFile()) return holdFile(path, handle);
      await handle.close();
      return undefined;
    } catch (error) {
      return absentOrThrow(path, error);
    }
  },

  remove: async (path, inode) => {
    try {
      if (String((await bigStat(path)).ino) !== inode) return false;
      await unlink(path);
      return true;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return false;
      throw diskError('delete', path, error);
    }
  },

  watch: (folder, onChange) => {
    try {
      const watcher = watch(folder);
      watcher.on('change', (kind, name) =>
        onChange(kind === 'rename' ? 'list' : 'data', name === null ? undefined : String(name)),
      );
      watcher.on('error', () => {
        watcher.close();
        onChange('lost', undefined);
      });
      return { [Symbol.dispose]: () => watcher.close() };
    } catch {
      return undefined;
    }
  },

  append: async (path, text, maxBytes) => {
    try {
      const size = await sizeOf(path);
      const isFull = size > 0 && size + Buffer.byteLength(text) > maxBytes;
      const replaced = isFull && (await sizeOf(`${path}.1`)) > 0;
      if (isFull) await rename(path, `${path}.1`);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await using file = await open(path, 'a', 0o600);
      await file.appendFile(text);
      await file.sync();
      return { replaced };
    } catch (error) {
      throw diskError('write', path, error);
    }
  },

  openAppend: async (path) => {
    try {
      const folder = dirname(path);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await using stack = new AsyncDisposableStack();
      const file = stack.use(await open(path, appendFlags, 0o600));
      await using names = await open(folder, 'r');
      await names.sync();
      stack.move();
      return {
        append: async (text) => {
          try {
            await file.appendFile(text);
          } catch (error) {
            throw diskError('write', path, error);
          }
        },
        [Symbol.asyncDispose]: () => file.close(),
      };
    } catch (error) {
      throw diskError('write', path, error);
    }
  },
};

/** Each write waits for the disk: one call in place of two. */
const appendFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_DSYNC;

type BigStat = Awaited<ReturnType<typeof bigStat>>;
const bigStat = (path: string) => stat(path, { bigint: true });

function statOf(found: BigStat): LogFileStat {
  return {
    inode: String(found.ino),
    device: String(found.dev),
    birthNs: found.birthtimeNs > 0n ? String(found.birthtimeNs) : undefined,
    size: Number(found.size),
    mtimeMs: Number(found.mtimeMs),
    links: Number(found.nlink),
  };
}

function holdFile(path: string, handle: FileHandle): LogFile {
  const readInto = async (target: Uint8Array, position: number): Promise<number> => {
    let filled = 0;
    try {
      while (filled < target.length) {
        const left = target.length - filled;
        const { bytesRead } = await handle.read(target, filled, left, position + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
    } catch (error) {
      throw diskError('read', path, error);
    }
    return filled;
  };
  return {
    stat: async () => {
      try {
        return statOf(await handle.stat({ bigint: true }));
      } catch (error) {
        throw diskError('read', path, error);
      }
    },
    read: async (position, length) => {
      const buffer = Buffer.allocUnsafe(length);
      return buffer.subarray(0, await readInto(buffer, position));
    },
    readInto,
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

async function sizeOf(path: string): Promise<number> {
  return await stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

function absentOrThrow(path: string, error: unknown): undefined {
  if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO')) return undefined;
  if (isErrno(error, 'EACCES', 'EPERM')) {
    throw new BerthError(
      'not-permitted',
      `cannot read ${path}: berth's user may not; give it the right to read the file and to enter its folders (${messageOf(error)})`,
      { cause: error, details: { path } },
    );
  }
  throw diskError('read', path, error);
}
