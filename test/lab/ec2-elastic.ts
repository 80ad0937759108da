// Elastic IP addresses of the local EC2: each is free, or stands for one private address of one ENI.
import { faults } from './ec2-faults.ts';
import { enisOf, findEni, findInstance } from './ec2-lookup.ts';
import { checkTags } from './ec2-tags.ts';
import type { Ec2Change, Ec2World, LabAddress, LabEni, Tags } from './ec2-world.ts';

/** A quota of a new account. */
const mostAddresses = 5;

/** Throws AwsFault. */
export function allocateAddress(world: Ec2World, tags: Tags): LabAddress {
  checkTags({}, tags);
  if (world.addresses.all().length >= mostAddresses) throw faults.addressQuota();
  const allocationId = world.newId('eipalloc');
  const taken = new Set(world.addresses.all().map(({ publicIp }) => publicIp));
  let host = 1;
  while (taken.has(`203.0.113.${host}`)) host++;
  const address = { allocationId, publicIp: `203.0.113.${host}`, tags, association: undefined };
  world.addresses.put(allocationId, address);
  return address;
}

/** Throws AwsFault. */
export function releaseAddress(world: Ec2World, allocationId: string): void {
  const address = findAddress(world.addresses.all(), { allocationId });
  if (address.association !== undefined) throw faults.addressInUse(address.publicIp);
  world.addresses.delete(allocationId);
}

export type AssociateInput = {
  readonly eniId: string | undefined;
  /** Instead of an ENI: the only one of this instance. */
  readonly instanceId: string | undefined;
  /** Default: the primary address of the ENI. */
  readonly privateIp: string | undefined;
  readonly allowReassociation: boolean;
};

/** What had the address, and what the private address had, lose it, if that is allowed. Throws AwsFault. */
export function associateAddress(
  world: Ec2World,
  address: LabAddress,
  input: AssociateInput,
): string {
  const eni = targetOf(world, input);
  const privateIp = input.privateIp ?? eni.ipv4[0]!;
  if (!eni.ipv4.includes(privateIp)) throw faults.notAssigned(eni.eniId);
  const { association } = address;
  if (association?.eniId === eni.eniId && association.privateIp === privateIp) {
    return association.associationId;
  }
  const other = elasticOf(world.addresses.all(), eni.eniId, privateIp);
  const isTaken = association !== undefined || other !== undefined;
  if (isTaken && !input.allowReassociation) {
    throw faults.alreadyAssociated((association === undefined ? other! : address).publicIp);
  }
  if (other !== undefined) {
    world.addresses.put(other.allocationId, { ...other, association: undefined });
  }
  const associationId = world.newId('eipassoc');
  world.addresses.put(address.allocationId, {
    ...address,
    association: { associationId, eniId: eni.eniId, privateIp },
  });
  return associationId;
}

export function disassociateAddress(world: Ec2World, address: LabAddress): void {
  world.addresses.put(address.allocationId, { ...address, association: undefined });
}

/** Throws AwsFault. */
export function findAddress(
  addresses: readonly LabAddress[],
  by: { readonly allocationId: string } | { readonly publicIp: string },
): LabAddress {
  if ('allocationId' in by) {
    const found = addresses.find(({ allocationId }) => allocationId === by.allocationId);
    if (found === undefined) throw faults.allocationNotFound(by.allocationId);
    return found;
  }
  const found = addresses.find(({ publicIp }) => publicIp === by.publicIp);
  if (found === undefined) throw faults.addressNotFound(by.publicIp);
  return found;
}

/** The address that stands for this private one. */
export function elasticOf(
  addresses: readonly LabAddress[],
  eniId: string,
  privateIp: string,
): LabAddress | undefined {
  return addresses.find(
    ({ association }) => association?.eniId === eniId && association.privateIp === privateIp,
  );
}

/** An address goes free with the ENI, or with the private address, that it stands for. */
export function releaseWith(world: Ec2World, change: Ec2Change): void {
  if (change.kind !== 'eni') return;
  for (const address of world.addresses.all()) {
    const { association } = address;
    if (association?.eniId !== change.id) continue;
    if (!change.eni?.ipv4.includes(association.privateIp)) disassociateAddress(world, address);
  }
}

function targetOf(world: Ec2World, { eniId, instanceId }: AssociateInput): LabEni {
  if (eniId !== undefined) return findEni(world, eniId);
  const instance = findInstance(world, instanceId!);
  const [primary, ...more] = enisOf(world.enis.all(), instance.instanceId);
  if (primary === undefined) throw faults.notRunning(instance.instanceId);
  if (more.length > 0) throw faults.manyInterfaces(instance.instanceId);
  return primary;
}
