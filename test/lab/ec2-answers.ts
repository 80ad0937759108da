// The shapes of EC2's answers: element names as the SDK reads them.
import { maxInterfaces, type InstanceType } from './ec2-instance-types.ts';
import { rangeOf } from './ec2-addresses.ts';
import { elasticOf } from './ec2-elastic.ts';
import { profileArn } from './ec2-lookup.ts';
import type { Ec2Model, Seen } from './ec2-model.ts';
import type {
  InstanceState,
  LabAddress,
  LabEni,
  LabInstance,
  LabSubnet,
  PlacementGroup,
  Tags,
} from './ec2-world.ts';

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

/** `ec2-203-0-113-1.eu-west-1.compute.amazonaws.com` */
export function publicDnsName(model: Ec2Model, ipv4: string): string {
  return `ec2-${ipv4.replaceAll('.', '-')}.${model.region}.compute.amazonaws.com`;
}

/** `addresses`, and `enis` of an instance: as they are seen, so that all views of a stale read agree. */
export function eniShape(model: Ec2Model, eni: LabEni, addresses: readonly LabAddress[]): Shape {
  const { attachment } = eni;
  return {
    ...commonShape(model, eni, addresses, associationShape),
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

export function instanceShape(
  model: Ec2Model,
  instance: LabInstance,
  { enis, addresses }: Pick<Seen, 'enis' | 'addresses'>,
): Shape {
  const gone = instance.state === 'terminated';
  const primary = enis.find((eni) => eni.ipv4.includes(instance.privateIpv4));
  const elastic = primary && elasticOf(addresses, primary.eniId, instance.privateIpv4);
  return {
    instanceId: instance.instanceId,
    imageId: 'ami-0123456789abcdef0',
    instanceState: stateShape(instance.state),
    privateDnsName: gone ? '' : dnsName(model, instance.privateIpv4),
    instanceType: instance.instanceType,
    launchTime: wholeSeconds(instance.launchedAtMs),
    placement: {
      availabilityZone: instance.availabilityZone,
      availabilityZoneId: instance.availabilityZoneId,
      tenancy: 'default',
      groupName: instance.placementGroup?.name ?? '',
    },
    ebsOptimized: false,
    enaSupport: true,
    metadataOptions: {
      state: 'applied',
      httpTokens: instance.metadata.tokens,
      httpPutResponseHopLimit: instance.metadata.hopLimit,
      httpEndpoint: 'enabled',
      instanceMetadataTags: instance.metadata.tags,
    },
    ...(gone
      ? {}
      : {
          subnetId: instance.subnetId,
          vpcId: instance.vpcId,
          privateIpAddress: instance.privateIpv4,
          sourceDestCheck: true,
          iamInstanceProfile: { arn: profileArn(model.world), id: 'AIPALAB00000000000000' },
          ...(elastic === undefined
            ? {}
            : { ipAddress: elastic.publicIp, dnsName: publicDnsName(model, elastic.publicIp) }),
        }),
    networkInterfaceSet: enis.map((eni) => ({
      ...commonShape(model, eni, addresses, publicShape),
      attachment: attachmentShape(eni),
    })),
    tagSet: tagShapes(instance.tags),
  };
}

/** Checks are made of what runs; EC2 makes one a minute, the lab one a question. */
export function instanceStatusShape({ instanceId, state, health, ...rest }: LabInstance): Shape {
  const passed = { ok: 'passed', impaired: 'failed' } as const;
  const check =
    state === 'running'
      ? { status: health, details: [{ name: 'reachability', status: passed[health] }] }
      : { status: state === 'pending' ? 'initializing' : 'not-applicable', details: [] };
  return {
    instanceId,
    availabilityZone: rest.availabilityZone,
    availabilityZoneId: rest.availabilityZoneId,
    instanceState: stateShape(state),
    instanceStatus: check,
    // The lab's hosts are well: what is impaired is the instance on them.
    systemStatus:
      state === 'running'
        ? { status: 'ok', details: [{ name: 'reachability', status: 'passed' }] }
        : check,
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
    availableIpAddressCount:
      last -
      first +
      1 -
      used.reduce((sum, eni) => sum + eni.ipv4.length + 16 * eni.ipv4Prefixes.length, 0),
    availabilityZone: subnet.availabilityZone,
    availabilityZoneId: subnet.availabilityZoneId,
    defaultForAz: false,
    mapPublicIpOnLaunch: false,
    ipv6CidrBlockAssociationSet:
      subnet.ipv6Cidr === undefined
        ? []
        : [
            {
              associationId: subnet.subnetId.replace(/^subnet-/, 'subnet-cidr-assoc-'),
              ipv6CidrBlock: subnet.ipv6Cidr,
              ipv6CidrBlockState: { state: 'associated' },
            },
          ],
    tagSet: [],
  };
}

export function placementGroupShape({ name, strategy }: PlacementGroup): Shape {
  return { groupName: name, strategy, state: 'available' };
}

export function instanceTypeShape(type: InstanceType): Shape {
  return {
    instanceType: type.name,
    currentGeneration: true,
    hypervisor: 'nitro',
    ebsInfo: { ebsOptimizedSupport: 'default' },
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

type Association = (model: Ec2Model, address: LabAddress) => Shape;

const publicShape: Association = (model, { publicIp }) => ({
  publicIp,
  publicDnsName: publicDnsName(model, publicIp),
  ipOwnerId: model.accountId,
});

const associationShape: Association = (model, address) => ({
  ...publicShape(model, address),
  allocationId: address.allocationId,
  associationId: address.association?.associationId,
});

function commonShape(
  model: Ec2Model,
  eni: LabEni,
  addresses: readonly LabAddress[],
  associationOf: Association,
): Shape {
  const association = (privateIp: string): Shape => {
    const address = elasticOf(addresses, eni.eniId, privateIp);
    return address === undefined ? {} : { association: associationOf(model, address) };
  };
  return {
    ...association(eni.ipv4[0]!),
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
      ...association(privateIpAddress),
    })),
    ipv4PrefixSet: eni.ipv4Prefixes.map((ipv4Prefix) => ({ ipv4Prefix })),
    ipv6PrefixSet: eni.ipv6Prefixes.map((ipv6Prefix) => ({ ipv6Prefix })),
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
    attachTime: attachment === undefined ? undefined : wholeSeconds(attachment.attachedAtMs),
    deleteOnTermination: attachment?.deleteOnTermination,
  };
}

/** EC2 knows no fractions: `2026-11-21T00:50:40.000Z`. */
function wholeSeconds(ms: number): Date {
  return new Date(Math.floor(ms / 1000) * 1000);
}
