// The lab as a whole: what the role of an instance may do, the reaper, IMDS, and keys that expire.
import * as sdk from '@aws-sdk/client-ec2';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/system/clock.ts';
import {
  createTestWorld,
  errorOf,
  inPool,
  one,
  subnetA,
  two,
  type TestWorld,
} from './test-world.ts';

let world: TestWorld;
let eni: string;
beforeEach(async () => {
  world = await createTestWorld();
  eni = world.lab.ec2.addEni({ subnetId: subnetA, tags: inPool }).eniId;
});
afterEach(() => world[Symbol.asyncDispose]());

const claimBy = (client: sdk.EC2Client, instanceId: string, id = eni) =>
  client.send(
    new sdk.CreateTagsCommand({
      Resources: [id],
      Tags: [
        { Key: 'berth:owner', Value: world.lab.ec2.arnOf(instanceId) },
        { Key: 'berth:claim', Value: '1:x' },
      ],
    }),
  );
const attachBy = (client: sdk.EC2Client, instanceId: string, dry = false) =>
  client.send(
    new sdk.AttachNetworkInterfaceCommand({
      NetworkInterfaceId: eni,
      InstanceId: instanceId,
      DeviceIndex: 1,
      NetworkCardIndex: 0,
      ...(dry ? { DryRun: true } : {}),
    }),
  );
const releaseBy = (client: sdk.EC2Client, Tags?: sdk.Tag[]) =>
  client.send(new sdk.DeleteTagsCommand({ Resources: [eni], Tags }));
const ownerTag = (instanceId: string): sdk.Tag => ({
  Key: 'berth:owner',
  Value: world.lab.ec2.arnOf(instanceId),
});

describe('the shipped policies at work', () => {
  test('claim, attach, detach, release: with the keys of the instance, end to end', async () => {
    const { ec2 } = world.clientsOf(one);
    const { NetworkInterfaces } = await ec2.send(
      new sdk.DescribeNetworkInterfacesCommand({
        Filters: [{ Name: 'tag:berth:pool', Values: ['db'] }],
      }),
    );
    expect(NetworkInterfaces).toMatchObject([{ NetworkInterfaceId: eni }]);
    await claimBy(ec2, one);
    await claimBy(ec2, one);
    const { AttachmentId } = await attachBy(ec2, one);
    await ec2.send(new sdk.DetachNetworkInterfaceCommand({ AttachmentId }));
    await world.lab.ec2.settled();
    await releaseBy(ec2, [ownerTag(one)]);
    expect(world.lab.ec2.eni(eni)).toMatchObject({
      status: 'available',
      tags: { ...inPool, 'berth:claim': '1:x' },
    });
  });

  test('a claimed one cannot be claimed, attached or released by another', async () => {
    const { ec2 } = world.clientsOf(two);
    await claimBy(world.clientsOf(one).ec2, one);
    const denied = /^UnauthorizedOperation: You are not authorized to perform this operation/;
    expect(await errorOf(claimBy(ec2, two))).toMatch(denied);
    expect(await errorOf(attachBy(ec2, two))).toMatch(denied);
    expect(await errorOf(releaseBy(ec2, [ownerTag(one)]))).toMatch(denied);
    expect(await errorOf(releaseBy(ec2))).toMatch(denied);
    expect(world.lab.front.calls.at(-1)).toMatchObject({
      status: 403,
      code: 'UnauthorizedOperation',
      instanceId: two,
    });
  });

  test('nobody attaches to another, or detaches from another', async () => {
    const { ec2 } = world.clientsOf(one);
    await claimBy(ec2, one);
    expect(await errorOf(attachBy(ec2, two))).toMatch(/^UnauthorizedOperation/);
    const AttachmentId = (await attachBy(world.ec2, two)).AttachmentId;
    const detach = new sdk.DetachNetworkInterfaceCommand({ AttachmentId });
    expect(await errorOf(ec2.send(detach))).toMatch(/^UnauthorizedOperation/);
  });

  test('neither another pool nor the pool tag nor any other call', async () => {
    const { ec2 } = world.clientsOf(one);
    const foreign = world.lab.ec2.addEni({ subnetId: subnetA, tags: { 'berth:pool': 'web' } });
    expect(await errorOf(claimBy(ec2, one, foreign.eniId))).toMatch(/^UnauthorizedOperation/);
    const Tags = [ownerTag(one), { Key: 'berth:pool', Value: 'mine' }];
    const retag = new sdk.CreateTagsCommand({ Resources: [eni], Tags });
    expect(await errorOf(ec2.send(retag))).toMatch(/explicit deny/);
    const terminate = new sdk.TerminateInstancesCommand({ InstanceIds: [two] });
    expect(await errorOf(ec2.send(terminate))).toMatch(/^UnauthorizedOperation/);
    expect(world.lab.ec2.instance(two)!.state).toBe('running');
  });

  test('a dry run says what would be', async () => {
    const { ec2 } = world.clientsOf(one);
    expect(await errorOf(attachBy(ec2, one, true))).toMatch(/^UnauthorizedOperation/);
    await claimBy(ec2, one);
    expect(await errorOf(attachBy(ec2, one, true))).toMatch(/^DryRunOperation/);
  });

  test('a role may have other policies, and then only those', async () => {
    const { ec2 } = world.clientsOf(one);
    world.lab.setPolicies(one, []);
    const describe = new sdk.DescribeNetworkInterfacesCommand({});
    expect(await errorOf(ec2.send(describe))).toMatch(/^UnauthorizedOperation/);
  });

  test('authorization may lag behind the tags, but not behind those of creation', async () => {
    const { ec2 } = world.clientsOf(one);
    world.lab.ec2.dials.authorizationLagMs = 3_600_000;
    await claimBy(ec2, one);
    expect(await errorOf(attachBy(ec2, one))).toMatch(/^UnauthorizedOperation/);
    world.lab.ec2.dials.authorizationLagMs = 0;
    await attachBy(ec2, one);
    expect(world.lab.ec2.eni(eni)!.attachment?.instanceId).toBe(one);
  });
});

