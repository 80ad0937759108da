// Lets something wait for ready without depending on it.
import type { Clock } from '../system/clock.ts';
import type { StatusBoard } from './status-board.ts';

/** Resolves when the status says ready, or after `ms`. Throws the signal's reason. */
export async function readyOrLate(
  { clock, board }: { readonly clock: Clock; readonly board: StatusBoard },
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  const ready = new AbortController();
  board.onChange((status) => {
    if (status.ready) ready.abort();
  });
  if (board.current().ready) ready.abort();
  await clock.sleep(ms, AbortSignal.any([signal, ready.signal])).catch(() => undefined);
  signal.throwIfAborted();
}
