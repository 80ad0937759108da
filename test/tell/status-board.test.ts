// The status in one place: what the log hears, and when ready counts.
import { beforeEach, describe, expect, test } from 'vitest';
import type { Status } from '../../src/model/status.ts';
import { forgetSecrets, rememberSecret } from '../../src/secrets.ts';
import { createStatusBoard, type StatusBoard } from '../../src/tell/status-board.ts';
import { createFakeClock, type FakeClock } from '../fakes/clock.ts';
import { createMemoryLog, type MemoryLog } from '../fakes/log.ts';

let clock: FakeClock;
let log: MemoryLog;
let board: StatusBoard;
let heard: Status[];
beforeEach(() => {
  clock = createFakeClock(Date.parse('2027-01-15T08:00:00Z'));
  log = createMemoryLog();
  board = createStatusBoard(
    { clock, log, shipStatus: () => undefined, metricsStatus: () => undefined },
    { version: '1', pid: 7 },
  );
  heard = [];
  board.onChange((status) => heard.push(status));
});

describe('createStatusBoard', () => {
  test('a secret is masked for readers, listeners and the log', () => {
    rememberSecret('hunter22');
    try {
      board.pool('db').progress('routing', 'it said hunter22');
      expect(board.current().pools[0]?.message).toBe('it said ***');
      const shown = JSON.stringify([heard, board.current(), log.lines]);
      expect(shown).not.toContain('hunter22');
    } finally {
      forgetSecrets();
    }
  });

  test('counts the start from the start of the process', () => {
    clock.advance(500);
    const later = createStatusBoard(
      { clock, log, shipStatus: () => undefined, metricsStatus: () => undefined },
      { version: '1', pid: 7 },
    );
    expect(later.current().startedAt).toBe('2027-01-15T08:00:00.000Z');
  });

  test('progress is logged and told when it is news', () => {
    board.progress('claiming', 'claiming eni-1');
    board.progress('claiming', 'claiming eni-1');
    board.progress('claiming', 'claiming eni-2');
    expect(log.lines.map((line) => line['msg'])).toEqual(['claiming eni-1', 'claiming eni-2']);
    expect(heard).toHaveLength(2);
  });

  test('the first ready is the figure of the boot; a later one is a recovery', () => {
    clock.advance(1_000);
    board.ready('served');
    expect(board.current()).toMatchObject({
      phase: 'ready',
      ready: true,
      readyAt: '2027-01-15T08:00:01.000Z',
      readyAfterMs: 1_000,
    });
    board.withdraw('lost', 'pulled away');
    expect(board.current()).toMatchObject({ phase: 'lost', ready: false, readyAt: undefined });
    expect(log.lines.at(-1)).toMatchObject({
      level: 'warn',
      msg: 'not ready any more: pulled away',
    });
    clock.advance(60_000);
    board.ready('served again');
    expect(board.current()).toMatchObject({
      readyAt: '2027-01-15T08:01:01.000Z',
      readyAfterMs: 1_000,
    });
  });

  test('what was not ready is withdrawn without a warning', () => {
    board.withdraw('failed', 'cannot');
    expect(log.lines).toEqual([]);
    expect(heard.at(-1)).toMatchObject({ phase: 'failed', message: 'cannot' });
  });
});
