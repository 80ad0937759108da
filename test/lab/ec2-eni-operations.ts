// EC2 calls that create, change and delete ENIs, and give them addresses.
import { eniShape } from './ec2-answers.ts';
import { eniResource, tagContext } from './ec2-authorization.ts';
import { faults } from './ec2-faults.ts';
import { readTags, type Ec2Input } from './ec2-input.ts';
import type { EniChange, NewEni } from './ec2-interfaces.ts';
import { arnOf, findEni, findSubnet } from './ec2-lookup.ts';
import { done, type Operation } from './ec2-operation.ts';

export const eniOperations: Readonly<Record<string, Operation>> = {
  ModifyNetworkInterfaceAttribute: {
    parameters: [
      'NetworkInterfaceId',
      'Attachment',
      'SourceDestCheck',
      'Description',
      'SecurityGroupId',
    ],
    run: ({ model, input, allow }) => {
      const eniId = input.required('NetworkInterfaceId');
      const change = readChange(input);
      allow([eniResource(model.world, eniId)]);
      model.modifyEni(eniId, change);
      return done;
    },
  },

  DeleteNetworkInterface: {
    parameters: ['NetworkInterfaceId'],
    run: ({ model, input, allow }) => {
      const eniId = input.required('NetworkInterfaceId');
      allow([eniResource(model.world, eniId)]);
      model.deleteEni(eniId);
      return done;
    },
  },

  AssignPrivateIpAddresses: {
    parameters: [
      'NetworkInterfaceId',
      'PrivateIpAddress',
      'SecondaryPrivateIpAddressCount',
      'AllowReassignment',
    ],
    run: ({ model, input, allow }) => {
      const eniId = input.required('NetworkInterfaceId');
      const addresses = input.texts('PrivateIpAddress');
      const count = input.integer('SecondaryPrivateIpAddressCount') ?? 0;
      if (addresses.length > 0 === count > 0) {
        throw faults.combination('Give either privateIpAddresses or a count of them.');
      }
      allow([eniResource(model.world, eniId)]);
      const before = findEni(model.world, eniId).ipv4;
      const { ipv4 } = model.assignAddresses(eniId, {
        addresses,
        count,
        allowReassignment: input.flag('AllowReassignment'),
      });
      return {
        ...done,
        networkInterfaceId: eniId,
        assignedPrivateIpAddressesSet: ipv4
          .filter((address) => !before.includes(address))
          .map((privateIpAddress) => ({ privateIpAddress })),
      };
    },
  },

  UnassignPrivateIpAddresses: {
    parameters: ['NetworkInterfaceId', 'PrivateIpAddress'],
    run: ({ model, input, allow }) => {
      const eniId = input.required('NetworkInterfaceId');
      const addresses = input.texts('PrivateIpAddress');
      if (addresses.length === 0) throw faults.missing('PrivateIpAddress');
      allow([eniResource(model.world, eniId)]);
      model.unassignAddresses(eniId, addresses);
      return done;
    },
  },
};

/** AWS takes one attribute at a time. */
function readChange(input: Ec2Input): EniChange {
  const attachment = input.nested('Attachment');
  const sourceDestCheck = input.nested('SourceDestCheck');
  const description = input.nested('Description');
  const groupIds = input.texts('SecurityGroupId');
  const changes: readonly EniChange[] = [
    ...(attachment === undefined
      ? []
      : [
          {
            attachmentId: attachment.required('AttachmentId'),
            deleteOnTermination: attachment.flag('DeleteOnTermination'),
          },
        ]),
    ...(sourceDestCheck === undefined ? [] : [{ sourceDestCheck: sourceDestCheck.flag('Value') }]),
    ...(description === undefined ? [] : [{ description: description.text('Value') ?? '' }]),
    ...(groupIds.length === 0 ? [] : [{ groupIds }]),
  ];
  const [change, ...more] = changes;
  if (change === undefined) throw faults.combination('No attributes specified.');
  if (more.length > 0) {
    throw faults.combination('Fields for multiple attribute types specified.');
  }
  return change;
}

/** `created`: the ENIs that it made, by client token. */
export function createNetworkInterface(created: Map<string, string>): Operation {
  return {
    parameters: [
      'SubnetId',
      'ClientToken',
      'Description',
      'InterfaceType',
      'PrivateIpAddress',
      'PrivateIpAddresses',
      'SecondaryPrivateIpAddressCount',
      'SecurityGroupId',
      'TagSpecification',
    ],
    run: ({ model, input, allow }) => {
      const subnetId = input.required('SubnetId');
      const tags = Object.assign({}, ...input.nestedList('TagSpecification').map(readTags));
      const listed = input.nestedList('PrivateIpAddresses');
      const privateIpv4 =
        input.text('PrivateIpAddress') ??
        listed.filter((item) => item.flag('Primary')).map(addressOf)[0];
      const groupIds = input.texts('SecurityGroupId');
      const wanted: NewEni = {
        subnetId,
        tags,
        description: input.text('Description') ?? '',
        interfaceType: input.text('InterfaceType') ?? 'interface',
        secondaryIpv4: listed.filter((item) => !item.flag('Primary')).map(addressOf),
        secondaryIpv4Count: input.integer('SecondaryPrivateIpAddressCount') ?? 0,
        ...(privateIpv4 === undefined ? {} : { privateIpv4 }),
        ...(groupIds.length === 0 ? {} : { groupIds }),
      };
      findSubnet(model.world, subnetId);
      allow(
        [subnetId, 'eni-*'].map((id) => ({
          arn: arnOf(model.world, id).replace('/eni-*', '/*'),
          context: {},
        })),
        tagContext(tags),
      );
      const token = input.text('ClientToken');
      const before = token === undefined ? undefined : model.eni(created.get(token) ?? '');
      const eni = before ?? model.addEni(wanted);
      if (token !== undefined) created.set(token, eni.eniId);
      return { networkInterface: eniShape(model, eni), clientToken: token };
    },
  };
}

function addressOf(item: Ec2Input): string {
  return item.required('PrivateIpAddress');
}
