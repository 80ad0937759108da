// The decision core of the claim: from what EC2 says to the next step. Pure, so that the simulator judges this very code.
import type { Eni } from '../model/eni.ts';
import type { Identity } from '../model/instance.ts';
import { explainNone, inOrderOfPreference, isPinned, refusalOf, type Wish } from './candidates.ts';
import { instanceArn, ownerOf } from './tags.ts';

export type View = Wish & {
  /** Every ENI of the pool, from one Describe. */
  readonly enis: readonly Eni[];
  /** The ENI of an unfinished or finished claim of ours, from the record on disk. */
  readonly recordedEniId: string | undefined;
};

/** `stale` carry our claim and will not be ours: give the claim back. */
export type Step = { readonly stale: readonly Eni[] } & (
  | /** It is attached to us: keep it. `surplus` are further ones, one too many each. */
    { readonly do: 'adopt'; readonly eni: Eni; readonly surplus: readonly Eni[] }
  /** Attached to us, and not what the configuration pins: detach them first. */
  | { readonly do: 'let-go'; readonly surplus: readonly Eni[] }
  /** One of ours is on its way off this instance: look again. */
  | { readonly do: 'look-again'; readonly eni: Eni }
  /** Our claim is on it, or our record names it: go on where we stopped, with this one and no other. */
  | { readonly do: 'resume'; readonly eni: Eni }
  /** Try these, in this order. */
  | { readonly do: 'try'; readonly candidates: readonly Eni[] }
  | { readonly do: 'wait'; readonly why: string }
);

/** claim.md section 5, steps 1 to 3. */
export function nextStep(view: View): Step {
  const { identity, enis, recordedEniId, unsuitable } = view;
  const me = instanceArn(identity);
  const recordedFirst = (a: Eni, b: Eni): number =>
    Number(b.eniId === recordedEniId) - Number(a.eniId === recordedEniId) ||
    (a.attachment?.deviceIndex ?? 0) - (b.attachment?.deviceIndex ?? 0);

  const mine = enis.filter((eni) => isHeldBy(eni, identity)).toSorted(recordedFirst);
  const claimed = enis.filter((eni) => ownerOf(eni) === me && !isHeldBy(eni, identity));
  const attached = mine.filter((eni) => eni.attachment?.status !== 'detaching');
  const held = attached.find((eni) => isPinned(eni, view.pool));
  // Pages that EC2 cut while the pool changed may name an ENI twice.
  const surplus = attached.filter((eni) => eni.eniId !== held?.eniId);
  if (held !== undefined) return { do: 'adopt', eni: held, surplus, stale: claimed };
  if (surplus.length > 0) return { do: 'let-go', surplus, stale: claimed };
  if (mine[0] !== undefined) return { do: 'look-again', eni: mine[0], stale: [] };

  const resumed = enis
    .filter((eni) => mayResume(eni, me, recordedEniId) && !unsuitable.has(eni.eniId))
    .filter((eni) => isPinned(eni, view.pool))
    .toSorted(recordedFirst)[0];
  const stale = claimed.filter((eni) => eni.eniId !== resumed?.eniId);
  if (resumed !== undefined) return { do: 'resume', eni: resumed, stale };

  const free = enis.filter(
    (eni) => refusalOf(eni, view) === undefined && !unsuitable.has(eni.eniId),
  );
  return free.length === 0
    ? { do: 'wait', why: explainNone(enis, view), stale }
    : { do: 'try', candidates: inOrderOfPreference(free, identity), stale };
}

/** The primary and what belongs to a service are never ours, whatever tags they carry. */
function isHeldBy(eni: Eni, identity: Identity): boolean {
  const { attachment } = eni;
  if (attachment?.instanceId !== identity.instanceId) return false;
  const isPrimary = attachment.deviceIndex === 0 && attachment.networkCardIndex === 0;
  return (
    !isPrimary && eni.interfaceType === 'interface' && !eni.requesterManaged && !eni.operatorManaged
  );
}

/**
 * Unattached, and claimed by us or in our record without another's claim. The record covers a crash right after a
 * call whose effect the Describe does not show yet: taking another ENI then could end with two.
 */
function mayResume(eni: Eni, me: string, recordedEniId: string | undefined): boolean {
  if (eni.attachment !== undefined || eni.status === 'in-use') return false;
  const owner = ownerOf(eni);
  return owner === me || (owner === undefined && eni.eniId === recordedEniId);
}
