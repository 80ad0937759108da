// When bytes of a file were first seen: the time of an event that says none. It stays known while CloudWatch is away, and
// with the checkpoint over a crash: what is sent again comes no later than what was sent behind it.
import { nextTimestampMs } from './batch.ts';

/** What lies in front of an offset, and behind the one before it, was first seen at that Unix time; both rise. */
export type Times = readonly (readonly [endOffset: number, atMs: number])[];

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
  /** CloudWatch has everything in front, the last with the time `lastMs`; undefined: with its own. */
  forget(offset: number, lastMs: number | undefined): void;
  /** For a checkpoint: a few, where neighbours share the earlier time. */
  save(): Times;
  /** The content was replaced. */
  clear(): void;
};

/** At one look a second these are 17 minutes; beyond that neighbours share a time. */
const maxMarks = 1024;
/** Each checkpoint of a file has them. */
const maxSaved = 8;

type Mark = {
  end: number;
  /** First seen. */
  seenMs: number;
  /** The time that it is given: later, where batches are under way at once. */
  atMs: number;
};

export function createMarks(times: Times): Marks {
  let marks = times.map(([end, atMs]): Mark => ({ end, seenMs: atMs, atMs }));
  let lastMs = times.at(-1)?.[1] ?? 0;
  /** Of what CloudWatch has. */
  let ackedMs = 0;
  const find = (offset: number) => marks.find(({ end }) => end > offset);
  return {
    note: (size, nowMs) => {
      const last = marks.at(-1);
      if (last !== undefined && size <= last.end) return;
      const atMs = nextTimestampMs(lastMs, nowMs);
      // The clock was set back, so it was ahead when these were seen.
      if (atMs < lastMs) {
        for (const mark of marks) {
          mark.seenMs = Math.min(mark.seenMs, atMs);
          mark.atMs = Math.min(mark.atMs, atMs);
        }
      }
      lastMs = atMs;
      if (last !== undefined && atMs === last.atMs) last.end = size;
      else marks.push({ end: size, seenMs: atMs, atMs });
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
    forget: (offset, acknowledgedMs) => {
      ackedMs = acknowledgedMs ?? find(offset - 1)?.atMs ?? ackedMs;
      const known = marks.findIndex(({ end }) => end > offset);
      if (known !== 0) marks = known === -1 ? [] : marks.slice(known);
    },
    save: () => {
      const share = Math.ceil(marks.length / maxSaved);
      return marks
        .filter((_, index) => index % share === 0)
        .map(({ seenMs }, index) => {
          const { end } = marks[Math.min(marks.length, (index + 1) * share) - 1]!;
          return [end, nextTimestampMs(ackedMs, seenMs)];
        });
    },
    clear: () => {
      marks = [];
    },
  };
}
