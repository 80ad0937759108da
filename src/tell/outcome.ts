// How it went with this instance: ready, or not in time, or never.
import { once } from 'node:events';
import type { Status } from '../model/status.ts';
import type { Clock } from '../system/clock.ts';
import type { StatusBoard } from './status-board.ts';

/** All reject with the signal's reason. */
export type Outcome = {
  readonly ready: Promise<void>;
  /** Why it is not. It may be ready yet. */
  readonly failed: Promise<string>;
};

/** From now on. `timeoutMs`: see SignalsConfig. */
export function watchOutcome(
  { clock, board }: { readonly clock: Clock; readonly board: StatusBoard },
  timeoutMs: number | undefined,
  signal: AbortSignal,
): Outcome {
  const ready = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<string>();
  const hear = (status: Status): void => {
    if (status.ready) ready.resolve();
    const lost = status.pools.find(({ phase }) => phase === 'gave-up');
    if (lost !== undefined) failed.resolve(lost.message);
  };
  board.onChange(hear);
  hear(board.current());
  const late = async (): Promise<void> => {
    if (timeoutMs === undefined) return;
    await clock.sleep(timeoutMs, signal);
    failed.resolve(`not ready within ${timeoutMs / 1000} s: ${board.current().message}`);
  };
  const over = async (): Promise<void> => {
    if (!signal.aborted) await once(signal, 'abort');
    ready.reject(signal.reason);
    failed.reject(signal.reason);
  };
  for (const work of [late(), over(), ready.promise, failed.promise]) work.catch(() => undefined);
  return { ready: ready.promise, failed: failed.promise };
}
