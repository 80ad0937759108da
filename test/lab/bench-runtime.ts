// `npm run bench:runtime`: what a package may carry berth in. Its own Node beside the bundle, with and without V8's code
// ready, or one executable; each boots an instance of the lab, one after the other. `--runs N`: of each, 15 by default.
// No snapshot: Node's builder of those dies of node:http ("global handle not serialized").
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build, type OutputOptions } from 'rolldown';
import config from '../../rolldown.config.ts';
import { arches } from '../../packaging/runtime.ts';
import { measureBoot, port, type BootSample, type Program } from './bench-run.ts';
import { spreadOf, spreadText, tableLines } from './bench-statistics.ts';
import { buildBundle } from './bundle.ts';
import { scratch } from './environment.ts';
import { during, say } from './progress.ts';
import { createSmallCloud } from './small-cloud.ts';
import { unitFlags } from './unit-flags.ts';

const project = join(import.meta.dirname, '..', '..');
const arch = process.arch === 'arm64' ? arches.arm64 : arches.amd64;
const home = join(scratch, 'runtime');

type Variant = { readonly name: string; readonly program: Program; readonly bytes: number };

async function variants(): Promise<readonly Variant[]> {
  mkdirSync(home, { recursive: true });
  const node = join(home, 'node');
  execFileSync(arch.strip, ['-o', node, process.execPath]);
  const main = await buildBundle(join(home, 'bundle'));
  const bare = join(home, 'bare');
  cpSync(join(home, 'bundle'), bare, { recursive: true });
  rmSync(join(bare, 'code'), { recursive: true });
  const flags = unitFlags;
  const beside = (file: string): Program => ({
    kind: 'command',
    argv: [node, ...flags, file, 'run'],
  });
  const single = await oneFile();
  const nodeBytes = statSync(node).size;
  return [
    { name: 'Node, bundle', program: beside(join(bare, 'main.cjs')), bytes: nodeBytes },
    { name: 'Node, bundle, its code', program: beside(main), bytes: nodeBytes },
    ...[false, true].map((useCodeCache): Variant => {
      const file = oneExecutable({ node, main: single, flags, useCodeCache });
      return {
        name: `one executable${useCodeCache ? ', its code' : ''}`,
        program: { kind: 'command', argv: [file, 'run'] },
        bytes: statSync(file).size,
      };
    }),
  ];
}

/** An executable has room for one file. */
async function oneFile(): Promise<string> {
  const dir = join(home, 'one');
  const output = { ...(config.output as OutputOptions), dir, codeSplitting: false };
  await build({
    ...config,
    cwd: project,
    input: { main: 'src/main.ts' },
    output,
    logLevel: 'warn',
  });
  return join(dir, 'main.cjs');
}

function oneExecutable(input: {
  readonly node: string;
  readonly main: string;
  readonly flags: readonly string[];
  readonly useCodeCache: boolean;
}): string {
  const { node, main, flags, useCodeCache } = input;
  const output = join(home, `berth-${useCodeCache ? 'code' : 'plain'}`);
  const settings = `${output}.json`;
  const asked = { main, output, executable: node, useCodeCache, execArgv: flags };
  writeFileSync(settings, JSON.stringify({ ...asked, disableExperimentalSEAWarning: true }));
  execFileSync(node, ['--build-sea', settings], { stdio: 'ignore' });
  return output;
}

const columns = [
  { label: 'first AWS call, ms', of: (run: BootSample) => run.firstCallMs, digits: 0 },
  { label: 'ready, ms', of: (run: BootSample) => run.readyMs, digits: 0 },
  { label: 'CPU, s', of: (run: BootSample) => run.cpuSeconds, digits: 2 },
  { label: 'peak RSS, MB', of: (run: BootSample) => run.peakRssBytes / 1e6, digits: 1 },
] as const;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { runs: { type: 'string', default: '15' } } });
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) throw new Error('--runs must be 1 or more');
  const all = await during('the variants are built', variants());
  await using cloud = await during(
    'the VPC is built',
    createSmallCloud({ latency: {}, dials: {} }),
  );
  cloud.lab.ssm.put({ name: '/berth/config', value: JSON.stringify({ pool: 'db' }) });
  await cloud.vpc.serve('inst-a', port);
  const samples = new Map(all.map(({ name }) => [name, [] as BootSample[]]));
  // The first run of each fills its cache and the page cache.
  for (let round = 0; round <= runs; round++) {
    for (const { name, program } of all) {
      const sample = await measureBoot(cloud, program);
      if (round > 0) samples.get(name)!.push(sample);
    }
    say(`   round ${round} of ${runs}`);
  }
  const rows = all.map(({ name, bytes }) => [
    name,
    ...columns.map(({ of, digits }) => spreadText(spreadOf(samples.get(name)!.map(of)), digits)),
    (bytes / 1e6).toFixed(0),
  ]);
  const heading = ['median (min-max)', ...columns.map(({ label }) => label), 'executable, MB'];
  for (const line of tableLines([heading, ...rows])) say(`   ${line}`);
}

try {
  await main();
} finally {
  rmSync(home, { recursive: true, force: true });
}
