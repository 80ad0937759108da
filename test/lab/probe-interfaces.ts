// Probes of ENIs beside their attachment: create, change, delete, private addresses.
import * as sdk from '@aws-sdk/client-ec2';
import type { Ground } from './probe-ground.ts';
import { answerOf, changing, found, NotAsked, reading, type Answer } from './probe.ts';

const unknownEni = 'eni-0123456789abcdef0';

const create = (
  ground: Ground,
  input: Partial<sdk.CreateNetworkInterfaceCommandInput>,
  tell: (eni: sdk.NetworkInterface) => unknown = () => undefined,
): Promise<Answer> => answerOf(ground.eni(input), tell);

const modify = (
  { ec2 }: Ground,
  input: sdk.ModifyNetworkInterfaceAttributeCommandInput,
): Promise<Answer> => answerOf(ec2.send(new sdk.ModifyNetworkInterfaceAttributeCommand(input)));

const remove = ({ ec2 }: Ground, NetworkInterfaceId: string): Promise<Answer> =>
  answerOf(ec2.send(new sdk.DeleteNetworkInterfaceCommand({ NetworkInterfaceId })));

const assign = (
  { ec2 }: Ground,
  input: sdk.AssignPrivateIpAddressesCommandInput,
): Promise<Answer> =>
  answerOf(ec2.send(new sdk.AssignPrivateIpAddressesCommand(input)), (answer) => ({
    assigned: answer.AssignedPrivateIpAddresses?.length,
  }));

const unassign = (
  { ec2 }: Ground,
  NetworkInterfaceId: string,
  PrivateIpAddresses: string[],
): Promise<Answer> =>
  answerOf(
    ec2.send(new sdk.UnassignPrivateIpAddressesCommand({ NetworkInterfaceId, PrivateIpAddresses })),
  );

/** A new ENI with one secondary address. */
const withSecondary = async (ground: Ground) => {
  const eni = await ground.eni({ SecondaryPrivateIpAddressCount: 1 });
  const address = eni.PrivateIpAddresses!.find((item) => item.Primary !== true);
  return { eniId: eni.NetworkInterfaceId!, secondary: address!.PrivateIpAddress! };
};

const reads = reading('interface', {
  'delete: an unknown one': (ground) => remove(ground, unknownEni),
  'delete: a malformed one': (ground) => remove(ground, 'eni-xyz'),
  'modify: an unknown one': (ground) =>
    modify(ground, { NetworkInterfaceId: unknownEni, SourceDestCheck: { Value: false } }),
  'assign: an unknown one': (ground) =>
    assign(ground, { NetworkInterfaceId: unknownEni, SecondaryPrivateIpAddressCount: 1 }),
});

