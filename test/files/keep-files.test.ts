// When files are looked at, and how long ready waits for them; the writer and the host are stood in for.
import { expect, test } from 'vitest';
import { createFileKeeper } from '../../src/files/keep-files.ts';
import type { WriteAnswer, WriteRequest } from '../../src/files/request.ts';
import type { FileConfig, StatusFile } from '../../src/model.ts';
import { createStatusBoard } from '../../src/tell/status-board.ts';
import { createMemoryLog } from '../fakes/log.ts';
import { createVirtualTime } from '../fakes/virtual-time.ts';

const path = '/etc/app/a.conf';
const file: FileConfig = {
  path,
  content: 'x',
  owner: '0',
  group: '0',
  mode: 0o640,
  check: undefined,
  reload: undefined,
};

/** undefined: it ends without one. */
type Answer = (request: WriteRequest) => Promise<WriteAnswer | undefined>;

function rig(answer: Answer) {
  const clock = createVirtualTime();
  const log = createMemoryLog();
  const stop = new AbortController();
  const asked: {
    readonly atMs: number;
    readonly paths: readonly string[];
    readonly isDue: boolean;
  }[] = [];
  const heard: (readonly StatusFile[])[] = [];
  let due: readonly string[] = [];
  const keeper = createFileKeeper(
    {
      clock,
      log,
      random: { next: () => 0.5, uuid: () => '' },
      files: { readText: () => Promise.resolve('') },
      hostFiles: {
        read: () => Promise.resolve(undefined),
        isSocket: () => Promise.resolve(true),
      },
      sockets: {
        serve: () => Promise.reject(new Error('not here')),
        follow: () => Promise.reject(new Error('not here')),
        ask: async (_path, line, signal) => {
          const request = JSON.parse(line) as WriteRequest;
          asked.push({
            atMs: clock.monotonicMs(),
            paths: request.files.map((one) => one.path),
            isDue: request.files.some((one) => one.reloadDue),
          });
          return new Promise((resolve, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason as Error));
            void answer(request).then((said) => resolve(said && JSON.stringify(said)));
          });
        },
      },
      due: {
        load: () => Promise.resolve(),
        has: (one) => due.includes(one),
        paths: () => due,
        keep: (paths) => {
          due = paths;
          return Promise.resolve();
        },
      },
      onStatus: (files) => heard.push(files),
    },
    { socketPath: '/run/x', files: [file] },
    stop.signal,
  );
  const until = async (ms: number): Promise<void> => {
    await clock.sleep(ms, stop.signal);
    stop.abort(new Error('over'));
  };
  return { clock, log, keeper, asked, heard, stop, until, due: () => due };
}

const never = (): Promise<WriteAnswer> => new Promise(() => undefined);
const failing: Answer = ({ files }) =>
  Promise.resolve({
    results: files.map((one) => ({
      path: one.path,
      written: false,
      reloadDue: false,
      problem: 'no',
    })),
  });

test('a writer that does not answer is waited for by ready for a minute, and given up', async () => {
  const { clock, keeper, stop, due, heard } = rig(never);
  const running = keeper.run();
  running.catch(() => undefined);
  await clock.run(keeper.tried);
  // 30 s are what it has where no program is to be run.
  expect(clock.monotonicMs()).toBe(30_000);
  expect(heard.at(-1)).toEqual([
    { path, state: 'failing', message: 'cannot write files: no answer of the writer' },
  ]);
  // It may have written the file, whatever becomes of it.
  expect(due()).toEqual([path]);
  stop.abort(new Error('over'));
  await expect(clock.run(running)).rejects.toThrow('over');
});

test('with programs that may take longer, ready waits no longer than a minute', async () => {
  const { clock, keeper, stop } = rig(never);
  keeper.change([{ ...file, check: { argv: ['a', '{}'], timeoutMs: 120_000 } }]);
  const running = keeper.run();
  running.catch(() => undefined);
  await clock.run(keeper.tried);
  expect(clock.monotonicMs()).toBe(60_000);
  stop.abort(new Error('over'));
  await expect(clock.run(running)).rejects.toThrow('over');
});

