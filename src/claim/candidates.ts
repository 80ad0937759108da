// Which ENIs of a pool this instance may take, and in which order it tries them. Pure.
import { createHash } from 'node:crypto';
import type { Pin, PoolConfig } from '../model/config.ts';
import type { Eni } from '../model/eni.ts';
import type { Identity } from '../model/instance.ts';
import { claimIn, lastHolder, ownerOf, tagKeys } from './tags.ts';

/** Why an ENI cannot be taken now; `undefined` where it can. */
export type Refusal =
  | 'other-zone'
  | 'other-vpc'
  | 'wrong-type'
  | 'managed-by-a-service'
  | 'outpost'
  | 'no-ipv4'
  | 'not-pinned'
  | 'attached'
  | 'claimed';

/** What the instance looks for, and what EC2 told it already. */
export type Wish = {
  readonly identity: Identity;
  readonly pool: PoolConfig;
  /** Ids of ENIs that EC2 refused to attach to this instance, or that it cannot hold. */
  readonly unsuitable: ReadonlySet<string>;
  /** Claims (`claimIn`) whose owner is dead and may be replaced. */
  readonly orphaned: ReadonlySet<string>;
};

export function refusalOf(
  eni: Eni,
  { identity, pool, orphaned }: Omit<Wish, 'unsuitable'>,
): Refusal | undefined {
  if (!isPinned(eni, pool)) return 'not-pinned';
  if (!sameZone(eni, identity)) return 'other-zone';
  if (identity.vpcId !== undefined && eni.vpcId !== identity.vpcId) return 'other-vpc';
  if (eni.interfaceType !== 'interface') return 'wrong-type';
  if (eni.requesterManaged || eni.operatorManaged) return 'managed-by-a-service';
  if (eni.outpostArn !== undefined) return 'outpost';
  if (eni.ipv4.length === 0) return 'no-ipv4';
  if (eni.status !== 'available') return 'attached';
  if (ownerOf(eni) !== undefined && !orphaned.has(claimIn(eni))) return 'claimed';
  return undefined;
}

/** Zone names differ between accounts (shared subnets), zone ids do not. */
function sameZone(eni: Eni, identity: Identity): boolean {
  return eni.availabilityZoneId !== undefined && identity.availabilityZoneId !== undefined
    ? eni.availabilityZoneId === identity.availabilityZoneId
    : eni.availabilityZone === identity.availabilityZone;
}

/** Also without a pin. */
export function isPinned(eni: Eni, { pin }: PoolConfig): boolean {
  if (pin === undefined) return true;
  switch (pin.by) {
    case 'eni':
      return eni.eniId === pin.eniId;
    case 'ip':
      return eni.ipv4.includes(pin.ipv4);
    case 'mac':
      return eni.mac === pin.mac;
    default:
      return pin.value !== undefined && eni.tags[pin.key] === pin.value;
  }
}

function describePin(pin: Pin): string {
  switch (pin.by) {
    case 'eni':
      return pin.eniId;
    case 'ip':
      return `the address ${pin.ipv4}`;
    case 'mac':
      return `the MAC ${pin.mac}`;
    default:
      return `the tag ${pin.key}=${pin.value}`;
  }
}

/** First what this instance or its Auto Scaling group held last: whoever talks to them finds what was there before. */
const preference = { me: 0, 'my-group': 1, another: 2 } as const;

/**
 * In rendezvous order every instance tries the same pool in an order of its own, so that instances which boot together
 * rarely meet at one ENI.
 */
export function inOrderOfPreference(enis: readonly Eni[], identity: Identity): readonly Eni[] {
  const weight = (eni: Eni): string =>
    createHash('sha256').update(`${identity.instanceId} ${eni.eniId}`).digest('hex');
  return enis
    .map((eni) => ({ eni, rank: preference[lastHolder(eni, identity)], weight: weight(eni) }))
    .toSorted((a, b) => a.rank - b.rank || (a.weight < b.weight ? -1 : 1))
    .map(({ eni }) => eni);
}

/** One sentence for the log and the status: why there is none to take, and what to do. */
export function explainNone(enis: readonly Eni[], wish: Wish): string {
  const { identity, pool, unsuitable } = wish;
  if (enis.length === 0) {
    return `no ENI carries the tag ${tagKeys.pool}=${pool.name}: create one, or check the pool's name and the Region ${identity.region}`;
  }
  const refusals = enis.map((eni) => ({ eni, refusal: refusalOf(eni, wish) }));
  const wanted = refusals.filter(({ refusal }) => refusal !== 'not-pinned');
  const { pin } = pool;
  if (pin !== undefined && wanted.length === 0) {
    return `no ENI of pool ${pool.name} has ${describePin(pin)}, which the configuration asks for: of ${enis.length}, none matches`;
  }
  const count = (...kinds: readonly Refusal[]): number =>
    wanted.filter(({ refusal }) => refusal !== undefined && kinds.includes(refusal)).length;
  const elsewhere = wanted.filter(({ refusal }) => refusal === 'other-zone');
  if (elsewhere.length === wanted.length) {
    return `pool ${pool.name} has ENIs in ${zonesOf(elsewhere)} only, and this instance is in ${identity.availabilityZone}: an ENI cannot leave its zone`;
  }
  const parts = [
    part(count('attached'), 'attached to other instances'),
    part(count('claimed'), `claimed but not attached (${ownersOf(wanted)})`),
    part(elsewhere.length, `in other Availability Zones (${zonesOf(elsewhere)})`),
    part(count('other-vpc'), 'in other VPCs'),
    part(
      wanted.filter(({ eni, refusal }) => refusal === undefined && unsuitable.has(eni.eniId))
        .length,
      'that this instance cannot hold (see the log)',
    ),
    part(
      count('wrong-type', 'managed-by-a-service', 'outpost', 'no-ipv4'),
      'of a kind that cannot be attached here',
    ),
  ].filter((text) => text !== undefined);
  const which = pin === undefined ? '' : ` with ${describePin(pin)}`;
  return `no free ENI${which} in pool ${pool.name}: of ${wanted.length}, ${parts.join(', ')}`;
}

type Refused = { readonly eni: Eni; readonly refusal: Refusal | undefined };

function zonesOf(refusals: readonly Refused[]): string {
  return [...new Set(refusals.map(({ eni }) => eni.availabilityZone))].toSorted().join(', ');
}

function part(count: number, text: string): string | undefined {
  return count === 0 ? undefined : `${count} ${text}`;
}

function ownersOf(refusals: readonly Refused[]): string {
  const owners = refusals
    .filter(({ refusal }) => refusal === 'claimed')
    .map(({ eni }) => `${eni.eniId} by ${ownerOf(eni)?.split('/').at(-1)}`);
  return owners.length > 3 ? `${owners.slice(0, 3).join(', ')}, ...` : owners.join(', ');
}
