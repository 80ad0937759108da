// When files are looked at, and how long ready waits for them; the writer and the host are stood in for.
import { expect, test } from 'vitest';
import { createFileKeeper } from '../../src/files/keep-files.ts';
import { taken, type WriteAnswer, type WriteRequest } from '../../src/files/request.ts';
import { BerthError } from '../../src/errors.ts';
import type { FileConfig } from '../../src/model/config.ts';
import type { StatusFile } from '../../src/model/status.ts';
import type { FileState } from '../../src/system/host-files.ts';
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

/** undefined: it took the request, and ends without an answer; `busy`: it did not even take it. */
type Answer = (
  request: WriteRequest,
  take: () => void,
) => Promise<WriteAnswer | 'busy' | undefined>;
type Read = (path: string) => Promise<FileState | undefined>;

const absent: Read = () => Promise.resolve(undefined);

function rig(answer: Answer, files: readonly FileConfig[] = [file], read = absent) {
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
        read,
        isSocket: () => Promise.resolve(true),
      },
      sockets: {
        talk: async (_path, line, onLine, signal) => {
          const request = JSON.parse(line) as WriteRequest;
          asked.push({
            atMs: clock.monotonicMs(),
            paths: request.files.map((one) => one.path),
            isDue: request.files.some((one) => one.reloadDue),
          });
          return new Promise((resolve, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason as Error));
            void answer(request, () => onLine(taken)).then((said) => {
              if (said !== 'busy') onLine(taken);
              if (typeof said === 'object') onLine(JSON.stringify(said));
              resolve();
            }, reject);
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
    { socketPath: '/run/x', files },
    stop.signal,
  );
  const until = async (ms: number): Promise<void> => {
    await clock.sleep(ms, stop.signal);
    stop.abort(new Error('over'));
  };
  return { clock, log, keeper, asked, heard, stop, until, due: () => due };
}

const never: Answer = (_request, take) => {
  take();
  return new Promise(() => undefined);
};
const failing: Answer = ({ files }) =>
  Promise.resolve({
    results: files.map((one) => ({
      path: one.path,
      written: false,
      reloadDue: false,
      problem: 'no',
    })),
  });

const written = ({ files }: WriteRequest): WriteAnswer => ({
  results: files.map((one) => ({ path: one.path, written: true, reloadDue: false })),
});

test('a writer that does not answer is waited for by ready for a minute, and given up', async () => {
  const { clock, keeper, stop, due, heard } = rig(never);
  const running = keeper.run();
  running.catch(() => undefined);
  await clock.run(keeper.tried);
  // 30 s are what it has where no program is to be run.
  expect(clock.monotonicMs()).toBe(30_000);
  expect(heard.at(-1)).toEqual([
    {
      path,
      state: 'failing',
      message: "cannot write files: no answer of the writer: journalctl -u 'berth-files@*'",
    },
  ]);
  // It may have written the file, whatever becomes of it.
  expect(due()).toEqual([path]);
  stop.abort(new Error('over'));
  await expect(clock.run(running)).rejects.toThrow('over');
});

