// The Describe calls of the local EC2: by id or by filter, in pages, and as stale as the dial says.
import {
  dnsName,
  eniShape,
  instanceShape,
  instanceStatusShape,
  instanceTypeShape,
  placementGroupShape,
  subnetShape,
  type Shape,
} from './ec2-answers.ts';
import { faults } from './ec2-faults.ts';
import { filterItems, pageOf, type FilterFields } from './ec2-filters.ts';
import type { Ec2Input } from './ec2-input.ts';
import { instanceTypes, type InstanceType } from './ec2-instance-types.ts';
import { enisOf, findEni, findInstance, findSubnet, profileArn } from './ec2-lookup.ts';
import type { Ec2Model } from './ec2-model.ts';
import type { LabAddress, LabEni, LabInstance, LabSubnet } from './ec2-world.ts';

export type Describe = (model: Ec2Model, input: Ec2Input) => Shape;

export const describeNetworkInterfaces: Describe = (model, input) => {
  const { enis, addresses } = model.seen();
  const ids = readIds(input, 'NetworkInterfaceId');
  if (isUnbounded(model, input, deepFilters)) throw faults.unpaged();
  const chosen = byId(
    ids,
    enis,
    (eni) => eni.eniId,
    (id) => {
      findEni(model.world, id);
      throw faults.eniNotFound(id);
    },
  );
  const found = filterItems(input, chosen, eniFields(model, addresses), (eni) => eni.tags);
  const page = pageOf(input, found, (eni) => eni.eniId);
  return {
    networkInterfaceSet: page.items.map((eni) => eniShape(model, eni, addresses)),
    nextToken: page.nextToken,
  };
};

export const describeInstances: Describe = (model, input) => {
  const { instances, enis, addresses } = model.seen();
  const ids = readIds(input, 'InstanceId');
  if (isUnbounded(model, input)) throw faults.throttled();
  const chosen = byId(
    ids,
    instances,
    (instance) => instance.instanceId,
    (id) => {
      findInstance(model.world, id);
      throw faults.instanceNotFound(id);
    },
  );
  const found = filterItems(input, chosen, instanceFields(model), (instance) => instance.tags);
  const page = pageOf(input, found, (instance) => instance.instanceId);
  return {
    reservationSet: page.items.map((instance) => ({
      reservationId: instance.instanceId.replace(/^i-/, 'r-'),
      ownerId: model.accountId,
      groupSet: [],
      instancesSet: [
        instanceShape(model, instance, { enis: enisOf(enis, instance.instanceId), addresses }),
      ],
    })),
    nextToken: page.nextToken,
  };
};

/** Of running instances, unless all are asked for. */
export const describeInstanceStatus: Describe = (model, input) => {
  const { instances } = model.seen();
  const ids = readIds(input, 'InstanceId');
  const chosen = byId(
    ids,
    instances,
    (instance) => instance.instanceId,
    (id) => {
      findInstance(model.world, id);
      throw faults.instanceNotFound(id);
    },
  ).filter((instance) => input.flag('IncludeAllInstances') || instance.state === 'running');
  const found = filterItems(input, chosen, instanceStatusFields, undefined);
  const page = pageOf(input, found, (instance) => instance.instanceId);
  return {
    instanceStatusSet: page.items.map(instanceStatusShape),
    nextToken: page.nextToken,
  };
};

export const describeSubnets: Describe = (model, input) => {
  const ids = readIds(input, 'SubnetId');
  const chosen = byId(
    ids,
    model.subnets(),
    (subnet) => subnet.subnetId,
    (id) => {
      findSubnet(model.world, id);
      throw faults.subnetNotFound(id);
    },
  );
  const found = filterItems(input, chosen, subnetFields, () => ({}));
  const page = pageOf(input, found, (subnet) => subnet.subnetId);
  return {
    subnetSet: page.items.map((subnet) => subnetShape(model, subnet)),
    nextToken: page.nextToken,
  };
};

