// What berth remembers of its claims across restarts: one small file per instance id, so that an AMI
// made from a running instance boots clean.
import { join } from 'node:path';
import type { Log } from '../log.ts';
import { messageOf } from '../errors.ts';
import type { Files } from '../system/files.ts';

/** Of one pool. */
export type ClaimRecord = {
  /** The ENI that we claimed, or were about to claim. */
  load(): Promise<string | undefined>;
  /** Before the first call that changes anything. */
  save(eniId: string): Promise<void>;
  clear(): Promise<void>;
};

export type ClaimRecords = {
  of(pool: string): ClaimRecord;
  /** By pool: every ENI in the record. */
  all(): Promise<Readonly<Record<string, string>>>;
};

/** A disk that fails is reported and does not stop the claim: EC2 is the authority, the record a hint. */
export function createClaimRecords(
  deps: { readonly files: Files; readonly log: Log },
  { stateDir, instanceId }: { readonly stateDir: string; readonly instanceId: string },
): ClaimRecords {
  const path = join(stateDir, instanceId, 'claims.json');
  const report = (error: unknown): undefined => {
    deps.log.warn({ path }, `${messageOf(error)}; the claim goes on without its record`);
    return undefined;
  };
  let reading: Promise<Record<string, string>> | undefined;
  const all = (): Promise<Record<string, string>> =>
    (reading ??= deps.files.readText(path).catch(report).then(parseRecord));
  /** Pools are claimed side by side: one write after the other. */
  let writing: Promise<void> = Promise.resolve();
  const change = (work: (record: Record<string, string>) => void): Promise<void> => {
    writing = writing.then(async () => {
      const record = await all();
      work(record);
      await deps.files.writeAtomic(path, `${JSON.stringify(record)}\n`, 0o600).catch(report);
    });
    return writing;
  };
  return {
    all,
    of: (pool) => ({
      load: async () => (await all())[pool],
      save: (eniId) => change((record) => (record[pool] = eniId)),
      clear: () => change((record) => delete record[pool]),
    }),
  };
}

/** A record that cannot be read says nothing. */
function parseRecord(text: string | undefined): Record<string, string> {
  const record: Record<string, string> = Object.create(null) as Record<string, string>;
  try {
    const value = JSON.parse(text ?? '{}') as Readonly<Record<string, unknown>> | null;
    for (const [pool, eniId] of Object.entries(value ?? {})) {
      if (typeof eniId === 'string' && /^eni-[0-9a-f]+$/.test(eniId)) record[pool] = eniId;
    }
  } catch {
    // As said.
  }
  return record;
}
