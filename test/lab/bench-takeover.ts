// `npm run bench:takeover`: how long an address is away when its holder hangs, with a standby of default settings; the
// time to detect it (probes, both votes) and the time to move the ENI, each with an AWS that answers at once and with
// AWS-like latencies, for both ways of fencing. Then, how long it is away when AWS gives notice, with and without `notices`. `--runs N`: of each row, 3 by default.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { spreadOf, spreadText, tableLines } from './bench-statistics.ts';
import type { LogLine } from './daemon-process.ts';
import type { Ec2Dials } from './ec2-world.ts';
import type { LabOptions } from './lab.ts';
import { scratch } from './environment.ts';
import { ipBatch } from './namespace.ts';
import { during, heading, say, until } from './progress.ts';
import { createSmallCloud, instances, poolEni } from './small-cloud.ts';
import { servicePort, startPair, type Fence } from './standby-pair.ts';

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

/**
 * An instance of two in a pool is told to go: how long a client misses the address. `heeds`: with `notices`; without, it
 * serves until it is terminated, and somebody takes its name away at once.
 */
async function measureGoing({ latency, dials }: Aws, heeds: boolean): Promise<number> {
  await using cloud = await createSmallCloud({
    latency,
    dials: { ...dials, terminateMs: dials.stopMs ?? 0 },
  });
  const { lab, vpc } = cloud;
  const [goes, stays] = [instances['inst-a'].instanceId, instances['inst-b'].instanceId];
  const file = join(scratch, 'going.json');
  await writeFile(file, JSON.stringify({ pool: 'db', ...(heeds ? { notices: {} } : {}) }));
  for (const name of ['inst-a', 'inst-b'] as const) await vpc.serve(name, servicePort);
  await using first = cloud.berth('inst-a', ['run', '--config', file]);
  await first.line('ready', (line) => line['phase'] === 'ready');
  await using second = cloud.berth('inst-b', ['run', '--config', file]);
  await second.line('that it waits', (line) => line['phase'] === 'waiting-for-eni');
  const spotInstanceAction = { action: 'terminate', time: new Date(Date.now() + 120_000) };
  lab.imds.change(goes, { spotInstanceAction });
  if (!heeds) {
    first.kill('SIGKILL');
    await ipBatch(
      ['eth0', 'eth1'].map((name) => `link set dev ${name} down`),
      'inst-a',
    );
    lab.ec2.terminate(goes);
    lab.ec2.deleteTags([poolEni.eniId], [{ key: 'berth:owner', value: undefined }]);
  }
  let lastMs = performance.now();
  await until('the other one serves', 150_000, async () => {
    const { answer } = await vpc.probe('far', poolEni.privateIpv4, servicePort, 200);
    if (answer?.host === 'inst-a') lastMs = performance.now();
    return answer?.host === 'inst-b' || undefined;
  });
  const outageMs = performance.now() - lastMs;
  if (lab.ec2.eni(poolEni.eniId)?.attachment?.instanceId !== stays)
    throw new Error('it is not there');
  return outageMs;
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
  heading('An instance is told to go: a Spot notice, and another instance waits in the pool');
  const going: string[][] = [['AWS', 'without notices: away, ms', 'with: away, ms']];
  for (const aws of clouds) {
    const row = [aws.name];
    for (const heeds of [false, true]) {
      const samples: number[] = [];
      for (let run = 1; run <= runs; run++) {
        const what = `${aws.name}, ${heeds ? 'with' : 'without'} notices, run ${run} of ${runs}`;
        samples.push(await during(what, measureGoing(aws, heeds)));
      }
      row.push(spreadText(spreadOf(samples), 0));
    }
    going.push(row);
  }
  for (const line of tableLines(going)) say(`   ${line}`);
  say('');
  say(
    `bench:takeover: ${runs} runs each, probes every 1 s, 3 failures; ${clouds[1]!.name}: describe 150 ms, tag 250 ms, attach 600 + 1000 ms, detach 2500 ms, stop and termination 30 s`,
  );
} catch (error) {
  say(`failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
