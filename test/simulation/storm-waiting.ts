// A storm with more instances than ENIs: what those ask that wait, and how soon one of them takes what comes free.
import { createSeededRandom } from '../fakes/random.ts';
import { berth, startStorm } from './storm.ts';

export type WaitingResult = {
  /** Of all instances together, holders too. */
  readonly describesPerSecond: number;
  /** From the moment that an ENI is free until EC2 accepts an attach of it, and until it serves. */
  readonly takenAfterMs: readonly number[];
  readonly readyAfterMs: readonly number[];
};

/** One ENI at a time comes free, so often. */
const times = 20;
const everyMs = 180_000;

/** Measured from `fromMs` on, when all is quiet. */
export async function runWaiting(options: {
  readonly instances: number;
  readonly enis: number;
  readonly seed: number;
  readonly bootWithinMs: number;
  readonly fromMs: number;
}): Promise<WaitingResult> {
  const storm = startStorm({ ...options, policy: berth, bucketScale: 1 });
  const { time, ec2, readyAtMs } = storm;
  const random = createSeededRandom(options.seed);
  const { signal } = new AbortController();
  const describes = (): number =>
    ec2.tally.accepted.DescribeNetworkInterfaces + ec2.tally.accepted.DescribeInstances;
  await time.run(storm.untilReady(options.enis));
  await time.run(time.sleep(Math.max(0, options.fromMs - time.monotonicMs()), signal));

  const before = describes();
  const startMs = time.monotonicMs();
  const takenAfterMs: number[] = [];
  const readyAfterMs: number[] = [];
  for (let count = 0; count < times; count++) {
    const enis = ec2.enis();
    const { eniId } = enis[Math.floor(random.next() * enis.length)]!;
    ec2.free(eniId);
    const freeAtMs = time.monotonicMs();
    let takenAtMs: number | undefined;
    let taker: string | undefined;
    ec2.onAttach = (taken, instanceId) => {
      if (taken !== eniId) return;
      takenAtMs = time.monotonicMs();
      taker = instanceId;
    };
    await time.run(time.sleep(everyMs, signal));
    const readyMs = taker === undefined ? undefined : readyAtMs.get(taker);
    takenAfterMs.push((takenAtMs ?? Infinity) - freeAtMs);
    readyAfterMs.push((readyMs ?? Infinity) - freeAtMs);
  }
  const describesPerSecond = (describes() - before) / ((time.monotonicMs() - startMs) / 1_000);
  storm.end();
  return { describesPerSecond, takenAfterMs, readyAfterMs };
}
