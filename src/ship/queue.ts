// A queue for turns: who waits goes in the order of coming, and when its owner says so.
import type { Clock } from '../system/clock.ts';
import { createWake, foreverMs } from './wake.ts';

export type Queue<T> = {
  /** Waits for the turn of so many bytes. Rejects with the signal's reason. */
  readonly turn: (bytes: number, signal: AbortSignal) => Promise<T>;
  /** The first may have to wait less now. */
  readonly ring: () => void;
};

export type QueueInput<T> = {
  /** How long the first has to wait yet, if nothing changes; 0: it may go. */
  readonly waitMs: (bytes: number) => number;
  /** It goes. */
  readonly letGo: (bytes: number) => T;
};

type Waiter<T> = { readonly bytes: number; readonly go: (given: T) => void };

export function createQueue<T>(clock: Clock, { waitMs, letGo }: QueueInput<T>): Queue<T> {
  const waiters: Waiter<T>[] = [];
  const bell = createWake(clock);
  let isBusy = false;

  const serve = async (): Promise<void> => {
    if (isBusy) return;
    isBusy = true;
    for (let first = waiters[0]; first !== undefined; first = waiters[0]) {
      const ms = waitMs(first.bytes);
      if (ms > 0) {
        await bell.wait(Math.min(ms, foreverMs), never);
        continue;
      }
      waiters.shift();
      first.go(letGo(first.bytes));
    }
    isBusy = false;
  };

  return {
    turn: async (bytes, signal) => {
      signal.throwIfAborted();
      return await new Promise<T>((resolve, reject) => {
        const leave = (): void => {
          waiters.splice(waiters.indexOf(waiter), 1);
          bell.ring();
          reject(signal.reason as Error);
        };
        const go = (given: T): void => {
          signal.removeEventListener('abort', leave);
          resolve(given);
        };
        const waiter = { bytes, go };
        waiters.push(waiter);
        signal.addEventListener('abort', leave, { once: true });
        void serve();
      });
    },
    ring: () => bell.ring(),
  };
}

const never = new AbortController().signal;
