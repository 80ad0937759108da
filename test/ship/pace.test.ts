// The pace of calls: free until AWS throttles, then close to what it permits, and the limit of bytes.
import { describe, expect, test } from 'vitest';
import { createPace } from '../../src/ship/pace.ts';
import { createFakeClock } from '../fakes/clock.ts';
import { createVirtualTime } from '../fakes/virtual-time.ts';

const never = new AbortController().signal;

/** AWS permits so many calls a second, by a bucket of one second. */
function createAws(clock: { monotonicMs(): number }, permitted: number) {
  let tokens = permitted;
  let atMs = clock.monotonicMs();
  return () => {
    const nowMs = clock.monotonicMs();
    tokens = Math.min(permitted, tokens + ((nowMs - atMs) / 1_000) * permitted);
    atMs = nowMs;
    if (tokens < 1) return false;
    tokens--;
    return true;
  };
}

describe('calls', () => {
  test('nobody waits while nothing is throttled', async () => {
    const clock = createFakeClock();
    const pace = createPace(clock, { maxBytesPerSecond: undefined });
    for (let call = 0; call < 100; call++) {
      await pace.turn(1_000_000, never);
      pace.accepted();
    }
    expect(clock.slept).toEqual([]);
    expect(pace.callsPerSecond).toBeUndefined();
  });

  test.each([5, 20, 80, 300])(
    'settle close to the %i a second that AWS permits',
    async (permitted) => {
      const clock = createFakeClock();
      const pace = createPace(clock, { maxBytesPerSecond: undefined });
      const aws = createAws(clock, permitted);
      let accepted = 0;
      let throttled = 0;
      const call = async (): Promise<void> => {
        await pace.turn(1_000, never);
        if (aws()) {
          accepted++;
          pace.accepted();
        } else {
          throttled++;
          pace.throttled();
        }
        // What a call takes at least.
        await clock.sleep(1, never);
      };
      const until = async (ms: number): Promise<void> => {
        while (clock.monotonicMs() < ms) await call();
      };
      const startMs = clock.monotonicMs();
      await until(startMs + 60_000);
      accepted = 0;
      throttled = 0;
      await until(startMs + 180_000);
      expect(accepted / 120).toBeGreaterThan(permitted * 0.8);
      expect(accepted / 120).toBeLessThanOrEqual(permitted * 1.01);
      expect(throttled / (accepted + throttled)).toBeLessThan(0.1);
    },
  );

  test('bad times are forgotten within three minutes', async () => {
    const clock = createFakeClock();
    const pace = createPace(clock, { maxBytesPerSecond: undefined });
    pace.throttled();
    const startMs = clock.monotonicMs();
    while (pace.callsPerSecond !== undefined) {
      await pace.turn(1_000, never);
      pace.accepted();
    }
    expect(clock.monotonicMs() - startMs).toBeLessThan(180_000);
  });

  test('who waited through bad times goes at the rate of now', async () => {
    const time = createVirtualTime();
    const pace = createPace(time, { maxBytesPerSecond: undefined });
    pace.throttled();
    expect(pace.callsPerSecond).toBe(0.2);
    let done = 0;
    const caller = async (): Promise<void> => {
      await pace.turn(1_000, never);
      await time.sleep(1, never);
      pace.accepted();
      done++;
    };
    await time.run(Promise.all(Array.from({ length: 1_000 }, caller)));
    expect(done).toBe(1_000);
    // A call a second more each second: 1,000 are 45 seconds' worth, and not 5,000.
    expect(time.monotonicMs()).toBeLessThan(60_000);
  });

  test('who stops waiting keeps nobody else waiting', async () => {
    const time = createVirtualTime();
    const pace = createPace(time, { maxBytesPerSecond: undefined });
    pace.throttled();
    await pace.turn(1, never);
    const gone = new AbortController();
    const left = pace.turn(1, gone.signal);
    const next = pace.turn(1, never);
    gone.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
    await time.run(next);
    expect(time.monotonicMs()).toBeGreaterThan(4_000);
    expect(time.monotonicMs()).toBeLessThan(6_000);
  });

  test('throttled answers of one moment count once', () => {
    const clock = createFakeClock();
    const pace = createPace(clock, { maxBytesPerSecond: undefined });
    for (let answer = 0; answer < 50; answer++) pace.throttled();
    const first = pace.callsPerSecond;
    pace.throttled();
    expect(pace.callsPerSecond).toBe(first);
    expect(first).toBeGreaterThan(0);
  });
});

test('bytes stay under the limit, after a burst of a second', async () => {
  const clock = createFakeClock();
  const pace = createPace(clock, { maxBytesPerSecond: 1_000_000 });
  const startMs = clock.monotonicMs();
  for (let call = 0; call < 31; call++) await pace.turn(1_000_000, never);
  expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(29_000);
  expect(clock.monotonicMs() - startMs).toBeLessThanOrEqual(31_000);
});
