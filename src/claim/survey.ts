// The fleet's view of a pool: who holds each ENI, and what its claim says of that.
import type { Eni } from '../model/eni.ts';
import { repeat, type CallDeps } from './calls.ts';
import { epochOf, ownerOf } from './tags.ts';

/**
 * - `free`: nobody's
 * - `claimed`: tagged by an instance that has not attached it (yet)
 * - `attached`: held by the instance that it is tagged by
 * - `stale`: tagged by an instance that is gone, and held by nobody
 * - `foreign`: held by an instance whose name it does not bear
 */
export type ClaimState = 'free' | 'claimed' | 'attached' | 'stale' | 'foreign';

export type Berth = {
  readonly eniId: string;
  readonly availabilityZone: string;
  readonly ipv4: readonly string[];
  readonly mac: string;
  readonly state: ClaimState;
  /** Instance id; undefined: attached to none, or to one that a service hides. */
  readonly holder: string | undefined;
  /** Instance id of the owner tag. */
  readonly owner: string | undefined;
  /** ISO 8601; since when it is attached. */
  readonly since: string | undefined;
  readonly epoch: number;
};

/** One call, and one more for each instance whose claim came to nothing. Sorted by address. */
export async function surveyPool(
  deps: CallDeps,
  pool: string,
  signal: AbortSignal,
): Promise<readonly Berth[]> {
  const enis = await repeat(deps, () => deps.ec2.describePool(pool, signal), signal);
  const berths = await Promise.all(enis.map((eni) => berthOf(deps, eni, signal)));
  return berths.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

async function berthOf(deps: CallDeps, eni: Eni, signal: AbortSignal): Promise<Berth> {
  const { eniId, availabilityZone, ipv4, mac, attachment } = eni;
  const owner = ownerOf(eni)?.split('/').at(-1);
  const holder = attachment?.instanceId;
  const state = await stateOf(
    deps,
    { owner, holder, isAttached: attachment !== undefined },
    signal,
  );
  const since = attachment?.attachedAt;
  return { eniId, availabilityZone, ipv4, mac, state, holder, owner, since, epoch: epochOf(eni) };
}

async function stateOf(
  deps: CallDeps,
  input: {
    readonly owner: string | undefined;
    readonly holder: string | undefined;
    readonly isAttached: boolean;
  },
  signal: AbortSignal,
): Promise<ClaimState> {
  const { owner, holder, isAttached } = input;
  if (isAttached) return owner !== undefined && owner === holder ? 'attached' : 'foreign';
  if (owner === undefined) return 'free';
  const instance = await repeat(deps, () => deps.ec2.describeInstance(owner, signal), signal);
  return instance === undefined || instance.state === 'terminated' ? 'stale' : 'claimed';
}

/** Addresses in the order of their numbers. */
function keyOf({ ipv4, eniId }: Berth): string {
  const [first = ''] = ipv4;
  return `${first
    .split('.')
    .map((byte) => byte.padStart(3, '0'))
    .join('.')} ${eniId}`;
}
