// Whom the signals tell what, and when, on virtual time; AWS is a list of answers.
import { beforeEach, describe, expect, test } from 'vitest';
import { BerthError } from '../../src/errors.ts';
import type { LifecycleHooksConfig, SignalsConfig } from '../../src/model/config.ts';
import type { StatusSignal } from '../../src/model/status.ts';
import type { Files } from '../../src/system/files.ts';
import type { SignalCalls } from '../../src/tell/signal-calls.ts';
import { createSignalRecord } from '../../src/tell/signal-record.ts';
import { createSignals, type Signals } from '../../src/tell/signals.ts';
import { createStatusBoard, type StatusBoard } from '../../src/tell/status-board.ts';
import { createMemoryLog, type MemoryLog } from '../fakes/log.ts';
import { createVirtualTime, type VirtualTime } from '../fakes/virtual-time.ts';

const stack = { stack: 'web', resource: 'Fleet' };
const hooks: LifecycleHooksConfig = {
  group: 'web-group',
  launch: 'up',
  terminate: 'down',
  heartbeatMs: 120_000,
  abandon: false,
};
const minuteMs = 60_000;
const path = '/state/i-1/signals.json';

let time: VirtualTime;
let log: MemoryLog;
let board: StatusBoard;
let end: AbortController;
/** In order: `SUCCESS`, `up CONTINUE`, `up beats`. */
let told: string[];
/** What the next calls throw, by what they tell. */
let errors: Map<string, BerthError[]>;
let kept: Map<string, string>;
let isDiskFull: boolean;

beforeEach(() => {
  time = createVirtualTime();
  log = createMemoryLog();
  end = new AbortController();
  told = [];
  errors = new Map();
  kept = new Map();
  isDiskFull = false;
  board = createStatusBoard(
    { clock: time, log, shipStatus: () => undefined, metricsStatus: () => undefined },
    { version: '1', pid: 7 },
  );
});

const files = {
  readText: async (name: string) => kept.get(name),
  writeAtomic: async (name: string, text: string) => {
    if (isDiskFull) throw new BerthError('disk', 'cannot write: the disk is full');
    kept.set(name, text);
  },
  remove: async () => undefined,
} satisfies Files;

async function tell(what: string): Promise<void> {
  const error = errors.get(what)?.shift();
  if (error !== undefined) throw error;
  told.push(what);
}

function start(change: Partial<SignalsConfig> = {}): Signals {
  const calls: SignalCalls = {
    signalStack: (_stack, status) => tell(status),
    completeHook: ({ hook }, result) => tell(`${hook} ${result}`),
    recordHeartbeat: ({ hook }) => tell(`${hook} beats`),
  };
  const random = { next: () => 1, uuid: () => '' };
  const record = createSignalRecord({ files, log }, { stateDir: '/state', instanceId: 'i-1' });
  return createSignals(
    { clock: time, random, log, board, calls, record },
    { timeoutMs: undefined, stack, hooks, problems: [], ...change },
    end.signal,
  );
}

const pass = (ms: number): Promise<void> => time.run(time.sleep(ms, end.signal));
const stateOf = (to: StatusSignal['to']) =>
  board.current().signals.find((signal) => signal.to === to);
const saidOf = (to: string): readonly unknown[] =>
  log.lines.filter((line) => line['to'] === to).map((line) => line['msg']);
const pool = () => board.pool('db');
const later = (): BerthError => new BerthError('aws-unavailable', 'AWS is away');
const nothing = (): BerthError => new BerthError('aws-not-found', 'no active action');

