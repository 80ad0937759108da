// ENIs beside their attachment: create, delete, change, and their private addresses.
import { checkInside, takeAddress } from './ec2-addresses.ts';
import { faults } from './ec2-faults.ts';
import { instanceTypeOf } from './ec2-instance-types.ts';
import { findEni, findSubnet } from './ec2-lookup.ts';
import { checkTags } from './ec2-tags.ts';
import type { Ec2World, LabAttachment, LabEni, Tags } from './ec2-world.ts';

export type NewEni = {
  readonly subnetId: string;
  readonly eniId?: string;
  readonly mac?: string;
  readonly privateIpv4?: string;
  readonly secondaryIpv4?: readonly string[];
  /** So many more addresses, chosen by EC2. */
  readonly secondaryIpv4Count?: number;
  readonly tags?: Tags;
  readonly description?: string;
  readonly groupIds?: readonly string[];
  readonly interfaceType?: string;
  readonly requesterManaged?: boolean;
  readonly operatorManaged?: boolean;
};

/** Throws AwsFault. */
export function createEni(world: Ec2World, input: NewEni, attachment?: LabAttachment): LabEni {
  const subnet = findSubnet(world, input.subnetId);
  checkTags({}, input.tags ?? {});
  const eniId = input.eniId ?? world.newId('eni');
  if (world.enis.get(eniId) !== undefined) throw new Error(`there is an ENI ${eniId} already`);
  const eni: LabEni = {
    eniId,
    mac: input.mac?.toLowerCase() ?? world.newMac(),
    subnetId: subnet.subnetId,
    vpcId: subnet.vpcId,
    availabilityZone: subnet.availabilityZone,
    availabilityZoneId: subnet.availabilityZoneId,
    description: input.description ?? '',
    status: attachment === undefined ? 'available' : 'in-use',
    interfaceType: input.interfaceType ?? 'interface',
    requesterManaged: input.requesterManaged ?? false,
    operatorManaged: input.operatorManaged ?? false,
    sourceDestCheck: true,
    groupIds: input.groupIds ?? ['sg-0123456789abcdef0'],
    ipv4: [takeAddress(world, subnet, input.privateIpv4)],
    ipv4Prefixes: [],
    ipv6: [],
    tags: input.tags ?? {},
    attachment,
  };
  world.enis.put(eniId, eni);
  try {
    return assignAddresses(world, eniId, {
      addresses: input.secondaryIpv4 ?? [],
      count: input.secondaryIpv4Count ?? 0,
      allowReassignment: false,
    });
  } catch (error) {
    world.enis.delete(eniId);
    throw error;
  }
}

/** Throws AwsFault. */
export function deleteEni(world: Ec2World, eniId: string): void {
  const eni = findEni(world, eniId);
  if (eni.attachment !== undefined) throw faults.currentlyInUse(eniId);
  if (eni.requesterManaged) throw faults.notPermitted(`A service manages ${eniId}.`);
  world.enis.delete(eniId);
}

export type EniChange =
  | { readonly sourceDestCheck: boolean }
  | { readonly description: string }
  | { readonly groupIds: readonly string[] }
  | { readonly attachmentId: string; readonly deleteOnTermination: boolean };

/** Throws AwsFault. */
export function modifyEni(world: Ec2World, eniId: string, change: EniChange): void {
  const eni = findEni(world, eniId);
  if (!('attachmentId' in change)) {
    world.enis.put(eniId, { ...eni, ...change });
    return;
  }
  if (eni.attachment?.attachmentId !== change.attachmentId) {
    throw faults.attachmentNotFound(change.attachmentId);
  }
  const { deleteOnTermination } = change;
  world.enis.put(eniId, { ...eni, attachment: { ...eni.attachment, deleteOnTermination } });
}

export type AssignInput = {
  readonly addresses: readonly string[];
  readonly count: number;
  readonly allowReassignment: boolean;
};

/** Throws AwsFault; then nothing has changed. */
export function assignAddresses(world: Ec2World, eniId: string, input: AssignInput): LabEni {
  const eni = findEni(world, eniId);
  const subnet = findSubnet(world, eni.subnetId);
  const wanted = input.addresses.filter((address) => !eni.ipv4.includes(address));
  const instance =
    eni.attachment === undefined ? undefined : world.instances.get(eni.attachment.instanceId);
  const most =
    instance === undefined ? Infinity : instanceTypeOf(instance.instanceType).ipv4PerInterface;
  if (eni.ipv4.length + wanted.length + input.count > most) throw faults.addressLimit(eniId);
  for (const address of wanted) {
    checkInside(subnet, address);
    const holder = world.enis.all().find((other) => other.ipv4.includes(address));
    if (holder !== undefined && (!input.allowReassignment || holder.ipv4[0] === address)) {
      throw faults.alreadyAssigned(address);
    }
  }
  for (const other of world.enis.all()) {
    const ipv4 = other.ipv4.filter((address) => !wanted.includes(address));
    if (ipv4.length < other.ipv4.length) world.enis.put(other.eniId, { ...other, ipv4 });
  }
  let changed: LabEni = { ...eni, ipv4: [...eni.ipv4, ...wanted] };
  if (wanted.length > 0) world.enis.put(eniId, changed);
  for (let left = input.count; left > 0; left--) {
    changed = { ...changed, ipv4: [...changed.ipv4, takeAddress(world, subnet, undefined)] };
    world.enis.put(eniId, changed);
  }
  return changed;
}

/** Throws AwsFault. */
export function unassignAddresses(
  world: Ec2World,
  eniId: string,
  addresses: readonly string[],
): void {
  const eni = findEni(world, eniId);
  const [primary, ...secondary] = eni.ipv4;
  if (addresses.some((address) => !secondary.includes(address))) throw faults.notAssigned(eniId);
  const ipv4 = [primary!, ...secondary.filter((address) => !addresses.includes(address))];
  world.enis.put(eniId, { ...eni, ipv4 });
}
