// A file that is being followed for one target: its name, whether it still has it, and whose turn it is to be read.
import { messageOf } from '../errors.ts';
import type { LogSource } from '../model/logs.ts';
import type { Clock } from '../system/clock.ts';
import type { Head } from './identity.ts';
import type { LogTarget } from './log-target.ts';
import { createMarks, type Marks, type Times } from './marks.ts';
import type { HowFar, Piece } from './splitter.ts';
import type { Position, Tail } from './tail.ts';

/** A part of a file, from what was taken before it to `position`. */
export type Taken = { readonly position: Position; readonly lastMs: number };

export type Followed = {
  readonly tail: Tail;
  readonly source: LogSource;
  readonly target: LogTarget;
  /** The name from which rotation took or will take it. */
  readonly origin: string;
  /** The last name under which it was found. */
  path: string;
  /** Something may have changed since the last look. */
  dirty: boolean;
  /** It is closed, whatever is left in it; a batch that was read from it may be under way. */
  released: boolean;
  /** Its content was replaced at least once. */
  copied: boolean;
  /** The file that had this path before: it is read first, and again first until CloudWatch has all of it. */
  predecessor: Followed | undefined;
  /** Monotonic time since when no pattern finds it: it was renamed or deleted. */
  detachedAtMs: number | undefined;
  /** Shipping ends: what is added behind this offset is left for the next start. */
  endAt: number | undefined;
  /** Dirty, and its turn. */
  readonly readable: boolean;
  /** Nothing left that can be read, not even a line without its newline. */
  readonly drained: boolean;
  /** Drained, and CloudWatch has it. */
  readonly settled: boolean;
  /** Its last event may be unfinished, but nobody has added to it for so long that it counts as it is. */
  readonly ripe: boolean;
  readonly marks: Marks;
  /** In front of that a crash forgets no time: `marks` are in its checkpoint, on the disk. */
  timesSavedTo: number;
  /** Of what CloudWatch has, as it was saved last. */
  head: Head | undefined;
  /** Bytes that were not taken yet, when it was last looked at. */
  readonly unread: number;
  /** How long ago it lost its name or changed; undefined while it has its name. */
  quietForMs(): number | undefined;
  /** Asks the file for its size: bytes that are not taken yet, and for how long there have been some. */
  look(): Promise<{ readonly unread: number; readonly waitedMs: number }>;
  /**
   * The same for a file whose target waits for CloudWatch: when its lines came is not known later. What comes before it
   * is looked at first, and so is no later.
   */
  keepLooking(): Promise<void>;
  /** The next events; none if there are none or the file cannot be read, which is said by `onError`. */
  read(): Promise<readonly Piece[]>;
  /** Everything in front of `end` goes into a batch; `lastMs`: the last time that was given. */
  take(end: number, lastMs: number): Taken;
  /** The times of the last events that were taken, and that CloudWatch has. */
  readonly takenMs: number;
  readonly ackedMs: number;
  ack(taken: Taken): void;
  /** Back to what CloudWatch has. */
  rewind(): void;
};

/** After this long nobody adds to the last event of a file, nor to the last line of a renamed one (logs.md section 2). */
const lastAfterMs = 5_000;
const lookAgainMs = 1_000;

export type FollowedInput = {
  readonly tail: Tail;
  readonly source: LogSource;
  readonly target: LogTarget;
  readonly path: string;
  readonly origin: string;
  readonly copied: boolean;
  readonly detached: boolean;
  readonly predecessor: Followed | undefined;
  /** Of its checkpoint. */
  readonly times: Times;
  readonly lastMs: number;
  readonly onError: (path: string, message: string | undefined) => void;
  /** It may have to be looked after. */
  readonly onDirty: (file: Followed) => void;
};

