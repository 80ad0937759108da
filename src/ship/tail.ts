// One open log file: reads its lines in order from an offset, and notices when its content was replaced.
import type { Clock } from '../system/clock.ts';
import type { LogFile, LogFileStat } from '../system/log-files.ts';
import { maxMessageBytes } from './batch.ts';
import { decodeLine, indexOfNewline, splitLines, type Line } from './lines.ts';

/** A place in a file, and the bytes in front of it, by which it is known again. */
export type Position = {
  /** Counts the times that the content was replaced. */
  readonly generation: number;
  readonly offset: number;
  readonly marker: Buffer;
};

export type Tail = AsyncDisposable & {
  /** Behind the last line that was taken. */
  readonly position: Position;
  /** Behind the last line that CloudWatch has. */
  readonly acked: Position;
  /** As far as known. */
  readonly stat: LogFileStat;
  /** Monotonic time of the last change that was noticed. */
  readonly changedAtMs: number;
  /** The last look found nothing more to take. */
  readonly exhausted: boolean;
  /** Asks the file for its size. Throws `disk`. */
  refresh(): Promise<void>;
  /**
   * The next lines; does not move on, see `take`. `Line.end` counts from the start of the file. None: nothing to read
   * now. `final`: nobody will add to the last line any more, so it counts without its newline. Throws `disk`.
   */
  read(final: boolean): Promise<readonly Line[]>;
  /** Moves behind a line that the last `read` gave. */
  take(end: number): Position;
  /** CloudWatch has everything in front of `position`. */
  ack(position: Position): void;
  /** Back to what CloudWatch has. */
  rewind(): void;
  readBytes(position: number, length: number): Promise<Buffer>;
};

export const markerBytes = 64;
const chunkBytes = 256 * 1024;
/** Decides that a line is too long: the limit, `\r` and one more byte. */
const longLineBytes = maxMessageBytes + 2;

const none: Buffer = Buffer.alloc(0);
export const startOfFile: Position = { generation: 0, offset: 0, marker: none };

export function createTail(
  deps: { readonly clock: Clock; readonly file: LogFile; readonly onReplaced: () => void },
  start: { readonly position: Position; readonly stat: LogFileStat },
): Tail {
  const { clock, file } = deps;
  let { position, stat } = start;
  let acked = position;
  let changedAtMs = clock.monotonicMs();
  let exhausted = false;
  /** Size and time at which the file was read to its end without a complete line. */
  let seen: LogFileStat | undefined;
  /** The bytes of the last read, for markers. */
  let window: { readonly start: number; readonly data: Buffer } = { start: 0, data: none };
  /** How far a line beyond the limit was searched for its end. */
  let searchedTo = 0;

  const moveTo = (next: Position): void => {
    position = next;
    searchedTo = 0;
    seen = undefined;
  };
  const startOver = (): readonly Line[] => {
    moveTo({ generation: position.generation + 1, offset: 0, marker: none });
    acked = position;
    deps.onReplaced();
    return [];
  };

  const refresh = async (): Promise<void> => {
    const next = await file.stat();
    if (next.size !== stat.size || next.mtimeMs !== stat.mtimeMs) {
      changedAtMs = clock.monotonicMs();
    }
    stat = next;
  };

  /** undefined: what stands in front of the position is no longer what was read there. */
  const readAhead = async (length: number): Promise<Buffer | undefined> => {
    const { offset, marker } = position;
    const data = await file.read(offset - marker.length, marker.length + length);
    if (!data.subarray(0, marker.length).equals(marker)) return undefined;
    window = { start: offset - marker.length, data };
    return data.subarray(marker.length);
  };

  /** A line beyond the limit: its beginning, once its end is in the file. */
  const readLongLine = async (head: Buffer, final: boolean): Promise<Line | undefined> => {
    let from = Math.max(searchedTo, position.offset + head.length);
    for (;;) {
      const data = await file.read(from, longLineBytes);
      const at = indexOfNewline(data);
      const end = from + (at === -1 ? data.length : at + 1);
      if (at !== -1 || (final && data.length < longLineBytes)) {
        const markerStart = end - markerBytes;
        window = { start: markerStart, data: await file.read(markerStart, markerBytes) };
        return { message: head.toString('utf8'), end };
      }
      searchedTo = end;
      if (data.length < longLineBytes) return undefined;
      from = end;
    }
  };

  const read = async (final: boolean): Promise<readonly Line[]> => {
    await refresh();
    const looked = stat;
    const { offset } = position;
    exhausted = true;
    if (looked.size < offset) return startOver();
    if (looked.size < searchedTo) searchedTo = 0;
    const unchanged = seen?.size === looked.size && seen.mtimeMs === looked.mtimeMs;
    if (unchanged && (!final || looked.size === offset)) return [];
    for (const length of [chunkBytes, longLineBytes]) {
      const data = await readAhead(length);
      if (data === undefined) return startOver();
      const lines = splitLines(data);
      if (lines.length > 0) {
        exhausted = false;
        return lines.map(({ message, end }) => ({ message, end: offset + end }));
      }
      if (data.length === length && length === longLineBytes) {
        const line = await readLongLine(data, final);
        exhausted = line === undefined;
        if (line !== undefined) return [line];
      } else if (data.length < length) {
        if (final && data.length > 0) {
          exhausted = false;
          return [{ message: decodeLine(data), end: offset + data.length }];
        }
        break;
      }
    }
    seen = looked;
    return [];
  };

  return {
    get position() {
      return position;
    },
    get acked() {
      return acked;
    },
    get stat() {
      return stat;
    },
    get changedAtMs() {
      return changedAtMs;
    },
    get exhausted() {
      return exhausted;
    },
    refresh,
    read,
    take: (end) => {
      const from = Math.max(0, end - window.start - markerBytes);
      const marker = Buffer.from(window.data.subarray(from, end - window.start));
      moveTo({ generation: position.generation, offset: end, marker });
      return position;
    },
    ack: (next) => {
      if (next.generation === acked.generation && next.offset > acked.offset) acked = next;
    },
    rewind: () => moveTo(acked),
    readBytes: (from, length) => file.read(from, length),
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}
