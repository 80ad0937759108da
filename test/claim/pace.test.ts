// When the turn of a claim comes, by the tags that everybody sees.
import { expect, test } from 'vitest';
import { createPace, lookBackoff, throttledMs } from '../../src/claim/pace.ts';
import { createFakeClock } from '../fakes/clock.ts';
import { eniOf } from '../fixtures/claim-world.ts';

const claimed = { 'berth:pool': 'db', 'berth:owner': 'arn:aws:ec2:r:1:instance/i-1' };
const queue = Array.from({ length: 100 }, (_, n) => eniOf({ eniId: `eni-${n}`, tags: claimed }));
const randomAt = (value: number) => ({ next: () => value, uuid: () => '' });
const latest = randomAt(1 - Number.EPSILON);

function paceAt(random = latest) {
  const clock = createFakeClock();
  return { clock, pace: createPace({ clock, random }) };
}

test('nobody queues before EC2 has throttled a call', () => {
  const { pace } = paceAt();
  pace.see(queue, 1);
  expect(pace.turnMs()).toBe(0);
  expect(pace.isThrottled()).toBe(false);
});

test('then a claim waits until five a second have attached what was claimed before it', () => {
  const { clock, pace } = paceAt();
  pace.see(queue, 1);
  pace.note();
  expect(pace.isThrottled()).toBe(true);
  expect(pace.turnMs()).toBeCloseTo(20_000);
  clock.advance(15_000);
  expect(pace.turnMs()).toBeCloseTo(5_000);
  clock.advance(60_000);
  expect(pace.turnMs()).toBe(0);
});

test('rather early than late: from half of it on', () => {
  const { pace } = paceAt(randomAt(0));
  pace.note();
  pace.see(queue, 1);
  expect(pace.turnMs()).toBeCloseTo(10_000);
});

test('what a sample shows stands for more', () => {
  const { pace } = paceAt();
  pace.note();
  pace.see(queue, 16);
  expect(pace.turnMs()).toBeCloseTo(320_000);
});

test('what is attached, and what nobody claims, is not in the queue', () => {
  const { pace } = paceAt();
  pace.note();
  pace.see([eniOf(), eniOf({ status: 'in-use', tags: claimed })], 1);
  expect(pace.turnMs()).toBe(0);
});

test('a throttled call is not made again before its back-off, nor before its turn', () => {
  const { pace } = paceAt();
  const backoff = { firstMs: 1_000, factor: 2, capMs: 8_000 };
  pace.note();
  expect(throttledMs(pace, backoff, 2, latest)).toBeCloseTo(2_000);
  pace.see(queue, 1);
  expect(throttledMs(pace, backoff, 2, latest)).toBeCloseTo(20_000);
});

test('thousands that look are spread over minutes by a few tries', () => {
  const { firstMs, factor, capMs } = lookBackoff;
  expect(firstMs).toBeLessThanOrEqual(1_000);
  expect(firstMs * factor ** 4).toBeGreaterThan(120_000);
  expect(capMs).toBeLessThan(600_000);
});
