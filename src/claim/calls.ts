// EC2 calls that may be repeated safely, repeated until they have an answer, and the lags that EC2 is known for.
import { hasCode, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Eni } from '../model/eni.ts';
import type { Clock } from '../system/clock.ts';
import type { Random } from '../system/random.ts';
import { backoffMs, retry, type Backoff } from '../system/retry.ts';
import type { Ec2 } from './ec2.ts';
import { ownerOf } from './tags.ts';

export type CallDeps = {
  readonly ec2: Ec2;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
};

export type HoldDeps = CallDeps & {
  /** Tells the host's network managers to leave a device alone, from before it appears until it is gone. Never throws. */
  readonly unmanaged: {
    mark(mac: string): Promise<void>;
    unmark(mac: string): Promise<void>;
  };
};

export const stepBackoff: Backoff = { firstMs: 250, factor: 2, capMs: 8_000 };
/** Two reads this far apart agree only on what is so (claim.md section 7: read lag up to 5 s). */
export const lagMs = 6_000;
/** Tags used in authorization lag behind (claim.md section 3). */
export const authorizationLagMs = 30_000;

/**
 * Compare-delete: our claim goes, another's stays. A denial means that the claim is not ours any more, or that
 * authorization does not see our tag yet; EC2 is asked which. What stays denied is logged: the next sweep tries again.
 */
export async function dropClaim(
  deps: CallDeps,
  { eniId, owner }: { readonly eniId: string; readonly owner: string },
  signal: AbortSignal,
): Promise<void> {
  const startMs = deps.clock.monotonicMs();
  let wasAnothers = false;
  for (let attempt = 1; ; attempt++) {
    try {
      return await repeat(deps, () => deps.ec2.deleteClaim(eniId, owner, signal), signal);
    } catch (error) {
      if (hasCode(error, 'eni-gone')) return;
      if (!hasCode(error, 'aws-denied')) throw error;
      const now = await describe(deps, eniId, signal);
      const isAnothers = now === undefined || ownerOf(now) !== owner;
      if (isAnothers && wasAnothers) return;
      if (deps.clock.monotonicMs() - startMs > authorizationLagMs) {
        deps.log.warn({ eni: eniId }, `${error.message}; our claim on ${eniId} stays`);
        return;
      }
      wasAnothers = isAnothers;
      const delayMs = isAnothers ? lagMs : backoffMs(stepBackoff, attempt, deps.random);
      await deps.clock.sleep(delayMs, signal);
    }
  }
}

export function describe(
  deps: CallDeps,
  eniId: string,
  signal: AbortSignal,
): Promise<Eni | undefined> {
  return repeat(deps, () => deps.ec2.describeEni(eniId, signal), signal);
}

/** For whom only the record knows what we hold: "gone" counts when it is said twice, further apart than the lag. */
export async function describeSurely(
  deps: CallDeps,
  eniId: string,
  signal: AbortSignal,
): Promise<Eni | undefined> {
  const now = await describe(deps, eniId, signal);
  if (now !== undefined) return now;
  await deps.clock.sleep(lagMs, signal);
  return describe(deps, eniId, signal);
}

/** Repeats a call that may be repeated, for as long as it takes: EC2 away is no reason to give up. */
export function repeat<T>(
  deps: Omit<CallDeps, 'ec2'>,
  call: () => Promise<T>,
  signal: AbortSignal,
  onTrouble: (message: string) => void = () => undefined,
): Promise<T> {
  return retry(
    deps,
    {
      backoff: stepBackoff,
      totalMs: undefined,
      onRetry: (error, attempt) => {
        deps.log.warn({ attempt }, `${messageOf(error)}; trying again`);
        onTrouble(messageOf(error));
      },
      isRetryable: isTransient,
    },
    call,
    signal,
  );
}

export function isTransient(error: unknown): boolean {
  return hasCode(
    error,
    'aws-throttled',
    'aws-unavailable',
    'aws-unknown-outcome',
    'aws-credentials',
  );
}
