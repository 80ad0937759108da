// `npm run bench:takeover`: how long an address is away when its holder hangs, with a standby of default settings; the
// time to detect it (probes, both votes) and the time to move the ENI, each with an AWS that answers at once and with
// AWS-like latencies, for both ways of fencing. `--runs N`: of each row, 3 by default.
import { parseArgs } from 'node:util';
import { spreadOf, spreadText, tableLines } from './bench-statistics.ts';
import type { LogLine } from './daemon-process.ts';
import type { Ec2Dials } from './ec2-world.ts';
import type { LabOptions } from './lab.ts';
import { during, heading, say } from './progress.ts';
import { createSmallCloud } from './small-cloud.ts';
import { startPair, type Fence } from './standby-pair.ts';

type Aws = {
  readonly name: string;
  readonly latency: NonNullable<LabOptions['latency']>;
  readonly dials: Partial<Ec2Dials>;
};

/** Durations as claim.md sections 4 and 6 have them. */
const clouds: readonly Aws[] = [
  { name: 'at once', latency: {}, dials: { attachMs: 0, deviceMs: 0, detachMs: 0, stopMs: 0 } },
  {
    name: 'AWS-like',
    latency: { describeMs: 150, tagMs: 250, attachMs: 600, otherMs: 250 },
    dials: { attachMs: 1_600, deviceMs: 1_600, detachMs: 2_500, stopMs: 30_000 },
  },
];
const fences: readonly Fence[] = ['detach', 'stop'];

type Sample = {
  readonly detectMs: number;
  readonly moveMs: number;
  readonly outageMs: number;
  readonly calls: number;
};

const atMs = (line: LogLine): number => Date.parse(String(line['time']));

async function measure({ latency, dials }: Aws, fence: Fence): Promise<Sample> {
  await using cloud = await createSmallCloud({ latency, dials });
  await using pair = await startPair(cloud, fence);
  const { standby } = pair;
  const callsBefore = cloud.lab.front.calls.length;
  const startMs = performance.now();
  await pair.hang();
  await pair.servedByStandby(150_000);
  const outageMs = performance.now() - startMs;
  const said = (fits: (line: LogLine) => boolean, what: string) => standby.line(what, fits);
  const failed = await said(({ msg }) => msg?.includes(' has failed: ') === true, 'the verdict');
  const ready = await said((line) => line['phase'] === 'ready', 'ready');
  const { violations } = cloud.lab.judge;
  if (violations.length > 0) throw new Error(violations.join('\n'));
  const moveMs = atMs(ready) - atMs(failed);
  return {
    detectMs: outageMs - moveMs,
    moveMs,
    outageMs,
    calls: cloud.lab.front.calls.length - callsBefore,
  };
}

const { values } = parseArgs({ options: { runs: { type: 'string', default: '3' } } });
const runs = Number(values.runs);
const rows: string[][] = [['AWS, fence', 'detect, ms', 'move, ms', 'away, ms', 'AWS calls']];
heading('The holder hangs: nothing answers, and EC2 says that it runs');
try {
  for (const aws of clouds) {
    for (const fence of fences) {
      const samples: Sample[] = [];
      for (let run = 1; run <= runs; run++) {
        const what = `${aws.name}, ${fence}, run ${run} of ${runs}`;
        samples.push(await during(what, measure(aws, fence)));
      }
      const column = (of: (sample: Sample) => number): string =>
        spreadText(spreadOf(samples.map(of)), 0);
      rows.push([
        `${aws.name}, ${fence}`,
        column(({ detectMs }) => detectMs),
        column(({ moveMs }) => moveMs),
        column(({ outageMs }) => outageMs),
        column(({ calls }) => calls),
      ]);
    }
  }
  for (const line of tableLines(rows)) say(`   ${line}`);
  say('');
  say(
    `bench:takeover: ${runs} runs each, probes every 1 s, 3 failures; ${clouds[1]!.name}: describe 150 ms, tag 250 ms, attach 600 + 1000 ms, detach 2500 ms, stop 30 s`,
  );
} catch (error) {
  say(`failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
