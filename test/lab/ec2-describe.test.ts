// Filters, pages and stale reads of the local EC2, by the real SDK.
import * as sdk from '@aws-sdk/client-ec2';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/system/clock.ts';
import { wild } from './ec2-filters.ts';
import {
  createTestWorld,
  errorOf,
  inPool,
  one,
  subnetA,
  subnetA2,
  type TestWorld,
} from './test-world.ts';

let world: TestWorld;
beforeEach(async () => {
  world = await createTestWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

const describeEnis = (input: sdk.DescribeNetworkInterfacesCommandInput) =>
  world.ec2.send(new sdk.DescribeNetworkInterfacesCommand(input));

describe('filters', () => {
  let free: string;
  let held: string;

  beforeEach(() => {
    const { ec2 } = world.lab;
    free = ec2.addEni({ subnetId: subnetA2, tags: { ...inPool, Name: 'db 1' } }).eniId;
    held = ec2.addEni({ subnetId: subnetA2, tags: { 'berth:pool': 'web', Name: 'web*' } }).eniId;
    ec2.attach({ eniId: held, instanceId: one, deviceIndex: 1, networkCardIndex: 0 });
  });

  test.each([
    ['values are alternatives', [['tag:berth:pool', 'db', 'web']], ['free', 'held']],
    [
      'filters must all hold',
      [
        ['tag:berth:pool', 'db', 'web'],
        ['status', 'available'],
      ],
      ['free'],
    ],
    ['a wildcard', [['tag:Name', 'd?*1']], ['free']],
    ['an escaped wildcard', [['tag:Name', 'web\\*']], ['held']],
    ['case counts', [['tag:name', 'db 1']], []],
    ['tag-key, either of two', [['tag-key', 'none', 'Name']], ['free', 'held']],
    ['subnet-id', [['subnet-id', subnetA2]], ['free', 'held']],
    [
      'attachment.instance-id',
      [
        ['attachment.instance-id', one],
        ['attachment.device-index', '1'],
      ],
      ['held'],
    ],
    [
      'attachment.status',
      [
        ['attachment.status', 'attached'],
        ['tag-key', 'Name'],
      ],
      ['held'],
    ],
    ['availability-zone-id', [['availability-zone-id', 'euw1-az2']], []],
    ['a private address', [['addresses.private-ip-address', '10.0.2.4']], ['free']],
  ] as const)('%s', async (_name, filters, expected) => {
    await world.lab.ec2.settled();
    const { NetworkInterfaces } = await describeEnis({
      Filters: filters.map(([Name, ...Values]) => ({ Name, Values })),
    });
    const names = { free, held };
    expect(new Set(NetworkInterfaces!.map((eni) => eni.NetworkInterfaceId))).toEqual(
      new Set(expected.map((name) => names[name])),
    );
  });

  test('an unknown one is an error', async () => {
    const Filters = [{ Name: 'colour', Values: ['red'] }];
    expect(await errorOf(describeEnis({ Filters }))).toBe(
      "InvalidParameterValue: The filter 'colour' is invalid",
    );
    for (const command of [
      new sdk.DescribeInstancesCommand({ Filters }),
      new sdk.DescribeSubnetsCommand({ Filters }),
      new sdk.DescribeTagsCommand({ Filters }),
      new sdk.DescribeInstanceTypesCommand({ Filters: [{ Name: 'tag:x', Values: ['y'] }] }),
    ]) {
      expect(await errorOf(world.ec2.send(command))).toMatch(/^InvalidParameterValue: The filter/);
    }
  });

  test('too many values', async () => {
    const Values = Array.from({ length: 201 }, (_, index) => `v${index}`);
    expect(await errorOf(describeEnis({ Filters: [{ Name: 'status', Values }] }))).toMatch(
      /^FilterLimitExceeded/,
    );
    const many = Array.from({ length: 51 }, () => ({ Name: 'status', Values: ['available'] }));
    expect(await errorOf(describeEnis({ Filters: many }))).toMatch(/^FilterLimitExceeded/);
    await describeEnis({ Filters: many.slice(1) });
  });

  test('signs of regular expressions have no meaning', () => {
    expect(wild('a.b[c]^$').test('a.b[c]^$')).toBe(true);
    expect(wild('a.b').test('axb')).toBe(false);
  });
});

describe('pages', () => {
  test('hold every ENI once, whatever comes and goes meanwhile', async () => {
    const added = Array.from(
      { length: 12 },
      () => world.lab.ec2.addEni({ subnetId: subnetA }).eniId,
    );
    const seen: string[] = [];
    let NextToken: string | undefined;
    let pages = 0;
    do {
      const page = await describeEnis({
        MaxResults: 5,
        ...(NextToken === undefined ? {} : { NextToken }),
      });
      seen.push(...page.NetworkInterfaces!.map((eni) => eni.NetworkInterfaceId!));
      if (pages++ === 0) world.lab.ec2.deleteEni(seen.find((id) => added.includes(id))!);
      ({ NextToken } = page);
    } while (NextToken !== undefined);
    expect(pages).toBe(3);
    expect(new Set(seen).size).toBe(seen.length);
    expect(added.filter((id) => !seen.includes(id))).toEqual([]);
  });

  test('MaxResults is 5 to 1000, not with ids, and a token must be one of ours', async () => {
    world.lab.judge.expect('MaxResults: 4: less than 5');
    world.lab.judge.expect('MaxResults: 1001: more than 1000');
    expect(await errorOf(describeEnis({ MaxResults: 4 }))).toMatch(/^InvalidMaxResults/);
    expect(await errorOf(describeEnis({ MaxResults: 1001 }))).toMatch(/^InvalidMaxResults/);
    expect(await errorOf(describeEnis({ MaxResults: 5, NextToken: 'x' }))).toMatch(
      /^InvalidNextToken/,
    );
    for (let count = 0; count < 5; count++) world.lab.ec2.addEni({ subnetId: subnetA });
    const { NextToken } = await describeEnis({ MaxResults: 5 });
    const Filters = [{ Name: 'subnet-id', Values: [subnetA] }];
    expect(await errorOf(describeEnis({ MaxResults: 5, NextToken, Filters }))).toMatch(
      /^InvalidPaginationToken/,
    );
    const [primary] = world.lab.ec2.enisOf(one);
    const NetworkInterfaceIds = [primary!.eniId];
    expect(await errorOf(describeEnis({ MaxResults: 5, NetworkInterfaceIds }))).toMatch(
      /^InvalidParameterCombination/,
    );
  });
});

describe('time', () => {
  test('a stale read shows what was before', async () => {
    const { ec2 } = world.lab;
    const { eniId } = ec2.addEni({ subnetId: subnetA, tags: inPool });
    await expect
      .poll(async () => {
        ec2.dials.describeLagMs = 50;
        return errorOf(describeEnis({ NetworkInterfaceIds: [eniId] })).catch(() => 'there');
      })
      .toBe('there');
    ec2.dials.describeLagMs = 3_600_000;
    expect(await errorOf(describeEnis({ NetworkInterfaceIds: [eniId] }))).toMatch(/NotFound/);
    ec2.dials.describeLagMs = 0;
    await describeEnis({ NetworkInterfaceIds: [eniId] });
  });

  test('a terminated instance is visible for an hour', async () => {
    let aheadMs = 0;
    const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs };
    await using later = await createTestWorld({ clock });
    later.lab.ec2.terminate(one);
    await later.lab.ec2.settled();
    const command = new sdk.DescribeInstancesCommand({ InstanceIds: [one] });
    aheadMs = 3_599_000;
    await later.ec2.send(command);
    aheadMs = 3_601_000;
    expect(await errorOf(later.ec2.send(command))).toMatch(/^InvalidInstanceID.NotFound/);
  });
});

test('subnets', async () => {
  const { Subnets } = await world.ec2.send(
    new sdk.DescribeSubnetsCommand({ SubnetIds: [subnetA] }),
  );
  expect(Subnets).toMatchObject([
    {
      SubnetId: subnetA,
      CidrBlock: '10.0.1.0/24',
      AvailabilityZoneId: 'euw1-az1',
      AvailableIpAddressCount: 249,
    },
  ]);
  const unknown = new sdk.DescribeSubnetsCommand({ SubnetIds: ['subnet-12345678'] });
  expect(await errorOf(world.ec2.send(unknown))).toMatch(/^InvalidSubnetID.NotFound/);
  world.lab.judge.expect('InstanceType.1: x9.huge is none of');
  const type = new sdk.DescribeInstanceTypesCommand({ InstanceTypes: ['x9.huge' as 't3.micro'] });
  expect(await errorOf(world.ec2.send(type))).toMatch(/^InvalidInstanceType/);
});

const statusOf = async (
  InstanceIds: string[],
  input: sdk.DescribeInstanceStatusCommandInput = {},
) => {
  const command = new sdk.DescribeInstanceStatusCommand({ InstanceIds, ...input });
  const { InstanceStatuses } = await world.ec2.send(command);
  return InstanceStatuses!.map(({ InstanceState, InstanceStatus, SystemStatus }) => [
    InstanceState?.Name,
    InstanceStatus?.Status,
    InstanceStatus?.Details?.map(({ Status }) => Status),
    SystemStatus?.Status,
  ]);
};

describe('status checks', () => {
  test('pass, and fail for an impaired instance', async () => {
    expect(await statusOf([one])).toEqual([['running', 'ok', ['passed'], 'ok']]);
    world.lab.ec2.setHealth(one, 'impaired');
    expect(await statusOf([one])).toEqual([['running', 'impaired', ['failed'], 'ok']]);
  });

  test('are made of what runs; of the rest EC2 tells only when asked to', async () => {
    world.lab.ec2.stop(one);
    await world.lab.ec2.settled();
    expect(await statusOf([one])).toEqual([]);
    expect(await statusOf([one], { IncludeAllInstances: true })).toEqual([
      ['stopped', 'not-applicable', [], 'not-applicable'],
    ]);
    expect(await errorOf(statusOf(['i-0123456789abcdef9']))).toMatch(/^InvalidInstanceID.NotFound/);
  });
});
