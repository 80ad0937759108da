// `npm run bench:ship`: what it costs to ship log files to CloudWatch Logs: berth, the plain SDK, the least possible, and
// the rivals that BERTH_FLUENT_BIT, BERTH_CLOUDWATCH_AGENT and BERTH_VECTOR name; then what they cost at rest.
// `--runs N`, 5 by default; `--megabytes N` of each corpus, 200; `--quick`: 32 MB, one run; `--only NAME`: beside the floor;
// `--check`: compare every line that arrives (the speed is then that of the sink).
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundleFile } from './bundle.ts';
import { ratioText, spreadOf, spreadText, tableLines } from './bench-statistics.ts';
import { scratch } from './environment.ts';
import { during, heading, say } from './progress.ts';
import { createContestants, type Contestant, type Encoding } from './ship-contestants.ts';
import {
  corpusNames,
  writeCorpus,
  writeIdleFiles,
  type Corpus,
  type CorpusName,
} from './ship-corpus.ts';
import { measureRest, measureShip, startSink, type ShipSample, type Sink } from './ship-run.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string' },
    megabytes: { type: 'string' },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
  },
});
const runs = countOf('runs', values.quick ? 1 : 5);
const bytes = countOf('megabytes', values.quick ? 32 : 200) * 1e6;
const fileCounts = [1, 100];
const idleCounts = values.quick ? [1_000] : [1_000, 10_000];
const idleFolders = 500;

type Variant = {
  readonly contestant: Contestant;
  readonly encoding: Encoding;
  readonly files: number;
  readonly samples: ShipSample[];
};
type Here = { readonly sink: Sink; readonly folder: string };

function countOf(name: 'runs' | 'megabytes', byDefault: number): number {
  const count = Number(values[name] ?? byDefault);
  if (!Number.isInteger(count) || count < 1) throw new Error(`--${name} must be 1 or more`);
  return count;
}

async function choose(folder: string): Promise<readonly Contestant[]> {
  const file = join(import.meta.dirname, 'ship-contestant.ts');
  const contestants = createContestants(await bundleFile(file, join(folder, 'bundle')));
  const { only } = values;
  if (only !== undefined && !contestants.some(({ name }) => name === only)) {
    throw new Error(`--only knows ${contestants.map(({ name }) => name).join(', ')}`);
  }
  const wanted = contestants.filter(
    ({ name }) => only === undefined || name === only || name === 'floor',
  );
  for (const { name, argv, variable } of wanted) {
    if (argv === undefined) say(`   ${name}: not here (${variable} names its program)`);
  }
  return wanted.filter(({ argv }) => argv !== undefined);
}

/** What each has cost when its first body arrives; what it prepares grows with the corpus, so it is not asked. */
async function measureStarts(
  { sink, folder }: Here,
  those: readonly Contestant[],
): Promise<ReadonlyMap<Contestant, number>> {
  const corpus = await writeCorpus('app', { folder: join(folder, 'start'), files: 1, bytes: 1e4 });
  const pattern = join(corpus.folder, '*.log');
  const starts = new Map<Contestant, number>();
  for (const contestant of those) {
    if (contestant.prepares) continue;
    const task = {
      contestant,
      corpus,
      pattern,
      encoding: contestant.encodings[0]!,
      check: false,
      scratch: folder,
    };
    const { first } = await during(`${contestant.name} starts`, measureShip(sink, task));
    starts.set(contestant, first.cpuSeconds);
    say(
      `   ${contestant.name}: first body after ${(first.ms / 1000).toFixed(2)} s and ${first.cpuSeconds.toFixed(2)} CPU-s, which do not count below`,
    );
  }
  return starts;
}

async function measureCorpus(
  { sink, folder }: Here,
  name: CorpusName,
  those: readonly Contestant[],
): Promise<readonly Variant[]> {
  const written = new Map<number, Corpus>();
  for (const files of fileCounts) {
    const into = { folder: join(folder, `${name}-${files}`), files, bytes };
    written.set(
      files,
      await during(`${name}, ${files} files, are written`, writeCorpus(name, into)),
    );
  }
  const variants: readonly Variant[] = fileCounts.flatMap((files) =>
    those.flatMap((contestant) =>
      contestant.encodings.map((encoding) => ({ contestant, encoding, files, samples: [] })),
    ),
  );
  // Interleaved, so that a noisy minute hits all of them.
  for (let round = 1; round <= runs; round++) {
    for (const { contestant, encoding, files, samples } of variants) {
      const corpus = written.get(files)!;
      const pattern = join(corpus.folder, '*.log');
      const { check } = values;
      const task = { contestant, corpus, pattern, encoding, check, scratch: folder };
      const what = `${name}, ${contestant.name}, ${files} files, ${encoding}, run ${round} of ${runs}`;
      try {
        samples.push(await during(what, measureShip(sink, task)));
      } catch (error) {
        say(`   ${what} failed: ${String(error)}`);
      }
    }
    say(`   run ${round} of ${runs} of ${variants.length} variants is done`);
  }
  for (const corpus of written.values()) rmSync(corpus.folder, { recursive: true });
  return variants;
}

type Starts = ReadonlyMap<Contestant, number>;

/** CPU-seconds for 10^9 bytes of the files. */
function costsOf({ contestant, samples }: Variant, starts: Starts): readonly number[] {
  return samples.map(
    (sample) =>
      (sample.cpuSeconds - (starts.get(contestant) ?? sample.first.cpuSeconds)) /
      (sample.bytes / 1e9),
  );
}

function floorOf(variants: readonly Variant[], { files, encoding }: Variant): Variant | undefined {
  return variants.find(
    (one) =>
      one.contestant.prepares &&
      one.samples.length > 0 &&
      one.files === files &&
      one.encoding === encoding,
  );
}

