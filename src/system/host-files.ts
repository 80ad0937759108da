// Files of this host as they are: content, owner and mode. Reads, and changes nothing.
import { constants, lstat, open, type FileHandle } from 'node:fs/promises';
import { BerthError } from '../errors.ts';
import { diskError, isErrno } from './files.ts';
import { readAt } from './mount-wait.ts';

export type FileState = {
  readonly content: Buffer;
  readonly uid: number;
  readonly gid: number;
  /** The permissions alone. */
  readonly mode: number;
};

export type HostFiles = {
  /**
   * undefined: nothing there, or no regular file of one name (a link, say). Of one that is larger than berth writes only
   * the beginning. Throws `not-permitted`, `disk`, and `timeout` where its file system does not answer.
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
      return await readAt(path, async () => {
        await using file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
        return await readOpen(file);
      });
    } catch (error) {
      if (error instanceof BerthError) throw error;
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

/** undefined: it is no regular file, or a hard link of one: then it has another path too, which no rule knows. */
export async function readOpen(file: FileHandle): Promise<FileState | undefined> {
  const found = await file.stat();
  if (!found.isFile() || found.nlink > 1) return undefined;
  const { uid, gid, mode, size } = found;
  const buffer = Buffer.alloc(Math.min(size, maxBytes));
  const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
  return { content: buffer.subarray(0, bytesRead), uid, gid, mode: mode & permissions };
}

export function isSameFile(a: FileState, b: FileState): boolean {
  return a.uid === b.uid && a.gid === b.gid && a.mode === b.mode && a.content.equals(b.content);
}
