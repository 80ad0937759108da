// IPv6 addresses and prefixes of a subnet and its ENIs: which are free, and giving and taking them.
import { BlockList, isIPv6 } from 'node:net';
import { faults } from './ec2-faults.ts';
import { instanceTypeOf } from './ec2-instance-types.ts';
import { findEni, findSubnet } from './ec2-lookup.ts';
import type { Ec2World, LabEni, LabSubnet } from './ec2-world.ts';

export type Ipv6Input = {
  readonly addresses: readonly string[];
  readonly addressCount: number;
  /** Each a /80. */
  readonly prefixes: readonly string[];
  readonly prefixCount: number;
};

/** A prefix counts as one address against the limit of the type. Throws AwsFault; then nothing has changed. */
export function assignIpv6(world: Ec2World, eniId: string, input: Ipv6Input): LabEni {
  const eni = findEni(world, eniId);
  const subnet = findSubnet(world, eni.subnetId);
  const network = networkOf(subnet);
  const added = input.addresses.map((address) => ownAddress(world, network, address, eni));
  const addedPrefixes = input.prefixes.map((prefix) => ownPrefix(world, network, prefix));
  while (added.length < input.addresses.length + input.addressCount) {
    added.push(`${network.base}${groups(world, 4)}`);
  }
  while (addedPrefixes.length < input.prefixes.length + input.prefixCount) {
    addedPrefixes.push(`${network.base}${groups(world, 1)}::/80`);
  }
  const ipv6 = [...new Set([...eni.ipv6, ...added.map((address) => canonical(address)!)])];
  const ipv6Prefixes = [...new Set([...eni.ipv6Prefixes, ...addedPrefixes])];
  const instance = eni.attachment && world.instances.get(eni.attachment.instanceId);
  // As many as IPv4 addresses, in the types that the lab knows; the code is not confirmed.
  const most = instance ? instanceTypeOf(instance.instanceType).ipv4PerInterface : Infinity;
  if (ipv6.length + ipv6Prefixes.length > most) throw faults.addressLimit(eniId);
  const changed: LabEni = { ...eni, ipv6, ipv6Prefixes };
  world.enis.put(eniId, changed);
  return changed;
}

/** Throws AwsFault; then nothing has changed. */
export function unassignIpv6(
  world: Ec2World,
  eniId: string,
  input: Pick<Ipv6Input, 'addresses' | 'prefixes'>,
): void {
  const eni = findEni(world, eniId);
  const addresses = input.addresses.map((address) => canonical(address) ?? address);
  const prefixes = input.prefixes.map((prefix) => canonicalPrefix(prefix) ?? prefix);
  const isThere =
    addresses.every((address) => eni.ipv6.includes(address)) &&
    prefixes.every((prefix) => eni.ipv6Prefixes.includes(prefix));
  if (!isThere) throw faults.notAssigned(eniId);
  world.enis.put(eniId, {
    ...eni,
    ipv6: eni.ipv6.filter((address) => !addresses.includes(address)),
    ipv6Prefixes: eni.ipv6Prefixes.filter((prefix) => !prefixes.includes(prefix)),
  });
}

type Network = { readonly base: string; readonly list: BlockList };

/** The subnet is a /64, as all of AWS are. Throws AwsFault. */
function networkOf(subnet: LabSubnet): Network {
  if (subnet.ipv6Cidr === undefined) {
    throw faults.value(`The subnet ${subnet.subnetId} has no IPv6 CIDR block.`);
  }
  const [address = ''] = subnet.ipv6Cidr.split('/');
  const list = new BlockList();
  list.addSubnet(address, 64, 'ipv6');
  return { base: address.replace(/:?:$/, ':'), list };
}

function ownAddress(world: Ec2World, network: Network, text: string, eni: LabEni): string {
  const address = canonical(text);
  if (address === undefined) throw faults.value(`Invalid IPv6 address: ${text}`);
  if (!network.list.check(address, 'ipv6')) throw faults.outsideSubnet(address);
  const holder = world.enis.all().find((other) => other.ipv6.includes(address));
  if (holder !== undefined && holder.eniId !== eni.eniId) throw faults.addressInUse(address);
  return address;
}

function ownPrefix(world: Ec2World, network: Network, text: string): string {
  const prefix = canonicalPrefix(text);
  if (prefix === undefined) throw faults.value(`Invalid IPv6 prefix: ${text}`);
  if (!network.list.check(prefix.replace('/80', ''), 'ipv6')) throw faults.outsideSubnet(prefix);
  if (world.enis.all().some((other) => other.ipv6Prefixes.includes(prefix))) {
    throw faults.addressInUse(prefix);
  }
  return prefix;
}

/** The short form in lower case; undefined: it is no address. */
function canonical(address: string): string | undefined {
  return isIPv6(address) ? new URL(`http://[${address}]`).hostname.slice(1, -1) : undefined;
}

function canonicalPrefix(prefix: string): string | undefined {
  const [address = '', length] = prefix.split('/');
  const short = canonical(address);
  return length === '80' && short?.endsWith('::') ? `${short}/80` : undefined;
}

/** None begins with a zero, so that it is written alike by all. */
function groups(world: Ec2World, count: number): string {
  const hex = (): string =>
    (0x1000 + Math.floor(world.options.random.next() * 0xf000)).toString(16);
  return Array.from({ length: count }, hex).join(':');
}
