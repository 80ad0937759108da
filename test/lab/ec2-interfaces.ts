// ENIs beside their attachment: create, delete and change.
import { takeAddress } from './ec2-addresses.ts';
import { assignAddresses } from './ec2-assign.ts';
import { faults } from './ec2-faults.ts';
import { assignIpv6 } from './ec2-ipv6.ts';
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
  readonly ipv6?: readonly string[];
  /** So many more addresses, chosen by EC2. */
  readonly ipv6Count?: number;
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
    ipv6Prefixes: [],
    tags: input.tags ?? {},
    attachment,
  };
  world.enis.put(eniId, eni);
  try {
    assignAddresses(world, eniId, {
      addresses: input.secondaryIpv4 ?? [],
      count: input.secondaryIpv4Count ?? 0,
      allowReassignment: false,
    });
    const { ipv6 = [], ipv6Count = 0 } = input;
    if (ipv6.length + ipv6Count === 0) return world.enis.get(eniId)!;
    const addresses = { addresses: ipv6, addressCount: ipv6Count };
    return assignIpv6(world, eniId, { ...addresses, prefixes: [], prefixCount: 0 });
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
