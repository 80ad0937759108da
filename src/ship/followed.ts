// A file that is being followed for one target: its name, whether it still has it, and whose turn it is to be read.
import { messageOf } from '../errors.ts';
import type { LogSource } from '../model.ts';
import type { Clock } from '../system/clock.ts';
import type { Line } from './lines.ts';
import type { Tail } from './tail.ts';

export type Followed = {
  readonly tail: Tail;
  readonly source: LogSource;
  /** The name from which rotation took or will take it. */
  readonly origin: string;
  /** The last name under which it was found. */
  path: string;
  /** Something may have changed since the last look. */
  dirty: boolean;
  /** Its content was replaced at least once. */
  copied: boolean;
  /** The file that had this path before: it is read first. */
  predecessor: Followed | undefined;
  /** Monotonic time since when no pattern finds it: it was renamed or deleted. */
  detachedAtMs: number | undefined;
  /** Shipping ends: what is added behind this offset is left for the next start. */
  endAt: number | undefined;
  /** Dirty, and its turn. */
  readonly readable: boolean;
  /** Nothing left that can be read, not even a line without its newline. */
  readonly drained: boolean;
  /** How long ago it lost its name or changed; undefined while it has its name. */
  quietForMs(): number | undefined;
  /** The next lines; none if there are none or the file cannot be read, which is said by `onError`. */
  read(): Promise<readonly Line[]>;
  /** Back to what CloudWatch has. */
  rewind(): void;
};

/** After this long nobody adds to the last line of a renamed file. */
const lastLineAfterMs = 5_000;

export type FollowedInput = {
  readonly tail: Tail;
  readonly source: LogSource;
  readonly path: string;
  readonly origin: string;
  readonly copied: boolean;
  readonly detached: boolean;
  readonly predecessor: Followed | undefined;
  readonly onError: (path: string, message: string | undefined) => void;
};

export function createFollowed(clock: Clock, input: FollowedInput): Followed {
  const { tail, source, onError } = input;
  let broken = false;
  return {
    tail,
    source,
    path: input.path,
    origin: input.origin,
    dirty: true,
    copied: input.copied,
    predecessor: input.predecessor,
    detachedAtMs: input.detached ? clock.monotonicMs() : undefined,
    endAt: undefined,
    get readable() {
      if (this.predecessor?.drained === true) this.predecessor = undefined;
      if (this.endAt !== undefined && tail.position.offset >= this.endAt) return false;
      return this.dirty && this.predecessor === undefined;
    },
    get drained() {
      if (broken) return true;
      const atEnd = tail.exhausted && tail.position.offset >= tail.stat.size;
      return atEnd && !this.dirty && this.predecessor === undefined;
    },
    quietForMs() {
      if (this.detachedAtMs === undefined) return undefined;
      return clock.monotonicMs() - Math.max(this.detachedAtMs, tail.changedAtMs);
    },
    async read() {
      this.dirty = false;
      try {
        const quietMs = this.quietForMs() ?? -1;
        const ending = this.endAt !== undefined && this.detachedAtMs !== undefined;
        const lines = await tail.read(ending || quietMs >= lastLineAfterMs);
        if (lines.length > 0) this.dirty = true;
        broken = false;
        onError(this.path, undefined);
        return lines;
      } catch (error) {
        // The next sweep tries again; meanwhile the file that follows may go on.
        broken = true;
        onError(this.path, messageOf(error));
        return [];
      }
    },
    rewind() {
      tail.rewind();
      this.dirty = true;
    },
  };
}
