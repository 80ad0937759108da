// What of the pool is looked at: all of it, as a rule; a part where all would be too much for the account or for nothing.
import { hasCode, messageOf } from '../errors.ts';
import type { Eni } from '../model/eni.ts';
import { backoffMs } from '../system/retry.ts';
import { isTransient, stepBackoff, type CallDeps } from './calls.ts';
import { lookBackoff, type Pace } from './pace.ts';

export type View = {
  readonly enis: readonly Eni[];
  /** `all` of the pool; a `sample` of it, whatever their state; a page of those that nobody holds. */
  readonly of: 'all' | 'sample' | 'unheld';
  /** Each of them stands for so many. */
  readonly share: number;
};

export type LookInput = {
  readonly pool: string;
  readonly pace: Pace;
  /** `all` too may become a sample, once EC2 throttles: nothing of the pool can be ours. */
  readonly maySample: boolean;
  readonly wanted: View['of'];
  readonly onTrouble: (message: string) => void;
};

/** The largest page of DescribeNetworkInterfaces (EC2 API reference). */
export const pageSize = 1000;
/** A sixteenth: by the last digit of the ENI's id, which is random. */
const digits = 16;

/** For as long as it takes. */
export async function look(
  deps: CallDeps,
  { pool, pace, maySample, wanted, onTrouble }: LookInput,
  signal: AbortSignal,
): Promise<View> {
  let wasThrottled = false;
  for (let attempt = 1; ; attempt++) {
    const of = wasThrottled && maySample && wanted === 'all' ? 'sample' : wanted;
    const share = of === 'sample' ? digits : 1;
    const idEnd = of === 'sample' ? digit(deps.random.next()) : undefined;
    try {
      const enis =
        of === 'all'
          ? await deps.ec2.describePool(pool, signal)
          : await deps.ec2.describePart(pool, { idEnd, available: of === 'unheld' }, signal);
      pace.see(enis, share);
      return { enis, of, share };
    } catch (error) {
      signal.throwIfAborted();
      if (!isTransient(error)) throw error;
      const isThrottled = hasCode(error, 'aws-throttled');
      if (isThrottled) pace.note();
      wasThrottled ||= isThrottled;
      onTrouble(messageOf(error));
      deps.log.warn({ attempt }, `${messageOf(error)}; trying again`);
      const backoff = isThrottled ? lookBackoff : stepBackoff;
      await deps.clock.sleep(backoffMs(backoff, attempt, deps.random), signal);
    }
  }
}

function digit(chance: number): string {
  return Math.floor(chance * digits).toString(digits);
}
