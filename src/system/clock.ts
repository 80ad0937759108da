// Time: reading it, waiting for it, and deadlines. The simulator brings its own.
import { setTimeout as timer } from 'node:timers/promises';

export type Clock = {
  /** Wall clock, milliseconds since 1970; may jump. */
  nowMs(): number;
  /** Never goes back; origin: the start of the process. */
  monotonicMs(): number;
  /** Rejects with the signal's reason as soon as it is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** A signal that aborts after `ms`, or with `parent`. Dispose it when the work is done. */
  deadline(ms: number, parent: AbortSignal): Deadline;
};

export type Deadline = Disposable & { readonly signal: AbortSignal; readonly expired: boolean };

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    signal.throwIfAborted();
    try {
      await timer(ms, undefined, { signal });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  },
  deadline: (ms, parent) => {
    const controller = new AbortController();
    let expired = false;
    const handle = setTimeout(() => {
      expired = true;
      controller.abort(new DOMException(`no answer within ${ms} ms`, 'TimeoutError'));
    }, ms);
    const forward = (): void => controller.abort(parent.reason);
    if (parent.aborted) forward();
    else parent.addEventListener('abort', forward, { once: true });
    return {
      signal: controller.signal,
      get expired() {
        return expired;
      },
      [Symbol.dispose]: () => {
        clearTimeout(handle);
        parent.removeEventListener('abort', forward);
      },
    };
  },
};
