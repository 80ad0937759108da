// How fast berth may call PutLogEvents, shared by all targets: additive increase, multiplicative decrease on throttling, and
// the limit of bytes that the configuration sets. Without throttling and limit nobody ever waits.
import type { Clock } from '../system/clock.ts';

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
/** Calls a second, each second in which none is throttled. */
const increase = 1;
/** Answers to calls of before the decrease are no news. */
const calmMs = 1_000;
/** What was not sent may be caught up with for so long. */
const burstMs = 1_000;

export function createPace(
  clock: Clock,
  { maxBytesPerSecond }: { readonly maxBytesPerSecond: number | undefined },
): Pace {
  let rate: number | undefined;
  let decreasedAtMs = -Infinity;
  /** When the next call, the next byte, may go. */
  let nextCallMs = 0;
  let nextByteMs = 0;
  /** Of the last seconds, for a first guess of the rate. */
  let recent: number[] = [];

  const sleepUntil = async (atMs: number, signal: AbortSignal): Promise<void> => {
    const waitMs = atMs - clock.monotonicMs();
    if (waitMs > 0) await clock.sleep(waitMs, signal);
  };

  return {
    turn: async (bytes, signal) => {
      const nowMs = clock.monotonicMs();
      let atMs = nowMs;
      if (rate !== undefined) {
        atMs = Math.max(nextCallMs, nowMs);
        nextCallMs = atMs + 1_000 / rate;
      }
      if (maxBytesPerSecond !== undefined) {
        nextByteMs = Math.max(nextByteMs, nowMs - burstMs);
        atMs = Math.max(atMs, nextByteMs);
        nextByteMs += (bytes / maxBytesPerSecond) * 1_000;
      }
      await sleepUntil(atMs, signal);
      const thenMs = clock.monotonicMs();
      recent.push(thenMs);
      if (recent.length > 1_000 || recent[0]! < thenMs - 10_000)
        recent = recent.filter((one) => one >= thenMs - 5_000);
    },
    accepted: () => {
      if (rate === undefined) return;
      rate += increase / rate;
      if (rate >= unlimitedAt) rate = undefined;
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
