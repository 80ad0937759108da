// Which ENIs of a pool this instance may take, and in which order it tries them. Pure.
import { createHash } from 'node:crypto';
import type { Eni, Identity } from '../model.ts';
import { ownerOf, tagKeys } from './tags.ts';

/** Why an ENI cannot be taken now; `undefined` where it can. */
export type Refusal =
  | 'other-zone'
  | 'other-vpc'
  | 'wrong-type'
  | 'managed-by-a-service'
  | 'outpost'
  | 'no-ipv4'
  | 'attached'
  | 'claimed';

export function refusalOf(eni: Eni, identity: Identity): Refusal | undefined {
  if (!sameZone(eni, identity)) return 'other-zone';
  if (identity.vpcId !== undefined && eni.vpcId !== identity.vpcId) return 'other-vpc';
  if (eni.interfaceType !== 'interface') return 'wrong-type';
  if (eni.requesterManaged || eni.operatorManaged) return 'managed-by-a-service';
  if (eni.outpostArn !== undefined) return 'outpost';
  if (eni.ipv4.length === 0) return 'no-ipv4';
  if (eni.status !== 'available') return 'attached';
  if (ownerOf(eni) !== undefined) return 'claimed';
  return undefined;
}

/** Zone names differ between accounts (shared subnets), zone ids do not. */
function sameZone(eni: Eni, identity: Identity): boolean {
  return eni.availabilityZoneId !== undefined && identity.availabilityZoneId !== undefined
    ? eni.availabilityZoneId === identity.availabilityZoneId
    : eni.availabilityZone === identity.availabilityZone;
}

/**
 * Rendezvous order: every instance tries the same pool in an order of its own, so that instances
 * which boot together rarely meet at one ENI.
 */
export function inRendezvousOrder(enis: readonly Eni[], instanceId: string): readonly Eni[] {
  const weight = (eni: Eni): string =>
    createHash('sha256').update(`${instanceId} ${eni.eniId}`).digest('hex');
  return enis
    .map((eni) => ({ eni, weight: weight(eni) }))
    .toSorted((a, b) => (a.weight < b.weight ? -1 : 1))
    .map(({ eni }) => eni);
}

/**
 * One sentence for the log and the status: why there is none to take, and what to do. `unsuitable`: ids of ENIs that
 * EC2 refused to attach to this instance.
 */
export function explainNone(
  pool: string,
  enis: readonly Eni[],
  identity: Identity,
  unsuitable: ReadonlySet<string> = new Set(),
): string {
  if (enis.length === 0) {
    return `no ENI carries the tag ${tagKeys.pool}=${pool}: create one, or check the pool's name and the Region ${identity.region}`;
  }
  const refusals = enis.map((eni) => ({ eni, refusal: refusalOf(eni, identity) }));
  const count = (...kinds: readonly Refusal[]): number =>
    refusals.filter(({ refusal }) => refusal !== undefined && kinds.includes(refusal)).length;
  const elsewhere = refusals.filter(({ refusal }) => refusal === 'other-zone');
  if (elsewhere.length === enis.length) {
    const zones = [...new Set(elsewhere.map(({ eni }) => eni.availabilityZone))].toSorted();
    return `pool ${pool} has ENIs in ${zones.join(', ')} only, and this instance is in ${identity.availabilityZone}: an ENI cannot leave its zone`;
  }
  const parts = [
    part(count('attached'), 'attached to other instances'),
    part(count('claimed'), `claimed but not attached (${ownersOf(refusals)})`),
    part(elsewhere.length, 'in other Availability Zones'),
    part(count('other-vpc'), 'in other VPCs'),
    part(
      refusals.filter(({ eni, refusal }) => refusal === undefined && unsuitable.has(eni.eniId))
        .length,
      'that EC2 refused to attach to this instance (see the log)',
    ),
    part(
      count('wrong-type', 'managed-by-a-service', 'outpost', 'no-ipv4'),
      'of a kind that cannot be attached here',
    ),
  ].filter((text) => text !== undefined);
  return `no free ENI in pool ${pool}: of ${enis.length}, ${parts.join(', ')}`;
}

function part(count: number, text: string): string | undefined {
  return count === 0 ? undefined : `${count} ${text}`;
}

function ownersOf(refusals: readonly { eni: Eni; refusal: Refusal | undefined }[]): string {
  const owners = refusals
    .filter(({ refusal }) => refusal === 'claimed')
    .map(({ eni }) => `${eni.eniId} by ${ownerOf(eni)?.split('/').at(-1)}`);
  return owners.length > 3 ? `${owners.slice(0, 3).join(', ')}, ...` : owners.join(', ');
}