export function createFollowed(clock: Clock, input: FollowedInput): Followed {
  const { tail, source, target, onError } = input;
  const marks = createMarks(input.times);
  let broken = false;
  let dirty = true;
  let generation = tail.position.generation;
  let unreadSinceMs: number | undefined;
  let lookedAtMs = -Infinity;
  let takenMs = input.lastMs;
  let ackedMs = input.lastMs;

  /** true: the content was replaced. */
  const note = (): boolean => {
    const isReplaced = generation !== tail.position.generation;
    if (isReplaced) marks.clear();
    generation = tail.position.generation;
    lookedAtMs = clock.monotonicMs();
    marks.note(tail.stat.size, clock.nowMs());
    return isReplaced;
  };

  const comeAfter = (other: Followed): void => {
    takenMs = Math.max(takenMs, other.takenMs);
    ackedMs = Math.max(ackedMs, other.ackedMs);
  };

  return {
    tail,
    source,
    target,
    path: input.path,
    origin: input.origin,
    get dirty() {
      return dirty;
    },
    set dirty(value) {
      dirty = value;
      if (value && !this.released) input.onDirty(this);
    },
    released: false,
    copied: input.copied,
    predecessor: input.predecessor,
    detachedAtMs: input.detached ? clock.monotonicMs() : undefined,
    endAt: undefined,
    marks,
    timesSavedTo: input.times.at(-1)?.[0] ?? 0,
    head: undefined,
    get readable() {
      if (this.released) return false;
      if (this.predecessor?.settled === true) {
        comeAfter(this.predecessor);
        this.predecessor = undefined;
      }
      if (this.endAt !== undefined && tail.position.offset >= this.endAt) return false;
      return this.dirty && this.predecessor?.drained !== false;
    },
    get drained() {
      if (broken || this.released) return true;
      if (this.endAt !== undefined && tail.position.offset >= this.endAt) return true;
      const atEnd = tail.exhausted && tail.position.offset >= tail.stat.size;
      return atEnd && !this.dirty && this.predecessor?.drained !== false;
    },
    get settled() {
      if (broken || this.released) return true;
      const isAcked = tail.acked.offset >= tail.position.offset;
      return isAcked && this.drained && this.predecessor?.settled !== false;
    },
    get unread() {
      return tail.stat.size - tail.position.offset;
    },
    get ripe() {
      if (tail.position.offset >= tail.stat.size) return false;
      return clock.monotonicMs() - tail.changedAtMs >= lastAfterMs;
    },
    quietForMs() {
      if (this.detachedAtMs === undefined) return undefined;
      return clock.monotonicMs() - Math.max(this.detachedAtMs, tail.changedAtMs);
    },
    async look() {
      try {
        await tail.refresh();
      } catch {
        // Reading it says what is wrong.
        return { unread: 1, waitedMs: Infinity };
      }
      if (note()) this.dirty = true;
      const unread = tail.stat.size - tail.position.offset;
      if (unread === 0) unreadSinceMs = undefined;
      else unreadSinceMs ??= clock.monotonicMs();
      const waitedMs = unreadSinceMs === undefined ? 0 : clock.monotonicMs() - unreadSinceMs;
      // Shorter than what is taken: it was replaced, which reading finds out.
      return { unread: Math.abs(unread), waitedMs };
    },
    async keepLooking() {
      if (!this.dirty || clock.monotonicMs() - lookedAtMs < lookAgainMs) return;
      const line: Followed[] = [this];
      while (line[0]!.predecessor !== undefined) line.unshift(line[0]!.predecessor);
      for (const file of line) await file.look();
    },
    async read() {
      this.dirty = false;
      try {
        const pieces = await tail.read(howFar(this));
        if (note() || pieces.length > 0) this.dirty = true;
        else if (tail.position.offset >= tail.stat.size) unreadSinceMs = undefined;
        broken = false;
        onError(this.path, undefined);
        return pieces;
      } catch (error) {
        // The next sweep tries again; meanwhile the file that follows may go on.
        broken = true;
        onError(this.path, messageOf(error));
        return [];
      }
    },
    take(end, lastMs) {
      takenMs = lastMs;
      return { position: tail.take(end), lastMs };
    },
    get takenMs() {
      return takenMs;
    },
    get ackedMs() {
      return ackedMs;
    },
    ack({ position, lastMs }) {
      tail.ack(position);
      ackedMs = lastMs;
      marks.forget(tail.acked.offset);
    },
    rewind() {
      tail.rewind();
      takenMs = ackedMs;
      this.dirty = true;
    },
  };
}

function howFar(file: Followed): HowFar {
  const ending = file.endAt !== undefined;
  if (ending && file.detachedAtMs !== undefined) return 'all';
  if ((file.quietForMs() ?? -1) >= lastAfterMs) return 'all';
  return ending || file.ripe ? 'last' : 'more';
}

/**
 * No event of the next batch of the file may be earlier: it comes behind what was taken, or `acked`, of it and of what comes
 * before it. Always by the same rule, so that what is sent again has the time that it had.
 */
export function floorOf(file: Followed, of: 'takenMs' | 'ackedMs'): number {
  let lastMs = 0;
  for (let at: Followed | undefined = file; at !== undefined; at = at.predecessor)
    lastMs = Math.max(lastMs, at[of]);
  return lastMs + 1;
}
