// What an instance type can hold: asked only where the smallest could not, and never in the way of a claim.
import { describe, expect, test } from 'vitest';
import { freeDeviceIndex } from '../../src/claim/device-index.ts';
import { checkEniLimit, createFit } from '../../src/claim/limits.ts';
import { identityOf } from '../fixtures/identity.ts';
import { createClaimWorld, eniOf } from '../fixtures/claim-world.ts';
import { answers, type FakeEc2Dials } from '../fakes/ec2.ts';

async function check(macCount: number, pools: number, dials: Partial<FakeEc2Dials> = {}) {
  const world = createClaimWorld({ enis: 3 });
  const { model, time, instances } = world;
  for (let index = 1; index < macCount; index++) {
    const eniId = `eni-${index - 1}`;
    model.attach({ eniId, instanceId: 'i-0', deviceIndex: index, networkCardIndex: 0 });
  }
  await time.run(time.sleep(60_000, new AbortController().signal));
  const run = instances[0]!.start(dials);
  const identity = { ...instances[0]!.identity, macCount };
  const outcome = await time.run(
    checkEniLimit(run.deps, { identity, pools }, run.signal).then(
      () => 'fits',
      (error: Error) => error.message,
    ),
  );
  return { outcome, calls: run.ec2.calls.map(({ method }) => method).toSorted(), world };
}

describe('checkEniLimit', () => {
  test('a plain instance asks nothing', async () => {
    expect(await check(1, 1)).toMatchObject({ outcome: 'fits', calls: [] });
  });

  test.each([
    [2, 1],
    [1, 2],
  ])('%i interfaces and %i pools are asked for, and fit', async (macCount, pools) => {
    const calls = ['describeInstance', 'describeLimits'];
    expect(await check(macCount, pools)).toMatchObject({ outcome: 'fits', calls });
  });

  test('a full instance is told so, with its type', async () => {
    const { outcome } = await check(3, 1);
    expect(outcome).toBe(
      'cannot claim one more ENI: t3.medium holds 3, all of them attached; use a larger instance type or detach one',
    );
  });

  test('a role that may not ask goes on', async () => {
    const { outcome, world } = await check(3, 1, {
      fault: ({ method }) => (method === 'describeLimits' ? answers.denied : undefined),
    });
    expect(outcome).toBe('fits');
    expect(world.log.lines.at(-1)!['msg']).toContain('ec2:DescribeInstanceTypes');
  });
});

const many = (count: number) => Array.from({ length: count }, (_, n) => `10.0.0.${20 + n}`);

describe('createFit', () => {
  test('names what has more addresses than the type holds, and asks once', async () => {
    const { time, instances } = createClaimWorld({ enis: 1 });
    const run = instances[0]!.start();
    const tooLarge = createFit(run.deps, identityOf({ instanceType: 't3.medium' }));
    const enis = [
      eniOf({ eniId: 'eni-1', ipv4: many(2) }),
      eniOf({ eniId: 'eni-2', ipv4: many(6) }),
      eniOf({ eniId: 'eni-3', ipv4: many(7) }),
      eniOf({ eniId: 'eni-4', ipv4: many(6), ipv4Prefixes: ['10.0.0.64/28'] }),
    ];
    expect(await time.run(tooLarge(enis.slice(0, 1), run.signal))).toEqual([]);
    expect(run.ec2.calls).toEqual([]);
    expect(await time.run(tooLarge(enis, run.signal))).toEqual(['eni-3', 'eni-4']);
    await time.run(tooLarge(enis, run.signal));
    expect(run.ec2.calls.map(({ method }) => method)).toEqual(['describeLimits']);
  });
});

const holding = (...indexes: readonly number[]) => ({
  state: 'running',
  attachments: indexes.map((deviceIndex) => ({
    eniId: 'eni-1',
    deviceIndex,
    networkCardIndex: 0,
  })),
  privateIpv4: undefined,
  profileArn: undefined,
  tags: {},
});

describe('freeDeviceIndex', () => {
  test('the preferred one as long as EC2 was not asked, or where it is free', () => {
    expect(freeDeviceIndex(undefined, 2)).toBe(2);
    expect(freeDeviceIndex(holding(0, 1), 2)).toBe(2);
  });

  test('else the lowest, never 0, never a refused one; other cards do not count', () => {
    expect(freeDeviceIndex(holding(0, 2), 2)).toBe(1);
    expect(freeDeviceIndex(holding(0, 1, 2), 2, new Set([3]))).toBe(4);
    const [nic] = holding(1).attachments;
    const otherCard = { ...holding(0), attachments: [{ ...nic!, networkCardIndex: 1 }] };
    expect(freeDeviceIndex(otherCard, 1)).toBe(1);
  });
});
