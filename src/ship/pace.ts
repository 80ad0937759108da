// How fast berth may call PutLogEvents, shared by all targets: additive increase, multiplicative decrease on throttling, and
// the limit of bytes that the configuration sets. Without throttling and limit nobody ever waits.
import type { Clock } from '../system/clock.ts';
import { createQueue } from './queue.ts';

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

  /** Who waits has no time of its own: many come in an outage, at the rate of then. */
  const queue = createQueue(clock, {
    waitMs: () => Math.max(0, dueMs() - clock.monotonicMs()),
    letGo,
  });

  return {
    turn: queue.turn,
    accepted: () => {
      if (rate === undefined) return;
      rate += Math.max(increase / rate, growth);
      if (rate >= unlimitedAt) rate = undefined;
      queue.ring();
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
