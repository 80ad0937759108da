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
  const blocks = new Set(world.enis.all().flatMap((eni) => eni.ipv4Prefixes));
  const { first, last } = rangeOf(subnet.ipv4Cidr);
  if (wanted !== undefined) {
    checkInside(subnet, wanted);
    if (used.has(wanted) || blocks.has(blockOf(numberOf(wanted)!))) {
      throw faults.addressInUse(wanted);
    }
    return wanted;
  }
  for (let address = first; address <= last; address++) {
    const text = textOf(address);
    if (!used.has(text) && !blocks.has(blockOf(address))) return text;
  }
  throw faults.noFreeAddress(subnet.subnetId);
}

/** The /28 if all of it is free in this subnet, else the lowest that is. Throws AwsFault. */
export function takePrefix(world: Ec2World, subnet: LabSubnet, wanted: string | undefined): string {
  const { first, last } = rangeOf(subnet.ipv4Cidr);
  const used = new Set(
    world.enis
      .all()
      .flatMap((eni) => [
        ...eni.ipv4.map((address) => blockOf(numberOf(address)!)),
        ...eni.ipv4Prefixes,
      ]),
  );
  if (wanted !== undefined) {
    const number = numberOf(wanted.replace(/\/28$/, ''));
    if (number === undefined || blockOf(number) !== wanted) {
      throw faults.value(`invalid value for parameter prefix: ${wanted}`);
    }
    if (number < first || number + 15 > last) throw faults.outsideSubnet(wanted);
    if (used.has(wanted)) throw faults.addressInUse(wanted);
    return wanted;
  }
  // What AWS keeps for itself is in the first block and in the last.
  for (let number = Math.ceil(first / 16) * 16; number + 15 <= last; number += 16) {
    if (!used.has(blockOf(number))) return blockOf(number);
  }
  throw faults.noFreeBlocks(subnet.subnetId);
}

/** The /28 with this address in it. */
function blockOf(address: number): string {
  return `${textOf(address - (address % 16))}/28`;
}

/** Throws AwsFault unless the address may be used in this subnet: AWS keeps the first four and the last. */
export function checkInside(subnet: LabSubnet, address: string): void {
  const { first, last } = rangeOf(subnet.ipv4Cidr);
  const number = numberOf(address);
  if (number === undefined) throw faults.value(`invalid value for parameter address: ${address}`);
  if (number < first || number > last) throw faults.outsideSubnet(address);
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