test('what fails is tried again more and more rarely, at once when asked, and said once', async () => {
  const { clock, keeper, asked, log, until } = rig(failing);
  const running = keeper.run();
  const over = until(3_600_000);
  await expect(clock.run(Promise.all([running, over]))).rejects.toThrow('over');
  const times = asked.map(({ atMs }) => atMs / 60_000);
  expect(times.slice(0, 6)).toEqual([0, 2, 6, 14, 24, 34]);
  expect(log.lines.filter(({ msg }) => msg === 'no')).toHaveLength(1);
});

test('look: at once, and as if nothing had gone wrong', async () => {
  const { clock, keeper, asked, until, stop } = rig(failing);
  const running = keeper.run();
  const looked = clock.sleep(1_000_000, stop.signal).then(() => keeper.look());
  const over = until(1_200_000);
  await expect(clock.run(Promise.all([running, looked, over]))).rejects.toThrow('over');
  const after = asked.map(({ atMs }) => atMs).filter((ms) => ms >= 1_000_000);
  expect(after).toEqual([1_000_000, 1_120_000]);
});

const answers: Answer = ({ files }) => {
  if (files.length > 0) return never();
  return Promise.resolve({ results: [] });
};

test('a writer that is busy is asked again a second later, with a reload that may be due', async () => {
  let times = 0;
  const { clock, keeper, asked, heard, until } = rig(({ files }) => {
    const results = files.map((one) => ({ path: one.path, written: true, reloadDue: false }));
    return Promise.resolve(++times === 1 ? undefined : { results });
  });
  const over = until(5_000);
  await expect(clock.run(Promise.all([keeper.run(), over]))).rejects.toThrow('over');
  expect(asked.map(({ atMs, isDue }) => [atMs, isDue])).toEqual([
    [0, false],
    [1_000, true],
  ]);
  expect(heard.at(-1)).toMatchObject([{ path, state: 'in-place' }]);
});

test('a look while one is under way is that one', async () => {
  const { clock, keeper, asked, until } = rig(failing);
  const running = keeper.run();
  keeper.look();
  await expect(clock.run(Promise.all([running, until(1_000)]))).rejects.toThrow('over');
  expect(asked).toHaveLength(1);
});

test('what is left over of a file that is not wanted any more has the writer clean up', async () => {
  const { clock, keeper, asked, due, until } = rig(answers);
  const running = keeper.run();
  const changed = clock.run(keeper.tried).then(() => keeper.change([]));
  await changed;
  await expect(clock.run(Promise.all([running, until(200_000)]))).rejects.toThrow('over');
  expect(asked.map(({ paths }) => paths)).toEqual([[path], []]);
  expect(due()).toEqual([]);
});

const nothing = (): undefined => undefined;

test('the status is not ready before the files were tried, and its pool is', async () => {
  const clock = createVirtualTime();
  const board = createStatusBoard(
    { clock, log: createMemoryLog(), shipStatus: nothing, metricsStatus: nothing },
    { version: '1', pid: 7 },
  );
  const tried = Promise.withResolvers<void>();
  board.waitFor('its files are not in place yet', tried.promise);
  const pool = board.pool('db');
  pool.ready('served');
  expect(board.current()).toMatchObject({
    ready: false,
    readyAt: undefined,
    phase: 'configuring',
    message: 'served; its files are not in place yet',
    pools: [{ ready: true }],
  });
  const heard: boolean[] = [];
  board.onChange(({ ready }) => heard.push(ready));
  tried.resolve();
  await tried.promise;
  expect(board.current()).toMatchObject({ ready: true, readyAt: expect.any(String) });
  expect(heard).toEqual([true]);
});
