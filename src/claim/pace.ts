// How a claim behaves when thousands boot at once: what it concludes from a throttled call, and how long it waits then.
//
// The tags are a queue that everybody sees: ENIs that are claimed and not attached yet. EC2 attaches five a second for the
// whole account, so one look at the pool says when the turn of a new claim comes, without a coordinator. Nobody queues
// before EC2 has throttled a call of this very claim: until then the bucket may be full, and the tags of dead instances.
import type { Eni } from '../model/eni.ts';
import type { Clock } from '../system/clock.ts';
import type { Random } from '../system/random.ts';
import { backoffMs, type Backoff } from '../system/retry.ts';
import { ownerOf } from './tags.ts';

export type Pace = {
  /** After each look at the pool; each ENI that it showed stands for `share` of them. */
  readonly see: (enis: readonly Eni[], share: number) => void;
  /** EC2 throttled a call of this claim. */
  readonly note: () => void;
  readonly isThrottled: () => boolean;
  /** Until the turn of a claim that is made now; 0 as long as nothing was throttled. */
  readonly turnMs: () => number;
};

/** Refill of the bucket of AttachNetworkInterface (claim.md section 4). A wrong figure costs calls or time, no ENI. */
const attachesPerSecond = 5;

/**
 * Of a throttled look. It spreads those who look over a time that fits their number, which nobody knows: each doubling
 * halves the calls, until the bucket carries them.
 */
export const lookBackoff: Backoff = { firstMs: 1_000, factor: 4, capMs: 512_000 };

export function createPace({
  clock,
  random,
}: {
  readonly clock: Clock;
  readonly random: Random;
}): Pace {
  let isThrottled = false;
  let dueMs = 0;
  return {
    see: (enis, share) => {
      const queued = enis.filter((eni) => eni.status === 'available' && ownerOf(eni) !== undefined);
      dueMs = clock.monotonicMs() + ((queued.length * share) / attachesPerSecond) * 1_000;
    },
    note: () => {
      isThrottled = true;
    },
    isThrottled: () => isThrottled,
    // Early rather than late: a token that nobody takes is lost once the bucket is full.
    turnMs: () =>
      isThrottled ? Math.max(0, dueMs - clock.monotonicMs()) * (0.5 + random.next() / 2) : 0,
  };
}

/** The delay before a throttled call is made again that waits for its turn. */
export function throttledMs(pace: Pace, backoff: Backoff, attempt: number, random: Random): number {
  return Math.max(backoffMs(backoff, attempt, random), pace.turnMs());
}
