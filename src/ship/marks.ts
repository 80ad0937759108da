// When bytes of a file were first seen: the time of an event that says none. It stays known while CloudWatch is away.
import { nextTimestampMs } from './batch.ts';

export type Marks = {
  /** The file is so long now. */
  note(size: number, nowMs: number): void;
  /** Unix time of what begins at this offset; now, if that was never noted. */
  timeOf(offset: number, nowMs: number): number;
  /** As far as the bytes behind `offset` were seen together with it. */
  endOf(offset: number): number;
  /** What ends here and what follows it have the same time: the later one. */
  merge(end: number): void;
  /** What begins at `offset` or behind it is no older than that. */
  raise(offset: number, atMs: number): void;
  /** CloudWatch has everything in front. */
  forget(offset: number): void;
  /** The content was replaced. */
  clear(): void;
};

/** At one look a second these are 17 minutes; beyond that neighbours share a time. */
const maxMarks = 1024;

export function createMarks(): Marks {
  /** What lies in front of `end`, and behind the mark before it, was first seen at `atMs`; both rise. */
  let marks: { end: number; atMs: number }[] = [];
  let lastMs = 0;
  const find = (offset: number) => marks.find(({ end }) => end > offset);
  return {
    note: (size, nowMs) => {
      const last = marks.at(-1);
      if (last !== undefined && size <= last.end) return;
      const atMs = nextTimestampMs(lastMs, nowMs);
      // The clock was set back, so it was ahead when these were seen.
      if (atMs < lastMs) for (const mark of marks) mark.atMs = Math.min(mark.atMs, atMs);
      lastMs = atMs;
      if (last !== undefined && atMs === last.atMs) last.end = size;
      else marks.push({ end: size, atMs });
      if (marks.length > maxMarks) marks = marks.filter((_, index) => index % 2 === 1);
    },
    timeOf: (offset, nowMs) => find(offset)?.atMs ?? nextTimestampMs(lastMs, nowMs),
    endOf: (offset) => find(offset)?.end ?? Infinity,
    merge: (end) => {
      marks = marks.filter((mark) => mark.end !== end);
    },
    raise: (offset, atMs) => {
      for (const mark of marks) {
        if (mark.end > offset) mark.atMs = nextTimestampMs(atMs, mark.atMs);
      }
      lastMs = Math.max(lastMs, atMs);
    },
    forget: (offset) => {
      const known = marks.findIndex(({ end }) => end > offset);
      if (known !== 0) marks = known === -1 ? [] : marks.slice(known);
    },
    clear: () => {
      marks = [];
    },
  };
}
