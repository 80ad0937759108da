// One measured run of `npm run bench:ship`: a contestant on a corpus, against the sink; and one at rest.
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { usageOf } from './bench-usage.ts';
import { contestantEnv, type Contestant, type Encoding } from './ship-contestants.ts';
import type { Corpus } from './ship-corpus.ts';
import type { Arrivals, FromSink, ToSink } from './ship-sink.ts';

export type Sink = Disposable & {
  readonly endpoint: URL;
  tell(message: ToSink): void;
  /** The next `done`. */
  done(): Promise<Arrivals>;
};

export type Task = {
  readonly contestant: Contestant;
  readonly corpus: Corpus;
  readonly pattern: string;
  readonly encoding: Encoding;
  /** Compare every line; the figures are then those of a slow sink. */
  readonly check: boolean;
  /** Where it may write. */
  readonly scratch: string;
};

export type ShipSample = {
  /** Between the first body and that with which 95 % of the lines were there. */
  readonly bytesPerSecond: number;
  /** Until 99 % of what arrived was there, and how much of the files that is. */
  readonly cpuSeconds: number;
  readonly bytes: number;
  /** When the first body arrived, since exec. */
  readonly first: { readonly ms: number; readonly cpuSeconds: number };
  readonly peakRssBytes: number;
  readonly calls: number;
  readonly wireBytes: number;
  readonly lost: number;
  readonly repeated: number;
  readonly foreign: number;
};

const graceMs = 3_000;
const restMs = 20_000;
const settleMs = 5_000;

export async function startSink(): Promise<Sink> {
  const child = fork(join(import.meta.dirname, 'ship-sink.ts'), {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  const [{ port }] = (await once(child, 'message')) as [{ readonly port: number }];
  return {
    endpoint: new URL(`http://127.0.0.1:${port}`),
    tell: (message) => void child.send(message),
    done: async () => {
      const [message] = (await once(child, 'message')) as [FromSink];
      if (message.kind !== 'done') throw new Error('the sink speaks out of turn');
      return message;
    },
    [Symbol.dispose]: () => child.disconnect(),
  };
}

/** Throws where nothing arrived, with what the contestant said. */
export async function measureShip(sink: Sink, task: Task): Promise<ShipSample> {
  await using running = start(sink, task);
  const arrivals = await running.arrivals;
  const { peakRssBytes } = await usageOf(running.pid);
  const { bodies, events, check, wireBytes } = arrivals;
  const [first] = bodies;
  if (first === undefined) {
    throw new Error(`${task.contestant.name}: nothing arrived; it said: ${running.said()}`);
  }
  const { corpus } = task;
  const most = bodyWith(arrivals, 0.95 * Math.min(events, corpus.lines));
  const all = bodyWith(arrivals, 0.99 * Math.min(events, corpus.lines));
  const bytesPerEvent = corpus.bytes / corpus.lines;
  return {
    bytesPerSecond:
      ((most.total - first.events) * bytesPerEvent * 1000) / (most.body.atMs - first.atMs),
    cpuSeconds: all.body.cpuSeconds,
    bytes: Math.min(all.total, corpus.lines) * bytesPerEvent,
    first: { ms: first.atMs - running.startedAtMs, cpuSeconds: first.cpuSeconds },
    peakRssBytes,
    calls: bodies.length,
    wireBytes,
    lost: check?.missing ?? Math.max(0, corpus.lines - events),
    repeated: check?.repeated ?? Math.max(0, events - corpus.lines),
    foreign: check?.foreign ?? 0,
  };
}

/** Part of a core, once every line is delivered. */
export async function measureRest(sink: Sink, task: Task): Promise<number> {
  await using running = start(sink, task);
  const { events } = await running.arrivals;
  if (events < task.corpus.lines) {
    throw new Error(`LOST ${task.corpus.lines - events}; it said: ${running.said()}`);
  }
  await sleep(settleMs);
  const [before, beforeMs] = [await cpuMsOf(running.pid), performance.now()];
  await sleep(restMs);
  return ((await cpuMsOf(running.pid)) - before) / (performance.now() - beforeMs);
}

type Running = AsyncDisposable & {
  readonly pid: number;
  readonly startedAtMs: number;
  readonly arrivals: Promise<Arrivals>;
  readonly said: () => string;
};

function start(
  sink: Sink,
  { contestant, corpus, pattern, encoding, check, scratch }: Task,
): Running {
  const folder = join(scratch, 'contestant');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { endpoint } = sink;
  const argv = contestant.argv!({ corpus, pattern, encoding, endpoint, folder });
  sink.tell({ kind: 'begin', events: corpus.lines, check: check ? corpus.paths : undefined });
  const arrivals = sink.done();
  const logFile = join(folder, 'output');
  const output = openSync(logFile, 'w');
  const startedAtMs = performance.timeOrigin + performance.now();
  const child = spawn(argv[0]!, argv.slice(1), {
    cwd: folder,
    stdio: ['ignore', output, output],
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: folder,
      AWS_ENDPOINT_URL: endpoint.origin,
      ...contestantEnv,
    },
  });
  closeSync(output);
  const ended = endOf(child);
  const pid = child.pid ?? 0;
  sink.tell({ kind: 'watch', pid });
  void ended.then(() => sink.tell({ kind: 'end' }));
  return {
    pid,
    startedAtMs,
    arrivals,
    said: () => readFileSync(logFile, 'utf8').slice(-1_000),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await ended;
      clearTimeout(late);
    },
  };
}

async function endOf(child: ChildProcess): Promise<void> {
  await once(child, 'close').catch(() => undefined);
}

/** The body with which so many lines were there. */
function bodyWith({ bodies }: Arrivals, events: number) {
  let total = 0;
  for (const body of bodies) {
    total += body.events;
    if (total >= events) return { body, total };
  }
  return { body: bodies.at(-1)!, total };
}

/** Of the threads that live now, finer than the ticks of /proc/PID/stat. */
async function cpuMsOf(pid: number): Promise<number> {
  const folder = `/proc/${pid}/task`;
  const threads = await readdir(folder);
  const texts = await Promise.all(
    threads.map((thread) => readFile(join(folder, thread, 'schedstat'), 'utf8').catch(() => '0')),
  );
  return texts.reduce((total, text) => total + Number(text.split(' ')[0]), 0) / 1e6;
}
