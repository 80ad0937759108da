// What all writers of `npm run soak` share: pens that write numbered lines, what was written and settled, and chance.
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../../src/system/random.ts';
import { lineOf } from './soak-line.ts';

export type Desk = {
  path(folder: string, name: string): string;
  /** `timeOf`: of a line by its number, for those that say one. */
  pen(name: string, path: string, timeOf?: (seq: number) => number): Pen;
  between(least: number, most: number): number;
  chance(probability: number): boolean;
  /** Counts what happens so often a second; call it with the time since the last call. */
  rate(perSecond: number): (elapsedMs: number) => number;
  /** Is it time again? By chance, between these. */
  timer(leastMs: number, mostMs: number): (elapsedMs: number) => boolean;
  did(what: string): void;
  /** So far CloudWatch has each of these writers. */
  settle(moved: Readonly<Record<string, number>>): void;
  /** Lines, by writer. */
  readonly written: Readonly<Record<string, number>>;
  readonly lines: number;
  readonly bytes: number;
  readonly deeds: Readonly<Record<string, number>>;
};

export type Pen = {
  /** Writes so many lines; `open`: the last one without its newline. */
  write(lines: number, open?: boolean): void;
  readonly written: number;
  /** CloudWatch has them so far. */
  readonly settled: number;
  /** The next line goes into a new file, if there is none of its path. */
  lift(): void;
};

export type DeskInput = {
  readonly folder: string;
  readonly random: Random;
  readonly scale: number;
};

export function createDesk({ folder, random, scale }: DeskInput): Desk {
  const settled = new Map<string, number>();
  const written: Record<string, number> = {};
  const deeds: Record<string, number> = {};
  let bytes = 0;
  let lines = 0;
  const between = (least: number, most: number): number => least + random.next() * (most - least);

  return {
    path: (...names) => join(folder, ...names),
    pen: (name, path, timeOf = () => Date.now()) => {
      let file: number | undefined;
      written[name] = 0;
      return {
        write: (count, open = false) => {
          file ??= openSync(path, 'a');
          let text = '';
          for (let left = count; left > 0; left--) {
            const seq = written[name]!++;
            text += lineOf(name, seq, timeOf(seq)) + (open && left === 1 ? '' : '\n');
          }
          lines += count;
          bytes += writeSync(file, text);
        },
        get written() {
          return written[name]!;
        },
        get settled() {
          return settled.get(name) ?? 0;
        },
        lift: () => {
          if (file !== undefined) closeSync(file);
          file = undefined;
        },
      };
    },
    between,
    chance: (probability) => random.next() < probability,
    rate: (perSecond) => {
      let due = random.next();
      return (elapsedMs) => {
        due += (perSecond * scale * elapsedMs * between(0.2, 1.8)) / 1_000;
        const count = Math.floor(due);
        due -= count;
        return count;
      };
    },
    timer: (leastMs, mostMs) => {
      let leftMs = between(leastMs, mostMs);
      return (elapsedMs) => {
        leftMs -= elapsedMs;
        if (leftMs > 0) return false;
        leftMs = between(leastMs, mostMs);
        return true;
      };
    },
    did: (what) => void (deeds[what] = (deeds[what] ?? 0) + 1),
    settle: (moved) => {
      for (const [name, count] of Object.entries(moved)) settled.set(name, count);
    },
    written,
    deeds,
    get lines() {
      return lines;
    },
    get bytes() {
      return bytes;
    },
  };
}
