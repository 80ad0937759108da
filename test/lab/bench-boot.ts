// `npm run bench:boot`: how long a boot takes with berth (bundled, and as source), and with a script that does the
// same job by the AWS CLI; first with an AWS that answers at once, then with one that takes its time.
// Then with a cold page cache, beside the bare runtime. `--runs N`: of each program and table, 10 by default. `--chart`: draws
// docs/boot.svg anew.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measureBoot, measureRest, port, type BootSample, type Program } from './bench-run.ts';
import { ratioText, spreadOf, spreadText, tableLines } from './bench-statistics.ts';
import { drawBoot, type Span } from './boot-chart.ts';
import { buildBundle } from './bundle.ts';
import { copyCold, timeBareNode } from './cold-boot.ts';
import { mainFile } from './daemon-process.ts';
import { scratch } from './environment.ts';
import { during, heading, say } from './progress.ts';
import { createSmallCloud, type SmallCloud } from './small-cloud.ts';
import { unitFlags } from './unit-flags.ts';

const names = { bundle: 'berth, packaged', source: 'berth, source', script: 'script' } as const;
type Name = keyof typeof names;
type Samples = Readonly<Partial<Record<Name, readonly BootSample[]>>>;

/** AWS as it is on a good day. EC2 says attached, and the kernel sees the device, `deviceMs` after the answer. */
const aws = { describeMs: 150, tagMs: 250, attachMs: 600, deviceMs: 1_000 };
const awsMs = aws.describeMs + aws.tagMs + aws.attachMs + aws.deviceMs;
/** It takes 7 s a run, and its ratio is settled by the first table. */
const slowScriptRuns = 3;

const coldRuns = 3;
const restMs = 45_000;
/** `node -e 0` beside each round: how fast this machine is just now. */
const bareNodeMs: number[] = [];
const chartFile = join(import.meta.dirname, '..', '..', 'docs', 'boot.svg');

const metrics = [
  { label: 'exec to first AWS call, ms', of: (run: BootSample) => run.firstCallMs, digits: 0 },
  { label: 'exec to ready, ms', of: (run: BootSample) => run.readyMs, digits: 0 },
  { label: 'CPU seconds until ready', of: (run: BootSample) => run.cpuSeconds, digits: 2 },
  {
    label: 'peak RSS of the largest process, MB',
    of: (run: BootSample) => run.peakRssBytes / 1e6,
    digits: 0,
  },
  { label: 'AWS calls', of: (run: BootSample) => run.calls, digits: 0 },
] as const;

function medianOf(runs: readonly BootSample[], of: (run: BootSample) => number): number {
  return spreadOf(runs.map(of)).median;
}

/** Throws with the first run that fails. */
async function measure(
  cloud: SmallCloud,
  programs: Readonly<Partial<Record<Name, Program>>>,
  runsOf: (name: Name) => number,
): Promise<Samples> {
  const samples: Partial<Record<Name, BootSample[]>> = {};
  const entries = Object.entries(programs) as [Name, Program][];
  const rounds = Math.max(...entries.map(([name]) => runsOf(name)));
  for (let round = 1; round <= rounds; round++) {
    const took: string[] = [];
    // Interleaved, so that a noisy minute hits all of them.
    for (const [name, program] of entries) {
      if (round > runsOf(name)) continue;
      const sample = await measureBoot(cloud, program).catch((error: unknown) => {
        throw new Error(`run ${round} of "${names[name]}" failed`, { cause: error });
      });
      (samples[name] ??= []).push(sample);
      took.push(`${names[name]} ${sample.readyMs.toFixed(0)} ms`);
    }
    const bareMs = timeBareNode(process.execPath);
    bareNodeMs.push(bareMs);
    say(
      `   run ${round} of ${rounds}: ready after ${took.join(', ')}; bare Node ${bareMs.toFixed(0)} ms`,
    );
  }
  return samples;
}

