// Randomness: jitter and claim ids. The simulator brings a seeded one.
import { randomUUID } from 'node:crypto';

export type Random = {
  /** 0 <= x < 1 */
  next(): number;
  uuid(): string;
};

export const systemRandom: Random = { next: () => Math.random(), uuid: () => randomUUID() };