function showTable(variants: readonly Variant[], starts: Starts): void {
  const rows = variants.map((variant) => {
    const { contestant, files, encoding, samples } = variant;
    const title = [contestant.name, String(files), encoding];
    if (samples.length === 0) return [...title, 'failed'];
    const costs = spreadOf(costsOf(variant, starts));
    const floor = floorOf(variants, variant);
    const median = (of: (sample: ShipSample) => number): number => spreadOf(samples.map(of)).median;
    return [
      ...title,
      spreadText(spreadOf(samples.map(({ bytesPerSecond }) => bytesPerSecond / 1e6)), 0),
      spreadText(costs, 2),
      floor === undefined ? '-' : ratioText(costs.median, spreadOf(costsOf(floor, starts)).median),
      contestant.prepares ? '-' : median(({ peakRssBytes }) => peakRssBytes / 1e6).toFixed(0),
      median(({ calls }) => calls).toFixed(0),
      median(({ wireBytes }) => wireBytes / bytes).toFixed(2),
      verdictOf(samples),
    ];
  });
  const titles = ['', 'files', 'body', 'MB/s', 'CPU-s/GB', 'of floor', 'RSS MB', 'calls', 'wire'];
  for (const line of tableLines([[...titles, 'arrived'], ...rows])) say(`   ${line}`);
}

/** The worst run. */
function verdictOf(samples: readonly ShipSample[]): string {
  const worst = (of: (sample: ShipSample) => number): number => Math.max(...samples.map(of));
  const lost = worst((sample) => sample.lost);
  const repeated = worst((sample) => sample.repeated);
  const foreign = worst((sample) => sample.foreign);
  return [
    lost > 0 ? `LOST ${lost}` : 'all',
    ...(repeated > 0 ? [`${repeated} twice`] : []),
    ...(foreign > 0 ? [`${foreign} changed`] : []),
  ].join(', ');
}

async function showRest({ sink, folder }: Here, those: readonly Contestant[]): Promise<void> {
  const following = those.filter(({ follows }) => follows);
  if (following.length === 0) return;
  heading(`At rest: files in ${idleFolders} folders, percent of a core over 20 s`);
  const rows = following.map(({ name }) => [name]);
  for (const files of idleCounts) {
    const into = join(folder, `idle-${files}`);
    const corpus = await writeIdleFiles(into, { files, folders: idleFolders });
    const pattern = join(into, '*', '*.log');
    for (const [i, contestant] of following.entries()) {
      const [encoding] = contestant.encodings;
      const task = {
        contestant,
        corpus,
        pattern,
        encoding: encoding!,
        check: false,
        scratch: folder,
      };
      const what = `${contestant.name} at rest, ${files} files`;
      const cell = await during(what, measureRest(sink, task)).catch((error: unknown) => {
        say(`   ${what}: ${String(error)}`);
        return undefined;
      });
      rows[i]!.push(cell === undefined ? 'failed' : `${(cell * 100).toFixed(2)} %`);
    }
    rmSync(into, { recursive: true });
  }
  const titles = ['', ...idleCounts.map((files) => `${files} files`)];
  for (const line of tableLines([titles, ...rows])) say(`   ${line}`);
}

/** Says whether the processor has instructions for it: 0.5 with them, 2 to 3 without. */
function sha256Cost(): number {
  const [body, times] = [Buffer.alloc(1 << 20, 'a line of a log file\n'), 200];
  const before = process.cpuUsage();
  for (let i = 0; i < times; i++) createHash('sha256').update(body).digest();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6 / ((body.length * times) / 1e9);
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(scratch, 'berth-bench-ship-'));
  using sink = await startSink();
  const here = { sink, folder };
  try {
    const those = await choose(folder);
    say(
      `   SHA-256 alone, which every body needs: ${sha256Cost().toFixed(2)} CPU-s/GB on this machine`,
    );
    heading('Until the first body: a file of 50 lines');
    const starts = await measureStarts(here, those);
    let app: readonly Variant[] = [];
    for (const name of corpusNames) {
      heading(`${name}: ${bytes / 1e6} MB in 1 and in 100 files; median (min-max) of ${runs}`);
      const variants = await measureCorpus(here, name, those);
      showTable(variants, starts);
      if (name === 'app') app = variants;
    }
    await showRest(here, those);
    say('');
    say(
      '   MB/s: from the first body until 95 % of the lines were there. CPU-s/GB: user and system time of the process',
    );
    say(
      '   for 10^9 bytes of files, without its start. floor: ready bodies, SHA-256, SigV4, POST. The sink has no delay.',
    );
    const plainOf = (name: string): Variant | undefined =>
      app.find(
        ({ contestant, files, encoding, samples }) =>
          contestant.name === name && files === 1 && encoding === 'plain' && samples.length > 0,
      );
    const costOf = (variant: Variant | undefined): number =>
      variant === undefined ? NaN : spreadOf(costsOf(variant, starts)).median;
    const berth = plainOf('berth');
    const [cost, floor] = [costOf(berth), costOf(plainOf('floor'))];
    const rss =
      berth === undefined
        ? NaN
        : spreadOf(berth.samples.map(({ peakRssBytes }) => peakRssBytes / 1e6)).median;
    say(
      `ship: ${text(cost, 2)} CPU-s/GB, floor ${text(floor, 2)}, ratio ${text(cost / floor, 1)}, RSS ${text(rss, 0)} MB`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function text(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '-';
}

try {
  await main();
} catch (error) {
  for (let why: unknown = error; why instanceof Error; why = why.cause)
    say(`failed: ${why.message}`);
  process.exitCode = 1;
}
