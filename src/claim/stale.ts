// Which claims were left behind by an owner that is gone for good (claim.md section 5, stale claims).
import type { Eni } from '../model/eni.ts';
import { repeat, type CallDeps } from './calls.ts';
import { claimIn, ownerOf } from './tags.ts';

/** A claim must not have changed for so long, on our own clock: VPC CNI's figure for a leaked ENI. */
export const staleAfterMs = 300_000;
/** "Not found" counts when it is said twice, this far apart: EC2 may not know a young instance yet. */
const notFoundTwiceMs = 120_000;

export type StaleClaims = {
  /**
   * The stale ones among the claims (`claimIn`) on `enis`. Call it at every look at the pool; it asks EC2 for one owner
   * at a time.
   * A stopped owner is not dead: it keeps its ENIs and returns.
   */
  find(enis: readonly Eni[], signal: AbortSignal): Promise<ReadonlySet<string>>;
};

type Suspect = { readonly claim: string; readonly sinceMs: number; missingSinceMs?: number };

export function createStaleClaims(deps: CallDeps, me: string): StaleClaims {
  const suspects = new Map<string, Suspect>();
  return {
    find: async (enis, signal) => {
      const nowMs = deps.clock.monotonicMs();
      const left = enis.filter((eni) => isLeft(eni, me));
      for (const eniId of suspects.keys()) {
        if (!left.some((eni) => eni.eniId === eniId)) suspects.delete(eniId);
      }
      for (const eni of left) {
        const claim = claimIn(eni);
        if (suspects.get(eni.eniId)?.claim !== claim) {
          suspects.set(eni.eniId, { claim, sinceMs: nowMs });
        }
      }
      const ripe = left.find(({ eniId }) => nowMs - suspects.get(eniId)!.sinceMs >= staleAfterMs);
      if (ripe === undefined) return new Set();
      const suspect = suspects.get(ripe.eniId)!;
      const dead = await isDead(deps, { eni: ripe, suspect }, signal);
      // The next one first: this one may be asked for again in five minutes.
      if (!dead && suspect.missingSinceMs === undefined) suspects.delete(ripe.eniId);
      return new Set(dead ? [suspect.claim] : []);
    },
  };
}

/** Claimed by another instance, and held by nobody. */
function isLeft(eni: Eni, me: string): boolean {
  const owner = ownerOf(eni);
  return owner !== undefined && owner !== me && eni.status === 'available';
}

async function isDead(
  deps: CallDeps,
  { eni, suspect }: { readonly eni: Eni; readonly suspect: Suspect },
  signal: AbortSignal,
): Promise<boolean> {
  const ownerId = ownerOf(eni)!.split('/').at(-1)!;
  const owner = await repeat(deps, () => deps.ec2.describeInstance(ownerId, signal), signal);
  if (owner !== undefined) {
    delete suspect.missingSinceMs;
    return owner.state === 'terminated';
  }
  const nowMs = deps.clock.monotonicMs();
  suspect.missingSinceMs ??= nowMs;
  return nowMs - suspect.missingSinceMs >= notFoundTwiceMs;
}
