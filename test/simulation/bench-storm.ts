// `npm run bench:storm`: 1,000 and 10,000 instances that boot within a minute against as many ENIs, under an account's
// token buckets; what others do in their place; what those do that get none; and what Parameter Store costs. On virtual time, from one seed.
// `--instances N,M`, `--policies berth,firstFree,...`, `--buckets 1,2,0.5` (of the figures in claim.md section 4), `--seed N`.
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { heading, say } from '../lab/progress.ts';
import { spreadOf, tableLines } from '../lab/bench-statistics.ts';
import { parameterCost } from './parameter-cost.ts';
import { firstFree, fixedRetry, shuffle } from './storm-peers.ts';
import { berth, floorMs, startStorm, type Policy, type Storm } from './storm.ts';
import { runWaiting } from './storm-waiting.ts';

const policies: Readonly<Record<string, { readonly policy: Policy; readonly title: string }>> = {
  berth: { policy: berth, title: 'berth' },
  firstFree: { policy: firstFree, title: 'first free, 5 min (binxio)' },
  shuffle: { policy: shuffle, title: 'shuffled (assign-elastic-ip)' },
  fixedRetry: { policy: fixedRetry, title: 'its own ENI, 5 s (fck-nat)' },
};
const labels = [
  'ready, all of them',
  'of what Attach permits',
  'EC2 calls per claim',
  '  DescribeNetworkInterfaces',
  '  DescribeInstances',
  '  CreateTags',
  '  AttachNetworkInterface',
  'throttled calls per claim',
  '  Describe',
  '  CreateTags',
  '  AttachNetworkInterface',
  'attaches refused',
  'claims refused',
  'two ENIs at once',
];
const bootWithinMs = 60_000;
const horizonMs = 4 * 3_600_000;
/** On this machine: whoever has not all of them by then is shown as far as it came. */
const patienceMs = 120_000;

const { values } = parseArgs({
  options: {
    instances: { type: 'string', default: '1000,10000' },
    policies: { type: 'string', default: Object.keys(policies).join() },
    buckets: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
  },
});
const seed = Number(values.seed);
// Thousands of refusals: nobody reads where they were made.
Error.stackTraceLimit = 0;

heading('Parameter Store: one limit for all instances of an account and Region');
for (const line of tableLines(parameterCost(10_000))) say(`   ${line}`);

for (const instances of values.instances.split(',').map(Number)) {
  for (const bucketScale of values.buckets.split(',').map(Number)) {
    const floor = floorMs(instances, bucketScale);
    const account = bucketScale === 1 ? '' : `, buckets ${bucketScale} x`;
    heading(
      `${instances} instances boot within a minute, ${instances} ENIs${account}: the Attach bucket permits ${seconds(floor)}`,
    );
    const columns: (readonly string[])[] = [];
    for (const name of values.policies.split(',')) {
      const { policy, title } = policies[name]!;
      const options = { policy, instances, enis: instances, seed, bucketScale, bootWithinMs };
      const storm = startStorm(options);
      const isDone = await all(storm, instances);
      const column = [title, ...columnOf(storm, { instances, floor, isDone })];
      storm.end();
      say(`   ${title}: ${column[1]}`);
      columns.push(column);
    }
    const rows = ['', ...labels].map((label, row) => [
      label,
      ...columns.map((column) => column[row]!),
    ]);
    say('');
    for (const line of tableLines(rows)) say(`   ${line}`);
  }
}

for (const [instances, enis, fromMs] of [
  [10_000, 1_000, 7_200_000],
  [31, 30, 1_800_000],
] as const) {
  heading(`${instances} instances, ${enis} ENIs: ${instances - enis} wait`);
  const { describesPerSecond, takenAfterMs, readyAfterMs } = await runWaiting({
    instances,
    enis,
    seed,
    fromMs,
    bootWithinMs,
  });
  const [taken, ready] = [spreadOf(takenAfterMs), spreadOf(readyAfterMs)];
  say(`   Describes of all ${instances}: ${describesPerSecond.toFixed(2)} a second`);
  say(`   a free ENI is attached after ${seconds(taken.median)}, ${seconds(taken.max)} at most;`);
  say(`   it serves after ${seconds(ready.median)}, ${seconds(ready.max)} at most`);
}

function columnOf(
  { ec2, time, readyAtMs }: Storm,
  of: { readonly instances: number; readonly floor: number; readonly isDone: boolean },
): readonly string[] {
  const { accepted, throttled, wastedAttaches, deniedClaims, doubleHolds } = ec2.tally;
  const per = (...counts: readonly number[]): string =>
    (counts.reduce((sum, count) => sum + count, 0) / Math.max(1, readyAtMs.size)).toFixed(2);
  return [
    of.isDone ? seconds(time.monotonicMs()) : `${readyAtMs.size} in ${seconds(time.monotonicMs())}`,
    of.isDone ? `${(time.monotonicMs() / of.floor).toFixed(2)} x` : '-',
    per(...Object.values(accepted)),
    per(accepted.DescribeNetworkInterfaces),
    per(accepted.DescribeInstances),
    per(accepted.CreateTags),
    per(accepted.AttachNetworkInterface),
    per(...Object.values(throttled)),
    per(throttled.DescribeNetworkInterfaces, throttled.DescribeInstances),
    per(throttled.CreateTags),
    per(throttled.AttachNetworkInterface),
    String(wastedAttaches),
    String(deniedClaims),
    String(doubleHolds),
  ];
}

/** false: not within the horizon, or within our patience. */
async function all({ time, untilReady }: Storm, instances: number): Promise<boolean> {
  const done = untilReady(instances).then(() => true);
  const late = time.sleep(horizonMs, new AbortController().signal).then(() => false);
  const impatient = new AbortController();
  const tired = sleep(patienceMs, false, { signal: impatient.signal }).catch(() => false);
  try {
    return await time.run(Promise.race([done, late, tired]), horizonMs + 1);
  } finally {
    impatient.abort();
  }
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(ms < 100_000 ? 1 : 0)} s`;
}
