// Attach and detach: the one exclusive thing of EC2, and its way through the states.
import { faults } from './ec2-faults.ts';
import { instanceTypeOf, maxInterfaces } from './ec2-instance-types.ts';
import { enisOf, findByAttachment, findEni, findInstance } from './ec2-lookup.ts';
import type { Ec2World, LabAttachment, LabEni } from './ec2-world.ts';

export type AttachInput = {
  readonly eniId: string;
  readonly instanceId: string;
  readonly deviceIndex: number;
  readonly networkCardIndex: number;
};

/** An ENI has one attachment at most. Throws AwsFault. */
export function attach(world: Ec2World, input: AttachInput): LabAttachment {
  const eni = findEni(world, input.eniId);
  const instance = findInstance(world, input.instanceId);
  const type = instanceTypeOf(instance.instanceType);
  if (instance.state !== 'running' && instance.state !== 'stopped') {
    throw faults.notRunning(instance.instanceId);
  }
  if (eni.attachment !== undefined) {
    const asValue = world.happens(world.dials.inUseAsValue);
    throw asValue ? faults.currentlyInUse(eni.eniId) : faults.inUse(eni.eniId);
  }
  if (eni.requesterManaged || eni.operatorManaged || eni.interfaceType !== 'interface') {
    throw faults.notPermitted(`You are not allowed to attach ${eni.eniId}: a service manages it.`);
  }
  if (eni.availabilityZoneId !== instance.availabilityZoneId) throw faults.otherZone();
  const perCard = type.networkCards[input.networkCardIndex];
  if (perCard === undefined) {
    throw faults.value(
      `Network card index ${input.networkCardIndex} exceeds the limit for ${type.name}`,
    );
  }
  const held = enisOf(world.enis.all(), instance.instanceId);
  const onCard = held.filter(
    (other) => other.attachment!.networkCardIndex === input.networkCardIndex,
  );
  if (onCard.some((other) => other.attachment!.deviceIndex === input.deviceIndex)) {
    throw faults.indexTaken(instance.instanceId, input.deviceIndex);
  }
  if (onCard.length >= perCard || held.length >= maxInterfaces(type)) {
    throw faults.attachmentLimit(held.length + 1, type.name);
  }
  if (eni.ipv4.length + eni.ipv4Prefixes.length > type.ipv4PerInterface) {
    throw faults.eniAddressLimit(eni.eniId, type.name);
  }

  const attachment: LabAttachment = {
    attachmentId: world.newId('eni-attach'),
    instanceId: instance.instanceId,
    deviceIndex: input.deviceIndex,
    networkCardIndex: input.networkCardIndex,
    status: 'attaching',
    isForced: false,
    deleteOnTermination: false,
    attachedAtMs: world.options.clock.nowMs(),
  };
  world.enis.put(eni.eniId, { ...eni, status: 'attaching', attachment });
  // Drawn at once, so that the order of what ends later has no part in it.
  const isStuck = world.happens(world.dials.attachStuck);
  const hasDevice = !isStuck && !world.happens(world.dials.deviceNever);
  world.after(world.drawMs(world.dials.attachMs), () => {
    if (isStuck) return;
    const now = current(world, eni.eniId, attachment.attachmentId);
    if (now?.attachment.status !== 'attaching') return;
    world.enis.put(now.eniId, {
      ...now,
      status: 'in-use',
      attachment: { ...now.attachment, status: 'attached' },
    });
  });
  if (hasDevice) {
    const plugMs = world.drawMs(world.dials.deviceMs);
    world.after(plugMs, () => plug(world, eni.eniId, attachment.attachmentId));
  }
  return attachment;
}

/**
 * With `force`, without the usual duration. A detach that is under way is accepted again (not confirmed on AWS).
 * Throws AwsFault.
 */
export function detach(world: Ec2World, attachmentId: string, force: boolean): void {
  const eni = findByAttachment(world, attachmentId);
  if (eni.attachment?.deviceIndex === 0 && eni.attachment.networkCardIndex === 0) {
    throw faults.notPermitted(
      `The network interface at device index 0 and network card index 0 cannot be detached.`,
    );
  }
  if (eni.attachment?.status === 'detaching' && !force) return;
  world.enis.put(eni.eniId, {
    ...eni,
    status: 'detaching',
    attachment: { ...eni.attachment!, status: 'detaching', isForced: force },
  });
  if (world.happens(force ? world.dials.forceStuck : world.dials.detachStuck)) return;
  const freeMs = force ? 0 : world.drawMs(world.dials.detachMs);
  world.after(freeMs, () => free(world, eni.eniId, attachmentId));
}

/** Pulls the device and makes the ENI available, or deletes it where it is to go with its instance. */
export async function free(
  world: Ec2World,
  eniId: string,
  attachmentId: string,
  deleted = false,
): Promise<void> {
  const before = current(world, eniId, attachmentId);
  if (before === undefined) return;
  if (before.attachment.deviceIndex > 0) {
    await world.inTurn(eniId, async () => {
      if (!world.plugged.delete(attachmentId)) return;
      await world.options.actuator?.unplug(before.attachment.instanceId, eniId);
    });
  }
  const now = current(world, eniId, attachmentId);
  if (now === undefined) return;
  if (deleted) world.enis.delete(eniId);
  else world.enis.put(eniId, { ...now, status: 'available', attachment: undefined });
}

async function plug(world: Ec2World, eniId: string, attachmentId: string): Promise<void> {
  await world.inTurn(eniId, async () => {
    const eni = current(world, eniId, attachmentId);
    if (eni === undefined || eni.attachment.status === 'detaching') return;
    world.plugged.add(attachmentId);
    await world.options.actuator?.plug(eni.attachment.instanceId, {
      eniId,
      mac: eni.mac,
      ipv4: eni.ipv4,
      subnetCidr: world.subnets.get(eni.subnetId)!.ipv4Cidr,
      deviceIndex: eni.attachment.deviceIndex,
    });
  });
}

type AttachedEni = LabEni & { readonly attachment: LabAttachment };

function current(world: Ec2World, eniId: string, attachmentId: string): AttachedEni | undefined {
  const eni = world.enis.get(eniId);
  return eni?.attachment?.attachmentId === attachmentId ? (eni as AttachedEni) : undefined;
}
