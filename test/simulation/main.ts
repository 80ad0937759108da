// `npm run simulate`: seeds by the thousand on all cores, or one seed as a story.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { mutants } from './mutants.ts';
import { protocols, type Protocol } from './protocols.ts';
import { runSeed, type Choice, type SeedReport } from './run-seed.ts';

const usage = `usage: npm run simulate -- [options]
  --seeds N         so many seeds (default 1000)
  --seconds N       seeds for so long, instead
  --first N         the first of them (default 1; with --seconds: by the time of day)
  --seed N          this one alone
  --tolerate N      exit code 0 though so many fail: of seeds that nobody has seen, a finding
  --story           what happens in it, line by line
  --protocol NAME   ${Object.keys(protocols).join(', ')}
  --mutant NAME     ${Object.keys(mutants).join(', ')}
  --jobs N          threads (default: cores)`;

const { values: flags } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seconds: { type: 'string' },
    first: { type: 'string' },
    seed: { type: 'string' },
    tolerate: { type: 'string' },
    story: { type: 'boolean', default: false },
    protocol: { type: 'string', default: 'berth' },
    mutant: { type: 'string' },
    jobs: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

/** Seeds that a thread gets at a time. */
const chunk = 20;
/** A killed process leaves its abort signals behind, which Node keeps as long as somebody listens: a new thread then. */
const seedsPerThread = 4_000;
/** So many failures are printed in full. */
const mostShown = 10;

function number(
  name: 'seeds' | 'seconds' | 'first' | 'seed' | 'jobs' | 'tolerate',
): number | undefined {
  const text = flags[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`--${name} ${text}: not a number above 0\n${usage}`);
  return value;
}

function choose(): Choice {
  const { protocol, mutant } = flags;
  if (!(protocol in protocols)) throw new Error(`--protocol ${protocol}: unknown\n${usage}`);
  if (mutant !== undefined && !(mutant in mutants))
    throw new Error(`--mutant ${mutant}: unknown\n${usage}`);
  return { protocol: protocol as Protocol, mutant };
}

function replay(seed: number): string {
  const { protocol, mutant } = flags;
  const more = `${protocol === 'berth' ? '' : ` --protocol ${protocol}`}${mutant === undefined ? '' : ` --mutant ${mutant}`}`;
  return `npm run simulate -- --seed ${seed}${more} --story`;
}

function show({ seed, violations }: SeedReport): void {
  console.log(`seed ${seed} failed; replay it with: ${replay(seed)}`);
  for (const { invariant, atMs, why } of violations.slice(0, 5)) {
    console.log(`  ${invariant} at ${(atMs / 1000).toFixed(3)} s: ${why}`);
  }
}

/** Returns how many failed. */
async function runMany(
  choice: Choice,
): Promise<{ readonly passed: number; readonly failed: number }> {
  const seconds = number('seconds');
  const first = number('first') ?? (seconds === undefined ? 1 : (Date.now() % 1_000_000_000) + 1);
  const last = seconds === undefined ? first + (number('seeds') ?? 1_000) - 1 : Infinity;
  const startMs = performance.now();
  const isLate = (): boolean =>
    seconds !== undefined && performance.now() - startMs > seconds * 1_000;
  const totals = { passed: 0, failed: 0, calls: 0, lives: 0, virtualMs: 0 };
  let next = first;

  const take = (report: SeedReport): void => {
    if (report.violations.length === 0) totals.passed++;
    else if (++totals.failed <= mostShown) show(report);
    totals.calls += report.calls;
    totals.lives += report.lives;
    totals.virtualMs += report.virtualMs;
  };
  const isOver = (): boolean => next > last || isLate();
  const drive = (worker: Worker): Promise<void> =>
    new Promise((resolve, reject) => {
      let given = 0;
      const feed = (): void => {
        if (isOver() || given >= seedsPerThread) {
          // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
          worker.postMessage(undefined);
          return;
        }
        const count = Math.min(chunk, last - next + 1);
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
        worker.postMessage({ choice, first: next, count });
        next += count;
        given += count;
      };
      worker.on('message', (reports: readonly SeedReport[]) => {
        reports.forEach(take);
        feed();
      });
      worker.on('error', reject);
      worker.on('exit', () => resolve());
      feed();
    });
  const progress = setInterval(() => {
    const rate = ((totals.passed + totals.failed) / (performance.now() - startMs)) * 1_000;
    console.log(`... ${totals.passed} passed, ${totals.failed} failed, ${rate.toFixed(0)} seeds/s`);
  }, 10_000);
  const jobs = number('jobs') ?? availableParallelism();
  const work = async (): Promise<void> => {
    while (!isOver()) await drive(new Worker(new URL('worker.ts', import.meta.url)));
  };
  try {
    await Promise.all(Array.from({ length: jobs }, work));
  } finally {
    clearInterval(progress);
  }
  const spentS = (performance.now() - startMs) / 1_000;
  const hours = totals.virtualMs / 3_600_000;
  console.log(
    `seeds ${first} to ${next - 1}: ${totals.calls} calls to EC2, ${totals.lives} lives of berth, ${hours.toFixed(0)} hours of virtual time in ${spentS.toFixed(1)} s, ${((totals.passed + totals.failed) / spentS).toFixed(0)} seeds/s`,
  );
  return totals;
}

async function runOne(choice: Choice, seed: number): Promise<{ passed: number; failed: number }> {
  const report = await runSeed(choice, seed, flags.story ? (line) => console.log(line) : undefined);
  console.log(
    `seed ${seed}: trace ${report.hash}, ${report.calls} calls to EC2, ${report.lives} lives of berth`,
  );
  const isFailed = report.violations.length > 0;
  if (isFailed) show(report);
  return { passed: isFailed ? 0 : 1, failed: isFailed ? 1 : 0 };
}

if (flags.help) console.log(usage);
else {
  const choice = choose();
  const seed = number('seed');
  const { passed, failed } = await (seed === undefined ? runMany(choice) : runOne(choice, seed));
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed <= (number('tolerate') ?? 0) ? 0 : 1;
}