function showTable(samples: Samples, skipped: string | undefined): void {
  const present = (Object.keys(names) as Name[]).filter((name) => samples[name] !== undefined);
  const { bundle, script } = samples;
  const ratioOf = (of: (run: BootSample) => number): string =>
    bundle === undefined || script === undefined
      ? '-'
      : ratioText(medianOf(script, of), medianOf(bundle, of));
  const rows = [
    ['median (min-max)', ...present.map((name) => names[name]), 'script / packaged'],
    ...metrics.map(({ label, of, digits }) => [
      label,
      ...present.map((name) => spreadText(spreadOf(samples[name]!.map(of)), digits)),
      ratioOf(of),
    ]),
  ];
  const runs = present.map((name) => `${names[name]} ${samples[name]!.length}`).join(', ');
  for (const line of tableLines(rows)) say(`   ${line}`);
  say(`   runs: ${runs}${skipped === undefined ? '' : `; script ${skipped}`}`);
}

function showAdded(samples: Samples): void {
  const rows = [
    ['', 'ready, ms', `more than AWS's ${awsMs} ms`],
    ...(Object.keys(names) as Name[]).flatMap((name) => {
      const runs = samples[name];
      if (runs === undefined) return [];
      const { median } = spreadOf(runs.map((run) => run.readyMs));
      return [
        [
          names[name],
          spreadText(spreadOf(runs.map((run) => run.readyMs)), 0),
          `${(median - awsMs).toFixed(0)} ms`,
        ],
      ];
    }),
  ];
  for (const line of tableLines(rows)) say(`   ${line}`);
}

function whyNoScript(): string | undefined {
  const missing = ['aws', 'curl'].filter((name) => !existsSync(`/usr/bin/${name}`));
  const packages = missing.map((name) => (name === 'aws' ? 'awscli' : name));
  return missing.length === 0 ? undefined : `skipped: ${packages.join(' and ')} is not installed`;
}

/** As the unit starts it: the bundle with V8's code, under the unit's flags. */
function packaged(node: string, main: string): Program {
  return { kind: 'command', argv: [node, ...unitFlags, main, 'run'] };
}

/** The first boot of an instance reads Node and the bundle from the disk. */
async function measureCold(cloud: SmallCloud, bundleFile: string): Promise<void> {
  using files = copyCold(bundleFile);
  const program = packaged(files.node, files.main);
  const rows = ['bare Node', 'berth to ready'] as const;
  const ms = { cold: rows.map((): number[] => []), warm: rows.map((): number[] => []) };
  let residentBytes: number | undefined = 0;
  for (let run = 0; run < coldRuns; run++) {
    for (const state of ['cold', 'warm'] as const) {
      const before = (): void => {
        if (state === 'cold') files.drop();
      };
      before();
      residentBytes = state === 'cold' ? files.residentBytes() : residentBytes;
      ms[state][0]!.push(timeBareNode(files.node));
      before();
      ms[state][1]!.push((await measureBoot(cloud, program)).readyMs);
    }
  }
  const table = rows.map((name, row) => {
    const [cold, warm] = [spreadOf(ms.cold[row]!), spreadOf(ms.warm[row]!)];
    return { name, cold, warm, pageInMs: cold.median - warm.median };
  });
  const lines = table.map(({ name, cold, warm, pageInMs }) => [
    name,
    spreadText(cold, 0),
    spreadText(warm, 0),
    pageInMs.toFixed(0),
  ]);
  for (const line of tableLines([['ms', 'cold', 'warm', 'reading in'], ...lines]))
    say(`   ${line}`);
  const [bare, berth] = table.map(({ pageInMs }) => pageInMs);
  const left = residentBytes === undefined ? 'unknown' : `${(residentBytes / 1e6).toFixed(0)} MB`;
  say(`   left in the page cache of the dropped copies: ${left}`);
  say(`   berth reads in ${ratioText(berth!, bare!)} as long as the bare runtime`);
}

