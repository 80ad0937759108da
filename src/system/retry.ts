// Exponential back-off with jitter: the delays, and a loop over them.
// Half of each step is fixed, half random ("equal jitter" of the AWS Architecture Blog): no storm, no zero wait.
import type { Clock } from './clock.ts';
import type { Random } from './random.ts';
import { BerthError } from '../errors.ts';

export type Backoff = {
  readonly firstMs: number;
  readonly factor: number;
  readonly capMs: number;
};

/** Delay before attempt `attempt` (1 = the first repetition): uniform in [half, whole] of the step. */
export function backoffMs(backoff: Backoff, attempt: number, random: Random): number {
  const stepMs = Math.min(backoff.capMs, backoff.firstMs * backoff.factor ** (attempt - 1));
  return stepMs * (0.5 + random.next() / 2);
}

export type RetryDeps = { readonly clock: Clock; readonly random: Random };

export type RetryPolicy = {
  readonly backoff: Backoff;
  /** The last error is thrown once this much time has passed; undefined: for ever. */
  readonly totalMs: number | undefined;
  /** Default: BerthError.retryable. */
  readonly isRetryable?: (error: unknown) => boolean;
  readonly onRetry?: (error: unknown, attempt: number, delayMs: number) => void;
};

/** Calls `work` until it succeeds, fails for good, or time is up. */
export async function retry<T>(
  deps: RetryDeps,
  policy: RetryPolicy,
  work: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const isRetryable =
    policy.isRetryable ?? ((error: unknown) => error instanceof BerthError && error.retryable);
  const startMs = deps.clock.monotonicMs();
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await work(signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!isRetryable(error)) throw error;
      const delayMs = backoffMs(policy.backoff, attempt, deps.random);
      const spentMs = deps.clock.monotonicMs() - startMs;
      if (policy.totalMs !== undefined && spentMs + delayMs > policy.totalMs) throw error;
      policy.onRetry?.(error, attempt, delayMs);
      await deps.clock.sleep(delayMs, signal);
    }
  }
}
