// The port to spool files: berth's own files that grow by lines and are shipped like any other log file.
import { mkdir, open, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { diskError } from './files.ts';

export type SpoolFile = {
  readonly size: number;
  /** With the device it tells the file from others, whatever its name. */
  readonly inode: string;
  readonly device: string;
};

export type SpoolFiles = {
  /** undefined: there is none. Throws `disk`. */
  stat(path: string): Promise<SpoolFile | undefined>;
  /** The last byte is no newline: a write was cut off. Throws `disk`. */
  isTorn(path: string): Promise<boolean>;
  /**
   * To a private file (0600; missing folders 0700). Not synced: a power cut may cost what was written in the seconds
   * before. Throws `disk`; a part may be written then.
   */
  append(path: string, text: string): Promise<void>;
  /** Replaces `to`. Throws `disk`. */
  rename(from: string, to: string): Promise<void>;
};

export const systemSpoolFiles: SpoolFiles = {
  stat: async (path) => {
    const found = await stat(path, { bigint: true, throwIfNoEntry: false }).catch(
      (error: unknown) => {
        throw diskError('read', path, error);
      },
    );
    if (found === undefined) return undefined;
    return { size: Number(found.size), inode: String(found.ino), device: String(found.dev) };
  },

  isTorn: async (path) => {
    try {
      await using file = await open(path, 'r');
      const { size } = await file.stat();
      if (size === 0) return false;
      const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
      return buffer[0] !== 0x0a;
    } catch (error) {
      throw diskError('read', path, error);
    }
  },

  append: async (path, text) => {
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await using file = await open(path, 'a', 0o600);
      await file.appendFile(text);
    } catch (error) {
      throw diskError('write', path, error);
    }
  },

  rename: async (from, to) => {
    try {
      await rename(from, to);
    } catch (error) {
      throw diskError('rename', from, error);
    }
  },
};
