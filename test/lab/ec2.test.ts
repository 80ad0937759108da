// The local EC2 over HTTP, by the real SDK: attach as the lock, states, errors, tags, addresses.
import * as sdk from '@aws-sdk/client-ec2';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Actuator } from './actuator.ts';
import {
  createTestWorld,
  errorOf,
  inPool,
  one,
  subnetA,
  subnetA2,
  subnetB,
  two,
  type TestWorld,
} from './test-world.ts';

let world: TestWorld;
let eni: string;
let plugs: string[];

const actuator: Actuator = {
  plug: async (instanceId, { eniId, deviceIndex }) => {
    plugs.push(`plug ${eniId} ${instanceId} ${deviceIndex}`);
  },
  unplug: async (instanceId, eniId) => void plugs.push(`unplug ${eniId} ${instanceId}`),
};

beforeEach(async () => {
  plugs = [];
  world = await createTestWorld({ actuator });
  eni = world.lab.ec2.addEni({ subnetId: subnetA2, tags: inPool }).eniId;
});
afterEach(() => world[Symbol.asyncDispose]());

const attachTo = (InstanceId: string, NetworkInterfaceId = eni, DeviceIndex = 1, card = 0) =>
  world.ec2.send(
    new sdk.AttachNetworkInterfaceCommand({
      NetworkInterfaceId,
      InstanceId,
      DeviceIndex,
      NetworkCardIndex: card,
    }),
  );
const detach = (AttachmentId: string | undefined) =>
  world.ec2.send(new sdk.DetachNetworkInterfaceCommand({ AttachmentId }));
const describeEni = async (id = eni) => {
  const answer = await world.ec2.send(
    new sdk.DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [id] }),
  );
  return answer.NetworkInterfaces![0]!;
};
const createTags = (Tags: sdk.Tag[], Resources = [eni]) =>
  world.ec2.send(new sdk.CreateTagsCommand({ Resources, Tags }));
const deleteTags = (Tags?: sdk.Tag[]) =>
  world.ec2.send(new sdk.DeleteTagsCommand({ Resources: [eni], Tags }));
const tags = () => world.lab.ec2.eni(eni)!.tags;

const create = (input: Partial<sdk.CreateNetworkInterfaceCommandInput>) =>
  world.ec2.send(new sdk.CreateNetworkInterfaceCommand({ SubnetId: subnetA, ...input }));
const modify = (input: Partial<sdk.ModifyNetworkInterfaceAttributeCommandInput>) =>
  world.ec2.send(
    new sdk.ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId: eni, ...input }),
  );
const long = (length: number): string => 'x'.repeat(length);

