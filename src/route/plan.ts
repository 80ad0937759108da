// What the kernel shall hold for a claimed ENI, from what EC2 says of it (routing.md section 1).
import { SocketAddress } from 'node:net';
import { BerthError } from '../errors.ts';
import type { ClaimedEni, Device } from '../model/eni.ts';
import type { AddressFamilyPlan, Mark, RoutePlan } from '../model/routes.ts';

/** Between the pod rules of the VPC CNI (up to 1536) and everybody else's (10000 and more, 32765). */
export const rulePriority = 9500;

/** Tables of berth; free of net-utils (10000+), VPC CNI (2..), cloud-init (100+) and NetworkManager (30200+). */
export const firstTable = 20_000;
export const lastTable = 29_999;

/** Stands for the device while there is none. */
export const unknownDevice = 'DEVICE';

/** The VPC router in every subnet with IPv6. */
const gateway6 = 'fe80:ec2::1';

export type PlanInput = {
  readonly claimed: ClaimedEni;
  /** undefined: not there yet. */
  readonly device: Device | undefined;
  /** Of the primary's device. */
  readonly mtu: number;
  /** Does the kernel take addresses of IPv6 on this device? */
  readonly hasIpv6: boolean;
  readonly bridgeGroup: number | undefined;
  /** The mask of connection marks; each ENI has one value in it. undefined: none. */
  readonly connmark: number | undefined;
};

/** Its device index, in the bits of the mask. Throws `eni-unsuitable` where those are too few. */
function markOf({ eni, deviceIndex }: ClaimedEni, mask: number): Mark {
  const unit = mask & -mask;
  const value = deviceIndex * unit;
  if (value > mask || (value & ~mask) !== 0) {
    throw new BerthError(
      'eni-unsuitable',
      `cannot mark the connections of ${eni.eniId}: the mask 0x${mask.toString(16)} of routing.connmark has no bits for device index ${deviceIndex}`,
    );
  }
  return { value, mask };
}

/** Throws `eni-unsuitable` where EC2's own answers do not fit together. */
export function planRoutes(input: PlanInput): RoutePlan {
  const { claimed, device, mtu, hasIpv6, bridgeGroup, connmark } = input;
  const ipv6 = planIpv6(claimed);
  return {
    eniId: claimed.eni.eniId,
    mac: claimed.eni.mac,
    ifname: device?.name ?? unknownDevice,
    table: tableOf(claimed.networkCardIndex, claimed.deviceIndex),
    priority: rulePriority,
    mtu,
    ipv4: planIpv4(claimed),
    ipv6: hasIpv6 ? ipv6 : emptyFamily,
    unserved: hasIpv6 ? [] : ipv6.sources,
    bridgeGroup,
    mark: connmark === undefined ? undefined : markOf(claimed, connmark),
  };
}

export function tableOf(networkCardIndex: number, deviceIndex: number): number {
  return firstTable + 100 * networkCardIndex + deviceIndex;
}

function planIpv4({ eni, subnet }: ClaimedEni): AddressFamilyPlan {
  const [primary, ...secondary] = eni.ipv4;
  const cidr = subnet.ipv4Cidr;
  if (primary === undefined) return emptyFamily;
  if (cidr === undefined) {
    throw new BerthError(
      'eni-unsuitable',
      `cannot route ${eni.eniId}: it has IPv4 addresses, but subnet ${subnet.subnetId} has no IPv4 CIDR; check what DescribeSubnets says of it`,
      { details: { eniId: eni.eniId, subnetId: subnet.subnetId } },
    );
  }
  return {
    addresses: [`${primary}/${cidr.split('/')[1]}`, ...secondary.map((ip) => `${ip}/32`)],
    sources: [...eni.ipv4.map((ip) => `${ip}/32`), ...eni.ipv4Prefixes],
    subnets: [cidr],
    gateway: gateway4(cidr),
  };
}

function planIpv6({ eni, subnet }: ClaimedEni): AddressFamilyPlan {
  if (eni.ipv6.length === 0 && eni.ipv6Prefixes.length === 0) return emptyFamily;
  const addresses = eni.ipv6.map((ip) => asKernel6(`${ip}/128`));
  return {
    addresses,
    sources: [...addresses, ...eni.ipv6Prefixes.map(asKernel6)],
    subnets: subnet.ipv6Cidrs.map(asKernel6),
    gateway: gateway6,
  };
}

/** IPv6 has many spellings, and what the kernel says has to equal what it was told. */
function asKernel6(prefix: string): string {
  const [address = '', length] = prefix.split('/');
  return `${new SocketAddress({ address, family: 'ipv6' }).address}/${length}`;
}

const emptyFamily: AddressFamilyPlan = {
  addresses: [],
  sources: [],
  subnets: [],
  gateway: undefined,
};

/** The VPC router is at the subnet's base + 1. */
function gateway4(cidr: string): string {
  const bytes = cidr.split('/')[0]!.split('.').map(Number);
  return [...bytes.slice(0, 3), bytes[3]! + 1].join('.');
}
