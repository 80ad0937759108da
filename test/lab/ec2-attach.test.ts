// Attach and detach of the local EC2 over HTTP, by the real SDK: the lock, its states, its errors.
import * as sdk from '@aws-sdk/client-ec2';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Actuator } from './actuator.ts';
import { createManualClock, type ManualClock } from './manual-clock.ts';
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
let clock: ManualClock;

const actuator: Actuator = {
  plug: async (instanceId, { eniId, deviceIndex }) => {
    plugs.push(`plug ${eniId} ${instanceId} ${deviceIndex}`);
  },
  unplug: async (instanceId, eniId) => void plugs.push(`unplug ${eniId} ${instanceId}`),
};

beforeEach(async () => {
  plugs = [];
  clock = createManualClock();
  world = await createTestWorld({ actuator, clock });
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
const tag = (id: string) =>
  world.ec2.send(new sdk.CreateTagsCommand({ Resources: [id], Tags: [{ Key: 'a', Value: 'b' }] }));

describe('attach', () => {
  test('is exclusive: of two at once one wins, the other is told InUse', async () => {
    const results = await Promise.allSettled([attachTo(one), attachTo(two)]);
    expect(results.map((result) => result.status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(await errorOf(attachTo(two))).toBe(
      `InvalidNetworkInterface.InUse: Interface: [${eni}] in use.`,
    );
    world.lab.ec2.dials.inUseAsValue = 1;
    expect(await errorOf(attachTo(two))).toBe(
      `InvalidParameterValue: Network interface '${eni}' is currently in use.`,
    );
    world.lab.ec2.dials.inUseAsValue = 0;
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
    Object.assign(world.lab.ec2.dials, { attachMs: 1000, deviceMs: 3000, detachMs: 2000 });
    const { AttachmentId } = await attachTo(one);
    clock.advance(999);
    expect(await describeEni()).toMatchObject({
      Status: 'attaching',
      Attachment: { Status: 'attaching' },
    });
    clock.advance(1);
    expect(await describeEni()).toMatchObject({ Status: 'in-use' });
    clock.advance(1999);
    expect(await describeEni()).toMatchObject({ Attachment: { Status: 'attached' } });
    expect(plugs).toEqual([]);
    clock.advance(1);
    await world.lab.ec2.settled();
    expect(plugs).toEqual([`plug ${eni} ${one} 1`]);

    await detach(AttachmentId);
    clock.advance(1999);
    expect(await describeEni()).toMatchObject({
      Status: 'detaching',
      Attachment: { Status: 'detaching' },
    });
    expect(await errorOf(attachTo(two))).toMatch(/^InvalidNetworkInterface.InUse/);
    expect(plugs).toHaveLength(1);
    clock.advance(1);
    await world.lab.ec2.settled();
    const free = await describeEni();
    expect(free.Status).toBe('available');
    expect(free.Attachment).toBeUndefined();
    expect(plugs).toEqual([`plug ${eni} ${one} 1`, `unplug ${eni} ${one}`]);
    await attachTo(two);
  });

  test('a detach overtakes an attach that is under way', async () => {
    Object.assign(world.lab.ec2.dials, { attachMs: 1000, deviceMs: 1000, detachMs: 2000 });
    const { AttachmentId } = await attachTo(one);
    await detach(AttachmentId);
    clock.advance(1000);
    expect((await describeEni()).Status).toBe('detaching');
    clock.advance(1000);
    await world.lab.ec2.settled();
    expect((await describeEni()).Status).toBe('available');
    expect(plugs).toEqual([]);
  });

  test('a device that was never plugged is not pulled', async () => {
    world.lab.ec2.dials.deviceMs = 1000;
    const { AttachmentId } = await attachTo(one);
    await detach(AttachmentId);
    await expect.poll(async () => (await describeEni()).Status).toBe('available');
    clock.advance(1000);
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
    ['eni-12345678', /^InvalidNetworkInterfaceID.NotFound/, /^InvalidNetworkInterfaceID.NotFound/],
    ['eni-nonsense', /^InvalidNetworkInterfaceId.Malformed/, /^InvalidID:/],
  ])('ENI %s', async (id, error, errorOfTag) => {
    expect(await errorOf(attachTo(one, id))).toMatch(error);
    expect(await errorOf(describeEni(id))).toMatch(error);
    expect(await errorOf(tag(id))).toMatch(errorOfTag);
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
    world.lab.judge.expect('AttachNetworkInterface.DeviceIndex: is required');
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
    world.lab.ec2.dials.terminateMs = 1000;
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
    clock.advance(1000);
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
