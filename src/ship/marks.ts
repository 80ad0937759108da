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
  /** CloudWatch has everything in front. */
  forget(offset: number): void;
  /** For a checkpoint. Of what is in front, and may be there already, as it is; then neighbours share the earlier time. */
  save(): Times;
  /** The content was replaced. */
  clear(): void;
};

/** At one look a second these are 17 minutes; beyond that neighbours share a time. */
const maxMarks = 1024;
/** Each checkpoint of a file has so many of both kinds at most. */
const maxSaved = 32;

export function createMarks(times: Times): Marks {
  /** What lies in front of `end`, and behind the mark before it, was first seen at `atMs`; both rise. */
  let marks = times.map(([end, atMs]) => ({ end, atMs }));
  let lastMs = times.at(-1)?.[1] ?? 0;
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
    forget: (offset) => {
      const known = marks.findIndex(({ end }) => end > offset);
      if (known !== 0) marks = known === -1 ? [] : marks.slice(known);
    },
    save: () => {
      const others = marks.slice(maxSaved);
      const share = Math.ceil(others.length / maxSaved);
      const shared = others
        .filter((_, index) => index % share === 0)
        .map(({ atMs }, index) => ({
          end: others[Math.min(others.length, (index + 1) * share) - 1]!.end,
          atMs,
        }));
      return [...marks.slice(0, maxSaved), ...shared].map(({ end, atMs }) => [end, atMs]);
    },
    clear: () => {
      marks = [];
    },
  };
}
