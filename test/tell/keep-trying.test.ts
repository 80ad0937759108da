// Repeats what somebody can put right, ever more rarely, and gives up on what only a new configuration cures.
import { beforeEach, describe, expect, test } from 'vitest';
import { BerthError, type ErrorCode } from '../../src/errors.ts';
import { keepTrying } from '../../src/tell/keep-trying.ts';
import { createStatusBoard, type StatusBoard } from '../../src/tell/status-board.ts';
import { createFakeClock, type FakeClock } from '../fakes/clock.ts';
import { createMemoryLog, type MemoryLog } from '../fakes/log.ts';

let clock: FakeClock;
let log: MemoryLog;
let board: StatusBoard;
let stop: AbortController;
beforeEach(() => {
  clock = createFakeClock();
  log = createMemoryLog();
  board = createStatusBoard(
    { clock, log, shipStatus: () => undefined, metricsStatus: () => undefined },
    { version: '1', pid: 7 },
  );
  stop = new AbortController();
});

function keep<T>(work: () => Promise<T>): Promise<T> {
  const random = { next: () => 1, uuid: () => '' };
  return keepTrying({ clock, random, log }, board, work, stop.signal);
}

describe('keepTrying', () => {
  test('says what is wrong and when it tries again, until it works', async () => {
    let left = 9;
    const work = async (): Promise<string> => {
      if (left-- > 0) throw new BerthError('aws-denied', 'cannot: add a permission');
      return 'done';
    };
    expect(await keep(work)).toBe('done');
    expect(clock.slept).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60].map((s) => s * 1_000));
    expect(log.lines[1]).toMatchObject({
      level: 'error',
      attempt: 2,
      msg: 'cannot: add a permission; trying again in 2 s',
    });
    expect(board.current()).toMatchObject({ phase: 'failed', message: 'cannot: add a permission' });
  });

  test('a mistake in berth is tried again too: an exit would be a restart loop', async () => {
    let first = true;
    const work = async (): Promise<string> => {
      if (!first) return 'done';
      first = false;
      throw new TypeError('x is undefined');
    };
    expect(await keep(work)).toBe('done');
  });

  const final: readonly ErrorCode[] = [
    'usage',
    'config-invalid',
    'config-missing',
    'device-missing',
  ];
  test.each(final)('%s is thrown at once', async (code) => {
    const error = new BerthError(code, 'no');
    await expect(keep(() => Promise.reject(error))).rejects.toBe(error);
    expect(clock.slept).toEqual([]);
  });

  test('a stop ends it with its own reason, and is no failure', async () => {
    const reason = new Error('stopped');
    const work = (): Promise<never> => {
      stop.abort(reason);
      return Promise.reject(new BerthError('aws-unavailable', 'cut off'));
    };
    await expect(keep(work)).rejects.toBe(reason);
    expect(log.lines).toEqual([]);
    expect(board.current().phase).toBe('starting');
  });
});