const changes = changing('interface', {
  'create: what is seen': (ground) =>
    create(ground, {}, (eni) => ({
      status: eni.Status,
      type: eni.InterfaceType,
      check: eni.SourceDestCheck,
      description: eni.Description,
      addresses: eni.PrivateIpAddresses?.length,
      primary: eni.PrivateIpAddresses?.[0]?.Primary,
      requester: eni.RequesterManaged,
      groups: (eni.Groups?.length ?? 0) > 0,
      mac: /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(eni.MacAddress ?? ''),
      tags: eni.TagSet?.length,
    })),
  'create: in an unknown subnet': (ground) =>
    create(ground, { SubnetId: 'subnet-0123456789abcdef0' }),
  'create: in a malformed subnet': (ground) => create(ground, { SubnetId: 'subnet-xyz' }),
  'create: with a secondary address': (ground) =>
    create(ground, { SecondaryPrivateIpAddressCount: 1 }, (eni) => eni.PrivateIpAddresses?.length),
  'create: with an address that is taken': async (ground) => {
    const { PrivateIpAddress } = await ground.eni();
    return create(ground, { PrivateIpAddress });
  },
  'create: with an address outside': (ground) =>
    create(ground, { PrivateIpAddress: '203.0.113.9' }),
  'create: a client token twice': async (ground) => {
    const ClientToken = crypto.randomUUID();
    const first = await ground.eni({ ClientToken });
    return create(ground, { ClientToken }, (eni) => ({
      same: eni.NetworkInterfaceId === first.NetworkInterfaceId,
    }));
  },
  'modify: SourceDestCheck': async (ground) => {
    const NetworkInterfaceId = await ground.eniId();
    await modify(ground, { NetworkInterfaceId, SourceDestCheck: { Value: false } });
    return found((await ground.look(NetworkInterfaceId)).SourceDestCheck);
  },
  'modify: DeleteOnTermination': async (ground) => {
    const NetworkInterfaceId = await ground.eniId();
    const { attachmentId } = await ground.attach(NetworkInterfaceId, ground.place.instances[0]);
    const Attachment = { AttachmentId: attachmentId, DeleteOnTermination: true };
    await modify(ground, { NetworkInterfaceId, Attachment });
    return found((await ground.look(NetworkInterfaceId)).Attachment?.DeleteOnTermination);
  },
  'modify: two attributes at once': async (ground) =>
    modify(ground, {
      NetworkInterfaceId: await ground.eniId(),
      SourceDestCheck: { Value: false },
      Description: { Value: 'other' },
    }),
  'modify: nothing': async (ground) => modify(ground, { NetworkInterfaceId: await ground.eniId() }),
  'modify: description': async (ground) => {
    const NetworkInterfaceId = await ground.eniId();
    await modify(ground, { NetworkInterfaceId, Description: { Value: 'other' } });
    return found((await ground.look(NetworkInterfaceId)).Description);
  },
  'delete: a free one': async (ground) => remove(ground, await ground.eniId()),
  'delete: twice': async (ground) => {
    const eniId = await ground.eniId();
    await remove(ground, eniId);
    return remove(ground, eniId);
  },
  'delete: one that is attached': async (ground) => {
    const eniId = await ground.eniId();
    await ground.attach(eniId, ground.place.instances[0]);
    return remove(ground, eniId);
  },
  'assign: a count': async (ground) =>
    assign(ground, {
      NetworkInterfaceId: await ground.eniId(),
      SecondaryPrivateIpAddressCount: 2,
    }),
  'assign: neither count nor addresses': async (ground) =>
    assign(ground, { NetworkInterfaceId: await ground.eniId() }),
  'assign: both': async (ground) => {
    const { eniId, secondary } = await withSecondary(ground);
    return assign(ground, {
      NetworkInterfaceId: eniId,
      PrivateIpAddresses: [secondary],
      SecondaryPrivateIpAddressCount: 1,
    });
  },
  'assign: an address that is taken': async (ground) => {
    const { secondary } = await withSecondary(ground);
    const NetworkInterfaceId = await ground.eniId();
    return assign(ground, { NetworkInterfaceId, PrivateIpAddresses: [secondary] });
  },
  'assign: taken, with AllowReassignment': async (ground) => {
    const { eniId, secondary } = await withSecondary(ground);
    await assign(ground, {
      NetworkInterfaceId: await ground.eniId(),
      PrivateIpAddresses: [secondary],
      AllowReassignment: true,
    });
    return found((await ground.look(eniId)).PrivateIpAddresses?.length);
  },
  'assign: more than the type may have': async (ground) => {
    const eniId = await ground.eniId();
    await ground.attach(eniId, ground.place.instances[0]);
    const { InstanceTypes } = await ground.ec2.send(
      new sdk.DescribeInstanceTypesCommand({ InstanceTypes: ['t3.medium'] }),
    );
    const most = InstanceTypes![0]!.NetworkInfo!.Ipv4AddressesPerInterface!;
    if (most > 10) throw new NotAsked('too many addresses');
    return assign(ground, { NetworkInterfaceId: eniId, SecondaryPrivateIpAddressCount: most });
  },
  'unassign: a secondary': async (ground) => {
    const { eniId, secondary } = await withSecondary(ground);
    await unassign(ground, eniId, [secondary]);
    return found((await ground.look(eniId)).PrivateIpAddresses?.length);
  },
  'unassign: the primary': async (ground) => {
    const eni = await ground.eni();
    return unassign(ground, eni.NetworkInterfaceId!, [eni.PrivateIpAddress!]);
  },
  'unassign: one that it has not': async (ground) => {
    const { secondary } = await withSecondary(ground);
    return unassign(ground, await ground.eniId(), [secondary]);
  },
});

export const interfaceProbes = [...reads, ...changes];
