// What berth remembers of its claim across restarts: one small file per instance id, so that an AMI
// made from a running instance boots clean.
import { join } from 'node:path';
import type { Log } from '../log.ts';
import { messageOf } from '../errors.ts';
import type { Files } from '../system/files.ts';

export type ClaimRecord = {
  /** The ENI that we claimed, or were about to claim. */
  load(): Promise<string | undefined>;
  /** Before the first call that changes anything. */
  save(eniId: string): Promise<void>;
  clear(): Promise<void>;
};

export type ClaimRecordInput = {
  readonly stateDir: string;
  readonly instanceId: string;
  readonly pool: string;
};

/** A disk that fails is reported and does not stop the claim: EC2 is the authority, the record a hint. */
export function createClaimRecord(
  deps: { readonly files: Files; readonly log: Log },
  { stateDir, instanceId, pool }: ClaimRecordInput,
): ClaimRecord {
  const path = join(stateDir, instanceId, 'claim.json');
  const report = (error: unknown): undefined => {
    deps.log.warn({ path }, `${messageOf(error)}; the claim goes on without its record`);
    return undefined;
  };
  return {
    load: async () => {
      const text = await deps.files.readText(path).catch(report);
      return text === undefined ? undefined : parseRecord(text, pool);
    },
    save: async (eniId) => {
      await deps.files
        .writeAtomic(path, `${JSON.stringify({ pool, eniId })}\n`, 0o600)
        .catch(report);
    },
    clear: async () => {
      await deps.files.remove(path).catch(report);
    },
  };
}

/** A record of another pool, or one that cannot be read, says nothing. */
function parseRecord(text: string, pool: string): string | undefined {
  try {
    const value = JSON.parse(text) as { readonly pool?: unknown; readonly eniId?: unknown } | null;
    return value?.pool === pool && typeof value.eniId === 'string' ? value.eniId : undefined;
  } catch {
    return undefined;
  }
}
