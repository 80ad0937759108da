// `npm run soak -- --minutes 60`: the bundled daemon ships what many writers write and rotate, while it is killed and its
// endpoint fails in every way; a sink that knows every line counts what is lost, repeated and out of order, and the
// kernel says whether the daemon grows. `--seed N` draws another course, `--rate 0.5` writes half as much.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createSeededRandom } from '../fakes/random.ts';
import { buildBundle } from './bundle.ts';
import { during, heading, say } from './progress.ts';
import { createSoakDaemon } from './soak-daemon.ts';
import { parseLine } from './soak-line.ts';
import { planSoak } from './soak-plan.ts';
import { drain, play, start, type Stage } from './soak-play.ts';
import { startSink } from './soak-sink-process.ts';
import { growthOf, judgedFromMinutes, maxGrowth, type Growth, type Sample } from './soak-size.ts';
import { collectList, createWriters } from './soak-writers.ts';
import { createTestWorld, one } from './test-world.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    rate: { type: 'string', default: '1' },
  },
});
const minutes = Number(values.minutes);
const lastingMs = minutes * 60_000;
const sampleMs = 1_000;

/** The lines that are in the dead letters, as the ledger names them. */
function deadLetters(stateDir: string): ReadonlySet<string> {
  const path = join(stateDir, one, 'dead-letters.jsonl');
  const found = new Set<string>();
  for (const file of [path, `${path}.1`]) {
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch {
      continue;
    }
    for (const entry of text.split('\n').filter(Boolean)) {
      const line = parseLine((JSON.parse(entry) as { readonly message: string }).message);
      if (line !== undefined) found.add(`${line.writer} ${line.seq}`);
    }
  }
  return found;
}

async function main(): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'berth-soak-'));
  undo.defer(() => rmSync(folder, { recursive: true, force: true }));
  const logs = join(folder, 'logs');
  const [stateDir, runtimeDir] = [join(folder, 'state'), join(folder, 'run')];
  for (const path of [stateDir, runtimeDir]) mkdirSync(path);
  const bundle = await during('the bundle is built', buildBundle(join(folder, 'dist')));
  const { lab } = undo.use(await createTestWorld());
  lab.imds.change(one, { tags: undefined });
  const scale = Number(values.rate);
  const writers = undo.use(createWriters({ folder: logs, random: random(), scale }));
  const sink = undo.use(await startSink(({ moved }) => writers.settle(moved)));
  const files = { collect_list: collectList(logs) };
  const configFile = join(folder, 'berth.json');
  writeFileSync(
    configFile,
    JSON.stringify({ logs: { force_flush_interval: 1, logs_collected: { files } } }),
  );
  const daemon = createSoakDaemon({
    main: bundle,
    args: ['run', '--config', configFile, '--log-level', 'error'],
    env: {
      STATE_DIRECTORY: stateDir,
      RUNTIME_DIRECTORY: runtimeDir,
      AWS_ENDPOINT_URL: lab.endpoint,
      AWS_ENDPOINT_URL_CLOUDWATCH_LOGS: `http://127.0.0.1:${sink.port}`,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: await lab.imdsFor(one),
    },
  });
  undo.defer(() => (daemon.pid === undefined ? undefined : daemon.stop('SIGKILL')));

  heading(`${minutes} minutes, seed ${values.seed}`);
  const plan = planSoak(minutes, random());
  const stage = { daemon, sink, writers, runtimeDir, plan, lastingMs };
  writers.step(sampleMs);
  await start(stage);
  const samples = await play(stage);
  await drain(stage);
  const cpuSeconds = daemon.size()?.cpuSeconds ?? 0;
  await daemon.stop('SIGTERM');
  await judge(stage, { samples, cpuSeconds, kept: deadLetters(stateDir) });
}

function random() {
  return createSeededRandom(Number(values.seed));
}

type Seen = {
  readonly samples: readonly Sample[];
  readonly cpuSeconds: number;
  readonly kept: ReadonlySet<string>;
};

/** Prints what came of it, and sets the exit code. */
async function judge({ sink, writers }: Stage, { samples, cpuSeconds, kept }: Seen): Promise<void> {
  const compared = await sink.compare(writers.written);
  const { calls, wrong, disorder, repeated, mayRepeat, misplaced, resumedMs } = sink.progress();
  const unkept = compared.refused.filter((line) => !kept.has(line));
  const lost = compared.missing + unkept.length;
  const growth = growthOf(samples, lastingMs);
  const { firstBytes, lastBytes, maxBytes, maxFds, lastFds } = growth;
  const isLarger = minutes >= judgedFromMinutes && lastBytes > firstBytes * maxGrowth;
  const faults = [
    ...[...compared.examples, ...unkept.slice(0, 5)].map((line) => `lost: ${line}`),
    ...wrong.map((what) => `wrong: ${what}`),
    ...disorder.map((line) => `out of order: ${line}`),
    ...(compared.unwritten > 0 ? [`${compared.unwritten} lines came that nobody wrote`] : []),
    ...(repeated > mayRepeat ? [`no more than ${mayRepeat} lines were under way`] : []),
    ...(isLarger ? [`the last quarter is over ${maxGrowth} times as large as the second`] : []),
  ];

  heading('What came of it');
  const deeds = Object.entries(writers.deeds).map(([what, times]) => `${what} ${times}`);
  say(`   files: ${deeds.join(', ')}; ${megabytes(writers.bytes)} MB in ${calls} calls`);
  say(`   refused for good, and in the dead letters: ${compared.refused.length - unkept.length}`);
  const resumed = Object.entries(resumedMs).map(([mode, ms]) => `${mode} ${seconds(ms)}`);
  say(`   from the end of an outage to the first good answer, at most: ${resumed.join(', ')}`);
  say(
    `   the daemon: ${cpuSeconds.toFixed(0)} CPU-s in its last life; at most ${megabytes(maxBytes)} MB and ${maxFds} fds, ${lastFds} at the end`,
  );
  for (const fault of faults) say(`   ${fault}`);
  if (faults.length > 0) process.exitCode = 1;
  say(
    `soak: ${writers.lines} lines, lost ${lost}, repeated ${repeated}, out of order ${misplaced}, ${sizeText(growth)}`,
  );
}

function sizeText({ firstBytes, lastBytes, bytesPerHour }: Growth): string {
  return `RSS first ${megabytes(firstBytes)} MB, last ${megabytes(lastBytes)} MB, slope ${(bytesPerHour / 1e6).toFixed(1)} MB/h`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

try {
  await main();
} catch (error) {
  for (let why: unknown = error; why instanceof Error; why = why.cause)
    say(`failed: ${why.message}`);
  process.exitCode = 1;
}
