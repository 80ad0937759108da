// How positions are written: all of them as one JSON, and a journal of changes, of which each line proves itself.
import { crc32 } from 'node:zlib';
import * as v from 'valibot';
import type { FileIdentity } from './identity.ts';
import type { LogTarget } from './log-target.ts';
import type { Times } from './marks.ts';

export type Checkpoint = FileIdentity &
  LogTarget & {
    /** Of the entry of the configuration, see `familyOf`. */
    readonly family: string;
    /** Name under which it was read last. */
    readonly path: string;
    /** The name from which rotation took it: that of its family. */
    readonly origin: string;
    /** Pattern of the source. */
    readonly source: string;
    /** Its content was seen to be replaced: it is rotated by copying, so its siblings are copies. */
    readonly copied: boolean;
    /** Of what CloudWatch does not have yet. */
    readonly times: Times;
    /** The time of the last event that CloudWatch has. */
    readonly lastMs: number;
  };

const checkpoint = v.object({
  family: v.string(),
  group: v.string(),
  stream: v.string(),
  source: v.string(),
  path: v.string(),
  origin: v.string(),
  copied: v.boolean(),
  inode: v.string(),
  device: v.string(),
  birthNs: v.optional(v.string()),
  mtimeMs: v.optional(v.number(), 0),
  headBytes: v.pipe(v.number(), v.integer(), v.minValue(0)),
  headHash: v.string(),
  offset: v.pipe(v.number(), v.integer(), v.minValue(0)),
  markerBytes: v.pipe(v.number(), v.integer(), v.minValue(0)),
  markerHash: v.string(),
  times: v.optional(v.array(v.tuple([v.number(), v.number()])), []),
  lastMs: v.optional(v.number(), 0),
});
const snapshot = v.object({ version: v.literal(1), checkpoints: v.array(checkpoint) });
/** A line of the journal. */
const change = v.union([
  v.object({ set: checkpoint }),
  v.object({ gone: v.object({ inode: v.string(), device: v.string(), family: v.string() }) }),
]);
export type Change =
  | { readonly set: Checkpoint }
  | { readonly gone: Pick<Checkpoint, 'inode' | 'device' | 'family'> };

export function snapshotText(checkpoints: readonly Checkpoint[]): string {
  return `${JSON.stringify({ version: 1, checkpoints })}\n`;
}

export function parseSnapshot(text: string): readonly Checkpoint[] {
  const { checkpoints } = v.parse(snapshot, JSON.parse(text));
  return checkpoints.map((entry) => ({ ...entry, birthNs: entry.birthNs }));
}

type Read = { readonly changes: readonly Change[]; readonly damaged: number };

/** Each line stands for itself. The last one may be cut: a crash was in its middle, and its batch is sent again. */
export function parseJournal(text: string): Read {
  const lines = text.split('\n');
  const last = lines.pop();
  const changes: Change[] = [];
  let damaged = 0;
  for (const line of last === '' ? lines : [...lines, last!]) {
    const body = line.slice(9);
    const parsed =
      sumOf(body) === line.slice(0, 8) ? v.safeParse(change, parseOr(body)) : undefined;
    if (parsed?.success !== true) {
      if (line !== last) damaged++;
      continue;
    }
    const one = parsed.output;
    changes.push('set' in one ? { set: { ...one.set, birthNs: one.set.birthNs } } : one);
  }
  return { changes, damaged };
}

function parseOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function journalLine(one: Change): string {
  const body = JSON.stringify(one);
  return `${sumOf(body)} ${body}\n`;
}

function sumOf(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}
