// Asks EC2 who holds an ENI, and believes only what its read lag cannot have made up.
import { describe, lagMs, type CallDeps } from './calls.ts';

export type Holder = 'me' | 'another' | 'nobody' | 'gone';

export type HolderQuestion = {
  readonly eniId: string;
  readonly instanceId: string;
  /** An attach of ours may have succeeded. */
  readonly inDoubt: boolean;
};

/**
 * A read that names us is enough. In doubt, anything else counts only once two reads further apart than EC2's lag
 * agree: the second shows what was so after our last attach was answered or lost.
 */
export async function whoHolds(
  deps: CallDeps,
  { eniId, instanceId, inDoubt }: HolderQuestion,
  signal: AbortSignal,
): Promise<Holder> {
  const read = async (): Promise<Holder> => {
    const now = await describe(deps, eniId, signal);
    if (now === undefined) return 'gone';
    if (now.attachment === undefined) return 'nobody';
    return now.attachment.instanceId === instanceId ? 'me' : 'another';
  };
  let last = await read();
  if (!inDoubt) return last;
  while (last !== 'me') {
    await deps.clock.sleep(lagMs, signal);
    const next = await read();
    if (next === last) break;
    last = next;
  }
  return last;
}