describe('the reaper', () => {
  test('takes the claim of a terminated instance, and of no other', async () => {
    await using reaped = await createTestWorld({ reaper: true, dials: { pagedAbove: 1 } });
    const { ec2 } = reaped.lab;
    const tagsOf = (instanceId: string) => ({ ...inPool, 'berth:owner': ec2.arnOf(instanceId) });
    const dead = ec2.addEni({ subnetId: subnetA, tags: tagsOf(one) }).eniId;
    const alive = ec2.addEni({ subnetId: subnetA, tags: tagsOf(two) }).eniId;
    ec2.attach({ eniId: dead, instanceId: one, deviceIndex: 1, networkCardIndex: 0 });
    ec2.terminate(one);
    await expect.poll(() => ec2.eni(dead)!.tags).toEqual(inPool);
    expect(ec2.eni(dead)!.status).toBe('available');
    expect(ec2.eni(alive)!.tags).toEqual(tagsOf(two));
    await expect
      .poll(() => reaped.lab.front.calls.map((call) => [call.action, call.instanceId]))
      .toContainEqual(['DeleteTags', undefined]);
  });

  test('is not there unless asked for', async () => {
    world.lab.ec2.createTags([eni], { 'berth:owner': world.lab.ec2.arnOf(one) });
    world.lab.ec2.terminate(one);
    await world.lab.ec2.settled();
    // A reaper would have asked before these two.
    await world.ec2.send(new sdk.DescribeInstancesCommand({}));
    await world.ec2.send(new sdk.DescribeInstancesCommand({}));
    expect(world.lab.front.calls.map((call) => call.action)).toEqual([
      'DescribeInstances',
      'DescribeInstances',
    ]);
    expect(world.lab.ec2.eni(eni)!.tags).toHaveProperty('berth:owner');
  });
});

const read = async (endpoint: string, path: string): Promise<string> => {
  const headers = { 'x-aws-ec2-metadata-token-ttl-seconds': '60' };
  const put = await fetch(`${endpoint}/latest/api/token`, { method: 'PUT', headers });
  if (!put.ok) return `status ${put.status}`;
  const token = await put.text();
  const answer = await fetch(`${endpoint}/latest/${path}`, {
    headers: { 'x-aws-ec2-metadata-token': token },
  });
  return answer.ok ? answer.text() : `status ${answer.status}`;
};

