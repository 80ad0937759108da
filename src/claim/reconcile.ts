// Looks after a held ENI, about once a minute: is it still ours, does it carry our name, would it outlive us?
import { BerthError, messageOf } from '../errors.ts';
import type { Eni, EniAttachment } from '../model/eni.ts';
import type { Identity } from '../model/instance.ts';
import { dropClaim, lagMs, repeat, type CallDeps, type HoldDeps } from './calls.ts';
import { letGo, letGoWithinMs } from './let-go.ts';
import { reclaim, type ReleaseInput } from './release.ts';
import { instanceArn, ownerOf, tagKeys } from './tags.ts';

export type Held =
  | { readonly held: true; readonly eni: Eni | undefined }
  | { readonly held: false; readonly why: string };

export type ReconcileInput = {
  readonly eni: Eni;
  readonly identity: Identity;
  /** Names of the other pools of this instance: what carries our name there is looked after there. */
  readonly otherPools: readonly string[];
};

/**
 * At most one EC2 call a minute and instance, as a rule (claim.md section 4). A pool of `peers` ENIs, all held, takes no
 * more than 2.5 of the 20 calls a second that the account has for all its Describes.
 */
export function reconcileEveryMs(peers: number): number {
  return Math.max(60_000, peers * 400);
}

/**
 * "Lost" needs two reads further apart than EC2's lag. EC2 that does not answer changes nothing: the address is served
 * while the device is there. Throws nothing but the signal's reason.
 */
export async function reconcile(
  deps: HoldDeps,
  input: ReconcileInput,
  signal: AbortSignal,
): Promise<Held> {
  const { eni } = input;
  const first = await look(deps, input, signal);
  if (!first.known || first.mine) return { held: true, eni: first.known ? first.eni : undefined };
  await deps.clock.sleep(lagMs, signal);
  const second = await look(deps, input, signal);
  if (!second.known || second.mine)
    return { held: true, eni: second.known ? second.eni : undefined };
  const holder = second.eni?.attachment?.instanceId;
  return {
    held: false,
    why:
      holder === undefined
        ? `${eni.eniId} is not attached any more`
        : `${eni.eniId} is attached to ${holder}`,
  };
}

type Look =
  | { readonly known: false }
  | { readonly known: true; readonly mine: boolean; readonly eni: Eni | undefined };

/** What carries our name is one call: the ENI that we hold, and whatever we should not claim any more. */
async function look(deps: HoldDeps, input: ReconcileInput, signal: AbortSignal): Promise<Look> {
  const { eni, identity, otherPools } = input;
  const isMine = (now: Eni | undefined): boolean =>
    now?.attachment?.instanceId === identity.instanceId && now.attachment.status !== 'detaching';
  let claimed: readonly Eni[];
  let now: Eni | undefined;
  try {
    claimed = await deps.ec2.describeClaimed(instanceArn(identity), signal);
    now = claimed.find(({ eniId }) => eniId === eni.eniId);
    if (!isMine(now)) now = await deps.ec2.describeEni(eni.eniId, signal);
  } catch (error) {
    signal.throwIfAborted();
    deps.log.warn({ eni: eni.eniId }, `${messageOf(error)}; serving on`);
    return { known: false };
  }
  const mine = isMine(now);
  if (now !== undefined && mine) {
    // None of this is urgent: what does not work now is tried again in a minute.
    using deadline = deps.clock.deadline(letGoWithinMs, signal);
    try {
      await tend(deps, { eni: now, identity }, deadline.signal);
      const leaked = claimed.filter(
        ({ eniId, tags }) => eniId !== eni.eniId && !otherPools.includes(tags[tagKeys.pool] ?? ''),
      );
      for (const other of leaked) await giveUp(deps, { eni: other, identity }, deadline.signal);
    } catch (error) {
      signal.throwIfAborted();
      deps.log.warn({ eni: eni.eniId }, messageOf(error));
    }
  }
  return { known: true, mine, eni: now };
}

async function tend(
  deps: CallDeps,
  { eni, identity }: ReleaseInput,
  signal: AbortSignal,
): Promise<void> {
  const { eniId, attachment } = eni;
  const owner = ownerOf(eni);
  if (owner === undefined) await reclaim(deps, { eni, identity }, signal);
  else if (owner !== instanceArn(identity)) {
    deps.log.warn(
      { eni: eniId, owner },
      `${eniId} is attached to this instance and carries the name of ${owner}; waiting until that is taken back`,
    );
  }
  if (attachment?.deleteOnTermination === true) await keep(deps, eniId, attachment, signal);
}

/** Else the address would go with the instance. */
async function keep(
  deps: CallDeps,
  eniId: string,
  { attachmentId }: EniAttachment,
  signal: AbortSignal,
): Promise<void> {
  try {
    await repeat(deps, () => deps.ec2.keepOnTermination(eniId, attachmentId, signal), signal);
    deps.log.warn({ eni: eniId }, `DeleteOnTermination of ${eniId} was true; set it to false`);
  } catch (error) {
    if (!(error instanceof BerthError)) throw error;
    deps.log.error(
      { eni: eniId },
      `${eniId} would be deleted with this instance, its address with it: set DeleteOnTermination to false (aws ec2 modify-network-interface-attribute --network-interface-id ${eniId} --attachment AttachmentId=${attachmentId},DeleteOnTermination=false): ${error.message}`,
    );
  }
}

/** A claim that came to nothing; an instance has one ENI of berth's, so that a second one has to go. */
async function giveUp(
  deps: HoldDeps,
  { eni, identity }: ReleaseInput,
  signal: AbortSignal,
): Promise<void> {
  const { eniId, attachment } = eni;
  deps.log.warn({ eni: eniId }, `${eniId} carries our name too; giving it back`);
  if (attachment?.instanceId === identity.instanceId) await letGo(deps, { eni, identity }, signal);
  else {
    await dropClaim(deps, { eniId, owner: instanceArn(identity) }, signal);
    await deps.unmanaged.unmark(eni.mac);
  }
}