test('with programs that may take longer, ready waits no longer than a minute', async () => {
  const { clock, keeper, stop } = rig(never);
  void keeper.change([{ ...file, check: { argv: ['a', '{}'], timeoutMs: 120_000 } }]);
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

const answers: Answer = (request, take) => {
  if (request.files.length > 0) return never(request, take);
  return Promise.resolve({ results: [] });
};

test('a writer that is busy is asked again each second, and no reload is due by that', async () => {
  let times = 0;
  const { clock, keeper, asked, heard, due, until } = rig((request) =>
    Promise.resolve(++times <= 20 ? 'busy' : written(request)),
  );
  const running = keeper.run();
  running.catch(() => undefined);
  const over = until(200_000);
  await clock.run(keeper.tried);
  // Not before: a service that waits for ready wants its files.
  expect(clock.monotonicMs()).toBe(20_000);
  await expect(clock.run(Promise.all([running, over]))).rejects.toThrow('over');
  expect(asked.slice(0, 21).map(({ atMs }) => atMs / 1_000)).toEqual(
    Array.from({ length: 21 }, (_, i) => i),
  );
  expect(asked.filter(({ isDue }) => isDue)).toEqual([]);
  expect(heard.at(-1)).toMatchObject([{ path, state: 'in-place' }]);
  expect(due()).toEqual([]);
});

test('one that is busy for a minute is named; nothing is due by it, nor by one that is not there or refuses', async () => {
  const absence = new BerthError('daemon-absent', 'nobody', { cause: new Error('EPIPE') });
  const answersOf: readonly Answer[] = [
    () => Promise.resolve('busy'),
    () => Promise.reject(absence),
    () => Promise.resolve({ results: [], refused: 'no policy' }),
  ];
  for (const answer of answersOf) {
    const { clock, keeper, heard, due, asked, until } = rig(answer);
    const running = keeper.run();
    running.catch(() => undefined);
    const over = until(200_000);
    await expect(clock.run(Promise.all([running, over]))).rejects.toThrow('over');
    expect(heard.at(-1)).toMatchObject([{ path, state: 'failing' }]);
    expect({ due: due(), asked: asked.some(({ isDue }) => isDue) }).toEqual({
      due: [],
      asked: false,
    });
  }
});

test('one that took the request and died is asked again a second later, and the reload is due', async () => {
  let times = 0;
  const { clock, keeper, asked, heard, due, until } = rig((request) =>
    Promise.resolve(++times === 1 ? undefined : written(request)),
  );
  const over = until(5_000);
  await expect(clock.run(Promise.all([keeper.run(), over]))).rejects.toThrow('over');
  expect(asked.map(({ atMs, isDue }) => [atMs, isDue])).toEqual([
    [0, false],
    [1_000, true],
  ]);
  expect(heard.at(-1)).toMatchObject([{ path, state: 'in-place' }]);
  expect(due()).toEqual([]);
});

test('one that dies each time leaves the reload due', async () => {
  const { clock, keeper, due, until } = rig(() => Promise.resolve(undefined));
  await expect(clock.run(Promise.all([keeper.run(), until(50_000)]))).rejects.toThrow('over');
  expect(due()).toEqual([path]);
});

const others = ['/etc/app/b.conf', '/etc/app/c.conf'];
const three = [path, ...others].map((one) => ({ ...file, path: one }));

test('one that fails for good is tried more and more rarely, the others at each look', async () => {
  const drifted = new Set<string>(others);
  const { clock, keeper, asked, until } = rig(
    ({ files }) => {
      for (const one of files) drifted.delete(one.path);
      const results = files.map((one) => ({
        path: one.path,
        written: one.path !== path,
        reloadDue: false,
        problem: one.path === path ? 'its check refuses' : undefined,
      }));
      return Promise.resolve({ results });
    },
    three,
    (one) =>
      Promise.resolve(
        one === path || drifted.has(one)
          ? undefined
          : { content: Buffer.from('x'), uid: 0, gid: 0, mode: 0o640 },
      ),
  );
  const drift = async (): Promise<void> => {
    for (let minute = 0; minute < 60; minute++) {
      await clock.sleep(60_000, new AbortController().signal);
      drifted.add(others[minute % 2]!);
    }
  };
  const running = keeper.run();
  running.catch(() => undefined);
  await expect(clock.run(Promise.all([running, drift(), until(3_630_000)]))).rejects.toThrow(
    'over',
  );
  const minutesOf = (one: string): readonly number[] =>
    asked.filter(({ paths }) => paths.includes(one)).map(({ atMs }) => atMs / 60_000);
  expect(minutesOf(path).slice(0, 6)).toEqual([0, 2, 6, 14, 24, 34]);
  // Each drift by the next look.
  expect(minutesOf(others[0]!).length + minutesOf(others[1]!).length).toBeGreaterThanOrEqual(60);
});

test('one whose file system hangs is named, and not asked for; the others are', async () => {
  const { clock, keeper, asked, heard, until } = rig(
    (request) => Promise.resolve(written(request)),
    three,
    (one) => (one === path ? Promise.reject(new BerthError('timeout', 'no answer')) : absent(one)),
  );
  await expect(clock.run(Promise.all([keeper.run(), until(1_000)]))).rejects.toThrow('over');
  expect(asked.map(({ paths }) => paths)).toEqual([others]);
  expect(heard.at(-1)).toEqual([
    { path, state: 'failing', message: 'no answer' },
    ...others.map((one) => ({ path: one, state: 'in-place', message: undefined })),
  ]);
});

test.each<[string, Answer, boolean, string]>([
  ['a file that is refused', failing, false, 'no'],
  ['a writer that is busy', () => Promise.resolve('busy'), true, 'is not in place after 60 s'],
  ['a writer that took it and does not answer', never, false, 'no answer of the writer'],
])('a change says what is wrong with it: %s', async (_, answer, mayPass, message) => {
  let isNew = false;
  const { clock, keeper, until } = rig(async (request, take) =>
    isNew ? answer(request, take) : written(request),
  );
  keeper.run().catch(() => undefined);
  const changed = clock.sleep(1_000, new AbortController().signal).then(() => {
    isNew = true;
    return keeper.change([{ ...file, content: 'y' }]);
  });
  const heard = clock.run(Promise.race([changed, until(300_000)]));
  await expect(heard).resolves.toEqual({ message: expect.stringContaining(message), mayPass });
});

test('what changes while it fails is tried at once', async () => {
  const first = Promise.withResolvers<void>();
  let times = 0;
  const { clock, keeper, asked, until, stop } = rig(async (request, take) => {
    if (++times === 1) await first.promise;
    return failing(request, take);
  });
  const running = keeper.run();
  running.catch(() => undefined);
  const changed = clock.sleep(1_000, stop.signal).then(() => {
    void keeper.change([{ ...file, content: 'y' }]);
    first.resolve();
  });
  await expect(clock.run(Promise.all([running, changed, until(30_000)]))).rejects.toThrow('over');
  expect(asked.map(({ atMs }) => atMs)).toEqual([0, 1_000]);
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
