// The random numbers of a seed, one stream for each purpose: more of one never moves another.
import type { Random } from '../../src/system/random.ts';

export type Draws = Random & {
  chance(probability: number): boolean;
  /** 0 <= x < most */
  upTo(most: number): number;
  between(least: number, most: number): number;
  /** A whole number, 0 <= x < most. */
  int(most: number): number;
  pick<T>(items: readonly T[]): T;
};

/** mulberry32, as in test/fakes/random.ts. */
export function createDraws(seed: number, purpose: string): Draws {
  let state = hash(purpose, seed);
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const hex = (): string =>
    Math.floor(next() * 4_294_967_296)
      .toString(16)
      .padStart(8, '0');
  return {
    next,
    uuid: () => {
      const [a, b, c, d] = [hex(), hex(), hex(), hex()];
      return `${a}-${b.slice(0, 4)}-4${b.slice(5)}-8${c.slice(1, 4)}-${c.slice(4)}${d}`;
    },
    chance: (probability) => probability > 0 && next() < probability,
    upTo: (most) => next() * most,
    between: (least, most) => least + next() * (most - least),
    int: (most) => Math.floor(next() * most),
    pick: (items) => items[Math.floor(next() * items.length)]!,
  };
}

/** FNV-1a, mixed with the seed. */
function hash(text: string, seed: number): number {
  let value = 0x811c9dc5 ^ Math.imul(seed, 0x9e3779b1);
  for (let i = 0; i < text.length; i++) {
    value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  }
  return (value ^ (value >>> 15)) >>> 0;
}
