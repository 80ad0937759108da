// How often those look that wait for an ENI: by their number, which a sample of the instances tells.
import { expect, test } from 'vitest';
import type { InstancesOf } from '../../src/claim/ec2.ts';
import { createPace } from '../../src/claim/pace.ts';
import { createWaiting } from '../../src/claim/waiting.ts';
import { BerthError } from '../../src/errors.ts';
import { createFakeClock } from '../fakes/clock.ts';
import { createMemoryLog } from '../fakes/log.ts';
import { createSeededRandom } from '../fakes/random.ts';
import { createClaimWorld } from '../fixtures/claim-world.ts';
import { identityOf } from '../fixtures/identity.ts';

const { signal } = new AbortController();
const profileArn = 'arn:aws:iam::123456789012:instance-profile/berth';

type Waits = {
  /** Before the first count, and after it. */
  readonly early: readonly number[];
  readonly late: readonly number[];
  readonly counts: readonly InstancesOf[];
  readonly wanted: readonly string[];
};

async function wait(
  running: number | 'denied',
  held: number,
  { throttled = false, looks = 200 } = {},
): Promise<Waits> {
  const clock = createFakeClock();
  const random = createSeededRandom(1);
  const counts: InstancesOf[] = [];
  const instance = createClaimWorld({ enis: 0 }).instances[0]!;
  const deps = {
    clock,
    random,
    log: createMemoryLog(),
    ec2: {
      ...instance.start().ec2,
      describeInstance: async () => ({
        state: 'running',
        attachments: [],
        privateIpv4: undefined,
        tags: {},
        profileArn,
      }),
      countInstances: async (of: InstancesOf) => {
        counts.push(of);
        if (running === 'denied') throw new BerthError('aws-denied', 'cannot call it');
        const found = Math.round(running / 16 ** of.idEnd.length);
        return { count: Math.min(of.most, found), isCut: found > of.most };
      },
    },
  };
  const pace = createPace(deps);
  if (throttled) pace.note();
  const waiting = createWaiting(deps, { identity: identityOf(), pace });
  const [early, late]: [number[], number[]] = [[], []];
  const wanted: string[] = [waiting.wanted()];
  while (early.length + late.length < looks) {
    const pauseMs = await waiting.pauseMs(held, signal);
    (counts.length === 0 ? early : late).push(pauseMs);
    wanted.push(waiting.wanted());
    clock.advance(pauseMs);
  }
  return { early, late, counts, wanted };
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

test('one spare looks every few seconds, from the first minute on', async () => {
  const { early, late } = await wait(31, 30);
  expect(early[0]).toBeLessThan(1_500);
  expect(early.length).toBeGreaterThan(10);
  expect(Math.max(...early, ...late)).toBeLessThan(5_001);
  expect(mean(late)).toBeGreaterThan(2_500);
});

test('all that wait look once a second together, however many they are', async () => {
  for (const waiters of [90, 900, 9_000]) {
    const { late } = await wait(100 + waiters, 100);
    const perSecond = (waiters / mean(late.slice(1))) * 1_000;
    expect(perSecond).toBeGreaterThan(0.9);
    expect(perSecond).toBeLessThan(1.1);
    expect(Math.max(...late)).toBeLessThan(waiters * 1_400);
    // Those who counted at the same time look at different ones.
    expect(late[0]).toBeLessThan(waiters * 1_000);
  }
});

test('by a sample nobody can know that few wait: rather too seldom than too often', async () => {
  const { late } = await wait(1_024, 1_024);
  // A sixteenth of them is 64, and off by 8 as a rule.
  expect(mean(late.slice(1))).toBeGreaterThan(16 * 8 * 950);
  expect(mean(late.slice(1))).toBeLessThan(16 * 8 * 1_050);
});

/** Digits of the ids that each call of the first count asked for. */
const callsFor = async (running: number, throttled = false, callsOfOne = 3) =>
  (await wait(running, 0, { throttled, looks: 25 })).counts
    .slice(0, callsOfOne)
    .map(({ idEnd }) => idEnd.length);

test('a few are counted one by one, many by a sample', async () => {
  expect(await callsFor(190)).toEqual([0]);
  expect(await callsFor(1_500)).toEqual([0, 1]);
  expect(await callsFor(10_000)).toEqual([0, 1, 2]);
  // Whom EC2 throttled is one of many: one call.
  expect(await callsFor(10_000, true)).toEqual([2]);
  // Or was, and waits almost alone.
  expect(await callsFor(40, true)).toEqual([2, 1, 0]);
});

test('counted again every thirty looks, and no more than six times an hour; with a look at all of the pool', async () => {
  const alone = await wait(31, 30, { looks: 1_200 });
  const ms = [...alone.early, ...alone.late].reduce((sum, value) => sum + value, 0);
  expect(alone.counts.length).toBeGreaterThan(ms / 800_000);
  expect(alone.counts.length).toBeLessThan(ms / 450_000 + 1);
  expect(alone.wanted.filter((what) => what === 'all')).toHaveLength(1 + alone.counts.length);
  const many = await wait(10_000, 0, { looks: 900, throttled: true });
  expect(many.counts.length).toBeGreaterThan(25);
  expect(many.counts.length).toBeLessThan(35);
});

test('where the role may not count, every half minute', async () => {
  const { late } = await wait('denied', 0);
  expect(mean(late.slice(1))).toBeGreaterThan(28_000);
  expect(mean(late.slice(1))).toBeLessThan(32_000);
});
