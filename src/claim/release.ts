// Gives an ENI back: detach without Force, wait until it is free, and only then the tag (claim.md section 5, release).
import { BerthError, hasCode } from '../errors.ts';
import type { Eni, Identity } from '../model.ts';
import { backoffMs } from '../system/retry.ts';
import { describe, dropClaim, repeat, stepBackoff, type CallDeps } from './calls.ts';
import { instanceArn, nextClaim, ownerOf } from './tags.ts';

export type ReleaseInput = { readonly eni: Eni; readonly identity: Identity };

/**
 * The tag goes last: a crash in between is resumed at the next start. Safe to call again.
 * Throws `aws-denied` (ec2:DetachNetworkInterface); stops where the caller's deadline says so.
 */
export async function detachAndDrop(
  deps: CallDeps,
  { eni, identity }: ReleaseInput,
  signal: AbortSignal,
): Promise<void> {
  const me = instanceArn(identity);
  for (let attempt = 1; ; attempt++) {
    const now = await describe(deps, eni.eniId, signal);
    const attachment = now?.attachment;
    if (now === undefined || attachment?.instanceId !== identity.instanceId) break;
    if (attachment.status !== 'detaching') {
      // IAM lets us detach only what carries our name.
      if (ownerOf(now) === undefined) await reclaim(deps, { eni: now, identity }, signal);
      await detach(deps, attachment.attachmentId, signal);
    }
    await deps.clock.sleep(backoffMs(stepBackoff, attempt, deps.random), signal);
  }
  await dropClaim(deps, { eniId: eni.eniId, owner: me }, signal);
}

/** Puts our name back on an ENI that is attached to us and carries nobody's. */
export async function reclaim(
  deps: CallDeps,
  { eni, identity }: ReleaseInput,
  signal: AbortSignal,
): Promise<void> {
  const claim = nextClaim(eni, deps.random.uuid());
  const me = instanceArn(identity);
  try {
    await repeat(deps, () => deps.ec2.createClaim(eni.eniId, me, claim, signal), signal);
  } catch (error) {
    if (!hasCode(error, 'aws-denied', 'eni-gone')) throw error;
    deps.log.warn(
      { eni: eni.eniId },
      `cannot write our claim on ${eni.eniId} again: ${error.message}`,
    );
  }
}

async function detach(deps: CallDeps, attachmentId: string, signal: AbortSignal): Promise<void> {
  try {
    await repeat(deps, () => deps.ec2.detach(attachmentId, signal), signal);
  } catch (error) {
    if (hasCode(error, 'eni-gone', 'eni-state')) return;
    if (error instanceof BerthError && error.code === 'aws-denied') {
      deps.log.error({ attachmentId }, `${error.message}; the ENI stays attached`);
    }
    throw error;
  }
}
