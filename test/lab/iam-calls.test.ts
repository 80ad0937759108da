// The policies for failover in whole calls over HTTP: both resources of a detach, fencing, taking over.
import {
  AttachNetworkInterfaceCommand,
  CreateTagsCommand,
  DetachNetworkInterfaceCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
  type EC2Client,
} from '@aws-sdk/client-ec2';
import { beforeEach, describe, expect, test } from 'vitest';
import { shippedPolicy } from './iam-cases.ts';
import {
  createTestWorld,
  errorOf,
  inPool,
  one,
  subnetA,
  two,
  type TestWorld,
} from './test-world.ts';

const eni = 'eni-00000000000000001';
const inGroup = { ...inPool, 'berth:ha-group': 'db-a' };
const peer = 'i-0000000000000000a';
const member = 'i-0000000000000000b';
const stranger = 'i-0000000000000000c';

let world: TestWorld;
beforeEach(async () => {
  world = await createTestWorld();
  const { ec2 } = world.lab;
  for (const instanceId of [peer, member]) {
    ec2.launch({ instanceId, subnetId: subnetA, tags: inGroup });
  }
  const otherGroup = { ...inPool, 'berth:ha-group': 'db-b' };
  ec2.launch({ instanceId: stranger, subnetId: subnetA, tags: otherGroup });
  return () => world[Symbol.asyncDispose]();
});

const claimBy = (client: EC2Client, owner: string) =>
  client.send(
    new CreateTagsCommand({
      Resources: [eni],
      Tags: [
        { Key: 'berth:owner', Value: world.lab.ec2.arnOf(owner) },
        { Key: 'berth:claim', Value: '1' },
      ],
    }),
  );

/** By its own role, as berth does. Returns the attachment. */
async function heldBy(instanceId: string, tags: Readonly<Record<string, string>>): Promise<string> {
  world.lab.ec2.addEni({ eniId: eni, subnetId: subnetA, tags });
  const { ec2 } = world.clientsOf(instanceId);
  await claimBy(ec2, instanceId);
  const attached = await ec2.send(
    new AttachNetworkInterfaceCommand({
      NetworkInterfaceId: eni,
      InstanceId: instanceId,
      DeviceIndex: 1,
    }),
  );
  await world.lab.ec2.settled();
  return attached.AttachmentId!;
}

const detachBy = (instanceId: string, AttachmentId: string, Force = false) =>
  world.clientsOf(instanceId).ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId, Force }));
const stopBy = (instanceId: string, ...InstanceIds: string[]) =>
  world.clientsOf(instanceId).ec2.send(new StopInstancesCommand({ InstanceIds }));
const stateOf = (instanceId: string) => world.lab.ec2.instance(instanceId)!.state;
const denied = /^UnauthorizedOperation: You are not authorized to perform this operation/;

describe('standby.json', () => {
  test('a member fences its peer, detaches its ENI and takes it', async () => {
    const attachment = await heldBy(peer, inGroup);
    await stopBy(member, peer);
    await world.lab.ec2.settled();
    expect(stateOf(peer)).toBe('stopped');
    await detachBy(member, attachment, true);
    await world.lab.ec2.settled();
    expect(world.lab.ec2.eni(eni)!.attachment).toBeUndefined();
    const { ec2 } = world.clientsOf(member);
    await claimBy(ec2, member);
    await ec2.send(
      new AttachNetworkInterfaceCommand({
        NetworkInterfaceId: eni,
        InstanceId: member,
        DeviceIndex: 1,
      }),
    );
    expect(world.lab.ec2.eni(eni)!.attachment?.instanceId).toBe(member);
  });

  test('only a member of the same group may stop a peer', async () => {
    for (const caller of [one, stranger]) {
      expect(await errorOf(stopBy(caller, peer))).toMatch(denied);
    }
    for (const target of [one, stranger]) {
      expect(await errorOf(stopBy(member, target))).toMatch(denied);
    }
    for (const instanceId of [peer, one, stranger]) expect(stateOf(instanceId)).toBe('running');
  });

  test('a member stops neither itself, nor a peer together with a stranger, and terminates nobody', async () => {
    expect(await errorOf(stopBy(member, member))).toMatch(denied);
    expect(await errorOf(stopBy(member, peer, one))).toMatch(denied);
    const { ec2 } = world.clientsOf(member);
    const terminate = new TerminateInstancesCommand({ InstanceIds: [peer] });
    expect(await errorOf(ec2.send(terminate))).toMatch(denied);
    for (const instanceId of [peer, member, one]) expect(stateOf(instanceId)).toBe('running');
  });

  test.each([
    ['an instance without a group', one],
    ['a member of another group', stranger],
  ])('%s detaches nothing from a member', async (_who, caller) => {
    const attachment = await heldBy(peer, inGroup);
    expect(await errorOf(detachBy(caller, attachment))).toMatch(denied);
    expect(await errorOf(detachBy(caller, attachment, true))).toMatch(denied);
    expect(world.lab.ec2.eni(eni)!.attachment?.status).toBe('attached');
  });

  test.each([
    ['the ENI bears the group', one, inGroup, `instance/${one}`],
    ['the holder bears the group', peer, inPool, `network-interface/${eni}`],
  ])('a member detaches nothing where only %s', async (_which, holder, tags, refused) => {
    const attachment = await heldBy(holder, tags);
    const error = await errorOf(detachBy(member, attachment));
    expect(error).toMatch(denied);
    expect(error).toContain(refused);
  });

  test('the claim of a peer is taken for oneself alone', async () => {
    await heldBy(peer, inGroup);
    const { ec2 } = world.clientsOf(member);
    expect(await errorOf(claimBy(ec2, one))).toMatch(denied);
    await claimBy(ec2, member);
    expect(world.lab.ec2.eni(eni)!.tags['berth:owner']).toBe(world.lab.ec2.arnOf(member));
  });
});

test('takeover.json: the claim of another may be replaced, its attachment stays', async () => {
  const attachment = await heldBy(two, inPool);
  expect(await errorOf(claimBy(world.clientsOf(one).ec2, one))).toMatch(denied);
  world.lab.setPolicies(one, ['base', 'takeover'].map(shippedPolicy));
  await claimBy(world.clientsOf(one).ec2, one);
  expect(world.lab.ec2.eni(eni)!.tags['berth:owner']).toBe(world.lab.ec2.arnOf(one));
  expect(await errorOf(detachBy(one, attachment))).toMatch(denied);
  expect(world.lab.ec2.eni(eni)!.attachment).toMatchObject({ instanceId: two, status: 'attached' });
});

test('takeover.json is in every role of a lab that was asked for it', async () => {
  await using lenient = await createTestWorld({ takeover: true });
  const tags = { ...inPool, 'berth:owner': lenient.lab.ec2.arnOf(two) };
  lenient.lab.ec2.addEni({ eniId: eni, subnetId: subnetA, tags });
  await claimBy(lenient.clientsOf(one).ec2, one);
  expect(lenient.lab.ec2.eni(eni)!.tags['berth:owner']).toBe(lenient.lab.ec2.arnOf(one));
});
