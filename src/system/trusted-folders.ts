// Folders that nobody but root can change, held open: what is done in one cannot be led elsewhere by a link or a rename.
// Files in it are replaced whole, with an owner and a mode.
import { constants, open, readdir, rename, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { BerthError } from '../errors.ts';
import { isErrno } from './files.ts';
import { readOpen, type FileState } from './host-files.ts';
import { readAt } from './mount-wait.ts';

export type TrustedFolder = AsyncDisposable & {
  /** undefined: there is nothing. Throws `not-permitted` for a link and what is no regular file, `disk`, `timeout`. */
  read(name: string): Promise<FileState | undefined>;
  list(): Promise<readonly string[]>;
  /** A new file on the disk, in the place of none. Throws `disk`. */
  create(name: string, file: FileState): Promise<void>;
  /** In one step, that survives a power cut. Throws `disk`. */
  rename(from: string, to: string): Promise<void>;
  /** No error where there is nothing. Throws `disk`. */
  remove(name: string): Promise<void>;
};

export type TrustedFolders = {
  /**
   * Throws `not-permitted` where somebody else could change it or one above it, or where a link leads there;
   * `config-missing` where there is none; `disk`; `timeout` where its file system does not answer.
   */
  open(path: string): Promise<TrustedFolder>;
};

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK } = constants;
const writableByOthers = 0o022;

/** By `/proc`, since Node has no openat(2): of this path only the last name can be a link, and O_NOFOLLOW is for that. */
function within(folder: FileHandle, name: string): string {
  return `/proc/self/fd/${folder.fd}/${name}`;
}

export const systemTrustedFolders: TrustedFolders = {
  open: (path) => readAt(path, () => walk(path)),
};

async function walk(path: string): Promise<TrustedFolder> {
  let at = await openFolder('/', '/');
  let walked = '';
  try {
    await judge(at, '/');
    for (const name of path.split('/').filter(Boolean)) {
      walked += `/${name}`;
      const next = await openFolder(within(at, name), walked);
      await at.close();
      at = next;
      await judge(at, walked);
    }
    return folderOf(at, path);
  } catch (error) {
    await at.close();
    throw error;
  }
}

async function openFolder(path: string, shown: string): Promise<FileHandle> {
  try {
    return await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      throw new BerthError('config-missing', `there is no folder ${shown}`, { cause: error });
    }
    if (isErrno(error, 'ENOTDIR', 'ELOOP')) {
      throw new BerthError(
        'not-permitted',
        `${shown} is a link or no folder: write the path without links`,
        { cause: error },
      );
    }
    throw failed('open', shown, error);
  }
}

async function judge(folder: FileHandle, shown: string): Promise<void> {
  const { uid, mode } = await folder.stat().catch((error: unknown) => {
    throw failed('open', shown, error);
  });
  if (uid === 0 && (mode & writableByOthers) === 0) return;
  throw new BerthError(
    'not-permitted',
    `others than root may write to the folder ${shown}: chown root ${shown}; chmod go-w ${shown}`,
  );
}

function folderOf(folder: FileHandle, path: string): TrustedFolder {
  const shown = (name: string): string => join(path, name);
  return {
    read: (name) => readAt(shown(name), () => readIn(folder, name, shown(name))),

    list: () => readAt(path, () => readdir(within(folder, '.'))),

    create: async (name, { content, uid, gid, mode }) => {
      try {
        await using file = await open(
          within(folder, name),
          O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
          0o600,
        );
        await file.writeFile(content);
        // In this order the first needs no capability.
        await file.chmod(mode);
        await file.chown(uid, gid);
        await file.sync();
      } catch (error) {
        throw failed('write', shown(name), error);
      }
    },

    rename: async (from, to) => {
      try {
        await rename(within(folder, from), within(folder, to));
        await folder.sync();
      } catch (error) {
        throw failed('write', shown(to), error);
      }
    },

    remove: async (name) => {
      try {
        await unlink(within(folder, name));
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw failed('remove', shown(name), error);
      }
    },

    [Symbol.asyncDispose]: () => folder.close(),
  };
}

async function readIn(
  folder: FileHandle,
  name: string,
  shown: string,
): Promise<FileState | undefined> {
  let file: FileHandle;
  try {
    file = await open(within(folder, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    if (isErrno(error, 'ELOOP')) throw noFile(`${shown} is a link`);
    throw failed('read', shown, error);
  }
  try {
    const state = await readOpen(file).catch((error: unknown) => {
      throw failed('read', shown, error);
    });
    if (state === undefined) throw noFile(`${shown} is no regular file, or a hard link`);
    return state;
  } finally {
    await file.close();
  }
}

function noFile(what: string): BerthError {
  return new BerthError('not-permitted', `${what}: remove it, or name another path`);
}

/** The system's own message has the path below /proc in it. */
function failed(verb: string, path: string, error: unknown): BerthError {
  const code = (error as NodeJS.ErrnoException).code ?? 'failed';
  const hint = hints[code] ?? '';
  return new BerthError('disk', `cannot ${verb} ${path}: ${code}${hint}`, { retryable: true });
}

const hints: Readonly<Record<string, string>> = {
  ENOSPC: ', the disk is full, free some space',
  EDQUOT: ', the disk is full, free some space',
  EROFS: ', it is outside of ReadWritePaths= of berth-files@.service',
};
