// The shapes of EC2's answers: element names as the SDK reads them.
import { maxInterfaces, type InstanceType } from './ec2-instance-types.ts';
import { rangeOf } from './ec2-addresses.ts';
import type { Ec2Model } from './ec2-model.ts';
import type { InstanceState, LabEni, LabInstance, LabSubnet, Tags } from './ec2-world.ts';

export type Shape = Readonly<Record<string, unknown>>;

const stateCodes: Readonly<Record<InstanceState, number>> = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
};

export function stateShape(name: InstanceState): Shape {
  return { code: stateCodes[name], name };
}

export function tagShapes(tags: Tags): readonly Shape[] {
  return Object.entries(tags).map(([key, value]) => ({ key, value }));
}

/** `ip-10-0-1-5.eu-west-1.compute.internal` */
export function dnsName(model: Ec2Model, ipv4: string): string {
  return `ip-${ipv4.replaceAll('.', '-')}.${model.region}.compute.internal`;
}

export function eniShape(model: Ec2Model, eni: LabEni): Shape {
  const { attachment } = eni;
  return {
    ...commonShape(model, eni),
    availabilityZone: eni.availabilityZone,
    availabilityZoneId: eni.availabilityZoneId,
    requesterManaged: eni.requesterManaged,
    ...(eni.requesterManaged ? { requesterId: 'amazon-elb' } : {}),
    tagSet: tagShapes(eni.tags),
    ...(attachment === undefined
      ? {}
      : {
          attachment: {
            ...attachmentShape(eni),
            instanceId: attachment.instanceId,
            instanceOwnerId: model.accountId,
          },
        }),
  };
}

/** `enis`: as they are seen, so that both views of a stale read agree. */
export function instanceShape(
  model: Ec2Model,
  instance: LabInstance,
  enis: readonly LabEni[],
): Shape {
  const gone = instance.state === 'terminated';
  return {
    instanceId: instance.instanceId,
    imageId: 'ami-0123456789abcdef0',
    instanceState: stateShape(instance.state),
    privateDnsName: gone ? '' : dnsName(model, instance.privateIpv4),
    instanceType: instance.instanceType,
    launchTime: new Date(instance.launchedAtMs),
    placement: {
      availabilityZone: instance.availabilityZone,
      availabilityZoneId: instance.availabilityZoneId,
      tenancy: 'default',
    },
    ...(gone
      ? {}
      : {
          subnetId: instance.subnetId,
          vpcId: instance.vpcId,
          privateIpAddress: instance.privateIpv4,
          sourceDestCheck: true,
        }),
    networkInterfaceSet: enis.map((eni) => ({
      ...commonShape(model, eni),
      attachment: attachmentShape(eni),
    })),
    tagSet: tagShapes(instance.tags),
  };
}

export function subnetShape(model: Ec2Model, subnet: LabSubnet): Shape {
  const { first, last } = rangeOf(subnet.ipv4Cidr);
  const used = model.enis().filter((eni) => eni.subnetId === subnet.subnetId);
  return {
    subnetId: subnet.subnetId,
    subnetArn: model.arnOf(subnet.subnetId),
    state: 'available',
    vpcId: subnet.vpcId,
    ownerId: model.accountId,
    cidrBlock: subnet.ipv4Cidr,
    availableIpAddressCount: last - first + 1 - used.flatMap((eni) => eni.ipv4).length,
    availabilityZone: subnet.availabilityZone,
    availabilityZoneId: subnet.availabilityZoneId,
    defaultForAz: false,
    mapPublicIpOnLaunch: false,
    ipv6CidrBlockAssociationSet: [],
    tagSet: [],
  };
}

export function instanceTypeShape(type: InstanceType): Shape {
  return {
    instanceType: type.name,
    currentGeneration: true,
    hypervisor: 'nitro',
    processorInfo: { supportedArchitectures: [type.architecture] },
    networkInfo: {
      maximumNetworkInterfaces: maxInterfaces(type),
      maximumNetworkCards: type.networkCards.length,
      defaultNetworkCardIndex: 0,
      networkCards: type.networkCards.map((most, index) => ({
        networkCardIndex: index,
        maximumNetworkInterfaces: most,
      })),
      ipv4AddressesPerInterface: type.ipv4PerInterface,
      ipv6AddressesPerInterface: type.ipv4PerInterface,
      ipv6Supported: true,
      enaSupport: 'required',
      efaSupported: type.networkCards.length > 1,
    },
  };
}

function commonShape(model: Ec2Model, eni: LabEni): Shape {
  return {
    networkInterfaceId: eni.eniId,
    subnetId: eni.subnetId,
    vpcId: eni.vpcId,
    description: eni.description,
    ownerId: model.accountId,
    status: eni.status,
    macAddress: eni.mac,
    privateIpAddress: eni.ipv4[0],
    privateDnsName: dnsName(model, eni.ipv4[0]!),
    sourceDestCheck: eni.sourceDestCheck,
    interfaceType: eni.interfaceType,
    groupSet: eni.groupIds.map((groupId) => ({ groupId, groupName: groupId })),
    privateIpAddressesSet: eni.ipv4.map((privateIpAddress, index) => ({
      privateIpAddress,
      privateDnsName: dnsName(model, privateIpAddress),
      primary: index === 0,
    })),
    ipv4PrefixSet: eni.ipv4Prefixes.map((ipv4Prefix) => ({ ipv4Prefix })),
    ipv6AddressesSet: eni.ipv6.map((ipv6Address) => ({ ipv6Address })),
    operator: { managed: eni.operatorManaged },
  };
}

function attachmentShape({ attachment }: LabEni): Shape {
  return {
    attachmentId: attachment?.attachmentId,
    deviceIndex: attachment?.deviceIndex,
    networkCardIndex: attachment?.networkCardIndex,
    status: attachment?.status,
    attachTime: attachment === undefined ? undefined : new Date(attachment.attachedAtMs),
    deleteOnTermination: attachment?.deleteOnTermination,
  };
}
