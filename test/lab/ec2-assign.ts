// Secondary IPv4 addresses and prefixes of an ENI: giving and taking them.
import { checkInside, takeAddress, takePrefix } from './ec2-addresses.ts';
import { faults } from './ec2-faults.ts';
import { instanceTypeOf } from './ec2-instance-types.ts';
import { findEni, findSubnet } from './ec2-lookup.ts';
import type { Ec2World, LabEni } from './ec2-world.ts';

export type AssignInput = {
  readonly addresses: readonly string[];
  readonly count: number;
  readonly allowReassignment: boolean;
  /** Each a /28. */
  readonly prefixes?: readonly string[];
  readonly prefixCount?: number;
};

/** A prefix counts as one address against the limit of the type. Throws AwsFault; then nothing has changed. */
export function assignAddresses(world: Ec2World, eniId: string, input: AssignInput): LabEni {
  const eni = findEni(world, eniId);
  const subnet = findSubnet(world, eni.subnetId);
  const wanted = input.addresses.filter((address) => !eni.ipv4.includes(address));
  const prefixes = input.prefixes ?? [];
  const prefixCount = input.prefixCount ?? 0;
  const instance =
    eni.attachment === undefined ? undefined : world.instances.get(eni.attachment.instanceId);
  const most =
    instance === undefined ? Infinity : instanceTypeOf(instance.instanceType).ipv4PerInterface;
  const added = wanted.length + input.count + prefixes.length + prefixCount;
  if (eni.ipv4.length + eni.ipv4Prefixes.length + added > most) throw faults.addressLimit(eniId);
  for (const address of wanted) {
    checkInside(subnet, address);
    const holder = world.enis.all().find((other) => other.ipv4.includes(address));
    if (holder !== undefined && (!input.allowReassignment || holder.ipv4[0] === address)) {
      throw faults.alreadyAssigned(address);
    }
  }
  const before = world.enis.all();
  try {
    for (const other of before) {
      const ipv4 = other.ipv4.filter((address) => !wanted.includes(address));
      if (ipv4.length < other.ipv4.length) world.enis.put(other.eniId, { ...other, ipv4 });
    }
    let changed: LabEni = { ...eni, ipv4: [...eni.ipv4, ...wanted] };
    if (wanted.length > 0) world.enis.put(eniId, changed);
    for (let left = input.count; left > 0; left--) {
      changed = { ...changed, ipv4: [...changed.ipv4, takeAddress(world, subnet, undefined)] };
      world.enis.put(eniId, changed);
    }
    const more = Array.from({ length: prefixCount }, () => undefined);
    for (const prefix of [...prefixes, ...more]) {
      const ipv4Prefixes = [...changed.ipv4Prefixes, takePrefix(world, subnet, prefix)];
      changed = { ...changed, ipv4Prefixes };
      world.enis.put(eniId, changed);
    }
    return changed;
  } catch (error) {
    for (const old of before) {
      if (world.enis.get(old.eniId) !== old) world.enis.put(old.eniId, old);
    }
    throw error;
  }
}

/** Throws AwsFault; then nothing has changed. */
export function unassignAddresses(
  world: Ec2World,
  eniId: string,
  addresses: readonly string[],
  prefixes: readonly string[] = [],
): void {
  const eni = findEni(world, eniId);
  const [primary, ...secondary] = eni.ipv4;
  const isThere =
    addresses.every((address) => secondary.includes(address)) &&
    prefixes.every((prefix) => eni.ipv4Prefixes.includes(prefix));
  if (!isThere) throw faults.notAssigned(eniId);
  world.enis.put(eniId, {
    ...eni,
    ipv4: [primary!, ...secondary.filter((address) => !addresses.includes(address))],
    ipv4Prefixes: eni.ipv4Prefixes.filter((prefix) => !prefixes.includes(prefix)),
  });
}
