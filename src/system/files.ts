// Files: small state files, written whole or not at all. Reading logs has its own port (log-files.ts).
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BerthError, messageOf } from '../errors.ts';

export type Files = {
  /** undefined: there is no such file. Throws `disk`. */
  readText(path: string): Promise<string | undefined>;
  /**
   * Replaces the file's content in one step that survives a crash and a power cut (write aside, fsync, rename).
   * Makes missing folders (0700). Throws `disk` with the path, e.g. when the disk is full; the old content then stays.
   */
  writeAtomic(path: string, content: string, mode: number): Promise<void>;
  /** No error where there is no such file. */
  remove(path: string): Promise<void>;
};

export const systemFiles: Files = {
  readText: async (path) => {
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw diskError('read', path, error);
    }
  },

  writeAtomic: async (path, content, mode) => {
    const aside = `${path}.new`;
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      {
        await using file = await open(aside, 'w', mode);
        await file.chmod(mode);
        await file.writeFile(content);
        await file.sync();
      }
      await rename(aside, path);
      await using folder = await open(dirname(path), 'r');
      await folder.sync();
    } catch (error) {
      await rm(aside, { force: true }).catch(() => undefined);
      throw diskError('write', path, error);
    }
  },

  remove: async (path) => {
    try {
      await rm(path, { force: true });
    } catch (error) {
      throw diskError('remove', path, error);
    }
  },
};

export function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '');
}

export function diskError(verb: string, path: string, error: unknown): BerthError {
  const hint = isErrno(error, 'ENOSPC', 'EDQUOT') ? ': the disk is full, free some space' : '';
  return new BerthError('disk', `cannot ${verb} ${path}${hint} (${messageOf(error)})`, {
    cause: error,
    retryable: true,
    details: { path },
  });
}