export const describeInstanceTypes: Describe = (_model, input) => {
  const chosen = byId(
    input.texts('InstanceType'),
    instanceTypes,
    (type) => type.name,
    (name) => {
      throw faults.unknownInstanceType(name);
    },
  );
  const found = filterItems(input, chosen, instanceTypeFields, undefined);
  const page = pageOf(input, found, (type) => type.name, 100);
  return { instanceTypeSet: page.items.map(instanceTypeShape), nextToken: page.nextToken };
};

/** Those of the instances. */
export const describePlacementGroups: Describe = (model, input) => {
  const groups = new Map(
    model
      .seen()
      .instances.flatMap(({ placementGroup: group }) => (group ? [[group.name, group]] : [])),
  );
  const chosen = byId(
    input.texts('GroupName'),
    [...groups.values()],
    ({ name }) => name,
    (name) => {
      throw faults.unknownPlacementGroup(name);
    },
  );
  return { placementGroupSet: chosen.map(placementGroupShape) };
};

type TagItem = {
  readonly resourceId: string;
  readonly resourceType: string;
  readonly key: string;
  readonly value: string;
};

export const describeTags: Describe = (model, input) => {
  const { enis, instances } = model.seen();
  const items = [
    ...enis.map((eni) => [eni.eniId, 'network-interface', eni.tags] as const),
    ...instances.map((instance) => [instance.instanceId, 'instance', instance.tags] as const),
  ].flatMap(([resourceId, resourceType, tags]) =>
    Object.entries(tags).map(([key, value]): TagItem => ({ resourceId, resourceType, key, value })),
  );
  const found = filterItems(input, items, tagFields, (item) => ({ [item.key]: item.value }));
  const page = pageOf(input, found, (item) => `${item.resourceId} ${item.key}`);
  return { tagSet: page.items, nextToken: page.nextToken };
};

function readIds(input: Ec2Input, name: string): readonly string[] {
  const ids = input.texts(name);
  if (ids.length > 0 && input.text('MaxResults') !== undefined) {
    throw faults.combination(`The parameter ${name} cannot be used with the parameter maxResults`);
  }
  return ids;
}

/** The filters with which AWS lets an unpaged Describe of many ENIs pass (botocore: DescribeNetworkInterfaces). */
const deepFilters = [
  'attachment.instance-id',
  'group-id',
  'mac-address',
  'private-dns-name',
  'private-ip-address',
  'subnet-id',
  'vpc-id',
];

/** Too much for one answer in a large account. */
function isUnbounded(model: Ec2Model, input: Ec2Input, filters?: readonly string[]): boolean {
  const { pagedAbove } = model.dials;
  if (pagedAbove === 0 || model.enis().length <= pagedAbove) return false;
  if (input.text('MaxResults') !== undefined || input.text('NextToken') !== undefined) return false;
  if ([...input.texts('NetworkInterfaceId'), ...input.texts('InstanceId')].length > 0) return false;
  const named = input.nestedList('Filter').map((filter) => filter.required('Name'));
  return !named.some((name) => filters?.includes(name) ?? true);
}

/** All of them if no id is given. */
function byId<T>(
  ids: readonly string[],
  items: readonly T[],
  idOf: (item: T) => string,
  refuse: (id: string) => never,
): readonly T[] {
  if (ids.length === 0) return items;
  const known = new Map(items.map((item) => [idOf(item), item]));
  return [...new Set(ids)].map((id) => known.get(id) ?? refuse(id));
}

const optional = (value: { toString(): string } | undefined): readonly string[] =>
  value === undefined ? [] : [value.toString()];

