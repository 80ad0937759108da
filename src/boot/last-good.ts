// The last configuration out of Parameter Store that was found good, kept on disk for a boot without Parameter Store.
// It lies in a folder named after the instance: what an image brings along from another one is never used.
import { join } from 'node:path';
import * as v from 'valibot';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Files } from '../system/files.ts';

export type LastGood = {
  /** Name of the parameter, as it was asked for. */
  readonly parameter: string;
  readonly version: number | string | undefined;
  /** As Parameter Store gave it; readable by berth alone, since it may have been encrypted there. */
  readonly value: string;
  /** Texts of it that were encrypted, where secrets may stand. */
  readonly secrets: readonly string[];
};

export type LastGoodDeps = { readonly files: Files; readonly log: Log };

export type LastGoodInput = { readonly stateDir: string; readonly instanceId: string };

const schema = v.object({
  parameter: v.string(),
  version: v.optional(v.union([v.number(), v.string()])),
  value: v.string(),
  secrets: v.optional(v.array(v.string()), []),
});

/** undefined: there is none for this parameter, or none that can be read. Never throws. */
export async function readLastGood(
  deps: LastGoodDeps,
  input: LastGoodInput & { readonly parameter: string },
): Promise<LastGood | undefined> {
  try {
    const text = await deps.files.readText(pathOf(input));
    if (text === undefined) return undefined;
    const { version, ...kept } = v.parse(schema, JSON.parse(text));
    return kept.parameter === input.parameter ? { ...kept, version } : undefined;
  } catch (error) {
    // The parser's message quotes the file.
    const why = error instanceof SyntaxError || v.isValiError(error) ? 'damaged' : messageOf(error);
    deps.log.warn({ path: pathOf(input), why }, 'cannot read the last good configuration');
    return undefined;
  }
}

/** A full disk is a warning: the configuration itself is there. Never throws. */
export async function writeLastGood(
  deps: LastGoodDeps,
  input: LastGoodInput & { readonly lastGood: LastGood },
): Promise<void> {
  const path = pathOf(input);
  const text = `${JSON.stringify(input.lastGood)}\n`;
  try {
    if ((await deps.files.readText(path).catch(() => undefined)) === text) return;
    await deps.files.writeAtomic(path, text, 0o600);
  } catch (error) {
    deps.log.warn(
      { err: error },
      'cannot keep the configuration for a boot without Parameter Store; going on without',
    );
  }
}

/** Never throws. */
export async function removeLastGood(deps: LastGoodDeps, input: LastGoodInput): Promise<void> {
  try {
    await deps.files.remove(pathOf(input));
  } catch (error) {
    deps.log.warn({ err: error }, 'cannot remove the copy of a configuration that was deleted');
  }
}

function pathOf({ stateDir, instanceId }: LastGoodInput): string {
  return join(stateDir, instanceId, 'last-good-config.json');
}
