// How fast berth may call PutLogEvents, shared by all targets: additive increase, multiplicative decrease on throttling, and
// the limit of bytes that the configuration sets. Without throttling and limit nobody ever waits.
import type { Clock } from '../system/clock.ts';
import { createWake, foreverMs } from './wake.ts';

export type Pace = {
  /** Waits for the turn of a call with so many bytes. Rejects with the signal's reason. */
  turn(bytes: number, signal: AbortSignal): Promise<void>;
  accepted(): void;
  throttled(): void;
  /** Calls a second; undefined: no limit is known. */
  readonly callsPerSecond: number | undefined;
};

/** A tenth of the account's 5,000 a second (logs.md section 1): who gets there needs no pace any more. */
const unlimitedAt = 500;
const slowest = 0.2;
const decrease = 0.7;
/** Calls a second, each second in which none is throttled; or that part of the rate, where it is more. */
const increase = 1;
const growth = 0.05;
/** Answers to calls of before the decrease are no news. */
const calmMs = 1_000;
/** What was not sent may be caught up with for so long. */
const burstMs = 1_000;

/** A timer that is late by so much delays the call, and not those behind it. */
const lateMs = 50;

type Waiter = { readonly bytes: number; readonly go: () => void };

export function createPace(
  clock: Clock,
  { maxBytesPerSecond }: { readonly maxBytesPerSecond: number | undefined },
): Pace {
  let rate: number | undefined;
  let decreasedAtMs = -Infinity;
  /** When the last call was due. */
  let lastCallMs = -Infinity;
  let nextByteMs = 0;
  /** Of the last seconds, for a first guess of the rate. */
  let recent: number[] = [];
  /** Who waits has no time of its own: many come in an outage, at the rate of then. */
  const queue: Waiter[] = [];
  /** Rung when the rate changes, or somebody waits no longer. */
  const bell = createWake(clock);
  let pumping = false;

  /** When the next call may go. */
  const dueMs = (): number =>
    Math.max(
      rate === undefined ? -Infinity : lastCallMs + 1_000 / rate,
      maxBytesPerSecond === undefined ? -Infinity : nextByteMs,
    );

  const letGo = (bytes: number): void => {
    const nowMs = clock.monotonicMs();
    lastCallMs = Math.max(dueMs(), nowMs - lateMs);
    if (maxBytesPerSecond !== undefined) {
      nextByteMs = Math.max(nextByteMs, nowMs - burstMs) + (bytes / maxBytesPerSecond) * 1_000;
    }
    recent.push(nowMs);
    if (recent.length > 1_000 || recent[0]! < nowMs - 10_000)
      recent = recent.filter((one) => one >= nowMs - 5_000);
  };

  const pump = async (): Promise<void> => {
    pumping = true;
    while (queue.length > 0) {
      const waitMs = dueMs() - clock.monotonicMs();
      if (waitMs > 0) {
        await bell.wait(Math.min(waitMs, foreverMs), never);
        continue;
      }
      const { bytes, go } = queue.shift()!;
      letGo(bytes);
      go();
    }
    pumping = false;
  };

  return {
    turn: async (bytes, signal) => {
      signal.throwIfAborted();
      if (queue.length === 0 && dueMs() <= clock.monotonicMs()) {
        letGo(bytes);
        return;
      }
      await new Promise<void>((resolve, reject) => {
        const leave = (): void => {
          queue.splice(queue.indexOf(waiter), 1);
          bell.ring();
          reject(signal.reason as Error);
        };
        const go = (): void => {
          signal.removeEventListener('abort', leave);
          resolve();
        };
        const waiter = { bytes, go };
        queue.push(waiter);
        signal.addEventListener('abort', leave, { once: true });
        if (!pumping) void pump();
      });
    },
    accepted: () => {
      if (rate === undefined) return;
      rate += Math.max(increase / rate, growth);
      if (rate >= unlimitedAt) rate = undefined;
      bell.ring();
    },
    throttled: () => {
      const nowMs = clock.monotonicMs();
      if (nowMs - decreasedAtMs < calmMs) return;
      decreasedAtMs = nowMs;
      const lastSecond = recent.filter((one) => one >= nowMs - 1_000).length;
      rate = Math.max(slowest, (rate ?? lastSecond) * decrease);
    },
    get callsPerSecond() {
      return rate;
    },
  };
}

const never = new AbortController().signal;
