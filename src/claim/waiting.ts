// How often an instance without an ENI looks for a free one: one spare every few seconds, and thousands together no
// more often than the account can bear.
import { hasCode } from '../errors.ts';
import type { Identity } from '../model/instance.ts';
import { backoffMs, type Backoff } from '../system/retry.ts';
import { repeat, type CallDeps } from './calls.ts';
import type { Pace } from './pace.ts';

export type Waiting = {
  /** Until the next look; `held`: ENIs of the pool in this zone that are in use. Counts those who wait, now and then. */
  pauseMs(held: number, signal: AbortSignal): Promise<number>;
  /** What the next look should show: now and then all, in case something of ours is there after all. */
  wanted(): 'all' | 'unheld';
};

/** At first, when nobody knows yet how many wait: quick (a fail-over). */
const firstBackoff: Backoff = { firstMs: 1_000, factor: 1.3, capMs: 5_000 };
/** Where the role may not count them. */
const unknownMs = 30_000;
/** A spare that waits alone. */
const leastMs = 3_000;
/** All that wait in a zone look once a second, of the 20 Describes a second that the account has (claim.md section 4). */
const perWaiterMs = 1_000;
/** Most have their ENI by then, and never count. */
const countAfterMs = 60_000;
const countEvery = { leastMs: 600_000, looks: 30 } as const;
/** Descriptions of instances are long. */
const mostCounted = 200;
/** One in 256. */
const mostDigits = 2;

export function createWaiting(
  deps: CallDeps,
  { identity, pace }: { readonly identity: Identity; readonly pace: Pace },
): Waiting {
  const startMs = deps.clock.monotonicMs();
  const jitter = (): number => 0.75 + deps.random.next() / 2;
  let countAtMs = startMs + countAfterMs * jitter();
  /** Unknown before the first count. */
  let everyMs: number | undefined;
  let pauses = 0;
  let wanted: 'all' | 'unheld' = 'all';
  return {
    wanted: () => wanted,
    pauseMs: async (held, signal) => {
      wanted = 'unheld';
      if (deps.clock.monotonicMs() >= countAtMs) {
        wanted = 'all';
        const running = await countRunning(deps, { identity, pace }, signal);
        const isFirst = everyMs === undefined;
        everyMs = running === undefined ? unknownMs : everyMsOf(running, held);
        const againMs = Math.max(countEvery.leastMs, countEvery.looks * everyMs);
        countAtMs = deps.clock.monotonicMs() + againMs * jitter();
        // Those who boot together count together: here they part.
        if (isFirst) return everyMs * deps.random.next();
      }
      return everyMs === undefined
        ? backoffMs(firstBackoff, ++pauses, deps.random)
        : everyMs * jitter();
    },
  };
}

/** The spare of a fleet too large to be counted one by one cannot know that it is the only one. */
function everyMsOf({ count, error }: Estimate, held: number): number {
  return Math.max(leastMs, perWaiterMs * Math.max(count - held, error));
}

/** `error`: how far `count` is off as a rule. */
type Estimate = { readonly count: number; readonly error: number };

/**
 * Instances like this one: with its profile, in its zone. Counted by a sample where they are many, by the last digits of
 * their ids, which are random. undefined: unknown, since the role may not ask.
 */
async function countRunning(
  deps: CallDeps,
  { identity, pace }: { readonly identity: Identity; readonly pace: Pace },
  signal: AbortSignal,
): Promise<Estimate | undefined> {
  const { instanceId, availabilityZone } = identity;
  try {
    const me = await repeat(deps, () => deps.ec2.describeInstance(instanceId, signal), signal);
    const profileArn = me?.profileArn;
    if (profileArn === undefined) return undefined;
    let isMany = false;
    // Whom EC2 throttled is one of many: the smallest sample first.
    for (let digits = pace.isThrottled() ? mostDigits : 0; ;) {
      const share = 16 ** digits;
      const idEnd = deps.random.uuid().slice(0, digits);
      const of = { profileArn, availabilityZone, idEnd, most: mostCounted };
      const { count, isCut } = await repeat(
        deps,
        () => deps.ec2.countInstances(of, signal),
        signal,
      );
      isMany ||= isCut;
      if (isCut && digits < mostDigits) digits++;
      else if (!isMany && digits > 0 && count * 16 < mostCounted) digits--;
      else return { count: count * share, error: digits === 0 ? 0 : share * Math.sqrt(count) };
    }
  } catch (error) {
    if (!hasCode(error, 'aws-denied')) throw error;
    deps.log.warn(`${error.message}; going on without it`);
    return undefined;
  }
}
