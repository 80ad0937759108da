// Which IPv4 addresses of a subnet are free, and which may be given to an ENI.
import { faults } from './ec2-faults.ts';
import type { Ec2World, LabSubnet } from './ec2-world.ts';

/** The address if it is free in this subnet, else the lowest free one. Throws AwsFault. */
export function takeAddress(
  world: Ec2World,
  subnet: LabSubnet,
  wanted: string | undefined,
): string {
  const used = new Set(world.enis.all().flatMap((eni) => eni.ipv4));
  const { first, last } = rangeOf(subnet.ipv4Cidr);
  if (wanted !== undefined) {
    if (used.has(wanted)) throw faults.addressInUse(wanted);
    checkInside(subnet, wanted);
    return wanted;
  }
  for (let address = first; address <= last; address++) {
    const text = textOf(address);
    if (!used.has(text)) return text;
  }
  throw faults.noFreeAddress(subnet.subnetId);
}

/** Throws AwsFault unless the address may be used in this subnet: AWS keeps the first four and the last. */
export function checkInside(subnet: LabSubnet, address: string): void {
  const { first, last } = rangeOf(subnet.ipv4Cidr);
  const number = numberOf(address);
  if (number === undefined) throw faults.value(`invalid value for parameter address: ${address}`);
  if (number < first || number > last) {
    throw faults.value(`Address ${address} does not fall within the subnet's address range`);
  }
}

/** The addresses that AWS gives out. */
export function rangeOf(cidr: string): { readonly first: number; readonly last: number } {
  const [base = '', length = ''] = cidr.split('/');
  const number = numberOf(base);
  if (number === undefined || !/^(1[6-9]|2[0-8])$/.test(length)) {
    throw new Error(`not a subnet of a VPC: ${cidr}`);
  }
  return { first: number + 4, last: number + 2 ** (32 - Number(length)) - 2 };
}

function numberOf(address: string): number | undefined {
  const parts = address.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !(part >= 0 && part <= 255))) return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

function textOf(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}
