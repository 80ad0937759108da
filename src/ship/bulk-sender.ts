// The fast path of one target: sends batches of single files, a few of them under way at once, and settles them in order.
// CloudWatch takes calls for one stream side by side, and gives events by their time and then as they came. So a batch
// is at least a millisecond later than the one before it, and the order of the lines stays; after a crash too, since a batch
// goes beside another of its file only once the time of that one is on the disk.
import type { LogEntity } from '../model/logs.ts';
import type { Clock } from '../system/clock.ts';
import type { LogEvent } from './batch.ts';
import { isPlain, maxKernels, type Bulk, type Bulks } from './bulk.ts';
import { bodyAround, type CloudWatchLogs } from './cloudwatch.ts';
import type { Followed } from './followed.ts';
import type { LogTarget } from './log-target.ts';
import { refusedEvents, type Sent, type Standing } from './send.ts';

export type BulkSenderDeps = {
  readonly clock: Clock;
  readonly cloudwatch: CloudWatchLogs;
  readonly bulks: Bulks;
  /** Saves how far these files are; never fails. */
  readonly onAcked: (files: readonly Followed[]) => Promise<void>;
};

export type BulkSenderInput = {
  readonly target: LogTarget;
  readonly entity: LogEntity | undefined;
  readonly standing: Standing;
  /** Whose turn comes first is in front. */
  readonly files: Set<Followed>;
  /** Brings the events of a call that failed into CloudWatch, one way or the other, or is `Postponed` if it may. */
  readonly deliver: (
    events: readonly LogEvent[],
    failure: unknown,
    mayPostpone: boolean,
  ) => Promise<Sent>;
  readonly settle: (sent: Sent) => Promise<void>;
};

export type BulkSender = {
  /** How many batches it sent, for a second at most. Rejects as its parts do; then nothing is under way any more. */
  send(signal: AbortSignal): Promise<number>;
  /** It goes on with this file at the next `send`; of the others the ordinary path has to look at what comes next. */
  takes(file: Followed): boolean;
};

/** The events that have to go the ordinary way. */
type Failed = { readonly failed: readonly LogEvent[]; readonly failure: unknown };
type Attempt = { readonly sent: Sent } | Failed;

type Underway = Pick<Bulk, 'taken'> & {
  readonly file: Followed;
  readonly attempt: Promise<Attempt>;
};

/** Beneath it the ordinary path gathers all files of its target in one batch. */
const minBytes = 256 * 1024;
/** Of the only file that has something, beneath it nothing is gained. */
const minLoneBytes = 16 * 1024;
/** Of the others of the target, and of what was added, one hears after that. */
const roundMs = 1_000;

export function createBulkSender(deps: BulkSenderDeps, input: BulkSenderInput): BulkSender {
  const { clock, cloudwatch, bulks } = deps;
  const { target, entity, standing, files } = input;
  /** There was much to read in them at the last `send`, but not by this way. */
  let stubborn = new Set<Followed>();
  /** After a failure they go one by one, until one is accepted: a target in trouble holds no more than that. */
  let width = 1;

  /** It lets go of its kernel before anybody waits for a bad target. */
  const attempt = async (read: Bulk, signal: AbortSignal): Promise<Attempt> => {
    using bulk = read;
    const wanted = standing.entityProblem === undefined ? entity : undefined;
    const { prefix, suffix } = bodyAround(target, wanted);
    try {
      const answer = await cloudwatch.putBody(bulk.body(prefix, suffix), signal);
      standing.entityProblem ??= answer.entityProblem;
      standing.refusedInARow = 0;
      standing.failures = 0;
      const { rejection } = answer;
      const refused = rejection === undefined ? [] : refusedEvents(bulk.decode(), rejection);
      return { sent: { accepted: bulk.events - refused.length, calls: 1, refused } };
    } catch (failure) {
      signal.throwIfAborted();
      width = 1;
      return { failed: bulk.decode(), failure };
    }
  };

  let leastBytes = minBytes;

  const takes = (file: Followed): boolean =>
    file.readable && file.unread >= leastBytes && isPlain(file) && !stubborn.has(file);

  const next = (underway: readonly Underway[]): Followed | undefined => {
    const waiting = [...files].filter((file) => file.readable && file.unread > 0);
    leastBytes = waiting.length === 1 ? minLoneBytes : minBytes;
    return waiting.find((file) => takes(file) && mayFollow(file, underway));
  };

  const start = async (file: Followed, signal: AbortSignal): Promise<Underway | undefined> => {
    // Its turn comes again after the others.
    files.delete(file);
    files.add(file);
    // What is wrong with the file the ordinary way says.
    const nowMs = clock.nowMs();
    const theirMs = nowMs + cloudwatch.clockOffsetMs;
    const bulk = await bulks.read({ file, nowMs, theirMs }).catch(() => undefined);
    if (bulk === undefined) return undefined;
    const { taken } = bulk;
    const answer = attempt(bulk, signal);
    // Awaited in its turn; until then nobody does.
    answer.catch(() => undefined);
    return { file, taken, attempt: answer };
  };

  /** What is there already is not read again. */
  const retry = async (
    { failed, failure }: Failed,
    [, ...others]: readonly Underway[],
  ): Promise<Sent> => {
    const answers = await Promise.all(others.map((one) => one.attempt));
    return await input.deliver(
      failed,
      failure,
      answers.every((one) => 'failed' in one),
    );
  };

  return {
    takes,
    send: async (signal) => {
      stubborn = new Set();
      const underway: Underway[] = [];
      const endMs = clock.monotonicMs() + roundMs;
      let batches = 0;
      let saving = Promise.resolve();
      const mayStart = (): boolean => {
        const isLate = batches > 0 && clock.monotonicMs() >= endMs;
        const isFull = underway.length >= width;
        // The first waits for a kernel: other targets have them for a call at most.
        return !isLate && (underway.length === 0 || (!isFull && bulks.hasRoom));
      };
      try {
        for (;;) {
          while (mayStart()) {
            const file = next(underway);
            if (file === undefined) break;
            const started = await start(file, signal);
            if (started === undefined) stubborn.add(file);
            else underway.push(started);
          }
          const [oldest] = underway;
          if (oldest === undefined) return batches;
          const answer = await oldest.attempt;
          if ('sent' in answer) width = Math.min(width + 1, maxKernels);
          await input.settle('sent' in answer ? answer.sent : await retry(answer, underway));
          underway.shift();
          batches++;
          oldest.file.ack(oldest.taken);
          await saving;
          saving = deps.onAcked([oldest.file]);
        }
      } finally {
        await Promise.allSettled([...underway.map((one) => one.attempt), saving]);
      }
    },
  };
}

/** Does a crash keep the order, whatever comes of those that are under way in front of it? */
function mayFollow(file: Followed, underway: readonly Underway[]): boolean {
  return underway
    .filter((one) => isInLine(one.file, file))
    .every((one) => one.taken.position.offset <= one.file.timesSavedTo);
}

/** Is it the file, or one that comes before it? */
function isInLine(one: Followed, file: Followed): boolean {
  for (let at: Followed | undefined = file; at !== undefined; at = at.predecessor)
    if (at === one) return true;
  return false;
}
