// Which files were handed to the writer without word that all was done: their reload is due, also after a crash.
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as v from 'valibot';
import type { Files } from '../system/files.ts';

export type DueReloads = {
  /** What cannot be read is taken for nothing. Never throws. */
  load(): Promise<void>;
  has(path: string): boolean;
  paths(): readonly string[];
  /** These, and no others; on the disk before it resolves. Throws `disk`. */
  keep(paths: readonly string[]): Promise<void>;
};

const schema = v.object({ due: v.array(v.string()) });

export function createDueReloads(
  { files }: { readonly files: Files },
  { stateDir, instanceId }: { readonly stateDir: string; readonly instanceId: string },
): DueReloads {
  const file = join(stateDir, instanceId, 'files.json');
  let due: readonly string[] = [];
  return {
    load: async () => {
      try {
        const text = await files.readText(file);
        due = text === undefined ? [] : v.parse(schema, JSON.parse(text)).due;
      } catch {
        due = [];
      }
    },
    has: (path) => due.includes(path),
    paths: () => due,
    keep: async (paths) => {
      if (isDeepStrictEqual(paths, due)) return;
      if (paths.length === 0) await files.remove(file);
      else await files.writeAtomic(file, `${JSON.stringify({ due: paths })}\n`, 0o600);
      due = paths;
    },
  };
}
