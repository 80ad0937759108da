// When a claim counts as lost, and that a daemon which is away or starts is no loss.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Phase, StatusEni } from '../../src/model/status.ts';
import { systemClock } from '../../src/system/clock.ts';
import { systemLocalSockets } from '../../src/system/local-socket.ts';
import {
  createStatusBoard,
  type PoolBoard,
  type StatusBoard,
} from '../../src/tell/status-board.ts';
import { serveStatus } from '../../src/tell/status-socket.ts';
import { waitUntilLost } from '../../src/tell/until-lost.ts';
import { createFakeClock } from '../fakes/clock.ts';
import { createMemoryLog } from '../fakes/log.ts';
import { temporaryFolder, type TemporaryFolder } from '../fixtures/temporary-folder.ts';

const eni: StatusEni = {
  eniId: 'eni-1',
  mac: '02:00:00:00:00:01',
  ipv4: ['10.0.1.50'],
  ipv6: [],
  device: 'eth1',
  table: 20_001,
  routing: { picture: [], commands: [] },
  epoch: 1,
};

let folder: TemporaryFolder;
let stop: AbortController;
let macs: readonly string[];
beforeEach(() => {
  folder = temporaryFolder();
  stop = new AbortController();
  macs = [eni.mac];
});
afterEach(() => {
  stop.abort();
  folder[Symbol.dispose]();
});

type Daemon = AsyncDisposable & { readonly board: StatusBoard };

/** It has no pool yet. */
async function starting(): Promise<Daemon> {
  const ports = { clock: createFakeClock(), log: createMemoryLog() };
  const board = createStatusBoard(
    { ...ports, shipStatus: () => undefined, metricsStatus: () => undefined },
    { version: '1', pid: 1 },
  );
  const server = await serveStatus(systemLocalSockets, folder.path, board);
  return { board, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

async function serving(): Promise<Daemon & { readonly pool: PoolBoard }> {
  const up = await starting();
  const pool = up.board.pool('db');
  pool.serves(eni);
  pool.ready('served');
  return { ...up, pool };
}

/** Resolves once it has heard the status; `looks` counts how often the kernel was asked since. */
async function follow({ board }: Daemon): Promise<{
  readonly lost: Promise<string>;
  readonly looks: () => number;
  /** Makes a change, and resolves when it was heard. */
  readonly after: (change: () => void) => Promise<void>;
}> {
  let looks = 0;
  let heard = 0;
  const sockets: typeof systemLocalSockets = {
    ...systemLocalSockets,
    follow: (path, onLine, signal) =>
      systemLocalSockets.follow(
        path,
        (line) => {
          heard++;
          return onLine(line);
        },
        signal,
      ),
  };
  const localMacs = (): readonly string[] => {
    looks++;
    return macs;
  };
  const lost = waitUntilLost(
    { sockets, clock: systemClock, localMacs },
    { runtimeDir: folder.path, served: board.current() },
    stop.signal,
  );
  lost.catch(() => undefined);
  const next = (): Promise<void> => {
    const before = heard;
    return expect.poll(() => heard, { interval: 5, timeout: 20_000 }).toBeGreaterThan(before);
  };
  await next();
  looks = 0;
  return {
    lost,
    looks: () => looks,
    after: (change) => {
      const told = next();
      change();
      return told;
    },
  };
}

const losses: readonly Phase[] = ['lost', 'gave-up', 'released', 'standby', 'waiting-for-eni'];
test.each(losses)('the phase %s is a loss, and its message the reason', async (phase) => {
  await using up = await serving();
  const { lost, after } = await follow(up);
  await after(() => up.pool.withdraw(phase, `because of ${phase}`));
  expect(await lost).toBe(`because of ${phase}`);
});

const others: readonly Phase[] = ['claiming', 'attaching', 'routing', 'stopping', 'failed'];
test('no other phase is, nor is a message beside ready', async () => {
  await using up = await serving();
  const { lost, after } = await follow(up);
  for (const phase of others) {
    await after(() => up.pool.withdraw(phase, `not lost: ${phase}`));
  }
  await after(() => up.pool.ready('served again'));
  await after(() => up.board.withdraw('stopping', 'not lost: the whole'));
  await after(() => up.pool.withdraw('lost', 'the first loss'));
  expect(await lost).toBe('the first loss');
});

test('another ENI in its place is a loss', async () => {
  await using up = await serving();
  const { lost, after } = await follow(up);
  await after(() => up.pool.serves({ ...eni, eniId: 'eni-2' }));
  expect(await lost).toBe('eni-2 is here in place of eni-1');
});

describe('a daemon that is away', () => {
  test('is no loss while the device is there, nor is its start; then what it says counts', async () => {
    const first = await serving();
    const { lost, looks, after } = await follow(first);
    await first[Symbol.asyncDispose]();
    await expect.poll(looks, { timeout: 20_000 }).toBeGreaterThan(1);
    await using second = await starting();
    await after(() => second.board.progress('identifying', 'starts'));
    const pool = second.board.pool('db');
    await after(() => pool.progress('claiming', 'claims'));
    await after(() => pool.serves(eni));
    await after(() => pool.ready('served by the second'));
    await after(() => pool.withdraw('lost', 'lost by the second'));
    expect(await lost).toBe('lost by the second');
  });

  test('is a loss once the device is gone', async () => {
    const first = await serving();
    const { lost, looks } = await follow(first);
    await first[Symbol.asyncDispose]();
    await expect.poll(looks, { timeout: 20_000 }).toBeGreaterThan(0);
    macs = ['02:00:00:00:00:09'];
    expect(await lost).toBe('eni-1 is gone from this instance, and berth is not running');
  });

  test('is a loss once it comes back ready without the pool', async () => {
    const first = await serving();
    const { lost } = await follow(first);
    await first[Symbol.asyncDispose]();
    await using second = await starting();
    second.board.pool('web').ready('another pool is served');
    expect(await lost).toBe('pool db is not configured any more');
  });
});
