// Tells a service of AWS something until it takes it, within an hour; the log says once what is wrong, the status all the while.
import { hasCode, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { SignalTarget } from '../model/config.ts';
import type { StatusSignal } from '../model/status.ts';
import type { Clock } from '../system/clock.ts';
import type { Random } from '../system/random.ts';
import { retry, type Backoff } from '../system/retry.ts';

export type InsistDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly show: (to: SignalTarget, state: StatusSignal['state'], message: string) => void;
};

export type InsistInput = {
  readonly to: SignalTarget;
  /** "stack web: SUCCESS, ..." */
  readonly what: string;
  /** So long may nothing wait there before that is believed. */
  readonly patienceMs: number;
  /** Once it is told, or nothing waits for it; before the status says so. */
  readonly onTold: () => Promise<void>;
};

const backoff: Backoff = { firstMs: 1_000, factor: 2, capMs: 60_000 };
/** The default heartbeat timeout of a hook, and longer than most stacks wait. */
const withinMs = 3_600_000;

/**
 * Resolves when it is told, or cannot be. Repeats every error but `aws-invalid`, and `aws-not-found` within its patience.
 * Throws the signal's reason alone.
 */
export async function insist(
  { clock, random, log, show }: InsistDeps,
  { to, what, patienceMs, onTold }: InsistInput,
  call: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const startMs = clock.monotonicMs();
  let said: string | undefined;
  const isRetryable = (error: unknown): boolean =>
    hasCode(error, 'aws-not-found')
      ? clock.monotonicMs() - startMs < patienceMs
      : !hasCode(error, 'aws-invalid');
  const onRetry = (error: unknown): void => {
    // It may not have begun to wait; or an answer was lost.
    const isAbsent = hasCode(error, 'aws-not-found');
    const verb = isAbsent ? 'nothing waits yet for' : 'cannot tell';
    const message = `${verb} ${what}: ${messageOf(error)}; trying again`;
    show(to, isAbsent ? 'pending' : 'failing', message);
    if (message === said) return;
    said = message;
    if (isAbsent) log.info({ to }, message);
    else log.warn({ to }, message);
  };
  try {
    const policy = { backoff, totalMs: withinMs, isRetryable, onRetry };
    await retry({ clock, random }, policy, call, signal);
    log.info({ to }, `told ${what}`);
    await onTold();
    show(to, 'told', what);
  } catch (error) {
    signal.throwIfAborted();
    const message = messageOf(error);
    if (hasCode(error, 'aws-not-found')) {
      log.info({ to }, `nothing waits for ${what}: ${message}`);
      await onTold();
      show(to, 'told', `nothing waits for it: ${message}`);
      return;
    }
    log.error({ to }, `cannot tell ${what}: ${message}; going on without`);
    show(to, 'failed', `cannot tell ${what}: ${message}`);
  }
}
