// A clock that is never waited for: sleeping moves it forward at once. One sleeper at a time.
import type { Clock } from '../../src/system/clock.ts';

export type FakeClock = Clock & {
  advance(ms: number): void;
  /** Sets the time of day alone forward, or back. */
  jump(ms: number): void;
  readonly slept: readonly number[];
};

/** Deadlines fire when the time reaches them. */
export function createFakeClock(startMs = 1_800_000_000_000): FakeClock {
  let elapsedMs = 0;
  let jumpedMs = 0;
  const slept: number[] = [];
  const deadlines = new Set<{ readonly atMs: number; readonly fire: () => void }>();
  const advance = (ms: number): void => {
    elapsedMs += ms;
    for (const deadline of deadlines) {
      if (deadline.atMs <= elapsedMs) {
        deadlines.delete(deadline);
        deadline.fire();
      }
    }
  };
  return {
    slept,
    advance,
    jump: (ms) => {
      jumpedMs += ms;
    },
    // Whole, as Date.now() is.
    nowMs: () => Math.floor(startMs + jumpedMs + elapsedMs),
    monotonicMs: () => elapsedMs,
    sleep: async (ms, signal) => {
      signal.throwIfAborted();
      slept.push(ms);
      await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
      advance(ms);
    },
    deadline: (ms, parent) => {
      const controller = new AbortController();
      let expired = false;
      const entry = {
        atMs: elapsedMs + ms,
        fire: () => {
          expired = true;
          controller.abort(new DOMException(`no answer within ${ms} ms`, 'TimeoutError'));
        },
      };
      deadlines.add(entry);
      const forward = (): void => controller.abort(parent.reason);
      if (parent.aborted) forward();
      else parent.addEventListener('abort', forward, { once: true });
      return {
        signal: controller.signal,
        get expired() {
          return expired;
        },
        [Symbol.dispose]: () => {
          deadlines.delete(entry);
          parent.removeEventListener('abort', forward);
        },
      };
    },
  };
}