function eniFields(model: Ec2Model, addresses: readonly LabAddress[]): FilterFields<LabEni> {
  const elastic = (eni: LabEni): readonly LabAddress[] =>
    addresses.filter(({ association }) => association?.eniId === eni.eniId);
  return {
    'network-interface-id': (eni) => [eni.eniId],
    status: (eni) => [eni.status],
    description: (eni) => [eni.description],
    'subnet-id': (eni) => [eni.subnetId],
    'vpc-id': (eni) => [eni.vpcId],
    'availability-zone': (eni) => [eni.availabilityZone],
    'availability-zone-id': (eni) => [eni.availabilityZoneId],
    'mac-address': (eni) => [eni.mac],
    'group-id': (eni) => eni.groupIds,
    'group-name': (eni) => eni.groupIds,
    'interface-type': (eni) => [eni.interfaceType],
    'owner-id': () => [model.accountId],
    'requester-managed': (eni) => [String(eni.requesterManaged)],
    'operator.managed': (eni) => [String(eni.operatorManaged)],
    'source-dest-check': (eni) => [String(eni.sourceDestCheck)],
    'private-dns-name': (eni) => [dnsName(model, eni.ipv4[0]!)],
    'private-ip-address': (eni) => eni.ipv4.slice(0, 1),
    'addresses.association.public-ip': (eni) => elastic(eni).map(({ publicIp }) => publicIp),
    'association.allocation-id': (eni) => elastic(eni).map(({ allocationId }) => allocationId),
    'association.association-id': (eni) =>
      elastic(eni).flatMap(({ association }) => optional(association?.associationId)),
    'association.public-ip': (eni) => elastic(eni).map(({ publicIp }) => publicIp),
    'addresses.private-ip-address': (eni) => eni.ipv4,
    'ipv6-addresses.ipv6-address': (eni) => eni.ipv6,
    'attachment.attachment-id': (eni) => optional(eni.attachment?.attachmentId),
    'attachment.instance-id': (eni) => optional(eni.attachment?.instanceId),
    'attachment.instance-owner-id': (eni) => optional(eni.attachment && model.accountId),
    'attachment.device-index': (eni) => optional(eni.attachment?.deviceIndex),
    'attachment.status': (eni) => optional(eni.attachment?.status),
    'attachment.delete-on-termination': (eni) => optional(eni.attachment?.deleteOnTermination),
  };
}

function instanceFields(model: Ec2Model): FilterFields<LabInstance> {
  return {
    'instance-id': (instance) => [instance.instanceId],
    'instance-state-name': (instance) => [instance.state],
    'instance-type': (instance) => [instance.instanceType],
    'iam-instance-profile.arn': () => [profileArn(model.world)],
    'subnet-id': (instance) => [instance.subnetId],
    'vpc-id': (instance) => [instance.vpcId],
    'availability-zone': (instance) => [instance.availabilityZone],
    'availability-zone-id': (instance) => [instance.availabilityZoneId],
    'private-ip-address': (instance) => [instance.privateIpv4],
    'private-dns-name': (instance) => [dnsName(model, instance.privateIpv4)],
    'owner-id': () => [model.accountId],
    'network-interface.network-interface-id': (instance) =>
      model.enisOf(instance.instanceId).map((eni) => eni.eniId),
  };
}

const instanceStatusFields: FilterFields<LabInstance> = {
  'availability-zone': (instance) => [instance.availabilityZone],
  'instance-state-name': (instance) => [instance.state],
};

const subnetFields: FilterFields<LabSubnet> = {
  'subnet-id': (subnet) => [subnet.subnetId],
  'vpc-id': (subnet) => [subnet.vpcId],
  'availability-zone': (subnet) => [subnet.availabilityZone],
  'availability-zone-id': (subnet) => [subnet.availabilityZoneId],
  'cidr-block': (subnet) => [subnet.ipv4Cidr],
  state: () => ['available'],
};

const instanceTypeFields: FilterFields<InstanceType> = {
  'instance-type': (type) => [type.name],
  'processor-info.supported-architecture': (type) => [type.architecture],
};

const tagFields: FilterFields<TagItem> = {
  key: (item) => [item.key],
  value: (item) => [item.value],
  'resource-id': (item) => [item.resourceId],
  'resource-type': (item) => [item.resourceType],
};
