// The delays between attempts, and when to stop trying.
import { beforeEach, describe, expect, test } from 'vitest';
import { BerthError } from '../../src/errors.ts';
import { backoffMs, retry, type RetryPolicy } from '../../src/system/retry.ts';
import { createFakeClock, type FakeClock } from '../fakes/clock.ts';

const backoff = { firstMs: 100, factor: 2, capMs: 1_000 };
const randomAt = (value: number) => ({ next: () => value, uuid: () => '' });
const passing = new BerthError('aws-throttled', 'slow down', { retryable: true });
const lasting = new BerthError('aws-denied', 'no');

let clock: FakeClock;
let stop: AbortController;
beforeEach(() => {
  clock = createFakeClock();
  stop = new AbortController();
});

const run = (errors: readonly Error[], policy: Partial<RetryPolicy> = {}): Promise<string> => {
  const left = [...errors];
  const work = (): Promise<string> => {
    const error = left.shift();
    return error === undefined ? Promise.resolve('done') : Promise.reject(error);
  };
  const deps = { clock, random: randomAt(1) };
  return retry(deps, { backoff, totalMs: undefined, ...policy }, work, stop.signal);
};

describe('backoffMs', () => {
  test('grows to its cap, and is between half and the whole of each step', () => {
    const steps = [1, 2, 3, 4, 5, 60].map((attempt) => backoffMs(backoff, attempt, randomAt(1)));
    expect(steps).toEqual([100, 200, 400, 800, 1_000, 1_000]);
    expect(backoffMs(backoff, 1, randomAt(0))).toBe(50);
  });
});

describe('retry', () => {
  test('until it works', async () => {
    expect(await run([passing, passing])).toBe('done');
    expect(clock.slept).toEqual([100, 200]);
  });

  test('not what no repetition cures, and what the caller says', async () => {
    await expect(run([lasting])).rejects.toBe(lasting);
    expect(await run([lasting], { isRetryable: (error) => error === lasting })).toBe('done');
  });

  test('not past its time: the last error is thrown, without a wait for nothing', async () => {
    const totalMs = 350;
    await expect(run([passing, passing, passing], { totalMs })).rejects.toBe(passing);
    expect(clock.slept).toEqual([100, 200]);
  });

  test('tells of each repetition', async () => {
    const told: unknown[] = [];
    await run([passing], { onRetry: (...news) => told.push(news) });
    expect(told).toEqual([[passing, 1, 100]]);
  });

  test('a stop ends it with its own reason', async () => {
    const reason = new Error('stopped');
    const onRetry = (): void => stop.abort(reason);
    await expect(run([passing], { onRetry })).rejects.toBe(reason);
  });
});
