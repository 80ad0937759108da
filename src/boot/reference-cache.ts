// What the references to Parameter Store stood for when they were last fetched, for a boot without it. Secrets among
// them: the file is berth's alone (0600), in the state folder (0700), and nothing else on this disk holds them.
import { join } from 'node:path';
import * as v from 'valibot';
import { messageOf } from '../errors.ts';
import type { LastGoodDeps, LastGoodInput } from './last-good.ts';
import type { Filling } from './references.ts';

/** By the text of the reference. */
export type Fillings = ReadonlyMap<string, Filling>;

const schema = v.record(v.string(), v.union([v.string(), v.array(v.string())]));

/** None: there is no file, or none that can be read. Never throws. */
export async function readFillings(
  { files, log }: LastGoodDeps,
  input: LastGoodInput,
): Promise<Fillings> {
  const path = pathOf(input);
  try {
    const text = await files.readText(path);
    return text === undefined
      ? new Map()
      : new Map(Object.entries(v.parse(schema, JSON.parse(text))));
  } catch (error) {
    // The parser's message quotes the file.
    const why = error instanceof SyntaxError || v.isValiError(error) ? 'damaged' : messageOf(error);
    log.warn({ path, why }, 'cannot read what the references stood for');
    return new Map();
  }
}

/** Without references there is no file. Never throws. */
export async function writeFillings(
  { files, log }: LastGoodDeps,
  input: LastGoodInput & { readonly fillings: Fillings },
): Promise<void> {
  const path = pathOf(input);
  const text = `${JSON.stringify(Object.fromEntries(input.fillings))}\n`;
  try {
    const before = await files.readText(path).catch(() => undefined);
    if (input.fillings.size === 0) {
      if (before !== undefined) await files.remove(path);
    } else if (before !== text) await files.writeAtomic(path, text, 0o600);
  } catch (error) {
    log.warn({ path }, `${messageOf(error)}; a boot without Parameter Store will lack them`);
  }
}

function pathOf({ stateDir, instanceId }: LastGoodInput): string {
  return join(stateDir, instanceId, 'references.json');
}
