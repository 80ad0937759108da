// A standby: waits beside the holder of an ENI until that has failed, and takes its place (claim.md section 6).
import { BerthError } from '../errors.ts';
import type { StandbyConfig } from '../model/config.ts';
import type { Claimed, Eni } from '../model/eni.ts';
import { explainNone, refusalOf, type Wish } from './candidates.ts';
import { repeat } from './calls.ts';
import { claimAs, type ClaimDeps, type ClaimInput, type Role } from './claim.ts';
import { createGuard, type Guard, type GuardDeps } from './guard.ts';
import { checkEniLimit } from './limits.ts';
import { tagKeys } from './tags.ts';
import { createUnheld } from './unheld.ts';

export type StandbyDeps = ClaimDeps & GuardDeps;

export type StandbyInput = ClaimInput & { readonly standby: StandbyConfig };

/** While there is nothing to watch: a person has to do something. */
const idleMs = 30_000;

/**
 * Resolves once this instance holds an ENI of the pool and the kernel shows it, which may take months. An ENI that is
 * attached to it already is kept. Throws what claimEni throws but `pool-empty`, and `aws-not-found`: this instance is in
 * no failover group.
 */
export async function standBy(
  deps: StandbyDeps,
  input: StandbyInput,
  signal: AbortSignal,
): Promise<Claimed> {
  const { identity, standby } = input;
  const pool = { ...input.pool, waitMs: undefined };
  const wish: Wish = { identity, pool, unsuitable: new Set(), orphaned: new Set() };
  const unheld = createUnheld(deps, { identity, fence: standby.fence });
  let ready: { readonly haGroup: string; readonly guard: Guard } | undefined;

  const choose: Role['choose'] = async (step, enis, signal) => {
    if (step.do !== 'try' && step.do !== 'wait') return step;
    if (ready === undefined) {
      const haGroup = await preflight(deps, input, signal);
      ready = { haGroup, guard: createGuard(deps, { identity, standby, haGroup }) };
    }
    const eni = toWatch(enis, wish, ready.haGroup);
    if (eni === undefined) {
      deps.progress('waiting-for-eni', `standby: ${explainNoTarget(enis, wish, ready.haGroup)}`);
      await deps.clock.sleep(idleMs * (0.75 + deps.random.next() / 2), signal);
      return undefined;
    }
    return eni.attachment === undefined ? unheld.next(eni, signal) : ready.guard.next(eni, signal);
  };
  const role: Role = { phase: 'standby', keepsClaims: true, looksAtParts: false, choose };
  return claimAs(deps, { ...input, pool, role, takeOverStale: false }, signal);
}

/** Before it is announced: could this instance hold one more ENI, and whose place may it take? Returns its group. */
async function preflight(
  deps: StandbyDeps,
  { identity, otherPools }: StandbyInput,
  signal: AbortSignal,
): Promise<string> {
  const { instanceId } = identity;
  const me = await repeat(deps, () => deps.ec2.describeInstance(instanceId, signal), signal);
  const haGroup = me?.tags[tagKeys.haGroup];
  if (haGroup === undefined) {
    throw new BerthError(
      'aws-not-found',
      `cannot stand by: ${instanceId} does not carry the tag ${tagKeys.haGroup}; give it to the instances and the ENIs of the failover group`,
      { retryable: true },
    );
  }
  await checkEniLimit(deps, { identity, pools: otherPools.length + 1 }, signal);
  return haGroup;
}

/** One ENI: the one that nobody holds first. A primary ENI is nobody's to take. */
function toWatch(enis: readonly Eni[], wish: Wish, haGroup: string): Eni | undefined {
  return suitable(enis, wish)
    .filter(({ tags }) => tags[tagKeys.haGroup] === haGroup)
    .toSorted((a, b) => isHeld(a) - isHeld(b) || (a.eniId < b.eniId ? -1 : 1))[0];
}

function isHeld({ attachment }: Eni): number {
  return Number(attachment !== undefined);
}

function suitable(enis: readonly Eni[], wish: Wish): readonly Eni[] {
  return enis.filter((eni) => {
    const refusal = refusalOf(eni, wish);
    if (refusal !== undefined && refusal !== 'attached' && refusal !== 'claimed') return false;
    const { attachment } = eni;
    if (attachment === undefined) return true;
    const isPrimary = attachment.deviceIndex === 0 && attachment.networkCardIndex === 0;
    return attachment.instanceId !== undefined && !isPrimary;
  });
}

function explainNoTarget(enis: readonly Eni[], wish: Wish, haGroup: string): string {
  return suitable(enis, wish).length === 0
    ? explainNone(enis, wish)
    : `no ENI of pool ${wish.pool.name} that could be attached here carries the tag ${tagKeys.haGroup}=${haGroup}`;
}
