// EC2 calls that may be repeated safely, repeated until they have an answer.
import { hasCode, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Eni } from '../model.ts';
import type { Clock } from '../system/clock.ts';
import type { Random } from '../system/random.ts';
import { retry, type Backoff } from '../system/retry.ts';
import type { Ec2 } from './ec2.ts';

export type CallDeps = {
  readonly ec2: Ec2;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
};

export const stepBackoff: Backoff = { firstMs: 250, factor: 2, capMs: 8_000 };

/** A denial means that the claim is not ours any more. */
export async function dropClaim(
  deps: CallDeps,
  { eniId, owner }: { readonly eniId: string; readonly owner: string },
  signal: AbortSignal,
): Promise<void> {
  try {
    await repeat(deps, () => deps.ec2.deleteClaim(eniId, owner, signal), signal);
  } catch (error) {
    if (!hasCode(error, 'aws-denied', 'eni-gone')) throw error;
  }
}

export function describe(
  deps: CallDeps,
  eniId: string,
  signal: AbortSignal,
): Promise<Eni | undefined> {
  return repeat(deps, () => deps.ec2.describeEni(eniId, signal), signal);
}

/** Repeats a call that may be repeated, for as long as it takes: EC2 away is no reason to give up. */
export function repeat<T>(deps: CallDeps, call: () => Promise<T>, signal: AbortSignal): Promise<T> {
  return retry(
    deps,
    {
      backoff: stepBackoff,
      totalMs: undefined,
      onRetry: (error, attempt) => deps.log.warn({ attempt }, `${messageOf(error)}; trying again`),
      isRetryable: (error) =>
        hasCode(
          error,
          'aws-throttled',
          'aws-unavailable',
          'aws-unknown-outcome',
          'aws-credentials',
        ),
    },
    call,
    signal,
  );
}
