// A clock for many sleepers: time jumps to the next event once nobody has anything left to do now.
import type { Clock } from '../../src/system/clock.ts';

export type VirtualTime = Clock & {
  /**
   * Runs until `work` is settled. Throws when nobody is left to wake it, or past `limitMs` (on the monotonic clock).
   */
  run<T>(work: Promise<T>, limitMs?: number): Promise<T>;
};

type Event = { readonly atMs: number; readonly fire: () => void };

export function createVirtualTime(startMs = 1_800_000_000_000): VirtualTime {
  let elapsedMs = 0;
  /** By time, then by age. */
  const queue: Event[] = [];
  const add = (event: Event): void => {
    const at = queue.findLastIndex((other) => other.atMs <= event.atMs);
    queue.splice(at + 1, 0, event);
  };
  const remove = (event: Event): void => {
    const at = queue.indexOf(event);
    if (at >= 0) queue.splice(at, 1);
  };
  return {
    nowMs: () => startMs + elapsedMs,
    monotonicMs: () => elapsedMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(signal.reason as Error);
          return;
        }
        const stop = (): void => {
          remove(event);
          reject(signal.reason as Error);
        };
        const fire = (): void => {
          signal.removeEventListener('abort', stop);
          resolve();
        };
        const event: Event = { atMs: elapsedMs + ms, fire };
        signal.addEventListener('abort', stop, { once: true });
        add(event);
      }),
    deadline: (ms, parent) => {
      const controller = new AbortController();
      let expired = false;
      const fire = (): void => {
        expired = true;
        controller.abort(new DOMException(`no answer within ${ms} ms`, 'TimeoutError'));
      };
      const event: Event = { atMs: elapsedMs + ms, fire };
      const forward = (): void => controller.abort(parent.reason);
      if (parent.aborted) forward();
      else {
        parent.addEventListener('abort', forward, { once: true });
        add(event);
      }
      return {
        signal: controller.signal,
        get expired() {
          return expired;
        },
        [Symbol.dispose]: () => {
          remove(event);
          parent.removeEventListener('abort', forward);
        },
      };
    },
    run: async (work, limitMs = 86_400_000) => {
      let isSettled = false;
      const settle = (): void => {
        isSettled = true;
      };
      work.then(settle, settle);
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve));
        if (isSettled) return work;
        const event = queue.shift();
        if (event === undefined) throw new Error('virtual time: nobody is left to wake the work');
        if (event.atMs > limitMs)
          throw new Error(`virtual time: the work is not done after ${limitMs} ms`);
        elapsedMs = event.atMs;
        event.fire();
      }
    },
  };
}
