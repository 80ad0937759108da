// The course of `npm run soak`: writes, strikes as planned, looks at the daemon's size, and waits for the last line.
import { setTimeout as sleep } from 'node:timers/promises';
import { systemLocalSockets } from '../../src/system/local-socket.ts';
import { readStatus } from '../../src/tell/status-socket.ts';
import { say, until } from './progress.ts';
import type { SoakDaemon } from './soak-daemon.ts';
import type { Blow, Planned } from './soak-plan.ts';
import type { Sink } from './soak-sink-process.ts';
import type { Sample } from './soak-size.ts';
import type { Writers } from './soak-writers.ts';

const stepMs = 100;
const sampleMs = 1_000;
const tellMs = 10_000;
/** So long nothing may come before what is missing counts as lost. */
const patienceMs = 120_000;

export type Stage = {
  readonly daemon: SoakDaemon;
  readonly sink: Sink;
  readonly writers: Writers;
  readonly runtimeDir: string;
  readonly plan: readonly Planned[];
  readonly lastingMs: number;
};

/** Resolves when the daemon is as it was before. */
async function strike({ daemon, sink, writers }: Stage, blow: Blow, forMs: number): Promise<void> {
  if (blow.kind === 'endpoint') {
    sink.tell({ kind: 'mode', mode: blow.mode });
    await sleep(forMs);
    sink.tell({ kind: 'mode', mode: 'well' });
    return;
  }
  if (blow.throttled) {
    sink.tell({ kind: 'mode', mode: 'throttle' });
    await sleep(sampleMs);
  }
  await daemon.stop(blow.signal);
  if (blow.signal === 'SIGKILL') sink.tell({ kind: 'killed' });
  if (blow.rotate) writers.rotate();
  await sleep(blow.downMs);
  await start({ daemon, sink });
  if (blow.throttled) sink.tell({ kind: 'mode', mode: 'well' });
}

/** Until it ships: before, a signal would only find a process that begins. */
export async function start({ daemon, sink }: Pick<Stage, 'daemon' | 'sink'>): Promise<void> {
  const { calls } = sink.progress();
  daemon.start();
  const isCalling = (): true | undefined => {
    daemon.size();
    return sink.progress().calls > calls || undefined;
  };
  await until('the daemon calls CloudWatch', patienceMs, isCalling);
}

/** Writes, strikes and looks until the time is over; gives what it saw of the daemon's size. */
export async function play(stage: Stage): Promise<readonly Sample[]> {
  const { daemon, writers, lastingMs } = stage;
  const plan = [...stage.plan];
  const samples: Sample[] = [];
  const startMs = performance.now();
  let [stepAt, sampleAt, tellAt] = [0, 0, 0];
  let blow: Struck | undefined;
  for (let atMs = 0; atMs < lastingMs; atMs = performance.now() - startMs) {
    if (blow?.over === true) await blow.done;
    const isOneLife = atMs > lastingMs / 4 && (blow?.over !== false || !blow.isRestart);
    // Who deletes what nobody has open loses it.
    writers.careless = isOneLife;
    // What lasted longer than it was to has put it off.
    if (isOneLife && plan[0]?.blow.kind === 'restart') plan.shift();
    writers.step(atMs - stepAt);
    stepAt = atMs;
    const next = plan[0];
    if (blow?.over !== false && next !== undefined && next.atMs <= atMs) {
      plan.shift();
      blow = begin(stage, next.blow, next.endMs - atMs);
    }
    if (atMs >= sampleAt) {
      sampleAt = atMs + sampleMs;
      const size = daemon.size();
      if (size !== undefined) samples.push({ atMs, ...size });
    }
    if (atMs >= tellAt) {
      tellAt = atMs + tellMs;
      say(await lineOf(stage, atMs, blow?.over === false ? blow.name : undefined, samples.at(-1)));
    }
    await sleep(Math.max(0, stepAt + stepMs - (performance.now() - startMs)));
  }
  await blow?.done;
  return samples;
}

type Struck = {
  readonly name: string;
  readonly isRestart: boolean;
  readonly over: boolean;
  readonly done: Promise<void>;
};

function begin(stage: Stage, blow: Blow, forMs: number): Struck {
  let over = false;
  const done = strike(stage, blow, forMs).finally(() => {
    over = true;
  });
  // Awaited by the next step.
  done.catch(() => undefined);
  return {
    name: nameOf(blow),
    isRestart: blow.kind === 'restart',
    get over() {
      return over;
    },
    done,
  };
}

function nameOf(blow: Blow): string {
  if (blow.kind === 'endpoint') return `endpoint: ${blow.mode}`;
  const { signal, rotate, throttled } = blow;
  return [signal, rotate ? 'rotated while down' : '', throttled ? 'throttled' : '']
    .filter(Boolean)
    .join(', ');
}

async function lineOf(
  { sink, writers, runtimeDir }: Stage,
  atMs: number,
  blow: string | undefined,
  sample: Pick<Sample, 'rssBytes' | 'fds'> | undefined,
): Promise<string> {
  const { arrived, repeated, misplaced, refused, calls } = sink.progress();
  const signal = AbortSignal.timeout(sampleMs);
  const status = await readStatus(systemLocalSockets, runtimeDir, signal).catch(() => undefined);
  return [
    `   ${(atMs / 60_000).toFixed(1)} min: ${writers.lines} lines`,
    `arrived ${arrived}`,
    `calls ${calls}`,
    `refused ${refused}`,
    `repeated ${repeated}`,
    `out of order ${misplaced}`,
    `${((status?.logs?.bytesBehind ?? NaN) / 1e6).toFixed(1)} MB behind`,
    `RSS ${((sample?.rssBytes ?? 0) / 1e6).toFixed(0)} MB`,
    `${sample?.fds ?? 0} fds`,
    ...(blow === undefined ? [] : [blow]),
  ].join(', ');
}

/** Until everything is there, or nothing comes any more. */
export async function drain(stage: Stage): Promise<void> {
  const { sink, writers, daemon, lastingMs } = stage;
  const startMs = performance.now();
  let before = -1;
  let changedMs = startMs;
  for (let tellAt = startMs + tellMs; ; await sleep(sampleMs)) {
    const { missing } = await sink.compare(writers.written);
    if (missing === 0) return;
    const nowMs = performance.now();
    if (missing !== before) changedMs = nowMs;
    before = missing;
    if (nowMs - changedMs > patienceMs) return;
    const size = daemon.size();
    if (nowMs < tellAt) continue;
    tellAt += tellMs;
    say(await lineOf(stage, lastingMs + nowMs - startMs, 'the rest', size));
  }
}
