// Records by id, and what they were a while ago: reads of EC2 may be stale.
import type { Clock } from '../../src/system/clock.ts';

export type Ec2Store<T> = {
  get(id: string): T | undefined;
  all(): readonly T[];
  put(id: string, value: T): void;
  delete(id: string): void;
  /** The records as they were `lagMs` ago. */
  ago(lagMs: number): ReadonlyMap<string, T>;
  /** One record as it was `lagMs` ago; a younger one as it was at first. */
  agoOrFirst(id: string, lagMs: number): T | undefined;
};

/** Older states are forgotten. */
const memoryMs = 600_000;

export function createEc2Store<T>(
  clock: Pick<Clock, 'monotonicMs'>,
  onChange: (id: string, value: T | undefined) => void,
): Ec2Store<T> {
  const now = new Map<string, T>();
  const past = new Map<string, { readonly atMs: number; readonly value: T | undefined }[]>();
  const record = (id: string, value: T | undefined): void => {
    const atMs = clock.monotonicMs();
    const states = past.get(id) ?? [];
    states.push({ atMs, value });
    const oldest = states.findLastIndex((state) => state.atMs <= atMs - memoryMs);
    past.set(id, states.slice(Math.max(0, oldest)));
    onChange(id, value);
  };
  return {
    get: (id) => now.get(id),
    all: () => [...now.values()],
    put: (id, value) => {
      now.set(id, value);
      record(id, value);
    },
    delete: (id) => {
      now.delete(id);
      record(id, undefined);
    },
    agoOrFirst: (id, lagMs) => {
      const states = past.get(id) ?? [];
      const atMs = clock.monotonicMs() - lagMs;
      return (states.findLast((state) => state.atMs <= atMs) ?? states[0])?.value;
    },
    ago: (lagMs) => {
      if (lagMs <= 0) return now;
      const atMs = clock.monotonicMs() - lagMs;
      const found = new Map<string, T>();
      for (const [id, states] of past) {
        const value = states.findLast((state) => state.atMs <= atMs)?.value;
        if (value !== undefined) found.set(id, value);
      }
      return found;
    },
  };
}
