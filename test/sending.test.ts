// What goes to CloudWatch goes over to another configuration: nothing is cut in two, and what does not start is undone.
import { appendFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { LogSource } from '../src/model/logs.ts';
import { createSending, type Sending, type SendingConfig } from '../src/sending.ts';
import type { Clock } from '../src/system/clock.ts';
import { systemClock } from '../src/system/clock.ts';
import { systemLogFiles, type LogFiles } from '../src/system/log-files.ts';
import { createPorts, type Ports } from '../src/system/ports.ts';
import { logsConfig } from './fixtures/log-source.ts';
import { createRig, credentials, instanceId, textOf, type Rig } from './ship/rig.ts';

const withinMs = 60_000;
let rig: Rig;
let system: Ports & Disposable;
let end: AbortController;
let sending: Sending;
beforeEach(async () => {
  rig = await createRig();
  system = createPorts(rig.log);
  end = new AbortController();
});
afterEach(async () => {
  end.abort(new Error('the test is over'));
  await sending.stop();
  system[Symbol.dispose]();
  await rig[Symbol.asyncDispose]();
});

const begin = (config: SendingConfig, change: Partial<Ports> = {}): void => {
  const keys = { ...credentials, expiresAtMs: Date.now() + 3_600_000 };
  const access = { region: 'eu-central-1', credentials: async () => keys };
  const place = { instanceId, stateDir: rig.stateDir };
  const input = { ...place, access, pools: () => [] };
  sending = createSending({ ...system, ...change }, input, end.signal);
  sending.start(config);
};
const configOf = (...sources: readonly LogSource[]): SendingConfig => ({
  logs: logsConfig({ sources, forceFlushMs: 50 }),
  metrics: undefined,
  emf: undefined,
});
const write = (name: string, ...lines: readonly string[]): void =>
  appendFileSync(rig.path(name), textOf(lines));
const arrives = (lines: readonly string[], group = 'app'): Promise<void> =>
  vi.waitFor(() => expect(rig.arrived(group)).toEqual(lines), withinMs);

/** Waits and deadlines end so many times sooner. */
const factor = 20;
const hasty: Clock = {
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(ms / factor, signal),
  deadline: (ms, parent) => systemClock.deadline(ms / factor, parent),
};

/** As on a file system that is away. */
const hanging: LogFiles = {
  ...systemLogFiles,
  expand: (pattern) =>
    pattern.includes('hangs') ? new Promise(() => undefined) : systemLogFiles.expand(pattern),
};

describe('another configuration', () => {
  test('an event that is not complete stays whole', async () => {
    const more = { startPattern: '^start' };
    begin(configOf(rig.source('app.log', 'app', 'i-1', more)));
    write('app.log', 'start one', ' of it');
    await vi.waitFor(() => expect(sending.logs()?.bytesBehind).toBeGreaterThan(0), withinMs);
    await sending.change(configOf(rig.source('app.log', 'app', 'i-1', more), rig.source('b.log')));
    write('app.log', ' and the end', 'start two', 'start three');
    await vi.waitFor(() => expect(rig.arrived().length).toBeGreaterThan(1), withinMs);
    expect(rig.arrived().slice(0, 2)).toEqual(['start one\n of it\n and the end', 'start two']);
  });

  test('the figures go on', async () => {
    begin(configOf(rig.source('app.log')));
    write('app.log', 'one', 'two');
    await arrives(['one', 'two']);
    await sending.change(configOf(rig.source('app.log'), rig.source('b.log', 'b')));
    write('b.log', 'three');
    await arrives(['three'], 'b');
    await vi.waitFor(() => expect(sending.logs()?.eventsSent).toBe(3), withinMs);
  });

  const failures = [
    ['fails', 'x.log', { startPattern: '(' }, /cannot begin to ship logs with it: .*\(/],
    ['hangs', 'hangs.log', {}, /cannot begin to ship logs with it: not within 10 s/],
  ] as const;
  test.each(failures)('whose start %s is undone', async (_, file, more, message) => {
    begin(configOf(rig.source('app.log')), { clock: hasty, logFiles: hanging });
    write('app.log', 'one');
    await arrives(['one']);
    const bad = configOf(rig.source('app.log', 'other'), rig.source(file, 'other', 'i-1', more));
    await expect(sending.change(bad)).rejects.toThrow(message);
    write('app.log', 'two');
    await arrives(['one', 'two']);
    expect(rig.logs.events('other', 'i-1')).toEqual([]);
  });
});
