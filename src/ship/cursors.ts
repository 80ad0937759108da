// How far CloudWatch has the journal: a cursor for each selection of it.
import * as v from 'valibot';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Files } from '../system/files.ts';

export type Cursors = {
  of(key: string): string | undefined;
  /** Resolves once it is on disk, or was tried: never throws. Until then a crash repeats entries, it loses none. */
  save(key: string, cursor: string): Promise<void>;
  /** It is none of this journal. */
  forget(key: string): void;
};

const schema = v.object({ version: v.literal(1), cursors: v.record(v.string(), v.string()) });

export async function loadCursors(
  { files, log }: { readonly files: Files; readonly log: Log },
  path: string,
): Promise<Cursors> {
  const table = new Map<string, string>();
  let isFailing = false;
  try {
    const text = await files.readText(path);
    if (text !== undefined) {
      for (const [key, cursor] of Object.entries(v.parse(schema, JSON.parse(text)).cursors))
        table.set(key, cursor);
    }
  } catch (error) {
    log.warn({ path, error: messageOf(error) }, 'cannot use the saved place in the journal');
  }
  return {
    of: (key) => table.get(key),
    forget: (key) => void table.delete(key),
    save: async (key, cursor) => {
      table.set(key, cursor);
      try {
        const text = `${JSON.stringify({ version: 1, cursors: Object.fromEntries(table) })}\n`;
        await files.writeAtomic(path, text, 0o600);
        isFailing = false;
      } catch (error) {
        if (!isFailing)
          log.error(
            { path, error: messageOf(error) },
            'cannot save the place in the journal: a restart would send entries twice',
          );
        isFailing = true;
      }
    },
  };
}
