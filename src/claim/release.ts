// Gives an ENI back: detach without Force, wait until it is free, and only then the tag (claim.md section 5, release).
import { hasCode } from '../errors.ts';
import type { Eni } from '../model/eni.ts';
import type { Identity } from '../model/instance.ts';
import { backoffMs } from '../system/retry.ts';
import {
  authorizationLagMs,
  describe,
  dropClaim,
  lagMs,
  repeat,
  stepBackoff,
  type CallDeps,
  type HoldDeps,
} from './calls.ts';
import { instanceArn, nextClaim, ownerOf } from './tags.ts';

export type ReleaseInput = { readonly eni: Eni; readonly identity: Identity };

/**
 * The tag goes last: a crash in between is resumed at the next start. Safe to call again.
 * Throws `aws-denied` (ec2:DetachNetworkInterface); stops where the caller's deadline says so.
 */
export async function detachAndDrop(
  deps: HoldDeps,
  { eni, identity }: ReleaseInput,
  signal: AbortSignal,
): Promise<void> {
  const { eniId } = eni;
  const startMs = deps.clock.monotonicMs();
  /** One read that shows no attachment may be older than the attach, unless a detach was seen or accepted. */
  let leaving = false;
  for (let attempt = 1; ; attempt++) {
    const now = await describe(deps, eniId, signal);
    const attachment = now?.attachment;
    let delayMs = backoffMs(stepBackoff, attempt, deps.random);
    if (now === undefined || attachment?.instanceId !== identity.instanceId) {
      if (leaving) break;
      leaving = true;
      delayMs = lagMs;
    } else if (attachment.status === 'detaching') {
      leaving = true;
      deps.log.info({ eni: eniId, attempt }, `${eniId} is detaching`);
    } else {
      // IAM lets us detach only what carries our name.
      if (ownerOf(now) === undefined) await reclaim(deps, { eni: now, identity }, signal);
      const mayLag = deps.clock.monotonicMs() - startMs <= authorizationLagMs;
      leaving = await detach(deps, { eni: now, identity }, mayLag, signal);
    }
    await deps.clock.sleep(delayMs, signal);
  }
  await dropClaim(deps, { eniId, owner: instanceArn(identity) }, signal);
  await deps.unmanaged.unmark(eni.mac);
}

/** Puts our name back on an ENI that is attached to us and carries nobody's. */
export async function reclaim(
  deps: CallDeps,
  { eni, identity }: ReleaseInput,
  signal: AbortSignal,
): Promise<void> {
  const claim = nextClaim(eni, identity, deps.random.uuid());
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

/** Did EC2 accept it? A denial of what carries our name may be a lag of authorization. */
async function detach(
  deps: CallDeps,
  { eni, identity }: ReleaseInput,
  mayLag: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const { attachmentId } = eni.attachment!;
  try {
    await repeat(deps, () => deps.ec2.detach(attachmentId, signal), signal);
    return true;
  } catch (error) {
    if (hasCode(error, 'eni-gone')) return true;
    if (hasCode(error, 'eni-state')) return false;
    const owner = ownerOf(eni);
    const isOurs = owner === undefined || owner === instanceArn(identity);
    if (hasCode(error, 'aws-denied') && isOurs && mayLag) return false;
    throw error;
  }
}
