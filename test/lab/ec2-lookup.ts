// Finds what an id names in the local EC2, or throws the error that AWS gives for a malformed or unknown one.
import { faults } from './ec2-faults.ts';
import type { Ec2World, LabEni, LabInstance, LabSubnet } from './ec2-world.ts';
import type { AwsFault } from './service.ts';

/** Terminated instances stay visible for about an hour (claim.md section 2). */
const terminatedVisibleMs = 3_600_000;

export function findEni(world: Ec2World, id: string): LabEni {
  return world.enis.get(id) ?? refuse(id, 'eni', faults.eniMalformed, faults.eniNotFound);
}

export function findInstance(world: Ec2World, id: string): LabInstance {
  const found = world.instances.get(id);
  if (found !== undefined && isVisible(world, found)) return found;
  return refuse(id, 'i', faults.instanceMalformed, faults.instanceNotFound);
}

export function findSubnet(world: Ec2World, id: string): LabSubnet {
  return (
    world.subnets.get(id) ?? refuse(id, 'subnet', faults.subnetMalformed, faults.subnetNotFound)
  );
}

export function findByAttachment(world: Ec2World, id: string): LabEni {
  return (
    world.enis.all().find((eni) => eni.attachment?.attachmentId === id) ??
    refuse(id, 'eni-attach', faults.attachmentMalformed, faults.attachmentNotFound)
  );
}

export function enisOf(enis: Iterable<LabEni>, instanceId: string): readonly LabEni[] {
  return [...enis]
    .filter((eni) => eni.attachment?.instanceId === instanceId)
    .toSorted(
      (a, b) =>
        a.attachment!.networkCardIndex - b.attachment!.networkCardIndex ||
        a.attachment!.deviceIndex - b.attachment!.deviceIndex,
    );
}

export function isVisible(world: Ec2World, instance: LabInstance): boolean {
  return (
    instance.terminatedAtMs === undefined ||
    world.options.clock.nowMs() - instance.terminatedAtMs <= terminatedVisibleMs
  );
}

const kinds: Readonly<Record<string, string>> = {
  i: 'instance',
  eni: 'network-interface',
  eipalloc: 'elastic-ip',
};

/** ARN of an instance, ENI, Elastic IP address or subnet. */
export function arnOf(world: Ec2World, id: string): string {
  const { partition, region, accountId } = world.options;
  const kind = kinds[id.split('-')[0]!] ?? 'subnet';
  return `arn:${partition}:ec2:${region}:${accountId}:${kind}/${id}`;
}

/** Of every instance: IMDS says the same (test/lab/lab-imds.ts). */
export function profileArn({ options }: Ec2World): string {
  return `arn:${options.partition}:iam::${options.accountId}:instance-profile/berth`;
}

/** An id that a test made up itself need not look like one of AWS, as long as it names something. */
function refuse(
  id: string,
  prefix: string,
  malformed: (id: string) => AwsFault,
  notFound: (id: string) => AwsFault,
): never {
  throw looksLike(prefix, id) ? notFound(id) : malformed(id);
}

/** Is `id` one that AWS could have made? */
export function looksLike(prefix: string, id: string): boolean {
  return new RegExp(`^${prefix}-[0-9a-f]{8}(?:[0-9a-f]{9})?$`).test(id);
}
