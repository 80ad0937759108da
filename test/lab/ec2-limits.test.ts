// Throttling, large accounts and colliding tag writes of the local EC2 over HTTP, by the real SDK.
import * as sdk from '@aws-sdk/client-ec2';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createManualClock, type ManualClock } from './manual-clock.ts';
import { createTestWorld, errorOf, inPool, one, subnetA, type TestWorld } from './test-world.ts';

let world: TestWorld;
let clock: ManualClock;
let eni: string;

beforeEach(async () => {
  clock = createManualClock();
  world = await createTestWorld({ clock });
  eni = world.lab.ec2.addEni({ subnetId: subnetA, tags: inPool }).eniId;
});
afterEach(() => world[Symbol.asyncDispose]());

const tag = (id = eni) =>
  world.ec2.send(new sdk.CreateTagsCommand({ Resources: [id], Tags: [{ Key: 'a', Value: 'b' }] }));
const untag = () =>
  world.ec2.send(new sdk.DeleteTagsCommand({ Resources: [eni], Tags: [{ Key: 'a' }] }));
const describeAll = () => world.ec2.send(new sdk.DescribeNetworkInterfacesCommand({}));
const describeOne = () =>
  world.ec2.send(new sdk.DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [eni] }));
const stopped = () => world.ec2.send(new sdk.StopInstancesCommand({ InstanceIds: [one] }));
const modify = () =>
  world.ec2.send(
    new sdk.ModifyNetworkInterfaceAttributeCommand({
      NetworkInterfaceId: eni,
      SourceDestCheck: { Value: false },
    }),
  );

/** How many calls go through until one is throttled. */
async function burst(call: () => Promise<unknown>, tries = 1000): Promise<number> {
  for (let count = 0; count < tries; count++) {
    try {
      await call();
    } catch (error) {
      if (error instanceof sdk.EC2ServiceException && error.name === 'RequestLimitExceeded') {
        return count;
      }
      throw error;
    }
  }
  return Infinity;
}

describe('token buckets', () => {
  test.each([
    ['Stop, as Attach', stopped, 50, 5],
    ['CreateTags', tag, 100, 10],
    ['Modify', modify, 100, 5],
    ['Describe by id', describeOne, 100, 20],
    ['Describe of all', describeAll, 50, 10],
  ] as const)('%s', async (_name, call, most, perSecond) => {
    world.lab.ec2.dials.bucketScale = 1;
    expect(await burst(call)).toBe(most);
    clock.advance(1000);
    expect(await burst(call)).toBe(perSecond);
    clock.advance(3_600_000);
    expect(await burst(call)).toBe(most);
  });

  test('are apart from each other, and smaller by the dial', async () => {
    world.lab.ec2.dials.bucketScale = 0.1;
    expect(await burst(tag)).toBe(10);
    const status = { $metadata: { httpStatusCode: 503 } };
    await expect(untag()).rejects.toMatchObject(status);
    expect(await burst(modify)).toBe(10);
  });

  test('are none unless asked for', async () => {
    expect(await burst(describeAll, 120)).toBe(Infinity);
  });
});

const enis = (input: sdk.DescribeNetworkInterfacesCommandInput) =>
  world.ec2.send(new sdk.DescribeNetworkInterfacesCommand(input));
const instances = (input: sdk.DescribeInstancesCommandInput) =>
  world.ec2.send(new sdk.DescribeInstancesCommand(input));
const by = (Name: string, value: string) => ({ Filters: [{ Name, Values: [value] }] });

describe('a large account', () => {
  const ofPool = by('tag:berth:pool', 'db');

  beforeEach(() => {
    // Those of the two instances, and the one of the pool.
    world.lab.ec2.dials.pagedAbove = 2;
  });

  test('refuses a Describe of ENIs that is neither paged nor narrow', async () => {
    expect(await errorOf(enis({}))).toMatch(/^OperationNotPermitted/);
    expect(await errorOf(enis(ofPool))).toMatch(/^OperationNotPermitted/);
    for (const input of [
      { ...ofPool, MaxResults: 5 },
      { NetworkInterfaceIds: [eni] },
      by('subnet-id', subnetA),
      { Filters: [...ofPool.Filters, ...by('mac-address', '*').Filters] },
    ]) {
      expect((await enis(input)).NetworkInterfaces!.length).toBeGreaterThan(0);
    }
  });

  test('throttles a Describe of all instances', async () => {
    expect(await errorOf(instances({}))).toMatch(/^RequestLimitExceeded/);
    for (const input of [
      { MaxResults: 5 },
      { InstanceIds: [one] },
      by('instance-state-name', 'running'),
    ]) {
      expect((await instances(input)).Reservations!.length).toBeGreaterThan(0);
    }
  });

  test('is one from more ENIs on than the dial says, and none without it', async () => {
    world.lab.ec2.dials.pagedAbove = 3;
    expect((await enis({})).NetworkInterfaces).toHaveLength(3);
    world.lab.ec2.dials.pagedAbove = 0;
    expect((await instances({})).Reservations).toHaveLength(2);
  });
});

describe('tag writes', () => {
  test('of one resource collide for a while, and change nothing', async () => {
    world.lab.ec2.dials.tagWriteMs = 200;
    await tag();
    expect(await errorOf(untag())).toMatch(/^ConcurrentTagAccess/);
    expect(await errorOf(tag())).toMatch(/^ConcurrentTagAccess/);
    await tag(one);
    clock.advance(199);
    expect(await errorOf(untag())).toMatch(/^ConcurrentTagAccess/);
    expect(world.lab.ec2.eni(eni)!.tags).toEqual({ ...inPool, a: 'b' });
    clock.advance(1);
    await untag();
  });
});
