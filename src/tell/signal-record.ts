// What the services of AWS were told by this instance, kept across restarts: a second process has nothing to add.
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Files } from '../system/files.ts';

export type SignalRecord = {
  /** Was this the last that this service was told? */
  isTold(to: string, what: string): Promise<boolean>;
  /** After AWS has taken it: a process that dies in between says it once more, which is no harm (signal-calls.ts). */
  told(to: string, what: string): Promise<void>;
};

/** A disk that fails is reported: everything is told again after the next start. */
export function createSignalRecord(
  { files, log }: { readonly files: Files; readonly log: Log },
  { stateDir, instanceId }: { readonly stateDir: string; readonly instanceId: string },
): SignalRecord {
  const path = join(stateDir, instanceId, 'signals.json');
  const report = (error: unknown): undefined => {
    log.warn({ path }, messageOf(error));
    return undefined;
  };
  let reading: Promise<Map<string, unknown>> | undefined;
  const all = () => (reading ??= files.readText(path).catch(report).then(parse));
  /** One write after the other. */
  let writing: Promise<void> = Promise.resolve();
  return {
    isTold: async (to, what) => (await all()).get(to) === what,
    told: (to, what) => {
      writing = writing.then(async () => {
        const record = (await all()).set(to, what);
        const text = `${JSON.stringify(Object.fromEntries(record))}\n`;
        await files.writeAtomic(path, text, 0o600).catch(report);
      });
      return writing;
    },
  };
}

/** A record that cannot be read says nothing. */
function parse(text: string | undefined): Map<string, unknown> {
  try {
    return new Map(Object.entries((JSON.parse(text ?? '{}') ?? {}) as object));
  } catch {
    return new Map();
  }
}
