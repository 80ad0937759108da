// Takes an ENI from a fenced peer: detaches it there, and writes our claim over the peer's as soon as EC2 accepted that.
import { hasCode, messageOf } from '../errors.ts';
import type { Eni } from '../model/eni.ts';
import { backoffMs, type Backoff } from '../system/retry.ts';
import { describe, isTransient, lagMs } from './calls.ts';
import { alarmAfterMs, mayFence, type Target } from './fence.ts';
import { instanceArn, nextClaim, ownerOf, withClaim } from './tags.ts';
import type { TryDeps } from './try-in-order.ts';

export type TakeFrom = Target & {
  /** Does EC2 itself say that the peer has failed? Asked anew before each use of force. */
  readonly isConfirmed: () => Promise<boolean>;
};

/** Detach takes 2 to 3 s as a rule (claim.md section 4). */
const detachBackoff: Backoff = { firstMs: 500, factor: 1.2, capMs: 5_000 };
const forceAfterMs = 10_000;
const forceAgainMs = 30_000;

/**
 * Resolves with the ENI, free and with our claim on it; undefined: somebody else has it by then. Waits for a detach that
 * is stuck for as long as it takes, and says so. Throws `aws-denied`, and what mayFence throws.
 */
export async function takeFrom(
  deps: TryDeps,
  target: TakeFrom,
  signal: AbortSignal,
): Promise<Eni | undefined> {
  const { eni, holderId, identity } = target;
  const { eniId } = eni;
  const me = instanceArn(identity);
  const startMs = deps.clock.monotonicMs();
  const sinceMs = (atMs: number): number => deps.clock.monotonicMs() - atMs;
  let askedAtMs = -Infinity;
  let forcedAtMs = -Infinity;
  let claimed: Eni | undefined;
  let told = false;
  deps.progress('standby', `taking ${eniId} over: detaching it from ${holderId}`);
  for (let attempt = 1; ; attempt++) {
    const now = await describe(deps, eniId, signal);
    const attachment = now?.attachment;
    if (now === undefined) return undefined;
    if (attachment !== undefined && attachment.instanceId !== holderId) return undefined;
    // Attached anew to the same peer: that is not the one whose failure was judged.
    const isNew = attachment?.attachmentId !== eni.attachment?.attachmentId;
    if (attachment !== undefined && isNew) return undefined;
    const isLeaving = attachment === undefined || attachment.status === 'detaching';
    const owner = ownerOf(now);
    // Another standby is as far as we are.
    if (owner !== undefined && owner !== me && owner !== ownerOf(eni)) return undefined;
    if (isLeaving && owner !== me && claimed === undefined) {
      claimed = await writeClaim(deps, { ...target, eni: now }, signal);
    }
    const isOurs = claimed !== undefined || owner === me;
    if (attachment === undefined && isOurs)
      return { ...(claimed ?? now), status: 'available', attachment };

    if (attachment !== undefined && !isLeaving && sinceMs(askedAtMs) > lagMs) {
      if (!(await mayFence(deps, target, signal))) return undefined;
      askedAtMs = deps.clock.monotonicMs();
      // Now, not later: a peer that lives and still owns it would attach it again.
      if (await isAccepted(deps.ec2.detach(attachment.attachmentId, signal)))
        claimed = await writeClaim(deps, { ...target, eni: now }, signal);
    } else if (
      attachment !== undefined &&
      sinceMs(startMs) > forceAfterMs &&
      sinceMs(forcedAtMs) > forceAgainMs &&
      (await target.isConfirmed())
    ) {
      forcedAtMs = deps.clock.monotonicMs();
      deps.log.warn({ eni: eniId, peer: holderId }, `detaching ${eniId} by force`);
      await isAccepted(deps.ec2.forceDetach(attachment.attachmentId, signal));
    }
    if (!told && sinceMs(startMs) > alarmAfterMs) {
      told = true;
      const why = `cannot take ${eniId} over yet: it does not leave ${holderId}, after ${alarmAfterMs / 1000} s; stop that instance if it stays`;
      deps.log.error({ eni: eniId, peer: holderId }, why);
      deps.progress('standby', why);
    }
    await deps.clock.sleep(backoffMs(detachBackoff, attempt, deps.random), signal);
  }
}

/**
 * The peer is fenced: IAM lets a member of its group write over its claim. No guard holds this write, so that it is made
 * once for each look. undefined: no answer; look again.
 */
export async function writeClaim(
  deps: TryDeps,
  { eni, identity }: Pick<Target, 'eni' | 'identity'>,
  signal: AbortSignal,
): Promise<Eni | undefined> {
  const me = instanceArn(identity);
  const claim = nextClaim(eni, identity, deps.random.uuid());
  await deps.record.save(eni.eniId);
  try {
    await deps.ec2.createClaim(eni.eniId, me, claim, signal);
    return withClaim(eni, me, claim);
  } catch (error) {
    if (!isTransient(error)) throw error;
    deps.log.warn({ eni: eni.eniId }, `${messageOf(error)}; looking again`);
    return undefined;
  }
}

/** False: the answer was lost, or says "not now"; the next look shows what came of it. */
async function isAccepted(call: Promise<void>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    const isOpen = hasCode(
      error,
      'eni-gone',
      'eni-state',
      'aws-unknown-outcome',
      'aws-unavailable',
      'aws-throttled',
      'aws-credentials',
    );
    if (!isOpen) throw error;
    return false;
  }
}
