// What a notice makes berth do, on fast time.
import { describe, expect, test, vi } from 'vitest';
import { createHeed } from '../src/heed.ts';
import type { NoticesConfig } from '../src/model/config.ts';
import type { Notice } from '../src/model/instance.ts';
import type { Serving } from '../src/serve.ts';
import type { Signals } from '../src/tell/signals.ts';
import { createStatusBoard } from '../src/tell/status-board.ts';
import { createHastyClock } from './fakes/hasty-clock.ts';
import { createMemoryLog } from './fakes/log.ts';
import { createSeededRandom } from './fakes/random.ts';

const spot: Notice = { kind: 'spot', message: 'EC2 is going to stop it', at: undefined };
const factor = 100;
const nothing = (): undefined => undefined;

function createScene(
  change: Partial<NoticesConfig> = {},
  releases: readonly ('ok' | Error)[] = [],
  signals?: Signals,
) {
  const end = new AbortController();
  const clock = createHastyClock(factor);
  const log = createMemoryLog();
  const done: string[] = [];
  const left = [...releases];
  const serving = {
    pool: 'db',
    notify: async ({ kind }: Notice) => void done.push(`hook ${kind}`),
    release: async () => {
      const outcome = left.shift() ?? 'ok';
      done.push(outcome === 'ok' ? 'released' : 'failed');
      if (outcome !== 'ok') throw outcome;
      return 'given back';
    },
  } as unknown as Serving;
  const board = createStatusBoard(
    { clock, log, shipStatus: nothing, metricsStatus: nothing },
    { version: '1', pid: 1 },
  );
  const config = {
    release: ['spot', 'termination'],
    drainMs: 0,
    marginMs: 15_000,
    ...change,
  } as const;
  const { onNotices } = createHeed(
    { clock, random: createSeededRandom(1), log, board, signals, idle: () => done.push('idle') },
    { config: () => config, servings: [serving] },
    end.signal,
  );
  /** Once so much is done. */
  const until = async (count: number): Promise<readonly string[]> => {
    await vi.waitUntil(() => done.length >= count, 10_000);
    return done;
  };
  return { onNotices, board, done, log, end, until, clock };
}

describe('a notice', () => {
  test('runs the hook, then gives back, and stands in the status', async () => {
    const { onNotices, board, until } = createScene();
    onNotices([spot]);
    expect(await until(2)).toEqual(['hook spot', 'released']);
    expect(board.current().notices).toEqual([spot]);
    onNotices([]);
    expect(board.current().notices).toEqual([]);
  });

  test('that leads to nothing runs the hook alone', async () => {
    const { onNotices, until } = createScene();
    onNotices([{ ...spot, kind: 'maintenance' }]);
    expect(await until(1)).toEqual(['hook maintenance']);
    onNotices([
      { ...spot, kind: 'maintenance' },
      { ...spot, kind: 'termination' },
    ]);
    expect(await until(3)).toEqual(['hook maintenance', 'hook termination', 'released']);
  });

  test('a second one gives back no second time', async () => {
    const { onNotices, until } = createScene();
    onNotices([spot]);
    expect(await until(2)).toEqual(['hook spot', 'released']);
    const termination = { ...spot, kind: 'termination' } as const;
    onNotices([spot, termination]);
    await until(3);
    onNotices([spot, termination, { ...spot, kind: 'maintenance' }]);
    const hooks = ['hook termination', 'hook maintenance'];
    expect(await until(4)).toEqual(['hook spot', 'released', ...hooks]);
  });

  test('what cannot be given back is tried again', async () => {
    const { onNotices, until, log } = createScene({}, [
      new Error('EC2 is away'),
      new Error('EC2 is away'),
    ]);
    onNotices([spot]);
    expect(await until(4)).toEqual(['hook spot', 'failed', 'failed', 'released']);
    expect(JSON.stringify(log.lines)).toContain('EC2 is away; trying again');
  });

  test('drains first', async () => {
    const { onNotices, until, done, clock } = createScene({ drainMs: 60_000 });
    const startMs = clock.monotonicMs();
    onNotices([spot]);
    expect(await until(2)).toEqual(['hook spot', 'released']);
    expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(60_000);
    expect(done).toHaveLength(2);
  });

  test('drains no longer than the instance is there', async () => {
    const { onNotices, until, end } = createScene({ drainMs: 3_600_000 });
    onNotices([{ ...spot, at: new Date(Date.now() + 15_500).toISOString() }]);
    expect(await until(2)).toEqual(['hook spot', 'released']);
    end.abort(new Error('over'));
  });

  test('Auto Scaling hears of it when all is given back', async () => {
    const heard: string[] = [];
    const leaving: Signals['leaving'] = async (work) => {
      heard.push(`begins after ${scene.done.join(', ')}`);
      await work();
      heard.push(`ends after ${scene.done.join(', ')}`);
      scene.done.push('completed');
    };
    const scene = createScene({}, [new Error('EC2 is away')], { leaving } as unknown as Signals);
    // The Spot notice comes first: its release is the one that the hook waits for.
    scene.onNotices([spot]);
    scene.onNotices([spot, { ...spot, kind: 'termination' }]);
    const done = await scene.until(5);
    expect(done).toEqual(['hook spot', 'hook termination', 'failed', 'released', 'completed']);
    expect(heard.at(-1)).toBe('ends after hook spot, hook termination, failed, released');
  });

  test('a return to the warm pool gives back, whatever is configured, and is idle then', async () => {
    const scene = createScene({ release: [] });
    scene.onNotices([{ ...spot, kind: 'warm-pool' }]);
    expect(await scene.until(3)).toEqual(['hook warm-pool', 'released', 'idle']);
  });

  test('a stop ends the draining', async () => {
    const { onNotices, until, end, done } = createScene({ drainMs: 3_600_000 });
    onNotices([spot]);
    expect(await until(1)).toEqual(['hook spot']);
    end.abort(new Error('over'));
    onNotices([]);
    expect(done).toEqual(['hook spot']);
  });
});
