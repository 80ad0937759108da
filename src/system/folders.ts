// Folders: what is in one, and away with it.
import { readdir, rm } from 'node:fs/promises';
import { diskError, isErrno } from './files.ts';

export type Folders = {
  /** Names, in order; empty where there is no such folder. Throws `disk`. */
  list(path: string): Promise<readonly string[]>;
  /** With all that is in it. No error where there is nothing. Throws `disk`. */
  remove(path: string): Promise<void>;
};

export const systemFolders: Folders = {
  list: async (path) => {
    try {
      return (await readdir(path)).toSorted();
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw diskError('read', path, error);
    }
  },
  remove: async (path) => {
    try {
      await rm(path, { recursive: true, force: true });
    } catch (error) {
      throw diskError('remove', path, error);
    }
  },
};
