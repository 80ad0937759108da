// Writes our claim on an ENI under IAM's guard "only if nobody owns it" (claim.md section 5, steps 4 and 5).
import { hasCode, type BerthError } from '../errors.ts';
import type { Eni, Identity } from '../model.ts';
import { describe, repeat, type CallDeps } from './calls.ts';
import { instanceArn, nextClaim, ownerOf, withClaim } from './tags.ts';

export type Refused =
  /** Another instance was faster, or the ENI is gone. */
  | { readonly outcome: 'lost' }
  /** Not allowed to claim it, though nobody owns it: a lag, or the policy. */
  | { readonly outcome: 'denied'; readonly error: BerthError };

/**
 * `ours`: the ENI with our claim. Nothing is waited for after it: the attachment is the lock, and of two instances that
 * passed the guard EC2 lets one attach. Throws `aws-invalid`.
 */
export async function putClaim(
  deps: CallDeps,
  { eni, identity }: { readonly eni: Eni; readonly identity: Identity },
  signal: AbortSignal,
): Promise<{ readonly outcome: 'ours'; readonly eni: Eni } | Refused> {
  const me = instanceArn(identity);
  const claim = nextClaim(eni, identity, deps.random.uuid());
  try {
    // Repeating is harmless: IAM lets the owner write its own claim again.
    await repeat(deps, () => deps.ec2.createClaim(eni.eniId, me, claim, signal), signal);
    return { outcome: 'ours', eni: withClaim(eni, me, claim) };
  } catch (error) {
    if (hasCode(error, 'eni-gone')) return { outcome: 'lost' };
    if (!hasCode(error, 'aws-denied')) throw error;
    // The guard refused: another's claim, or a lost reply to our own call.
    const now = await describe(deps, eni.eniId, signal);
    const owner = now === undefined ? undefined : ownerOf(now);
    if (now !== undefined && owner === me) return { outcome: 'ours', eni: now };
    return now === undefined || owner !== undefined || now.attachment !== undefined
      ? { outcome: 'lost' }
      : { outcome: 'denied', error };
  }
}