describe('attach', () => {
  test('is exclusive: of two at once one wins, the other is told InUse', async () => {
    const results = await Promise.allSettled([attachTo(one), attachTo(two)]);
    expect(results.map((result) => result.status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(await errorOf(attachTo(two))).toBe(
      `InvalidNetworkInterface.InUse: Interface: [${eni}] in use.`,
    );
    // The holder gets the same: that is what follows a lost reply.
    expect(await errorOf(attachTo(one))).toMatch(/^InvalidNetworkInterface.InUse/);
    expect(world.lab.ec2.enisOf(one).length + world.lab.ec2.enisOf(two).length).toBe(3);
  });

  test('shows in both Describe calls, without DeleteOnTermination', async () => {
    const { AttachmentId, NetworkCardIndex } = await attachTo(one);
    expect(NetworkCardIndex).toBe(0);
    const attachment = {
      AttachmentId,
      DeviceIndex: 1,
      NetworkCardIndex: 0,
      Status: 'attached',
      DeleteOnTermination: false,
    };
    const described = await describeEni();
    expect(described).toMatchObject({
      Status: 'in-use',
      Attachment: { ...attachment, InstanceId: one, InstanceOwnerId: '111122223333' },
    });
    expect(described.Attachment!.AttachTime).toBeInstanceOf(Date);
    const answer = await world.ec2.send(new sdk.DescribeInstancesCommand({ InstanceIds: [one] }));
    const instance = answer.Reservations![0]!.Instances![0]!;
    expect(instance).toMatchObject({ InstanceId: one, State: { Name: 'running', Code: 16 } });
    expect(instance.NetworkInterfaces).toMatchObject([
      { Attachment: { DeviceIndex: 0, DeleteOnTermination: true } },
      { NetworkInterfaceId: eni, Attachment: attachment },
    ]);
  });

  test('goes through attaching and detaching, and the device comes in its own time', async () => {
    Object.assign(world.lab.ec2.dials, { attachMs: 60, deviceMs: 90, detachMs: 60 });
    const { AttachmentId } = await attachTo(one);
    expect(await describeEni()).toMatchObject({
      Status: 'attaching',
      Attachment: { Status: 'attaching' },
    });
    expect(plugs).toEqual([]);
    await world.lab.ec2.settled();
    expect(await describeEni()).toMatchObject({ Status: 'in-use' });
    expect(plugs).toEqual([`plug ${eni} ${one} 1`]);

    await detach(AttachmentId);
    expect(await describeEni()).toMatchObject({
      Status: 'detaching',
      Attachment: { Status: 'detaching' },
    });
    expect(await errorOf(attachTo(two))).toMatch(/^InvalidNetworkInterface.InUse/);
    await world.lab.ec2.settled();
    const free = await describeEni();
    expect(free.Status).toBe('available');
    expect(free.Attachment).toBeUndefined();
    expect(plugs).toEqual([`plug ${eni} ${one} 1`, `unplug ${eni} ${one}`]);
    await attachTo(two);
  });

  test('a device that was never plugged is not pulled', async () => {
    world.lab.ec2.dials.deviceMs = 60;
    const { AttachmentId } = await attachTo(one);
    await detach(AttachmentId);
    await world.lab.ec2.settled();
    expect(plugs).toEqual([]);
  });

  test('the errors of claim.md', async () => {
    const { ec2 } = world.lab;
    const other = ec2.addEni({ subnetId: subnetA }).eniId;
    const inB = ec2.addEni({ subnetId: subnetB }).eniId;
    const big = ec2.addEni({ subnetId: subnetA, secondaryIpv4Count: 6 }).eniId;
    const managed = ec2.addEni({ subnetId: subnetA, requesterManaged: true }).eniId;
    const lambda = ec2.addEni({ subnetId: subnetA, interfaceType: 'lambda' }).eniId;
    await attachTo(one);
    expect(await errorOf(attachTo(one, other))).toBe(
      `InvalidParameterValue: Instance '${one}' already has an interface attached at device index '1'.`,
    );
    expect(await errorOf(attachTo(one, other, 0))).toContain("at device index '0'");
    expect(await errorOf(attachTo(one, other, 2, 1))).toMatch(
      /^InvalidParameterValue: Network card/,
    );
    expect(await errorOf(attachTo(one, inB, 2))).toMatch(
      /^InvalidParameterCombination: .*same availability zone/,
    );
    expect(await errorOf(attachTo(one, big, 2))).toMatch(
      /^InvalidInterface.IpAddressLimitExceeded/,
    );
    expect(await errorOf(attachTo(one, managed, 2))).toMatch(/^OperationNotPermitted/);
    expect(await errorOf(attachTo(one, lambda, 2))).toMatch(/^OperationNotPermitted/);
    await attachTo(one, other, 2);
    const third = ec2.addEni({ subnetId: subnetA }).eniId;
    expect(await errorOf(attachTo(one, third, 3))).toBe(
      'AttachmentLimitExceeded: Interface count 4 exceeds the limit for t3.medium',
    );
    const pending = ec2.launch({ subnetId: subnetA, state: 'pending' }).instanceId;
    expect(await errorOf(attachTo(pending, third))).toMatch(
      /^IncorrectInstanceState: Instance is not 'running'/,
    );
  });

  test('the limit is that of the network card', async () => {
    const big = world.lab.ec2.launch({ subnetId: subnetA, instanceType: 'p4d.24xlarge' });
    const { AttachmentId } = await attachTo(big.instanceId, eni, 1, 3);
    expect(AttachmentId).toMatch(/^eni-attach-[0-9a-f]{17}$/);
    const other = world.lab.ec2.addEni({ subnetId: subnetA }).eniId;
    await attachTo(big.instanceId, other, 1, 2);
    const { NetworkInfo } = (
      await world.ec2.send(
        new sdk.DescribeInstanceTypesCommand({ InstanceTypes: ['p4d.24xlarge'] }),
      )
    ).InstanceTypes![0]!;
    expect(NetworkInfo).toMatchObject({
      MaximumNetworkInterfaces: 60,
      MaximumNetworkCards: 4,
      DefaultNetworkCardIndex: 0,
      Ipv4AddressesPerInterface: 50,
      NetworkCards: [0, 1, 2, 3].map((NetworkCardIndex) => ({
        NetworkCardIndex,
        MaximumNetworkInterfaces: 15,
      })),
    });
  });

  test.each([
    ['eni-12345678', /^InvalidNetworkInterfaceID.NotFound/],
    ['eni-nonsense', /^InvalidNetworkInterfaceId.Malformed/],
  ])('ENI %s', async (id, error) => {
    expect(await errorOf(attachTo(one, id))).toMatch(error);
    expect(await errorOf(describeEni(id))).toMatch(error);
    expect(await errorOf(createTags([{ Key: 'a', Value: 'b' }], [id]))).toMatch(error);
  });

  test.each([
    ['i-12345678', /^InvalidInstanceID.NotFound/],
    ['nonsense', /^InvalidInstanceID.Malformed/],
  ])('instance %s', async (id, error) => {
    expect(await errorOf(attachTo(id))).toMatch(error);
    const describe = new sdk.DescribeInstancesCommand({ InstanceIds: [id] });
    expect(await errorOf(world.ec2.send(describe))).toMatch(error);
  });

  test('what is missing, unknown, or only asked about', async () => {
    const incomplete = { NetworkInterfaceId: eni, InstanceId: one, DeviceIndex: undefined };
    expect(await errorOf(world.ec2.send(new sdk.AttachNetworkInterfaceCommand(incomplete)))).toBe(
      'MissingParameter: The request must contain the parameter DeviceIndex',
    );
    const queues = { ...incomplete, DeviceIndex: 1, EnaQueueCount: 2 };
    expect(await errorOf(world.ec2.send(new sdk.AttachNetworkInterfaceCommand(queues)))).toMatch(
      /^UnknownParameter/,
    );
    const dry = { ...incomplete, DeviceIndex: 1, DryRun: true };
    expect(await errorOf(world.ec2.send(new sdk.AttachNetworkInterfaceCommand(dry)))).toMatch(
      /^DryRunOperation/,
    );
    expect(await errorOf(world.ec2.send(new sdk.DescribeVpcsCommand()))).toMatch(/^InvalidAction/);
    expect((await describeEni()).Status).toBe('available');
  });
});

describe('detach and the end of an instance', () => {
  test('the primary cannot be detached; an unknown attachment is not found', async () => {
    const [primary] = world.lab.ec2.enisOf(one);
    expect(await errorOf(detach(primary!.attachment!.attachmentId))).toMatch(
      /^OperationNotPermitted/,
    );
    const { AttachmentId } = await attachTo(one);
    await detach(AttachmentId);
    await world.lab.ec2.settled();
    expect(await errorOf(detach(AttachmentId))).toMatch(/^InvalidAttachmentID.NotFound/);
  });

  test('a terminated instance frees its ENI only at the end, and loses its primary', async () => {
    world.lab.ec2.dials.terminateMs = 60;
    await attachTo(one);
    await world.lab.ec2.settled();
    const primary = world.lab.ec2.enisOf(one)[0]!.eniId;
    const { TerminatingInstances } = await world.ec2.send(
      new sdk.TerminateInstancesCommand({ InstanceIds: [one] }),
    );
    expect(TerminatingInstances).toMatchObject([
      { PreviousState: { Name: 'running' }, CurrentState: { Name: 'shutting-down' } },
    ]);
    expect((await describeEni()).Status).toBe('in-use');
    expect(await errorOf(attachTo(one, eni, 2))).toMatch(/^IncorrectInstanceState/);
    await world.lab.ec2.settled();
    expect((await describeEni()).Status).toBe('available');
    expect(await errorOf(describeEni(primary))).toMatch(/^InvalidNetworkInterfaceID.NotFound/);
    expect(plugs).toEqual([`plug ${eni} ${one} 1`, `unplug ${eni} ${one}`]);
    const answer = await world.ec2.send(new sdk.DescribeInstancesCommand({ InstanceIds: [one] }));
    expect(answer.Reservations![0]!.Instances![0]!.State!.Name).toBe('terminated');
    expect(await errorOf(attachTo(one))).toMatch(/^IncorrectInstanceState/);
  });

  test('DeleteOnTermination destroys the ENI with the instance', async () => {
    const { AttachmentId } = await attachTo(one);
    await world.ec2.send(
      new sdk.ModifyNetworkInterfaceAttributeCommand({
        NetworkInterfaceId: eni,
        Attachment: { AttachmentId, DeleteOnTermination: true },
      }),
    );
    expect((await describeEni()).Attachment!.DeleteOnTermination).toBe(true);
    world.lab.ec2.terminate(one);
    await world.lab.ec2.settled();
    expect(world.lab.ec2.eni(eni)).toBeUndefined();
  });

  test('a stopped instance keeps its ENIs, and starts again', async () => {
    await attachTo(one);
    const InstanceIds = [one];
    await world.ec2.send(new sdk.StopInstancesCommand({ InstanceIds, SkipOsShutdown: true }));
    await world.lab.ec2.settled();
    expect(world.lab.ec2.instance(one)!.state).toBe('stopped');
    expect(await describeEni()).toMatchObject({ Attachment: { InstanceId: one } });
    await world.ec2.send(new sdk.StartInstancesCommand({ InstanceIds }));
    await world.lab.ec2.settled();
    expect(world.lab.ec2.instance(one)!.state).toBe('running');
    world.lab.ec2.terminate(one);
    expect(await errorOf(world.ec2.send(new sdk.StopInstancesCommand({ InstanceIds })))).toMatch(
      /^IncorrectInstanceState/,
    );
  });
});

describe('tags', () => {
  const owner = { Key: 'berth:owner', Value: 'a' };

  test('are overwritten without a question, and deleted only by a value that matches', async () => {
    await createTags([owner]);
    await createTags([{ Key: 'berth:owner', Value: 'b' }]);
    expect(tags()).toEqual({ ...inPool, 'berth:owner': 'b' });
    await deleteTags([owner]);
    expect(tags()).toEqual({ ...inPool, 'berth:owner': 'b' });
    await deleteTags([{ Key: 'berth:owner', Value: 'b' }]);
    expect(tags()).toEqual(inPool);
  });

  test('without a value whatever it is; with "" only if it is empty; without a list all', async () => {
    await createTags([owner, { Key: 'Owner', Value: '' }, { Key: 'x', Value: 'y' }]);
    await deleteTags([{ Key: 'berth:owner', Value: '' }]);
    expect(tags()).toHaveProperty('berth:owner');
    await deleteTags([{ Key: 'Owner', Value: '' }, { Key: 'berth:owner' }]);
    expect(tags()).toEqual({ ...inPool, x: 'y' });
    await deleteTags();
    expect(tags()).toEqual({});
  });

  test('the limits', async () => {
    expect(await errorOf(createTags([{ Key: 'aws:x', Value: '' }]))).toMatch(
      /^InvalidTagKey.Malformed/,
    );
    expect(await errorOf(createTags([{ Key: long(129), Value: '' }]))).toMatch(/128 characters/);
    expect(await errorOf(createTags([{ Key: 'k', Value: long(257) }]))).toMatch(/256 characters/);
    await createTags([{ Key: long(128), Value: long(256) }]);
    const many = Array.from({ length: 48 }, (_, index) => ({ Key: `k${index}`, Value: '' }));
    await createTags(many);
    expect(await errorOf(createTags([owner]))).toMatch(/^TagLimitExceeded/);
    expect(await errorOf(createTags([{ ...owner }, { ...owner }]))).toMatch(/Duplicate tag key/);
    expect(await errorOf(createTags([]))).toMatch(/^MissingParameter/);
  });

  test('all of the resources or none', async () => {
    expect(await errorOf(createTags([owner], [eni, 'eni-12345678']))).toMatch(/NotFound/);
    expect(tags()).toEqual(inPool);
    await createTags([owner], [eni, one]);
    const { Tags } = await world.ec2.send(
      new sdk.DescribeTagsCommand({ Filters: [{ Name: 'key', Values: ['berth:owner'] }] }),
    );
    expect(Tags).toEqual([
      { ResourceId: eni, ResourceType: 'network-interface', ...owner },
      { ResourceId: one, ResourceType: 'instance', ...owner },
    ]);
  });
});

describe('ENIs and their addresses', () => {
  test('create: with its tags, once for a client token, and not on a taken address', async () => {
    const input = {
      PrivateIpAddress: '10.0.1.77',
      PrivateIpAddresses: [{ PrivateIpAddress: '10.0.1.78', Primary: false }],
      ClientToken: 't',
      TagSpecifications: [
        { ResourceType: 'network-interface' as const, Tags: [{ Key: 'berth:pool', Value: 'db' }] },
      ],
    };
    const { NetworkInterface } = await create(input);
    expect(NetworkInterface).toMatchObject({
      Status: 'available',
      SubnetId: subnetA,
      AvailabilityZone: 'eu-west-1a',
      AvailabilityZoneId: 'euw1-az1',
      InterfaceType: 'interface',
      RequesterManaged: false,
      Operator: { Managed: false },
      PrivateIpAddress: '10.0.1.77',
      PrivateIpAddresses: [
        { PrivateIpAddress: '10.0.1.77', Primary: true },
        { PrivateIpAddress: '10.0.1.78', Primary: false },
      ],
      Ipv6Addresses: [],
      Ipv4Prefixes: [],
      TagSet: [{ Key: 'berth:pool', Value: 'db' }],
      SourceDestCheck: true,
      MacAddress: expect.stringMatching(/^02(:[0-9a-f]{2}){5}$/),
    });
    const again = await create(input);
    expect(again.NetworkInterface!.NetworkInterfaceId).toBe(NetworkInterface!.NetworkInterfaceId);
    expect(await errorOf(create({ PrivateIpAddress: '10.0.1.77' }))).toMatch(
      /^InvalidIPAddress.InUse/,
    );
    expect(await errorOf(create({ PrivateIpAddress: '10.0.9.9' }))).toMatch(
      /subnet's address range/,
    );
    expect(await errorOf(create({ SubnetId: 'subnet-12345678' }))).toMatch(
      /^InvalidSubnetID.NotFound/,
    );
  });

  test('delete: not while in use', async () => {
    const remove = new sdk.DeleteNetworkInterfaceCommand({ NetworkInterfaceId: eni });
    const { AttachmentId } = await attachTo(one);
    expect(await errorOf(world.ec2.send(remove))).toMatch(/^InvalidParameterValue: .*in use/);
    await detach(AttachmentId);
    await world.lab.ec2.settled();
    await world.ec2.send(remove);
    expect(await errorOf(world.ec2.send(remove))).toMatch(/^InvalidNetworkInterfaceID.NotFound/);
  });

  test('modify: one attribute at a time', async () => {
    await modify({ SourceDestCheck: { Value: false } });
    expect((await describeEni()).SourceDestCheck).toBe(false);
    expect(
      await errorOf(modify({ SourceDestCheck: { Value: true }, Description: { Value: 'd' } })),
    ).toMatch(/^InvalidParameterCombination/);
    expect(
      await errorOf(
        modify({ Attachment: { AttachmentId: 'eni-attach-12345678', DeleteOnTermination: true } }),
      ),
    ).toMatch(/^InvalidAttachmentID.NotFound/);
  });

  test('assign and unassign', async () => {
    const assign = (input: Partial<sdk.AssignPrivateIpAddressesCommandInput>, id = eni) =>
      world.ec2.send(new sdk.AssignPrivateIpAddressesCommand({ NetworkInterfaceId: id, ...input }));
    const addresses = () => world.lab.ec2.eni(eni)!.ipv4;
    await assign({ PrivateIpAddresses: ['10.0.2.50'] });
    expect(addresses()).toEqual(['10.0.2.4', '10.0.2.50']);
    const other = world.lab.ec2.addEni({ subnetId: subnetA2 }).eniId;
    expect(await errorOf(assign({ PrivateIpAddresses: ['10.0.2.50'] }, other))).toMatch(
      /^Resource.AlreadyAssigned/,
    );
    await assign({ PrivateIpAddresses: ['10.0.2.50'], AllowReassignment: true }, other);
    expect(addresses()).toEqual(['10.0.2.4']);
    await attachTo(one);
    expect(await errorOf(assign({ SecondaryPrivateIpAddressCount: 6 }))).toMatch(
      /^PrivateIpAddressLimitExceeded/,
    );
    await assign({ SecondaryPrivateIpAddressCount: 2 });
    expect(addresses()).toHaveLength(3);
    const unassign = (PrivateIpAddresses: string[]) =>
      world.ec2.send(
        new sdk.UnassignPrivateIpAddressesCommand({ NetworkInterfaceId: eni, PrivateIpAddresses }),
      );
    await unassign(addresses().slice(1, 2));
    expect(addresses()).toHaveLength(2);
    expect(await errorOf(unassign(['10.0.2.4']))).toMatch(/^InvalidParameterValue/);
  });
});
