// Files of this host as they are: content, owner and mode. Reads, and changes nothing.
import { constants, lstat, open, type FileHandle } from 'node:fs/promises';
import { BerthError } from '../errors.ts';
import { diskError, isErrno } from './files.ts';

export type FileState = {
  readonly content: Buffer;
  readonly uid: number;
  readonly gid: number;
  /** The permissions alone. */
  readonly mode: number;
};

export type HostFiles = {
  /**
   * undefined: nothing there, or no regular file (a link, say). Of one that is larger than berth writes only the beginning.
   * Throws `not-permitted`, `disk`.
   */
  read(path: string): Promise<FileState | undefined>;
  isSocket(path: string): Promise<boolean>;
};

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
const permissions = 0o7777;
/** More than a file of the configuration may have: a Mi characters, three bytes each at most. */
const maxBytes = 3 * 1_048_576 + 1;

export const systemHostFiles: HostFiles = {
  read: async (path) => {
    try {
      await using file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      return await readOpen(file);
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO')) return undefined;
      if (isErrno(error, 'EACCES', 'EPERM')) {
        throw new BerthError('not-permitted', `cannot read ${path}: be root`, { cause: error });
      }
      throw diskError('read', path, error);
    }
  },
  isSocket: async (path) => {
    const found = await lstat(path).catch(() => undefined);
    return found?.isSocket() === true;
  },
};

/** undefined: it is no regular file. */
export async function readOpen(file: FileHandle): Promise<FileState | undefined> {
  const found = await file.stat();
  if (!found.isFile()) return undefined;
  const { uid, gid, mode, size } = found;
  const buffer = Buffer.alloc(Math.min(size, maxBytes));
  const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
  return { content: buffer.subarray(0, bytesRead), uid, gid, mode: mode & permissions };
}

export function isSameFile(a: FileState, b: FileState): boolean {
  return a.uid === b.uid && a.gid === b.gid && a.mode === b.mode && a.content.equals(b.content);
}
