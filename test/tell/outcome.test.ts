// How it went, told to whoever asks late as well.
import { expect, test } from 'vitest';
import { watchOutcome } from '../../src/tell/outcome.ts';
import { createStatusBoard } from '../../src/tell/status-board.ts';
import { createFakeClock } from '../fakes/clock.ts';
import { createMemoryLog } from '../fakes/log.ts';

const nothing = (): undefined => undefined;

function createBoard() {
  return createStatusBoard(
    {
      clock: createFakeClock(),
      log: createMemoryLog(),
      shipStatus: nothing,
      metricsStatus: nothing,
    },
    { version: '1', pid: 7 },
  );
}
const { signal } = new AbortController();

test('who is ready already has told it', async () => {
  const board = createBoard();
  board.ready('served');
  const { ready } = watchOutcome({ clock: createFakeClock(), board }, undefined, signal);
  expect(await ready).toBeUndefined();
});

test('so has a pool that gave up', async () => {
  const board = createBoard();
  board.pool('db').withdraw('gave-up', 'empty');
  const { failed } = watchOutcome({ clock: createFakeClock(), board }, undefined, signal);
  expect(await failed).toBe('empty');
});

test('a stop ends both', async () => {
  const end = new AbortController();
  const outcome = watchOutcome(
    { clock: createFakeClock(), board: createBoard() },
    undefined,
    end.signal,
  );
  end.abort(new Error('stop'));
  await expect(outcome.ready).rejects.toThrow('stop');
  await expect(outcome.failed).rejects.toThrow('stop');
});