/** Of the fastest run: medians of spans that follow each other would not fit together. */
function fastestSpans(runs: readonly BootSample[]): readonly Span[] {
  const [fastest] = runs.toSorted((a, b) => a.readyMs - b.readyMs);
  return fastest!.spans.toSorted((a, b) => a.fromMs - b.fromMs);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '10' },
      chart: { type: 'boolean', default: false },
    },
  });
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) throw new Error('--runs must be 1 or more');
  const bundleFile = await during('the bundle is built', buildBundle(join(scratch, 'bundle')));
  await using cloud = await during(
    'the VPC is built',
    createSmallCloud({ latency: {}, dials: {} }),
  );
  const { lab, vpc } = cloud;
  lab.ssm.put({ name: '/berth/config', value: JSON.stringify({ pool: 'db' }) });
  await vpc.serve('inst-a', port);

  const skipped = whyNoScript();
  const scriptFile = join(import.meta.dirname, 'boot-script.sh');
  const programs: Partial<Record<Name, Program>> = {
    bundle: packaged(process.execPath, bundleFile),
    source: { kind: 'berth', main: mainFile },
    ...(skipped === undefined ? { script: { kind: 'script', file: scriptFile } } : {}),
  };

  heading('An AWS that answers at once: what the programs themselves cost');
  const instant = await measure(cloud, programs, () => runs);
  showTable(instant, skipped);

  heading(
    `An AWS that takes its time: describe ${aws.describeMs} ms, tag ${aws.tagMs} ms, attach ${aws.attachMs} ms, the device ${aws.deviceMs} ms later`,
  );
  Object.assign(lab.front.latency, aws);
  const usableMs = aws.attachMs + aws.deviceMs;
  Object.assign(lab.ec2.dials, { attachMs: usableMs, deviceMs: usableMs });
  const slow = await measure(cloud, programs, (name) =>
    name === 'script' ? Math.min(runs, slowScriptRuns) : runs,
  );
  showAdded(slow);

  Object.assign(lab.front.latency, { describeMs: 0, tagMs: 0, attachMs: 0 });
  Object.assign(lab.ec2.dials, { attachMs: 0, deviceMs: 0 });
  heading('A cold page cache: the files of Node and of the bundle dropped before each run');
  await measureCold(cloud, bundleFile);

  const restBytes = await measureRest(cloud, programs.bundle!, restMs);
  say(
    `   packaged, at rest ${restMs / 1_000} s after ready: ${(restBytes / 2 ** 20).toFixed(0)} MiB resident`,
  );

  if (values.chart) {
    const panels = [
      {
        title: `AWS answers at once: the fastest of ${runs} runs`,
        spans: fastestSpans(instant.bundle!),
      },
      {
        title: `AWS takes its time: the fastest of ${runs} runs`,
        spans: fastestSpans(slow.bundle!),
      },
    ];
    writeFileSync(chartFile, drawBoot(panels));
    say(`   drawn: ${chartFile}`);
  }

  say(`   ${lab.judge.summary()}`);
  if (lab.judge.violations.length > 0) throw new Error(lab.judge.violations.join('\n'));
  say('');
  say(
    '   One machine runs the programs, AWS and the clients: compare the columns, not the machines.',
  );
  const [bundle, script] = [instant.bundle!, instant.script];
  const readyMs = medianOf(bundle, (run) => run.readyMs);
  const bare = spreadOf(bareNodeMs).median;
  const faster =
    script === undefined
      ? `script ${skipped}`
      : `${ratioText(
          medianOf(script, (run) => run.readyMs),
          readyMs,
        )} faster than the script`;
  const addedMs = medianOf(slow.bundle!, (run) => run.readyMs) - awsMs;
  say(
    `bench:boot: first AWS call ${medianOf(bundle, (run) => run.firstCallMs).toFixed(0)} ms, ready ${readyMs.toFixed(0)} ms (bare Node ${bare.toFixed(0)} ms), ${faster}, berth adds ${addedMs.toFixed(0)} ms to AWS's ${awsMs} ms`,
  );
}

try {
  await main();
} catch (error) {
  for (let why: unknown = error; why instanceof Error; why = why.cause)
    say(`failed: ${why.message}`);
  process.exitCode = 1;
}
