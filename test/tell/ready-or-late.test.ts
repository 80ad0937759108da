// What waits for ready goes on when it comes, when it is there, or when it is late.
import { expect, test } from 'vitest';
import { readyOrLate } from '../../src/tell/ready-or-late.ts';
import { createStatusBoard } from '../../src/tell/status-board.ts';
import { createMemoryLog } from '../fakes/log.ts';
import { createVirtualTime } from '../fakes/virtual-time.ts';

function rig() {
  const clock = createVirtualTime();
  const log = createMemoryLog();
  const board = createStatusBoard(
    { clock, log, shipStatus: () => undefined, metricsStatus: () => undefined },
    { version: '1', pid: 7 },
  );
  const stop = new AbortController();
  return { clock, board, stop, wait: () => readyOrLate({ clock, board }, 1_000, stop.signal) };
}

test('late', async () => {
  const { clock, wait } = rig();
  await clock.run(wait());
  expect(clock.monotonicMs()).toBe(1_000);
});

test('ready, later or before', async () => {
  const { clock, board, wait } = rig();
  const waiting = wait();
  board.progress('claiming', 'not yet');
  board.ready('served');
  await clock.run(waiting);
  await clock.run(wait());
  expect(clock.monotonicMs()).toBe(0);
});

test('stopped', async () => {
  const { clock, stop, wait } = rig();
  const waiting = wait();
  stop.abort(new Error('stopped'));
  await expect(clock.run(waiting)).rejects.toThrow('stopped');
});
