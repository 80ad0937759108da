// The port to what the kernel counts: small files of /proc and /sys, and how full a file system is.
// Read synchronously: they come from memory, and each asynchronous read costs five times the processor time.
import { readdirSync, readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { diskError } from './files.ts';

export type FileSystemSize = {
  readonly totalBytes: number;
  /** For anybody but root. */
  readonly freeBytes: number;
  readonly usedBytes: number;
  readonly inodes: number;
  readonly inodesFree: number;
};

export type Proc = {
  /** undefined: not there, gone meanwhile, or hidden from berth's user. */
  read(path: string): string | undefined;
  /** Names in a folder; none if there is no such folder. */
  list(folder: string): readonly string[];
  /** May hang for as long as a file server is away. Throws `disk`. */
  sizeOf(mountPoint: string): Promise<FileSystemSize>;
};

export const systemProc: Proc = {
  read: (path) => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return undefined;
    }
  },

  list: (folder) => {
    try {
      return readdirSync(folder);
    } catch {
      return [];
    }
  },

  sizeOf: async (mountPoint) => {
    try {
      const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(mountPoint);
      return {
        totalBytes: blocks * bsize,
        freeBytes: bavail * bsize,
        usedBytes: (blocks - bfree) * bsize,
        inodes: files,
        inodesFree: ffree,
      };
    } catch (error) {
      throw diskError('read the size of', mountPoint, error);
    }
  },
};
