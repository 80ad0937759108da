// EC2 calls on Elastic IP addresses.
import { tagShapes, type Shape } from './ec2-answers.ts';
import { anyResource, resourceOf, tagContext } from './ec2-authorization.ts';
import {
  allocateAddress,
  associateAddress,
  disassociateAddress,
  findAddress,
  releaseAddress,
} from './ec2-elastic.ts';
import { faults } from './ec2-faults.ts';
import { filterItems, type FilterFields } from './ec2-filters.ts';
import { readTags, type Ec2Input } from './ec2-input.ts';
import { arnOf, findEni, findInstance } from './ec2-lookup.ts';
import type { Ec2Model, Seen } from './ec2-model.ts';
import { done, type Operation } from './ec2-operation.ts';
import type { LabAddress } from './ec2-world.ts';

export const elasticOperations: Readonly<Record<string, Operation>> = {
  AllocateAddress: {
    parameters: ['Domain', 'NetworkBorderGroup', 'PublicIpv4Pool', 'TagSpecification'],
    run: ({ model, input, allow }) => {
      const tags = Object.assign({}, ...input.nestedList('TagSpecification').map(readTags));
      allow(
        [{ arn: arnOf(model.world, 'eipalloc-*').replace('eipalloc-*', '*'), context: {} }],
        tagContext(tags),
      );
      const { allocationId, publicIp } = allocateAddress(model.world, tags);
      return { allocationId, publicIp, ...placeOf(model) };
    },
  },

  ReleaseAddress: {
    parameters: ['AllocationId', 'NetworkBorderGroup'],
    run: ({ model, input, allow }) => {
      const allocationId = input.required('AllocationId');
      findAddress(model.world.addresses.all(), { allocationId });
      allow([resourceOf(model.world, allocationId)]);
      releaseAddress(model.world, allocationId);
      return done;
    },
  },

  AssociateAddress: {
    parameters: [
      'AllocationId',
      'PublicIp',
      'NetworkInterfaceId',
      'InstanceId',
      'PrivateIpAddress',
      'AllowReassociation',
    ],
    run: ({ model, input, allow }) => {
      const address = readAddress(model, input);
      const eniId = input.text('NetworkInterfaceId');
      const instanceId = input.text('InstanceId');
      if (eniId === undefined && instanceId === undefined) throw faults.missing('InstanceId');
      if (eniId !== undefined && instanceId !== undefined) {
        throw faults.combination('Give either networkInterfaceId or instanceId.');
      }
      const target = eniId ?? instanceId!;
      if (eniId === undefined) findInstance(model.world, target);
      else findEni(model.world, target);
      allow([address.allocationId, target].map((id) => resourceOf(model.world, id)));
      const associationId = associateAddress(model.world, address, {
        eniId,
        instanceId,
        privateIp: input.text('PrivateIpAddress'),
        // In a VPC it is allowed unless it is forbidden.
        allowReassociation: input.text('AllowReassociation') !== 'false',
      });
      return { associationId };
    },
  },

  DisassociateAddress: {
    parameters: ['AssociationId', 'PublicIp'],
    run: ({ model, input, allow }) => {
      const id = input.text('AssociationId');
      const publicIp = input.text('PublicIp');
      if (id === undefined && publicIp === undefined) throw faults.missing('AssociationId');
      const address =
        id === undefined
          ? findAddress(model.world.addresses.all(), { publicIp: publicIp! })
          : model.world.addresses
              .all()
              .find(({ association }) => association?.associationId === id);
      if (address === undefined) throw faults.associationNotFound(id!);
      allow([resourceOf(model.world, address.allocationId)]);
      disassociateAddress(model.world, address);
      return done;
    },
  },

  DescribeAddresses: {
    parameters: ['Filter', 'PublicIp', 'AllocationId'],
    run: ({ model, input, allow }) => {
      allow(anyResource);
      const seen = model.seen();
      const named = [
        ...input.texts('AllocationId').map((allocationId) => ({ allocationId })),
        ...input.texts('PublicIp').map((publicIp) => ({ publicIp })),
      ].map((by) => findAddress(seen.addresses, by));
      const chosen = named.length > 0 ? named : seen.addresses;
      const fields = addressFields(model, seen);
      const found = filterItems(input, chosen, fields, (address) => address.tags);
      return { addressesSet: found.map((address) => addressShape(model, seen, address)) };
    },
  },
};

function readAddress(model: Ec2Model, input: Ec2Input): LabAddress {
  const allocationId = input.text('AllocationId');
  const publicIp = input.text('PublicIp');
  if (allocationId !== undefined && publicIp !== undefined) {
    throw faults.combination('You may specify public IP or allocation id, but not both.');
  }
  if (allocationId !== undefined) return findAddress(model.world.addresses.all(), { allocationId });
  if (publicIp === undefined) throw faults.missing('AllocationId');
  return findAddress(model.world.addresses.all(), { publicIp });
}

function addressShape(model: Ec2Model, seen: Seen, address: LabAddress): Shape {
  const { allocationId, publicIp, association } = address;
  return {
    publicIp,
    allocationId,
    ...placeOf(model),
    tagSet: tagShapes(address.tags),
    ...(association === undefined
      ? {}
      : {
          associationId: association.associationId,
          networkInterfaceId: association.eniId,
          networkInterfaceOwnerId: model.accountId,
          privateIpAddress: association.privateIp,
          instanceId: holderOf(seen, address),
        }),
  };
}

function holderOf({ enis }: Seen, { association }: LabAddress): string | undefined {
  const eni = enis.find(({ eniId }) => eniId === association?.eniId);
  return eni?.attachment?.instanceId;
}

function placeOf(model: Ec2Model): Shape {
  return { publicIpv4Pool: 'amazon', networkBorderGroup: model.region, domain: 'vpc' };
}

const some = (value: string | undefined): readonly string[] => (value === undefined ? [] : [value]);

function addressFields(model: Ec2Model, seen: Seen): FilterFields<LabAddress> {
  return {
    'allocation-id': (address) => [address.allocationId],
    'association-id': ({ association }) => some(association?.associationId),
    'instance-id': (address) => some(holderOf(seen, address)),
    'network-border-group': () => [model.region],
    'network-interface-id': ({ association }) => some(association?.eniId),
    'network-interface-owner-id': ({ association }) => some(association && model.accountId),
    'private-ip-address': ({ association }) => some(association?.privateIp),
    'public-ip': (address) => [address.publicIp],
  };
}
