// The decision core of the claim: from what EC2 says to the next step. Pure, so that the simulator judges this very code.
import type { Eni, Identity } from '../model.ts';
import { explainNone, inRendezvousOrder, refusalOf } from './candidates.ts';
import { instanceArn, ownerOf } from './tags.ts';

export type View = {
  readonly identity: Identity;
  readonly pool: string;
  /** Every ENI of the pool, from one Describe. */
  readonly enis: readonly Eni[];
  /** The ENI of an unfinished or finished claim of ours, from the record on disk. */
  readonly recordedEniId: string | undefined;
};

export type Step =
  /** It is attached to us: keep it. `surplus` are further ones, one too many each. */
  | { readonly do: 'adopt'; readonly eni: Eni; readonly surplus: readonly Eni[] }
  /** One of ours is on its way off this instance: look again soon. */
  | { readonly do: 'look-again'; readonly eni: Eni }
  /** Our claim is on it, or our record names it: go on where we stopped, with this one and no other. */
  | { readonly do: 'resume'; readonly eni: Eni; readonly stale: readonly Eni[] }
  /** Try these, in this order. `stale` carry our claim and belong to others: give the claim back. */
  | { readonly do: 'try'; readonly candidates: readonly Eni[]; readonly stale: readonly Eni[] }
  | { readonly do: 'wait'; readonly why: string; readonly stale: readonly Eni[] };

/** claim.md section 5, steps 1 to 3. */
export function nextStep(view: View): Step {
  const { identity, enis, recordedEniId } = view;
  const me = instanceArn(identity);
  const recordedFirst = (a: Eni, b: Eni): number =>
    Number(b.eniId === recordedEniId) - Number(a.eniId === recordedEniId) ||
    (a.attachment?.deviceIndex ?? 0) - (b.attachment?.deviceIndex ?? 0);

  const mine = enis.filter((eni) => heldBy(eni) === identity.instanceId).toSorted(recordedFirst);
  const staying = mine.filter((eni) => eni.attachment?.status !== 'detaching');
  const [held, ...surplus] = staying;
  if (held !== undefined) return { do: 'adopt', eni: held, surplus };
  if (mine[0] !== undefined) return { do: 'look-again', eni: mine[0] };

  const claimed = enis.filter((eni) => ownerOf(eni) === me).toSorted(recordedFirst);
  const stale = claimed.filter((eni) => heldBy(eni) !== undefined);
  const resumable = enis.filter((eni) => mayResume(eni, me, recordedEniId)).toSorted(recordedFirst);
  const [resumed, ...rest] = resumable;
  if (resumed !== undefined) {
    const surplusClaims = rest.filter((eni) => ownerOf(eni) === me);
    return { do: 'resume', eni: resumed, stale: [...stale, ...surplusClaims] };
  }

  const free = enis.filter((eni) => refusalOf(eni, identity) === undefined);
  if (free.length === 0) return { do: 'wait', why: explainNone(view.pool, enis, identity), stale };
  return { do: 'try', candidates: inRendezvousOrder(free, identity.instanceId), stale };
}

/** The instance that EC2 names as the holder. */
function heldBy(eni: Eni): string | undefined {
  return eni.attachment?.instanceId;
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
