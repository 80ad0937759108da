// EC2 calls that create, change and delete ENIs.
import { eniShape } from './ec2-answers.ts';
import { eniResource, tagContext } from './ec2-authorization.ts';
import { faults } from './ec2-faults.ts';
import { readTags, type Ec2Input } from './ec2-input.ts';
import type { EniChange, NewEni } from './ec2-interfaces.ts';
import { arnOf, findSubnet } from './ec2-lookup.ts';
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

/** What a client token stands for. */
export type CreatedEni = { readonly eniId: string; readonly wanted: string };

/** `created`: the ENIs that it made, by client token. */
export function createNetworkInterface(created: Map<string, CreatedEni>): Operation {
  return {
    parameters: [
      'SubnetId',
      'ClientToken',
      'Description',
      'InterfaceType',
      'PrivateIpAddress',
      'PrivateIpAddresses',
      'Ipv6Addresses',
      'Ipv6AddressCount',
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
        ipv6: input.nestedList('Ipv6Addresses').map((item) => item.required('Ipv6Address')),
        ipv6Count: input.integer('Ipv6AddressCount') ?? 0,
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
      const before = token === undefined ? undefined : created.get(token);
      if (before !== undefined && before.wanted !== JSON.stringify(wanted)) {
        throw faults.tokenMismatch();
      }
      const eni = (before && model.eni(before.eniId)) ?? model.addEni(wanted);
      if (token !== undefined) {
        created.set(token, { eniId: eni.eniId, wanted: JSON.stringify(wanted) });
      }
      return {
        networkInterface: eniShape(model, eni, model.world.addresses.all()),
        clientToken: token,
      };
    },
  };
}

function addressOf(item: Ec2Input): string {
  return item.required('PrivateIpAddress');
}
