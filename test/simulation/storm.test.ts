// Thousand instances at once, from one seed: the aims that `npm run bench:storm` shows at full size.
import { expect, test, vi } from 'vitest';
import { firstFree, fixedRetry, shuffle } from './storm-peers.ts';
import { berth, floorMs, startStorm, type Policy } from './storm.ts';
import { runWaiting } from './storm-waiting.ts';

const bootWithinMs = 60_000;
/** Seconds, on a machine that does nothing else. */
vi.setConfig({ testTimeout: 180_000 });

async function ride(policy: Policy, change: { instances?: number; bucketScale?: number } = {}) {
  const { instances = 1_000, bucketScale = 1 } = change;
  const storm = startStorm({
    policy,
    instances,
    enis: instances,
    seed: 1,
    bucketScale,
    bootWithinMs,
  });
  await storm.time.run(storm.untilReady(instances));
  storm.end();
  const { tally } = storm.ec2;
  const sum = (counts: Readonly<Record<string, number>>): number =>
    Object.values(counts).reduce((total, count) => total + count, 0) / instances;
  return {
    ratio: storm.time.monotonicMs() / floorMs(instances, bucketScale),
    calls: sum(tally.accepted),
    throttled: sum(tally.throttled),
    tally,
    holders: new Set(storm.ec2.enis().map(({ attachment }) => attachment?.instanceId)).size,
  };
}

test('all are ready almost as soon as Attach permits, for little more than three calls each', async () => {
  const result = await ride(berth);
  expect(result.ratio).toBeGreaterThan(1);
  expect(result.ratio).toBeLessThan(1.05);
  // 300 cannot write their claim in the minute of their boot, and look again (src/claim/pace.ts).
  expect(result.calls).toBeLessThan(3.4);
  expect(result.throttled).toBeLessThan(8);
  expect(result.holders).toBe(1_000);
  expect(result.tally).toMatchObject({ doubleHolds: 0, wastedAttaches: 0 });
});

test('with half and with twice the assumed buckets it takes calls, or some time', async () => {
  for (const [bucketScale, ratio, calls] of [
    [0.5, 1.05, 4],
    // The boots alone take a minute of the 90 s that Attach would need.
    [2, 1.4, 3.2],
  ] as const) {
    const result = await ride(berth, { bucketScale });
    expect(result.ratio).toBeLessThan(ratio);
    expect(result.calls).toBeLessThan(calls);
    expect(result.tally).toMatchObject({ doubleHolds: 0, wastedAttaches: 0 });
  }
});

test('in a pool of more than one page a look is one call all the same', async () => {
  const result = await ride(berth, { instances: 2_000 });
  expect(result.ratio).toBeLessThan(1.1);
  expect(result.calls).toBeLessThan(3.75);
});

test('the same seed gives the same storm', async () => {
  expect(await ride(berth)).toEqual(await ride(berth));
});

test('the peers waste attaches, time or calls', async () => {
  for (const peer of [firstFree, shuffle]) {
    const result = await ride(peer);
    expect(result.ratio).toBeGreaterThan(2);
    expect(result.tally.wastedAttaches).toBeGreaterThan(1_000);
  }
  expect((await ride(fixedRetry)).throttled).toBeGreaterThan(15);
});

test('one spare takes what comes free within seconds', async () => {
  const waiting = await runWaiting({
    instances: 31,
    enis: 30,
    seed: 1,
    bootWithinMs,
    fromMs: 1_800_000,
  });
  expect(Math.max(...waiting.takenAfterMs)).toBeLessThan(6_000);
  expect(waiting.describesPerSecond).toBeLessThan(1);
});

test('hundreds that wait ask little, and take it within seconds', async () => {
  const waiting = await runWaiting({
    instances: 900,
    enis: 200,
    seed: 1,
    bootWithinMs,
    fromMs: 7_200_000,
  });
  expect(waiting.describesPerSecond).toBeLessThan(4);
  expect(Math.max(...waiting.takenAfterMs)).toBeLessThan(10_000);
});
