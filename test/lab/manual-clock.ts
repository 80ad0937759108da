// A clock for what goes on behind HTTP: it stands until a test moves it on, and any number may wait for it.
import { systemClock, type Clock } from '../../src/system/clock.ts';

export type ManualClock = Clock & { advance(ms: number): void };

/** Deadlines are real ones: they guard sockets. */
export function createManualClock(): ManualClock {
  const startMs = systemClock.nowMs();
  let elapsedMs = 0;
  const sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>();
  return {
    nowMs: () => startMs + elapsedMs,
    monotonicMs: () => elapsedMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const abort = (): void => {
          sleepers.delete(sleeper);
          reject(signal.reason as Error);
        };
        const wake = (): void => {
          sleepers.delete(sleeper);
          signal.removeEventListener('abort', abort);
          resolve();
        };
        const sleeper = { atMs: elapsedMs + ms, wake };
        sleepers.add(sleeper);
        signal.addEventListener('abort', abort, { once: true });
      }),
    deadline: (ms, parent) => systemClock.deadline(ms, parent),
    advance: (ms) => {
      elapsedMs += ms;
      for (const sleeper of sleepers) if (sleeper.atMs <= elapsedMs) sleeper.wake();
    },
  };
}
