// Hears of every change to links, addresses, routes and rules that may be ours, so that what others break is put right at once.
import type { Clock } from '../system/clock.ts';
import type { Exec } from '../system/exec.ts';

export type RoutingWatcher = Disposable & {
  /** Resolves some milliseconds after such a change, or after `sweepMs`. Throws the signal's reason. */
  next(sweepMs: number): Promise<void>;
  /** Ends the wait now. */
  readonly wake: () => void;
};

/** After the monitor has ended (it lost messages, or was killed) it starts again. */
const restartMs = 1_000;
/** A monitor that ends before this never listened: it is not installed, or not permitted. */
const listenedMs = 1_000;
const retryMs = 20_000;
/** Changes come in groups; one look is enough for most of them. */
const settleMs = 10;

export function watchRouting(
  deps: { readonly exec: Exec; readonly clock: Clock },
  isOurs: (line: string) => boolean,
  signal: AbortSignal,
): RoutingWatcher {
  const end = new AbortController();
  const life = AbortSignal.any([signal, end.signal]);
  let wake = new AbortController();
  const hear = (line: string | undefined): void => {
    if (line === undefined || isOurs(line)) wake.abort();
  };
  void monitor(deps, hear, life);
  return {
    next: async (sweepMs) => {
      await deps.clock.sleep(sweepMs, AbortSignal.any([life, wake.signal])).catch(() => undefined);
      signal.throwIfAborted();
      await deps.clock.sleep(settleMs, signal);
      wake = new AbortController();
    },
    wake: () => wake.abort(),
    [Symbol.dispose]: () => end.abort(),
  };
}

/** Where there is no monitor, the sweep has to do. */
async function monitor(
  deps: { readonly exec: Exec; readonly clock: Clock },
  /** undefined: nobody knows what. */
  onChange: (line: string | undefined) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const startMs = deps.clock.monotonicMs();
    await deps.exec
      .follow(['ip', 'monitor', 'link', 'address', 'route', 'rule'], onChange, signal)
      .catch(() => undefined);
    const listened = deps.clock.monotonicMs() - startMs >= listenedMs;
    // Something may have changed while nobody listened.
    if (listened) onChange(undefined);
    await deps.clock.sleep(listened ? restartMs : retryMs, signal).catch(() => undefined);
  }
}
