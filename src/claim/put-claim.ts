// Writes our claim on an ENI under IAM's guard "only if nobody owns it" (claim.md section 5, steps 4 and 5).
import { hasCode, messageOf, type BerthError } from '../errors.ts';
import type { Eni } from '../model/eni.ts';
import type { Identity } from '../model/instance.ts';
import { backoffMs } from '../system/retry.ts';
import { describe, isTransient, stepBackoff, type CallDeps } from './calls.ts';
import type { Pace } from './pace.ts';
import { claimIn, instanceArn, nextClaim, ownerOf, withClaim } from './tags.ts';

export type Refused =
  /** The ENI is gone, or another instance owns it. */
  | { readonly outcome: 'lost' }
  /** The guard: another instance was faster, which the next look shows; or a lag, or the policy. */
  | { readonly outcome: 'denied'; readonly error: BerthError }
  /** Throttled for so long that others have taken what was free; nothing was written. */
  | { readonly outcome: 'busy' };

/** Ten claims a second are written meanwhile (claim.md section 4). */
const staleAfterMs = 5_000;
/** So long one repeats after a lost reply; a single one costs no call more. */
const unseenMs = 10_000;

/**
 * `ours`: the ENI with our claim. Nothing is waited for after it: the attachment is the lock, and of two instances that
 * passed the guard EC2 lets one attach. Throws `aws-invalid`.
 */
export async function putClaim(
  deps: CallDeps & { readonly pace: Pace },
  { eni, identity }: { readonly eni: Eni; readonly identity: Identity },
  signal: AbortSignal,
): Promise<{ readonly outcome: 'ours'; readonly eni: Eni } | Refused> {
  const me = instanceArn(identity);
  const claim = nextClaim(eni, identity, deps.random.uuid());
  let startMs = deps.clock.monotonicMs();
  /** An earlier try may have been written. */
  let inDoubt = false;
  for (let attempt = 1; ; attempt++) {
    try {
      // Repeating is harmless: IAM lets the owner write its own claim again.
      await deps.ec2.createClaim(eni.eniId, me, claim, signal);
      return { outcome: 'ours', eni: withClaim(eni, me, claim) };
    } catch (error) {
      if (hasCode(error, 'eni-gone')) return { outcome: 'lost' };
      if (hasCode(error, 'aws-denied'))
        return inDoubt ? reread(deps, { eni, me, error }, signal) : { outcome: 'denied', error };
      if (!isTransient(error)) throw error;
      if (hasCode(error, 'aws-throttled')) {
        deps.pace.note();
        if (!inDoubt && deps.clock.monotonicMs() - startMs > staleAfterMs)
          return { outcome: 'busy' };
      } else inDoubt = true;
      deps.log.warn({ attempt }, `${messageOf(error)}; trying again`);
      await deps.clock.sleep(backoffMs(stepBackoff, attempt, deps.random), signal);
      if (!inDoubt || deps.clock.monotonicMs() - startMs <= unseenMs) continue;
      // A role that may take over has no guard: what was free so long ago must be so still.
      const now = await describe(deps, eni.eniId, signal);
      if (now !== undefined && ownerOf(now) === me) return { outcome: 'ours', eni: now };
      if (now === undefined || claimIn(now) !== claimIn(eni) || now.attachment !== undefined)
        return { outcome: 'lost' };
      startMs = deps.clock.monotonicMs();
    }
  }
}

/** A repeat was denied: is that another's claim, or what came of the try whose reply was lost? */
async function reread(
  deps: CallDeps,
  { eni, me, error }: { readonly eni: Eni; readonly me: string; readonly error: BerthError },
  signal: AbortSignal,
): Promise<{ readonly outcome: 'ours'; readonly eni: Eni } | Refused> {
  const now = await describe(deps, eni.eniId, signal);
  const owner = now === undefined ? undefined : ownerOf(now);
  if (now !== undefined && owner === me) return { outcome: 'ours', eni: now };
  return now === undefined || owner !== undefined || now.attachment !== undefined
    ? { outcome: 'lost' }
    : { outcome: 'denied', error };
}
