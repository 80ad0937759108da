// A clock for many sleepers: time jumps to the next event once nobody has anything left to do now.
import type { Clock } from '../../src/system/clock.ts';

export type VirtualTime = Clock & {
  /**
   * Runs until `work` is settled. Throws when nobody is left to wake it, or past `limitMs` (on the monotonic clock).
   */
  run<T>(work: Promise<T>, limitMs?: number): Promise<T>;
};

type Event = { readonly atMs: number; readonly fire: () => void };
type Queued = Event & { readonly age: number; isOff: boolean };

export function createVirtualTime(startMs = 1_800_000_000_000): VirtualTime {
  let elapsedMs = 0;
  const queue = createQueue();
  const add = (event: Event): Queued => queue.add(event);
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
        signal.addEventListener('abort', stop, { once: true });
        const event = add({ atMs: elapsedMs + ms, fire });
      }),
    deadline: (ms, parent) => {
      const controller = new AbortController();
      let expired = false;
      const fire = (): void => {
        expired = true;
        controller.abort(new DOMException(`no answer within ${ms} ms`, 'TimeoutError'));
      };
      const event = add({ atMs: elapsedMs + ms, fire });
      const forward = (): void => controller.abort(parent.reason);
      if (parent.aborted) {
        remove(event);
        forward();
      } else parent.addEventListener('abort', forward, { once: true });
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
        const event = queue.next();
        if (event === undefined) throw new Error('virtual time: nobody is left to wake the work');
        if (event.atMs > limitMs)
          throw new Error(`virtual time: the work is not done after ${limitMs} ms`);
        elapsedMs = event.atMs;
        event.fire();
      }
    },
  };
}

function remove(event: Queued): void {
  event.isOff = true;
}

/** A heap: by time, then by age. What is taken back stays in it until its time. */
function createQueue(): { add(event: Event): Queued; next(): Queued | undefined } {
  const heap: Queued[] = [];
  let born = 0;
  const isBefore = (a: Queued, b: Queued): boolean =>
    a.atMs < b.atMs || (a.atMs === b.atMs && a.age < b.age);
  const take = (): Queued | undefined => {
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  };
  return {
    add: (event) => {
      const queued: Queued = { ...event, age: born++, isOff: false };
      let at = heap.length;
      while (at > 0) {
        const parent = (at - 1) >> 1;
        if (!isBefore(queued, heap[parent]!)) break;
        heap[at] = heap[parent]!;
        at = parent;
      }
      heap[at] = queued;
      return queued;
    },
    next: () => {
      for (;;) {
        const event = take();
        if (event?.isOff !== true) return event;
      }
    },
  };
}
