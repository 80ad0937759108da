// Shipping while CloudWatch, the network or the clock is not well: no line is lost, and one target never holds up another.
import { appendFileSync, readdirSync, renameSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/system/clock.ts';
import { systemLogFiles, type LogFiles } from '../../src/system/log-files.ts';
import { createHastyClock } from '../fakes/hasty-clock.ts';
import { createRig, intact, numbered, textOf } from './rig.ts';

const patience = { timeout: 10_000 };

describe('an outage', () => {
  test('of half of all calls: every line once, in order', async () => {
    await using rig = await createRig({ haste: 200 });
    for (let index = 0; index < 20; index++) {
      const code = index % 2 === 0 ? 'ThrottlingException' : 'InternalFailure';
      const status = index % 2 === 0 ? 400 : 500;
      rig.front.fail({
        match: 'logs:PutLogEvents',
        times: 1,
        fault: { kind: 'error', status, code },
      });
    }
    appendFileSync(rig.path('app.log'), textOf(numbered(0, 50_000)));
    const shipping = rig.start();
    expect(await rig.delivery(numbered(0, 50_000))).toEqual(intact);
    await vi.waitFor(() => expect(shipping.status().eventsSent).toBe(50_000));
    expect(rig.logged().filter((line) => /cannot send logs now/.test(String(line)))).toHaveLength(
      1,
    );
    expect(rig.logged()).toContain('logs are being sent again');
  });

  test('that hides answers: at most one batch twice for each', async () => {
    await using rig = await createRig();
    appendFileSync(rig.path('app.log'), textOf(numbered(0, 1)));
    rig.start();
    expect(await rig.delivery(numbered(0, 1))).toEqual(intact);
    rig.front.fail({ match: 'logs:PutLogEvents', times: 2, fault: { kind: 'reset-after' } });
    appendFileSync(rig.path('app.log'), textOf(numbered(1, 30_000 - 1)));
    const { repeats, ...rest } = await rig.delivery(numbered(0, 30_000));
    expect({ ...rest, repeats: 0 }).toEqual(intact);
    expect(repeats).toBeGreaterThan(0);
    expect(repeats).toBeLessThanOrEqual(2 * 10_000);
  });

  test('reads no more than is being sent: the file is the buffer', async () => {
    await using rig = await createRig({ haste: 200 });
    const reads: number[] = [];
    const fault = { kind: 'error', status: 500, code: 'InternalFailure' } as const;
    rig.front.fail({ match: 'logs:*', times: 1_000, fault });
    appendFileSync(rig.path('app.log'), textOf(numbered(0, 1_000_000)));
    const logFiles = onEachRead((bytes) => void reads.push(bytes));
    const shipping = rig.start({ deps: { logFiles } });
    await vi.waitFor(() => expect(rig.calls('PutLogEvents').length).toBeGreaterThan(8), patience);
    // Of what waits nothing stays in memory: each attempt reads one batch anew.
    const attempts = rig.calls('PutLogEvents').length + 1;
    expect(reads.reduce((a, b) => a + b, 0)).toBeLessThan(attempts * 1_400_000);
    expect(shipping.status().bytesBehind).toBe(13_000_000);
    expect(shipping.status().lastError).toMatch(/^cannot call logs:PutLogEvents: AWS answered 500/);
  });

  test('of the network: of 200 targets one tries at a time, and then all arrives', async () => {
    const haste = 20;
    await using rig = await createRig({ haste });
    const groups = Array.from({ length: 200 }, (_, index) => `group-${index}`);
    appendFileSync(rig.path('app.log'), textOf(numbered(0, 10)));
    rig.front.fail({ match: 'logs:*', times: 100_000, fault: { kind: 'reset-before' } });
    const shipping = rig.start({ sources: groups.map((group) => rig.source('app.log', group)) });
    const called = (times: number): Promise<void> =>
      vi.waitFor(() => expect(rig.calls('PutLogEvents').length).toBeGreaterThanOrEqual(times), {
        timeout: 30_000,
      });
    // Those that were under way have heard of it; from the fifth on they try every one or two seconds.
    await called(40);
    const startMs = performance.now();
    const before = rig.calls('PutLogEvents').length;
    await called(before + 10);
    const tries = rig.calls('PutLogEvents').length - before;
    expect(performance.now() - startMs).toBeGreaterThan(((tries - 2) * 1_000) / haste);
    const said = (): number =>
      rig.logged().filter((line) => String(line).startsWith('cannot send logs now')).length;
    expect(said()).toBeGreaterThan(0);
    expect(said()).toBeLessThan(5);
    rig.front.clearFaults();
    for (const group of groups)
      await vi.waitFor(() => expect(rig.arrived(group)).toEqual(numbered(0, 10)), {
        timeout: 30_000,
      });
    await vi.waitFor(() => expect(shipping.status().lastError).toBeUndefined(), patience);
  });

  test('in which files are rotated: every line once, in order', async () => {
    await using rig = await createRig();
    const fault = { kind: 'error', status: 500, code: 'InternalFailure' } as const;
    rig.front.fail({ match: 'logs:*', times: 10_000, fault });
    const shipping = rig.start();
    let written = 0;
    const write = (count: number): void => {
      appendFileSync(rig.path('app.log'), textOf(numbered(written, count)));
      written += count;
    };
    const noticed = (files: number): Promise<void> =>
      vi.waitFor(() => {
        expect(shipping.status()).toMatchObject({ files, bytesBehind: written * 13 });
      }, patience);
    for (let generation = 1; generation <= 5; generation++) {
      write(10);
      await noticed(generation);
      // Nobody has looked at the last lines when the next file is there.
      write(10);
      renameSync(rig.path('app.log'), rig.path(`app.log.2026010${generation}`));
      write(10);
      await noticed(generation + 1);
    }
    rig.front.clearFaults();
    expect(await rig.delivery(numbered(0, written))).toEqual(intact);
  });

  test('of one target does not hold up another, nor the end', async () => {
    await using rig = await createRig({ deniedGroups: ['denied'] });
    appendFileSync(rig.path('app.log'), textOf(numbered(0, 100)));
    const sources = [rig.source('app.log', 'denied'), rig.source('app.log')];
    const shipping = rig.start({ sources });
    expect(await rig.delivery(numbered(0, 100))).toEqual(intact);
    appendFileSync(rig.path('app.log'), textOf(numbered(100, 100)));
    expect(await rig.delivery(numbered(0, 200))).toEqual(intact);
    expect(shipping.status().lastError).toMatch(/lacks the permission/);
    await rig.stop(shipping);
    expect(rig.deadLetters()).toEqual([]);
  });
});

describe('refused lines', () => {
  test('are kept with the reason, counted and said', async () => {
    const late = { ...systemClock, nowMs: () => systemClock.nowMs() + 15 * 86_400_000 };
    await using rig = await createRig({ labClock: late });
    appendFileSync(rig.path('app.log'), textOf(numbered(0, 3)));
    const shipping = rig.start();
    await vi.waitFor(() => expect(shipping.status().eventsRefused).toBe(3), patience);
    expect(rig.deadLetters()).toEqual(
      numbered(0, 3).map((message) =>
        expect.objectContaining({
          group: 'app',
          stream: 'i-1',
          message,
          reason: 'older than 14 days',
        }),
      ),
    );
    expect(rig.logged()).toContain(
      'CloudWatch refused 3 lines; they are kept in the dead-letter file',
    );
    const lastError = expect.stringMatching(/refused lines for app i-1: older than/) as unknown;
    expect(shipping.status()).toMatchObject({ eventsSent: 0, bytesBehind: 0, lastError });
  });
});

describe('the end', () => {
  test('sends what is in the files, however long batches may wait', async () => {
    await using rig = await createRig();
    appendFileSync(rig.path('app.log'), textOf(numbered(0, 10)));
    const shipping = rig.start({ forceFlushMs: 3_600_000 });
    await vi.waitFor(() => expect(shipping.status().files).toBe(1));
    appendFileSync(rig.path('app.log'), textOf(numbered(10, 25_000)));
    await rig.stop(shipping);
    expect(rig.arrived()).toEqual(numbered(0, 25_010));
    expect(shipping.status().bytesBehind).toBe(0);
  });

  test('comes although somebody goes on writing', async () => {
    await using rig = await createRig();
    let written = 0;
    const append = (): void => {
      appendFileSync(rig.path('app.log'), textOf(numbered(written, 200)));
      written += 200;
    };
    append();
    // There is always more than was read.
    const logFiles = onEachRead(append);
    const shipping = rig.start({ deps: { logFiles } });
    await vi.waitFor(() => expect(shipping.status().eventsSent).toBeGreaterThan(1_000), patience);
    await rig.stop(shipping);
    rig.start();
    expect(await rig.delivery(numbered(0, written))).toEqual(intact);
  });

  test('keeps its deadline when the endpoint hangs, and the next start goes on', async () => {
    await using rig = await createRig();
    const { server, endpoint } = await hangingServer();
    const good = process.env['AWS_ENDPOINT_URL'];
    process.env['AWS_ENDPOINT_URL'] = endpoint;
    appendFileSync(rig.path('app.log'), textOf(numbered(0, 10)));
    const shipping = rig.start();
    await vi.waitFor(() => expect(shipping.status().files).toBe(1));
    const startMs = performance.now();
    await expect(shipping.stop(AbortSignal.timeout(200))).rejects.toThrow(
      /^cannot send the last log lines in time/,
    );
    expect(performance.now() - startMs).toBeLessThan(2_000);
    server.close();
    process.env['AWS_ENDPOINT_URL'] = good;
    rig.start();
    expect(await rig.delivery(numbered(0, 10))).toEqual(intact);
  });

  test('leaves no file open', async () => {
    await using rig = await createRig();
    appendFileSync(rig.path('app.log'), textOf(numbered(0, 10)));
    await rig.stop(rig.start());
    const before = openFiles();
    for (let round = 0; round < 5; round++) await rig.stop(rig.start());
    expect(openFiles()).toBeLessThanOrEqual(before + 1);
  });
});

test('the hasty clock of these tests is no slower than the real one', async () => {
  const clock = createHastyClock(100);
  const startMs = clock.monotonicMs();
  await clock.sleep(1_000, new AbortController().signal);
  expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(900);
});

function onEachRead(listener: (bytes: number) => void): LogFiles {
  return {
    ...systemLogFiles,
    open: async (path) => {
      const file = await systemLogFiles.open(path);
      if (file === undefined) return undefined;
      const read: typeof file.read = async (position, length) => {
        const data = await file.read(position, length);
        listener(data.length);
        return data;
      };
      const readInto: typeof file.readInto = async (target, position) => {
        const length = await file.readInto(target, position);
        listener(length);
        return length;
      };
      return { ...file, read, readInto };
    },
  };
}

function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Takes connections and never answers. */
async function hangingServer(): Promise<{ server: Server; endpoint: string }> {
  const server = createServer((socket) => socket.resume().on('error', () => undefined));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { server, endpoint: `http://127.0.0.1:${address.port}` };
}
