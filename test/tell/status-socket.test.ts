// The status over its socket: to whoever connects, at each change, and across a restart of the daemon.
import { once } from 'node:events';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Status } from '../../src/model/status.ts';
import { systemClock } from '../../src/system/clock.ts';
import { systemLocalSockets } from '../../src/system/local-socket.ts';
import { createStatusBoard, type StatusBoard } from '../../src/tell/status-board.ts';
import {
  readStatus,
  serveStatus,
  statusSocketPath,
  waitUntilReady,
} from '../../src/tell/status-socket.ts';
import { createFakeClock } from '../fakes/clock.ts';
import { createMemoryLog } from '../fakes/log.ts';
import { temporaryFolder, type TemporaryFolder } from '../fixtures/temporary-folder.ts';

let folder: TemporaryFolder;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder[Symbol.dispose]());

const { signal } = new AbortController();
const boardOf = (pid: number): StatusBoard =>
  createStatusBoard(
    {
      clock: createFakeClock(),
      log: createMemoryLog(),
      shipStatus: () => undefined,
      metricsStatus: () => undefined,
    },
    { version: '1', pid },
  );
const serve = (board: StatusBoard) => serveStatus(systemLocalSockets, folder.path, board);
const read = () => readStatus(systemLocalSockets, folder.path, signal);

describe('serveStatus', () => {
  test('greets with the status as it is now', async () => {
    const board = boardOf(1);
    await using _server = await serve(board);
    board.progress('claiming', 'claiming eni-1');
    expect(await read()).toMatchObject({ phase: 'claiming', message: 'claiming eni-1', pid: 1 });
  });

  test('tells everybody each change', async () => {
    const board = boardOf(1);
    await using _server = await serve(board);
    const clients = [1, 2].map(() => connect(statusSocketPath(folder.path)));
    const readers = clients.map((input) => createInterface({ input }));
    await Promise.all(readers.map((reader) => once(reader, 'line')));
    const next = Promise.all(readers.map((reader) => once(reader, 'line')));
    board.ready('served');
    for (const [line] of (await next) as string[][]) {
      expect(JSON.parse(line!)).toMatchObject({
        ready: true,
        message: 'served',
      });
    }
  });

  test('is for its owner and the group, in a folder that it makes', async () => {
    const inside = join(folder.path, 'run', 'berth');
    await using _server = await serveStatus(systemLocalSockets, inside, boardOf(1));
    expect(statSync(statusSocketPath(inside)).mode & 0o777).toBe(0o660);
  });

  test('goes with its server, which waits for no client', async () => {
    const server = await serve(boardOf(1));
    // Keeps its side open.
    const client = connect({ path: statusSocketPath(folder.path), allowHalfOpen: true });
    await once(client, 'data');
    await server[Symbol.asyncDispose]();
    expect(existsSync(statusSocketPath(folder.path))).toBe(false);
    client.destroy();
  });

  test('a client that does not read is cut off', async () => {
    const board = boardOf(1);
    await using _server = await serve(board);
    const client = connect(statusSocketPath(folder.path));
    await once(client, 'data');
    client.pause();
    const message = 'x'.repeat(60_000);
    for (let change = 0; change < 100; change++) board.progress('claiming', `${message}${change}`);
    const closed = once(client, 'close');
    client.resume();
    await closed;
    expect(client.bytesRead).toBeLessThan(100 * message.length);
  });

  test('a second one is refused, and says what to do', async () => {
    await using _server = await serve(boardOf(1));
    await expect(serve(boardOf(2))).rejects.toMatchObject({
      code: 'already-running',
      message: expect.stringMatching(
        /another berth listens on .*; stop it first, or give this one/,
      ),
    });
    expect(await read()).toMatchObject({ pid: 1 });
  });

  const startAtOnce: readonly (readonly [number, string])[] = [
    [5, 'with nothing there'],
    [2, 'over a dead socket'],
  ];
  test.each(startAtOnce)('of %i that start at once %s one is served', async (count, found) => {
    for (let round = 0; round < 20; round++) {
      if (found.includes('dead')) folder.file('status.sock', 'dead');
      const pids = Array.from({ length: count }, (_, index) => index + 1);
      const started = await Promise.allSettled(pids.map((pid) => serve(boardOf(pid))));
      const served = started.filter((result) => result.status === 'fulfilled');
      expect(served).toHaveLength(1);
      expect(readdirSync(folder.path)).toEqual(['status.sock']);
      expect(started[(await read()).pid - 1]!.status).toBe('fulfilled');
      await served[0]!.value[Symbol.asyncDispose]();
    }
  });

  test('a folder that cannot be made is said', async () => {
    const below = join(folder.file('file', ''), 'run');
    await expect(serveStatus(systemLocalSockets, below, boardOf(1))).rejects.toMatchObject({
      code: 'disk',
      message: expect.stringMatching(/^cannot listen on/),
    });
  });
});

describe('waitUntilReady', () => {
  test('waits for a daemon, through its end, until another is ready', async () => {
    const heard: (Status | undefined)[] = [];
    const news = new EventTarget();
    const told = (what: (status: Status | undefined) => boolean): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (what(heard.at(-1))) resolve();
        };
        news.addEventListener('status', look);
        if (heard.length > 0) look();
      });
    const waiting = waitUntilReady(
      { sockets: systemLocalSockets, clock: systemClock },
      folder.path,
      signal,
      (status) => {
        heard.push(status);
        news.dispatchEvent(new Event('status'));
      },
    );
    await told((status) => status === undefined);
    const first = await serve(boardOf(1));
    await told((status) => status?.pid === 1);
    await first[Symbol.asyncDispose]();
    await told((status) => status === undefined);
    const board = boardOf(2);
    await using _second = await serve(board);
    await told((status) => status?.pid === 2);
    board.ready('served');
    expect(await waiting).toMatchObject({ pid: 2, ready: true });
  });

  test('ends with the signal', async () => {
    const stop = new AbortController();
    const waiting = waitUntilReady(
      { sockets: systemLocalSockets, clock: systemClock },
      folder.path,
      stop.signal,
      () => stop.abort(new Error('enough')),
    );
    await expect(waiting).rejects.toThrow('enough');
  });
});
