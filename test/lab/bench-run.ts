// One measured boot in the lab: starts a program inside an instance, waits until it is done, and asks a client
// whether the address is served. Leaves the instance as it was before.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { rssOf, usageOf, watchPeakRss, type Usage } from './bench-usage.ts';
import type { Span } from './boot-chart.ts';
import {
  daemonArgv,
  startProgram,
  unitRights,
  type DaemonProcess,
  type LogLine,
} from './daemon-process.ts';
import { ipBatch } from './namespace.ts';
import { until } from './progress.ts';
import { poolEni, type SmallCloud } from './small-cloud.ts';

export type Program =
  | { readonly kind: 'berth'; readonly main: string }
  /** berth in another form. */
  | { readonly kind: 'command'; readonly argv: readonly string[] }
  | { readonly kind: 'script'; readonly file: string };

export type BootSample = Usage & {
  readonly firstCallMs: number;
  readonly readyMs: number;
  readonly calls: number;
  /** Of berth: what happened when, from exec on. */
  readonly spans: readonly Span[];
};

const host = 'inst-a';
export const port = 7000;
const probeMs = 3_000;
/** A script that waits for what never comes would wait for ever. */
const runMs = 60_000;
const claimTags = ['berth:owner', 'berth:claim'].map((key) => ({ key, value: undefined }));

/** bash knows the time without a process; what comes before the line (namespaces, mounts) is not the program's. */
const stamp = `printf '{"step":"%s","at":%s}\\n' exec "$EPOCHREALTIME"`;
/** The process stays, since its end would take the kernel's account with it. */
const launchers = {
  berth: `${stamp}; exec "$@"`,
  command: `${stamp}; exec "$@"`,
  script: `${stamp}; "$@" && printf '{"step":"%s","at":%s}\\n' done "$EPOCHREALTIME" && exec sleep 60`,
} as const;
/** Debian's `aws`, whatever else is installed. */
const debianPath = '/usr/sbin:/usr/bin:/sbin:/bin';

/** Throws where the program fails, or the address does not answer. */
export async function measureBoot(cloud: SmallCloud, program: Program): Promise<BootSample> {
  const { lab } = cloud;
  const callsBefore = lab.front.calls.length;
  await using running = start(cloud, program);
  const tooLong = setTimeout(() => running.kill('SIGKILL'), runMs);
  const watching = new AbortController();
  const watched =
    program.kind === 'script' ? watchPeakRss(running.pid, watching.signal) : Promise.resolve(0);
  try {
    const execAtMs = atMsOf(await running.line('exec', (line) => line['step'] === 'exec'));
    const done = await running.line(
      'ready',
      (line) => line['phase'] === 'ready' || line['step'] === 'done',
    );
    const usage = await usageOf(running.pid);
    watching.abort();
    const readyAtMs = atMsOf(done);
    const calls = lab.front.calls.slice(callsBefore).filter((call) => call.atMs <= readyAtMs);
    const refused = calls.find((call) => call.status !== 200);
    if (refused !== undefined) throw new Error(`${refused.action} was refused: ${refused.code}`);
    await expectService(cloud);
    return {
      firstCallMs: Math.min(...calls.map((call) => call.atMs)) - execAtMs,
      readyMs: readyAtMs - execAtMs,
      calls: calls.length,
      cpuSeconds: usage.cpuSeconds,
      peakRssBytes: Math.max(usage.peakRssBytes, await watched),
      spans: program.kind === 'script' ? [] : spansOf(running.lines, calls, execAtMs),
    };
  } finally {
    watching.abort();
    clearTimeout(tooLong);
    running.kill(program.kind === 'script' ? 'SIGKILL' : 'SIGTERM');
    await running.ended;
    await reset(cloud);
  }
}

/** Resident bytes so long after ready: by then V8 has given back what the boot needed. */
export async function measureRest(
  cloud: SmallCloud,
  program: Program,
  restMs: number,
): Promise<number> {
  await using running = start(cloud, program);
  try {
    await running.line('ready', (line) => line['phase'] === 'ready');
    await sleep(restMs);
    return await rssOf(running.pid);
  } finally {
    running.kill('SIGTERM');
    await running.ended;
    await reset(cloud);
  }
}

function start(cloud: SmallCloud, program: Program): DaemonProcess {
  const { prefix, env } = cloud.inside(host);
  const launch = ['bash', '-c', launchers[program.kind], 'bash'];
  if (program.kind === 'script') {
    const argv = [...prefix, ...launch, 'bash', program.file];
    return startProgram({ argv, env: { ...env, PATH: debianPath, HOME: '/var/lib' } });
  }
  const argv = program.kind === 'berth' ? daemonArgv(['run'], program.main) : program.argv;
  return startProgram({ argv: [...prefix, ...unitRights, ...launch, ...argv], env });
}

/** `time` is that of berth's log, `at` that of the launcher, in seconds. */
function atMsOf(line: Readonly<Record<string, unknown>>): number {
  const { time, at } = line;
  return typeof time === 'string' ? Date.parse(time) : Number(at) * 1000;
}

type Timed = { readonly atMs: number; readonly endMs: number; readonly action: string };

const span = (name: string, fromMs: number, toMs: number): Span => ({ name, fromMs, toMs });

function spansOf(
  lines: readonly LogLine[],
  calls: readonly Timed[],
  execAtMs: number,
): readonly Span[] {
  const at = (key: 'phase' | 'step', value: string): number => {
    const line = lines.find((line) => line[key] === value);
    if (line === undefined) throw new Error(`the log has no ${key} ${value}`);
    return atMsOf(line) - execAtMs;
  };
  const identifying = at('phase', 'identifying');
  const attaching = at('phase', 'attaching');
  const ready = at('phase', 'ready');
  return [
    span('process start', 0, identifying),
    span('metadata service', identifying, at('step', 'identity')),
    span('configuration', at('phase', 'configuring'), at('step', 'config')),
    ...calls.map(({ action, atMs, endMs }) => span(action, atMs - execAtMs, endMs - execAtMs)),
    span('the device shows up', attaching, at('step', 'device')),
    span('routes', at('phase', 'routing'), at('step', 'routes')),
    span('ready', ready, ready),
  ];
}

async function expectService({ vpc }: SmallCloud): Promise<void> {
  for (const client of ['near', 'far']) {
    const { ok, answer, error } = await vpc.probe(client, poolEni.privateIpv4, port, probeMs);
    if (!ok || answer?.host !== host) {
      throw new Error(`the client "${client}" gets no answer of ${host}: ${error ?? answer?.host}`);
    }
  }
}

/** As if neither berth nor the script had ever run: no attachment, no tags, no rules, no state. */
async function reset(cloud: SmallCloud): Promise<void> {
  const { ec2 } = cloud.lab;
  const eni = ec2.eni(poolEni.eniId)!;
  if (eni.attachment !== undefined) ec2.detach(eni.attachment.attachmentId, true);
  await until(
    'the ENI is free',
    5_000,
    () => ec2.eni(eni.eniId)!.status === 'available' || undefined,
  );
  await ec2.settled();
  ec2.deleteTags([eni.eniId], claimTags);
  await ipBatch(
    [
      'rule flush',
      'rule add priority 32766 lookup main',
      'rule add priority 32767 lookup default',
      'route flush table all type unreachable',
    ],
    host,
  );
  await rm(join(cloud.varOf(host), 'lib'), { recursive: true, force: true });
}
