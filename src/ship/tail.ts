// One open log file: reads its events in order from an offset, and notices when its content was replaced.
import type { Clock } from '../system/clock.ts';
import type { LogFile, LogFileStat } from '../system/log-files.ts';
import { maxMessageBytes } from './batch.ts';
import type { HowFar, Piece, Splitter } from './splitter.ts';

/** A place in a file, and the bytes in front of it, by which it is known again. */
export type Position = {
  /** Counts the times that the content was replaced. */
  readonly generation: number;
  readonly offset: number;
  readonly marker: Buffer;
};

export type Tail = AsyncDisposable & {
  /** Behind the last event that was taken. */
  readonly position: Position;
  /** Behind the last event that CloudWatch has. */
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
   * The next events; does not move on, see `take`. Their offsets count from the start of the file. None: nothing to read
   * now. Throws `disk`.
   */
  read(howFar: HowFar): Promise<readonly Piece[]>;
  /**
   * Fills memory with what comes next, as far as the file was known to go at the last look; the number of bytes, 0 where
   * there is nothing to read now, or not by this way. `areaBehind(n)` is the memory with n bytes in front of it. They stay
   * where they are until the next `take`. Throws `disk`.
   */
  readInto(areaBehind: (bytes: number) => Uint8Array): Promise<number>;
  /** Moves behind an event that the last `read` or `readInto` gave. */
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
  deps: {
    readonly clock: Clock;
    readonly file: LogFile;
    readonly splitter: Splitter;
    readonly onReplaced: () => void;
  },
  start: { readonly position: Position; readonly stat: LogFileStat },
): Tail {
  const { clock, file, splitter } = deps;
  let { position, stat } = start;
  let acked = position;
  let changedAtMs = clock.monotonicMs();
  let exhausted = false;
  /** Size and time at which the file was read to its end without a complete event. */
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
  const startOver = (): readonly Piece[] => {
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
  const readLongLine = async (head: Buffer, howFar: HowFar): Promise<Piece | undefined> => {
    let from = Math.max(searchedTo, position.offset + head.length);
    for (;;) {
      const data = await file.read(from, longLineBytes);
      const at = splitter.decoder.endOfLine(data, 0);
      const end = from + (at === -1 ? data.length : at);
      if (at !== -1 || (howFar === 'all' && data.length < longLineBytes)) {
        const markerStart = end - markerBytes;
        window = { start: markerStart, data: await file.read(markerStart, markerBytes) };
        const piece = splitter.whole(splitter.decoder.decode(head), end, clock.nowMs());
        return { ...piece, start: position.offset };
      }
      searchedTo = end;
      if (data.length < longLineBytes) return undefined;
      from = end;
    }
  };

  const read = async (howFar: HowFar): Promise<readonly Piece[]> => {
    await refresh();
    const looked = stat;
    const { offset } = position;
    exhausted = true;
    if (looked.size < offset) return startOver();
    if (looked.size < searchedTo) searchedTo = 0;
    const unchanged = seen?.size === looked.size && seen.mtimeMs === looked.mtimeMs;
    if (unchanged && (howFar === 'more' || looked.size === offset)) return [];
    // A byte more than there should be tells whether there are more.
    const left = Math.max(0, looked.size - offset) + 1;
    for (const length of [Math.min(chunkBytes, left), longLineBytes]) {
      const data = await readAhead(length);
      if (data === undefined) return startOver();
      const isLargest = length === longLineBytes;
      const enough = isLargest ? 'last' : 'more';
      const pieces = splitter.split(data, data.length < length ? howFar : enough, clock.nowMs());
      if (pieces.length > 0) {
        exhausted = false;
        return pieces.map((piece) => ({
          ...piece,
          start: offset + piece.start,
          end: offset + piece.end,
        }));
      }
      if (data.length < length) break;
      if (isLargest) {
        const piece = await readLongLine(data, howFar);
        exhausted = piece === undefined;
        if (piece !== undefined) return [piece];
      }
    }
    seen = looked;
    // Idle files are many.
    window = { start: 0, data: none };
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
    readInto: async (areaBehind) => {
      const { offset, marker } = position;
      const before = marker.length;
      const area = areaBehind(before);
      const wanted = area.subarray(0, Math.max(before, before + stat.size - offset));
      const length = await file.readInto(wanted, offset - before);
      const data = Buffer.from(wanted.buffer, wanted.byteOffset, length);
      if (!data.subarray(0, before).equals(marker)) return 0;
      window = { start: offset - before, data };
      exhausted = false;
      return length - before;
    },
    take: (end) => {
      const from = Math.max(0, end - window.start - markerBytes);
      const marker = Buffer.from(window.data.subarray(from, end - window.start));
      moveTo({ generation: position.generation, offset: end, marker });
      return position;
    },
    ack: (next) => {
      if (next.generation === acked.generation && next.offset > acked.offset) acked = next;
    },
    rewind: () => {
      moveTo(acked);
      // What waits for CloudWatch waits in the file: this is up to 256 KiB, and such files may be thousands.
      window = { start: 0, data: none };
    },
    readBytes: (from, length) => file.read(from, length),
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}
