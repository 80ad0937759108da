// Virtual time for a fleet: it jumps from event to event, and what is due at one instant comes in the order it was asked.
import type { Clock } from '../../src/system/clock.ts';

export type Timer = {
  readonly atMs: number;
  readonly born: number;
  fire: (() => void) | undefined;
};

export type SimTime = {
  /** Since the world began. */
  nowMs(): number;
  after(ms: number, fire: () => void): Timer;
  cancel(timer: Timer): void;
  /** Until then, or as soon as `isOver` says so after an event. */
  run(untilMs: number, isOver: () => boolean): Promise<void>;
};

/** Whoever sleeps by this clock; what sleeps when it dies never wakes, as after SIGKILL. */
export type Sleeper = {
  readonly isDead: boolean;
  readonly startedAtMs: number;
  readonly wallClock: { readonly offsetMs: number };
};

/** A round of the event loop costs as much as what an event sets off. */
const turnsPerRound = 64;

export function createSimTime(): SimTime {
  const queue = createQueue();
  let elapsedMs = 0;
  let born = 0;
  return {
    nowMs: () => elapsedMs,
    after: (ms, fire) => {
      const timer: Timer = { atMs: elapsedMs + Math.max(0, ms), born: born++, fire };
      queue.add(timer);
      return timer;
    },
    cancel: (timer) => void (timer.fire = undefined),
    run: (untilMs, isOver) =>
      new Promise((resolve, reject) => {
        // Everything that one event sets off has happened before the next one: microtasks end before an immediate.
        let isDone = false;
        const turn = (): void => {
          if (isDone) return;
          try {
            for (;;) {
              const timer = queue.first();
              if (timer === undefined || timer.atMs > untilMs || isOver()) {
                if (timer === undefined || timer.atMs > untilMs) elapsedMs = untilMs;
                isDone = true;
                resolve();
                return;
              }
              queue.take();
              if (timer.fire === undefined) continue;
              elapsedMs = timer.atMs;
              timer.fire();
              break;
            }
          } catch (error) {
            isDone = true;
            reject(error);
          }
        };
        const schedule = (): void => {
          if (isDone) return;
          for (let i = 0; i < turnsPerRound; i++) setImmediate(turn);
          setImmediate(schedule);
        };
        schedule();
      }),
  };
}

/** A wall clock that jumps, a monotonic clock that starts with the process. */
export function clockOf(time: SimTime, sleeper: Sleeper): Clock {
  return {
    nowMs: () => Math.floor(epochMs + time.nowMs() + sleeper.wallClock.offsetMs),
    monotonicMs: () => time.nowMs() - sleeper.startedAtMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (sleeper.isDead) return;
        if (signal.aborted) {
          reject(signal.reason as Error);
          return;
        }
        const stop = (): void => {
          time.cancel(timer);
          if (!sleeper.isDead) reject(signal.reason as Error);
        };
        const timer = time.after(ms, () => {
          if (sleeper.isDead) return;
          signal.removeEventListener('abort', stop);
          resolve();
        });
        signal.addEventListener('abort', stop, { once: true });
      }),
    deadline: (ms, parent) => {
      const controller = new AbortController();
      let expired = false;
      const timer = time.after(ms, () => {
        if (sleeper.isDead) return;
        expired = true;
        controller.abort(new DOMException(`no answer within ${ms} ms`, 'TimeoutError'));
      });
      const forward = (): void => controller.abort(parent.reason);
      if (parent.aborted) forward();
      else parent.addEventListener('abort', forward, { once: true });
      return {
        signal: controller.signal,
        get expired() {
          return expired;
        },
        [Symbol.dispose]: () => {
          time.cancel(timer);
          parent.removeEventListener('abort', forward);
        },
      };
    },
  };
}

const epochMs = 1_800_000_000_000;

/** EC2's own: it never dies and sleeps without a signal, which costs less. */
export function clockOfEc2(time: SimTime): Clock {
  const own = { isDead: false, startedAtMs: 0, wallClock: { offsetMs: 0 } };
  return {
    ...clockOf(time, own),
    sleep: (ms) => new Promise((resolve) => void time.after(ms, resolve)),
  };
}

/** A binary heap, by time and then by age. */
function createQueue(): {
  add(timer: Timer): void;
  first(): Timer | undefined;
  take(): void;
} {
  const heap: Timer[] = [];
  const isBefore = (a: Timer, b: Timer): boolean =>
    a.atMs < b.atMs || (a.atMs === b.atMs && a.born < b.born);
  return {
    first: () => heap[0],
    add: (timer) => {
      let at = heap.length;
      while (at > 0) {
        const parent = (at - 1) >> 1;
        if (!isBefore(timer, heap[parent]!)) break;
        heap[at] = heap[parent]!;
        at = parent;
      }
      heap[at] = timer;
    },
    take: () => {
      const last = heap.pop();
      if (last === undefined || heap.length === 0) return;
      let at = 0;
      for (let child = 1; child < heap.length; child = 2 * at + 1) {
        if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
        if (!isBefore(heap[child]!, last)) break;
        heap[at] = heap[child]!;
        at = child;
      }
      heap[at] = last;
    },
  };
}
