// The retention of log groups: at once for one that berth made; for others once a run, later and only where it differs,
// since PutRetentionPolicy is 5 a second for the whole account (logs.md section 1).
import { BerthError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Clock } from '../system/clock.ts';
import type { Random } from '../system/random.ts';
import { backoffMs, type Backoff } from '../system/retry.ts';
import type { CloudWatchLogs } from './cloudwatch.ts';

export type Retention = {
  /** Returns at once; each group is looked after once. `isNew`: berth has just made it. */
  want(group: string, days: number, isNew: boolean): void;
};

type Deps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly cloudwatch: CloudWatchLogs;
};

/** 10,000 instances that boot together look three times a second. */
const spreadMs = 3_600_000;
const backoff: Backoff = { firstMs: 1_000, factor: 2, capMs: 60_000 };
const maxAttempts = 10;

/** Ends with `signal`. */
export function createRetention(
  { clock, random, log, cloudwatch }: Deps,
  signal: AbortSignal,
): Retention {
  const done = new Set<string>();

  const put = async (group: string, days: number, isNew: boolean): Promise<void> => {
    if (!isNew) {
      await clock.sleep(random.next() * spreadMs, signal);
      // It was made meanwhile.
      if (done.has(`${group} new`)) return;
    }
    for (let attempt = 1; ; attempt++) {
      try {
        if (!isNew && (await cloudwatch.retentionOf(group, signal)) === days) return;
        await cloudwatch.putRetention(group, days, signal);
        log.info({ group, days }, 'set the retention of the log group');
        return;
      } catch (error) {
        signal.throwIfAborted();
        const isHopeless = error instanceof BerthError && !error.retryable;
        if (isHopeless || attempt === maxAttempts) {
          log.warn(
            { group, days, error: messageOf(error) },
            'cannot set the retention of the log group',
          );
          return;
        }
        await clock.sleep(backoffMs(backoff, attempt, random), signal);
      }
    }
  };

  return {
    want: (group, days, isNew) => {
      const key = isNew ? `${group} new` : group;
      if (done.has(key)) return;
      done.add(key);
      put(group, days, isNew).catch(() => undefined);
    },
  };
}
