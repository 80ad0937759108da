// Looks after a held ENI, about once a minute: is it still ours, does it carry our name, would it outlive us?
import { hasCode, messageOf } from '../errors.ts';
import type { Eni, Identity } from '../model.ts';
import type { CallDeps } from './calls.ts';
import { reclaim } from './release.ts';
import { ownerOf } from './tags.ts';

export type Held =
  | { readonly held: true; readonly eni: Eni | undefined }
  | { readonly held: false; readonly why: string };

/** One EC2 call a minute and instance at most (claim.md section 4). */
export const reconcileEveryMs = 60_000;
/** "Lost" needs two reads this far apart. */
const confirmMs = 6_000;

/** EC2 that does not answer changes nothing: the address is served while the device is there. */
export async function reconcile(
  deps: CallDeps,
  { eni, identity }: { readonly eni: Eni; readonly identity: Identity },
  signal: AbortSignal,
): Promise<Held> {
  const first = await look(deps, eni, identity, signal);
  if (!first.known || first.mine) return { held: true, eni: first.known ? first.eni : undefined };
  await deps.clock.sleep(confirmMs, signal);
  const second = await look(deps, eni, identity, signal);
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

async function look(
  deps: CallDeps,
  eni: Eni,
  identity: Identity,
  signal: AbortSignal,
): Promise<Look> {
  let now: Eni | undefined;
  try {
    now = await deps.ec2.describeEni(eni.eniId, signal);
  } catch (error) {
    signal.throwIfAborted();
    deps.log.warn({ eni: eni.eniId }, `${messageOf(error)}; serving on`);
    return { known: false };
  }
  const mine =
    now?.attachment?.instanceId === identity.instanceId && now.attachment.status !== 'detaching';
  if (now !== undefined && mine) await tend(deps, now, identity, signal);
  return { known: true, mine, eni: now };
}

async function tend(
  deps: CallDeps,
  eni: Eni,
  identity: Identity,
  signal: AbortSignal,
): Promise<void> {
  if (eni.attachment?.deleteOnTermination === true) {
    deps.log.error(
      { eni: eni.eniId },
      `${eni.eniId} would be deleted with this instance, its address with it: set DeleteOnTermination to false (aws ec2 modify-network-interface-attribute --network-interface-id ${eni.eniId} --attachment AttachmentId=${eni.attachment.attachmentId},DeleteOnTermination=false)`,
    );
  }
  if (ownerOf(eni) !== undefined) return;
  try {
    await reclaim(deps, { eni, identity }, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!hasCode(error, 'aws-invalid')) throw error;
    deps.log.warn({ eni: eni.eniId }, messageOf(error));
  }
}
