// Makes sure that a failed holder does no more harm, before its ENI is touched: stops it, where that is asked for.
import type { Eni } from '../model/eni.ts';
import type { Identity } from '../model/instance.ts';
import { backoffMs, type Backoff } from '../system/retry.ts';
import type { TryDeps } from './try-in-order.ts';
import { repeat, type CallDeps } from './calls.ts';
import { instanceArn, ownerOf } from './tags.ts';

export type Target = {
  readonly eni: Eni;
  readonly holderId: string;
  readonly identity: Identity;
};

/** A stop takes 20 to 60 s as a rule (claim.md section 6). */
const stopBackoff: Backoff = { firstMs: 1_000, factor: 1.3, capMs: 5_000 };
export const alarmAfterMs = 60_000;

/**
 * Right before anything is done to a peer: am I running, as EC2 sees it, and does it hold the ENI still, under the name that we
 * know? Of two that
 * fence each other one is `stopping` then. Throws what a Describe throws: nothing is fenced without EC2.
 */
export async function mayFence(
  deps: CallDeps,
  { eni, holderId, identity }: Target,
  signal: AbortSignal,
): Promise<boolean> {
  const { instanceId } = identity;
  if (holderId === instanceId) return false;
  const [me, now] = await Promise.all([
    deps.ec2.describeInstance(instanceId, signal),
    deps.ec2.describeEni(eni.eniId, signal),
  ]);
  if (me?.state !== 'running')
    deps.log.warn(`EC2 says that this instance is ${me?.state ?? 'unknown'}: it fences nobody`);
  const owner = now === undefined ? undefined : ownerOf(now);
  // Another standby is ahead of us.
  const isTaken = owner !== undefined && owner !== ownerOf(eni) && owner !== instanceArn(identity);
  return me?.state === 'running' && now?.attachment?.instanceId === holderId && !isTaken;
}

/**
 * Resolves with true once EC2 says that the peer is stopped or terminated, however long that takes; with false when it
 * must not be fenced any more. Throws what StopInstances and mayFence throw: calling again goes on from there.
 */
export async function stopPeer(
  deps: TryDeps,
  target: Target,
  signal: AbortSignal,
): Promise<boolean> {
  const { eni, holderId } = target;
  const startMs = deps.clock.monotonicMs();
  let told = false;
  deps.progress('standby', `taking ${eni.eniId} over: stopping ${holderId}`);
  for (let attempt = 1; ; attempt++) {
    const peer = await repeat(deps, () => deps.ec2.describeInstance(holderId, signal), signal);
    const state = peer?.state ?? 'unknown';
    if (state === 'terminated') return true;
    if (state !== 'stopping' && state !== 'shutting-down') {
      if (!(await mayFence(deps, target, signal))) return false;
      // A Describe may show a stop of long ago; what the call answers is so now.
      if ((await deps.ec2.stop(holderId, signal)) === 'stopped') return true;
    }
    if (!told && deps.clock.monotonicMs() - startMs > alarmAfterMs) {
      told = true;
      const why = `cannot take ${eni.eniId} over yet: ${holderId} is ${state} after ${alarmAfterMs / 1000} s; waiting until it is stopped`;
      deps.log.error({ eni: eni.eniId, peer: holderId }, why);
      deps.progress('standby', why);
    }
    await deps.clock.sleep(backoffMs(stopBackoff, attempt, deps.random), signal);
  }
}