describe('an instance that serves', () => {
  test('tells both when it is ready, and the hook of its waiting until then', async () => {
    start().serving();
    await pass(5 * minuteMs);
    expect(told).toEqual(['up beats', 'up beats']);
    expect(stateOf('cloudformation')?.state).toBe('pending');
    board.ready('served');
    await pass(30 * minuteMs);
    expect(told.slice(2).toSorted()).toEqual(['SUCCESS', 'up CONTINUE']);
    expect(stateOf('launch-hook')?.state).toBe('told');
  });

  test('was ready before: tells it as well', async () => {
    board.ready('served');
    start().serving();
    await pass(1);
    expect(told.toSorted()).toEqual(['SUCCESS', 'up CONTINUE']);
  });

  test('not in time: the stack fails, the hook hears nothing more until it is ready', async () => {
    start({ timeoutMs: 3 * minuteMs }).serving();
    await pass(60 * minuteMs);
    expect(told).toEqual(['up beats', 'FAILURE']);
    expect(stateOf('cloudformation')?.message).toContain('not ready within 180 s: starting');
    expect(stateOf('launch-hook')?.message).toMatch(/^hook up hears no more: not ready/);
    board.ready('served');
    await pass(1);
    expect(told.slice(2)).toEqual(['up CONTINUE']);
  });

  test('not in time, and the launch is to be abandoned', async () => {
    start({ timeoutMs: minuteMs, hooks: { ...hooks, abandon: true } }).serving();
    await pass(60 * minuteMs);
    expect(told.toSorted()).toEqual(['FAILURE', 'up ABANDON']);
    board.ready('served');
    await pass(minuteMs);
    expect(told).toHaveLength(2);
  });

  test('a pool that gave up is a failure at once', async () => {
    start().serving();
    pool().withdraw('gave-up', 'pool empty');
    await pass(1);
    expect(told).toEqual(['FAILURE']);
    expect(stateOf('cloudformation')?.message).toMatch(/FAILURE, pool empty$/);
  });

  test('neither is configured: nothing is told', async () => {
    start({ stack: undefined, hooks: undefined }).serving();
    board.ready('served');
    await pass(minuteMs);
    expect([told, board.current().signals]).toEqual([[], []]);
  });

  test('what cannot be told to anybody is in the status', () => {
    start({ problems: [{ to: 'cloudformation', message: 'no stack' }] });
    expect(board.current().signals).toEqual([
      { to: 'cloudformation', state: 'failed', message: 'no stack' },
    ]);
  });
});

