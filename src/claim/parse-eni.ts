// Turns EC2's description of a network interface into ours.
import type { NetworkInterface, Tag } from '@aws-sdk/client-ec2';
import type { Eni, EniAttachment } from '../model/eni.ts';

const eniStates: readonly string[] = [
  'available',
  'associated',
  'attaching',
  'in-use',
  'detaching',
];
const attachmentStates: readonly string[] = ['attaching', 'attached', 'detaching', 'detached'];

/** The primary address first. */
export function parseEni(nic: NetworkInterface): Eni {
  const addresses = [...(nic.PrivateIpAddresses ?? [])].toSorted(
    (a, b) => Number(b.Primary ?? false) - Number(a.Primary ?? false),
  );
  return {
    eniId: nic.NetworkInterfaceId ?? '',
    mac: (nic.MacAddress ?? '').toLowerCase(),
    subnetId: nic.SubnetId ?? '',
    vpcId: nic.VpcId ?? '',
    availabilityZone: nic.AvailabilityZone ?? '',
    availabilityZoneId: nic.AvailabilityZoneId || undefined,
    status: known(eniStates, nic.Status) as Eni['status'],
    interfaceType: nic.InterfaceType ?? 'interface',
    requesterManaged: nic.RequesterManaged ?? false,
    operatorManaged: nic.Operator?.Managed ?? false,
    outpostArn: nic.OutpostArn || undefined,
    ipv4: addresses.flatMap((address) => address.PrivateIpAddress ?? []),
    ipv4Prefixes: (nic.Ipv4Prefixes ?? []).flatMap((prefix) => prefix.Ipv4Prefix ?? []),
    ipv6: (nic.Ipv6Addresses ?? []).flatMap((address) => address.Ipv6Address ?? []),
    ipv6Prefixes: (nic.Ipv6Prefixes ?? []).flatMap((prefix) => prefix.Ipv6Prefix ?? []),
    tags: parseTags(nic.TagSet),
    attachment: parseAttachment(nic.Attachment),
  };
}

export function parseTags(tags: readonly Tag[] | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries((tags ?? []).map((tag) => [tag.Key ?? '', tag.Value ?? '']));
}

function parseAttachment(attachment: NetworkInterface['Attachment']): EniAttachment | undefined {
  if (attachment?.AttachmentId === undefined || attachment.Status === 'detached') return undefined;
  return {
    attachmentId: attachment.AttachmentId,
    instanceId: attachment.InstanceId || undefined,
    deviceIndex: attachment.DeviceIndex ?? 0,
    networkCardIndex: attachment.NetworkCardIndex ?? 0,
    status: known(attachmentStates, attachment.Status) as EniAttachment['status'],
    deleteOnTermination: attachment.DeleteOnTermination ?? false,
    attachedAt: attachment.AttachTime?.toISOString(),
  };
}

function known(values: readonly string[], value: string | undefined): string {
  return value !== undefined && values.includes(value) ? value : 'unknown';
}
