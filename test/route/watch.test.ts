// When the daemon looks at its routing again: after a change, after the sweep, and never because a monitor cannot run.
import { beforeEach, describe, expect, test } from 'vitest';
import { BerthError } from '../../src/errors.ts';
import { watchRouting } from '../../src/route/watch.ts';
import type { Exec } from '../../src/system/exec.ts';
import { createVirtualTime, type VirtualTime } from '../fakes/virtual-time.ts';

const { signal } = new AbortController();
const sweepMs = 20_000;
const isOurs = (line: string): boolean => line.includes('eth1');

let clock: VirtualTime;
/** When a monitor was started. */
let startsMs: number[];

beforeEach(() => {
  clock = createVirtualTime();
  startsMs = [];
});

type Monitor = Exec['follow'];

/** Says something at each of these times of its life, and stays. */
const says =
  (...atMs: readonly number[]): Monitor =>
  async (_argv, onLine, life) => {
    let nowMs = 0;
    for (const ms of atMs) {
      await clock.sleep(ms - nowMs, life);
      nowMs = ms;
      onLine('3: eth1: <BROADCAST>');
    }
    await clock.sleep(86_400_000, life);
  };

const endsAfter =
  (ms: number): Monitor =>
  async (_argv, _onLine, life) => {
    await clock.sleep(ms, life);
  };

const docker: Monitor = async (_argv, onLine, life) => {
  onLine('12: veth3@if11: <BROADCAST> master docker0');
  await clock.sleep(86_400_000, life);
};

const missing: Monitor = () =>
  Promise.reject(new BerthError('command-missing', 'cannot run "ip": it is not installed'));

/** The times at which `next` resolved. */
async function wakes(monitor: Monitor, count: number): Promise<readonly number[]> {
  const exec: Exec = {
    run: () => Promise.reject(new Error('nothing is run')),
    follow: (...args) => {
      startsMs.push(clock.monotonicMs());
      return monitor(...args);
    },
  };
  using watcher = watchRouting({ exec, clock }, isOurs, signal);
  const seenMs: number[] = [];
  while (seenMs.length < count) {
    await clock.run(watcher.next(sweepMs));
    seenMs.push(clock.monotonicMs());
  }
  return seenMs;
}

describe('next', () => {
  test('comes soon after a change, once for a group of them', async () => {
    expect(await wakes(says(3_000, 3_003, 3_006, 8_000), 2)).toEqual([3_010, 8_010]);
  });

  test('does not come for what is not ours', async () => {
    expect(await wakes(docker, 1)).toEqual([20_010]);
  });

  test('comes with the sweep where nothing changes', async () => {
    expect(await wakes(says(), 2)).toEqual([20_010, 40_020]);
    expect(startsMs).toEqual([0]);
  });

  test('comes when a monitor that listened ends, and another is started', async () => {
    expect(await wakes(endsAfter(5_000), 2)).toEqual([5_010, 11_010]);
    expect(startsMs).toEqual([0, 6_000]);
  });

  test.each([
    ['is missing', missing],
    ['ends at once', () => Promise.resolve()],
  ] as const)('is left to the sweep where the monitor %s', async (_, monitor) => {
    expect(await wakes(monitor, 3)).toEqual([20_010, 40_020, 60_030]);
    expect(startsMs).toEqual([0, 20_000, 40_000, 60_000]);
  });

  test('throws the reason of the signal', async () => {
    const over = new AbortController();
    const exec = { run: () => Promise.reject(new Error('no')), follow: says() };
    using watcher = watchRouting({ exec, clock }, isOurs, over.signal);
    const next = watcher.next(sweepMs);
    over.abort(new Error('stopped'));
    await expect(next).rejects.toThrow('stopped');
  });
});

test('disposing ends the monitor, and starts no other', async () => {
  const ended = Promise.withResolvers<void>();
  const follow: Monitor = (_argv, _onLine, life) => {
    startsMs.push(clock.monotonicMs());
    return new Promise((resolve) => {
      life.addEventListener('abort', () => {
        ended.resolve();
        resolve();
      });
    });
  };
  const exec = { run: () => Promise.reject(new Error('no')), follow };
  watchRouting({ exec, clock }, isOurs, signal)[Symbol.dispose]();
  await ended.promise;
  await clock.run(clock.sleep(60_000, signal));
  expect(startsMs).toEqual([0]);
});