describe('what fails', () => {
  test('is said once, tried again ever more rarely, and told in the end', async () => {
    errors.set('SUCCESS', Array.from({ length: 12 }, later));
    board.ready('served');
    start().serving();
    await pass(4 * minuteMs);
    expect(stateOf('cloudformation')).toMatchObject({ state: 'failing' });
    await pass(10 * minuteMs);
    expect(stateOf('cloudformation')?.state).toBe('told');
    expect(saidOf('cloudformation')).toEqual([
      'cannot tell stack web/Fleet: SUCCESS, this instance is ready: AWS is away; trying again',
      'told stack web/Fleet: SUCCESS, this instance is ready',
    ]);
  });

  test('is given up after an hour', async () => {
    errors.set('SUCCESS', Array.from({ length: 500 }, later));
    board.ready('served');
    start().serving();
    await pass(120 * minuteMs);
    expect(stateOf('cloudformation')?.state).toBe('failed');
    expect(errors.get('SUCCESS')!.length).toBeGreaterThan(430);
    expect(saidOf('cloudformation')).toHaveLength(2);
    expect(kept.get(path)).not.toContain('web/Fleet');
  });

  test('for good is not tried again', async () => {
    errors.set('SUCCESS', [new BerthError('aws-invalid', "Stack 'web' does not exist")]);
    board.ready('served');
    start().serving();
    await pass(120 * minuteMs);
    expect(stateOf('cloudformation')).toMatchObject({ state: 'failed' });
    expect(told).toEqual(['up CONTINUE']);
  });

  test('a heartbeat is one line in the log, and no reason to stop', async () => {
    errors.set('up beats', [later(), later()]);
    start().serving();
    await pass(9 * minuteMs);
    expect(told).toEqual(['up beats', 'up beats']);
    expect(log.lines.filter(({ msg }) => msg === 'no heartbeat: AWS is away')).toHaveLength(1);
  });

  test('a stack that waits for nobody is no failure, and not asked again', async () => {
    errors.set('SUCCESS', [nothing()]);
    board.ready('served');
    start().serving();
    await pass(60 * minuteMs);
    expect(stateOf('cloudformation')).toMatchObject({ state: 'told' });
    expect(kept.get(path)).toContain('web/Fleet');
    expect(log.lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
    expect(told).toEqual(['up CONTINUE']);
  });

  test('a hook that does not wait yet is asked again for ten minutes', async () => {
    errors.set('up CONTINUE', Array.from({ length: 10 }, nothing));
    board.ready('served');
    start({ stack: undefined }).serving();
    await pass(20 * minuteMs);
    expect(told).toEqual(['up CONTINUE']);
  });

  test('a hook that never waits is believed then', async () => {
    errors.set('up CONTINUE', Array.from({ length: 100 }, nothing));
    board.ready('served');
    start({ stack: undefined }).serving();
    await pass(60 * minuteMs);
    expect(stateOf('launch-hook')?.message).toBe('nothing waits for it: no active action');
    expect(errors.get('up CONTINUE')!.length).toBeGreaterThan(80);
    expect(log.lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
  });
});

describe('another start', () => {
  test('adds nothing to what was told', async () => {
    board.ready('served');
    start().serving();
    await pass(1);
    start().serving();
    await pass(minuteMs);
    expect(told).toHaveLength(2);
    expect(stateOf('cloudformation')?.message).toBe('stack web/Fleet: told before this start');
  });

  test('tells another stack, and what a full disk or damage has forgotten', async () => {
    board.ready('served');
    isDiskFull = true;
    start().serving();
    await pass(1);
    isDiskFull = false;
    kept.set(path, '{"cloudfor');
    start({ hooks: undefined }).serving();
    await pass(1);
    start({ hooks: undefined, stack: { stack: 'web', resource: 'Other' } }).serving();
    await pass(1);
    expect(told.toSorted()).toEqual(['SUCCESS', 'SUCCESS', 'SUCCESS', 'up CONTINUE']);
  });
});

describe('the warm pool', () => {
  test('its hook goes on at once, that of the service when ready; also a second time', async () => {
    const signals = start();
    signals.warm();
    await pass(60 * minuteMs);
    expect(told).toEqual(['up CONTINUE']);
    signals.serving();
    await pass(minuteMs);
    board.ready('served');
    await pass(1);
    expect(told.slice(1).toSorted()).toEqual(['SUCCESS', 'up CONTINUE']);
    board.withdraw('warm', 'in the warm pool');
    signals.warm();
    await pass(1);
    signals.serving();
    await pass(minuteMs);
    expect(told.slice(3)).toEqual(['up CONTINUE']);
    board.ready('served');
    await pass(1);
    // The stack has heard it already.
    expect(told.slice(4)).toEqual(['up CONTINUE']);
  });
});

const sleepFor = (ms: number) => () => time.sleep(ms, end.signal);

describe('leaving', () => {
  test('the hook waits as long as the work goes on, and is told then', async () => {
    const signals = start();
    signals.serving();
    const leaving = signals.leaving(sleepFor(5 * minuteMs));
    await pass(5 * minuteMs - 1);
    // That of the launch beats no more.
    expect(told).toEqual(['down beats', 'down beats']);
    await time.run(leaving);
    expect(told.slice(2)).toEqual(['down CONTINUE']);
    await pass(10 * minuteMs);
    expect(told).toHaveLength(3);
  });

  test('work that fails tells nothing', async () => {
    const leaving = start().leaving(() => Promise.reject(new Error('stopped')));
    await expect(leaving).rejects.toThrow('stopped');
    await pass(10 * minuteMs);
    expect(told).toEqual([]);
  });

  test('no hook of it: only the work', async () => {
    await start({ hooks: { ...hooks, terminate: undefined } }).leaving(async () => undefined);
    expect(told).toEqual([]);
  });

  test('a stop ends everything', async () => {
    const signals = start();
    signals.serving();
    const leaving = signals.leaving(sleepFor(60 * minuteMs));
    end.abort(new Error('stop'));
    await expect(leaving).rejects.toThrow('stop');
    expect(told).toEqual([]);
  });
});