describe('IMDS', () => {
  test('each instance sees itself, and an attached ENI', async () => {
    const endpoint = await world.lab.imdsFor(two);
    expect(await world.lab.imdsFor(two)).toBe(endpoint);
    expect(await read(endpoint, 'meta-data/instance-id')).toBe(two);
    expect(await read(endpoint, 'meta-data/tags/instance/berth:pool')).toBe('db');
    const macs = async () =>
      (await read(endpoint, 'meta-data/network/interfaces/macs/')).split('\n').length;
    expect(await macs()).toBe(1);
    world.lab.ec2.attach({ eniId: eni, instanceId: two, deviceIndex: 1, networkCardIndex: 0 });
    expect(await macs()).toBe(2);
    const { mac } = world.lab.ec2.eni(eni)!;
    expect(await read(endpoint, `meta-data/network/interfaces/macs/${mac}/device-number`)).toBe(
      '1',
    );
    world.lab.imds.change(two, { tags: undefined });
    expect(await read(endpoint, 'meta-data/tags/instance/berth:pool')).toBe('status 404');
  });

  test('gives keys with which the front knows the instance', async () => {
    const endpoint = await world.lab.imdsFor(one);
    const text = await read(endpoint, 'meta-data/iam/security-credentials/berth');
    const given = JSON.parse(text) as Record<string, string>;
    expect(given).toMatchObject({ Code: 'Success', AccessKeyId: expect.stringMatching(/^ASIA/) });
    const client = new sdk.EC2Client({
      endpoint: world.lab.endpoint,
      region: world.lab.region,
      credentials: {
        accessKeyId: given['AccessKeyId']!,
        secretAccessKey: given['SecretAccessKey']!,
        sessionToken: given['Token']!,
      },
    });
    await claimBy(client, one);
    expect(world.lab.front.calls).toMatchObject([{ action: 'CreateTags', instanceId: one }]);
    client.destroy();
  });

  test('one for all knows an instance by its address', async () => {
    const endpoint = await world.lab.imdsBySource({ host: '127.0.0.1', port: 0 });
    expect(await read(endpoint, 'meta-data/instance-id')).toMatch(/^status/);
    // As if the loopback address were a private address of the instance.
    const { world: inner } = world.lab.ec2;
    const [primary] = world.lab.ec2.enisOf(two);
    inner.enis.put(primary!.eniId, { ...primary!, ipv4: ['127.0.0.1'] });
    expect(await read(endpoint, 'meta-data/instance-id')).toBe(two);
  });
});

test('keys stay the same until shortly before they expire, and are then refused', async () => {
  let aheadMs = 0;
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs };
  await using aged = await createTestWorld({ clock });
  const first = aged.lab.credentialsFor(one);
  const { ec2 } = aged.clientsOf(one);
  const describe = new sdk.DescribeInstancesCommand({});
  await ec2.send(describe);
  aheadMs = 5 * 3_600_000;
  expect(aged.lab.credentialsFor(one)).toBe(first);
  aheadMs = 6 * 3_600_000 - 200_000;
  expect(aged.lab.credentialsFor(one)).not.toEqual(first);
  await ec2.send(describe);
  aheadMs = 6 * 3_600_000 + 1;
  expect(await errorOf(ec2.send(describe))).toMatch(/^RequestExpired/);
});

test('a key works with its own token alone, and the operator has none', async () => {
  const { region, endpoint, operator, credentialsFor } = world.lab;
  const { sessionToken } = credentialsFor(two);
  for (const credentials of [
    { ...credentialsFor(one), sessionToken },
    { ...operator, sessionToken },
  ]) {
    const client = new sdk.EC2Client({ region, endpoint, maxAttempts: 1, credentials });
    expect(await errorOf(client.send(new sdk.DescribeInstancesCommand({})))).toMatch(
      /^AuthFailure/,
    );
    client.destroy();
  }
});

const idsOf = async (seed: number): Promise<readonly string[]> => {
  await using seeded = await createTestWorld({ seed });
  return seeded.lab.ec2.enis().flatMap(({ eniId, mac }) => [eniId, mac]);
};

test('the same seed gives the same ids', async () => {
  expect(await idsOf(7)).toEqual(await idsOf(7));
  expect(await idsOf(7)).not.toEqual(await idsOf(8));
});
