// All dials of the lab, drawn from one seed: each fault is absent from half of the seeds, so that the others get their
// turn alone (swarm testing).
import { createSeededRandom } from '../fakes/random.ts';
import type { Ec2Dials } from './ec2-world.ts';
import type { ImdsRates } from './imds.ts';
import type { ImdsLags } from './imds-lags.ts';

export type LabDials = {
  readonly ec2: Ec2Dials;
  readonly imdsLags: ImdsLags;
  readonly imdsRates: ImdsRates;
};

/** Durations and lags up to what was seen in the field (claim.md sections 4 and 7, imds.md section 4). */
export function drawDials(seed: number): LabDials {
  const random = createSeededRandom(seed);
  const upTo = (most: number): number => random.next() * most;
  /** Two numbers each, so that no dial moves the ones after it. */
  const sometimes = (most: number): number => {
    const isOn = random.next() < 0.5;
    const amount = upTo(most);
    return isOn ? amount : 0;
  };
  const ms = (most: number): number => Math.round(upTo(most));
  const sometimesMs = (most: number): number => Math.round(sometimes(most));
  return {
    ec2: {
      attachMs: ms(10_000),
      detachMs: ms(5_000),
      deviceMs: ms(15_000),
      terminateMs: ms(60_000),
      stopMs: ms(60_000),
      startMs: ms(30_000),
      describeLagMs: sometimesMs(5_000),
      authorizationLagMs: sometimesMs(30_000),
      jitter: random.next(),
      attachStuck: sometimes(0.05),
      detachStuck: sometimes(0.1),
      forceStuck: sometimes(0.1),
      deviceNever: sometimes(0.05),
      inUseAsValue: sometimes(1),
      tagWriteMs: sometimesMs(500),
      pagedAbove: sometimes(20),
      // Half of the seeds without throttling, the rest with as little as a hundredth: others use up the account's.
      bucketScale: scale(sometimes(0.9)),
    },
    imdsLags: {
      macLateMs: sometimesMs(30_000),
      keysLateMs: sometimesMs(5_000),
      deviceNumberLateMs: sometimesMs(6_000),
      networkCardLateMs: sometimesMs(12_000),
      ipv6LateMs: sometimesMs(5_000),
      addressesLateMs: sometimesMs(30_000),
      staleMacMs: sometimesMs(600_000),
      omittedAfterBootMs: sometimesMs(60_000),
      staleForced: sometimes(1),
      jitter: random.next(),
    },
    imdsRates: {
      tokenUnavailable: sometimes(0.2),
      readUnavailable: sometimes(0.2),
      unauthorized: sometimes(0.1),
      reset: sometimes(0.1),
      silent: sometimes(0.05),
    },
  };
}

/** None taken away: no throttling at all. Squared, so that small buckets are not rare. */
function scale(taken: number): number {
  return taken === 0 ? 0 : (1 - taken) ** 2;
}
