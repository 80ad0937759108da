// A bell for one sleeper: waits for news, for a time, or for the end.
import type { Clock } from '../system/clock.ts';

export type Wake = {
  /** Ends the wait under way, or else the next one at once. */
  readonly ring: () => void;
  /** Returns at news or after `ms`. Rejects with the signal's reason. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
};

/** The longest time that a timer of Node takes. */
export const foreverMs = 2 ** 31 - 1;

export function createWake(clock: Clock): Wake {
  let rung = false;
  let stop: (() => void) | undefined;
  return {
    ring: () => {
      rung = true;
      stop?.();
    },
    wait: async (ms, signal) => {
      signal.throwIfAborted();
      if (!rung) {
        const controller = new AbortController();
        stop = () => controller.abort();
        signal.addEventListener('abort', stop, { once: true });
        try {
          await clock.sleep(ms, controller.signal);
        } catch {
          signal.throwIfAborted();
        } finally {
          signal.removeEventListener('abort', stop);
          stop = undefined;
        }
      }
      rung = false;
    },
  };
}
