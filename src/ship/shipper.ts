// One target: gathers events from its files into batches and sends one after the other; a file moves on after the answer.
import { BerthError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { LogEntity } from '../model/logs.ts';
import type { Clock } from '../system/clock.ts';
import type { Random } from '../system/random.ts';
import {
  addEvent,
  createBatch,
  createEvent,
  inOrder,
  nextTimestampMs,
  maxBatchBytes,
  type Batch,
  type LogEvent,
} from './batch.ts';
import type { Bulks } from './bulk.ts';
import { createBulkSender, type BulkSender } from './bulk-sender.ts';
import type { CloudWatchLogs } from './cloudwatch.ts';
import type { DeadLetters } from './dead-letters.ts';
import { floorOf, type Followed, type Taken } from './followed.ts';
import type { LogTarget } from './log-target.ts';
import type { Gate, Pass } from './gate.ts';
import {
  isUnanswered,
  Postponed,
  sendEvents,
  type SendDeps,
  type Sent,
  type Standing,
} from './send.ts';
import { createWake, foreverMs } from './wake.ts';

export type ShipperDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly cloudwatch: CloudWatchLogs;
  readonly createTarget: SendDeps['createTarget'];
  readonly deadLetters: DeadLetters;
  readonly bulks: Bulks;
  readonly gate: Gate;
  /** Saves how far these files are; never fails. */
  readonly onAcked: (files: readonly Followed[]) => Promise<void>;
};

export type Shipper = {
  readonly target: LogTarget;
  readonly sent: { readonly events: number; readonly refused: number; readonly batches: number };
  /** Why nothing goes through now. */
  readonly error: string | undefined;
  /** How many it has. */
  readonly files: number;
  /** How long nothing came of what is under way; 0: nothing is. */
  readonly busyForMs: number;
  add(file: Followed): void;
  remove(file: Followed): void;
  /** There may be something to read in a file. */
  wake(): void;
  /**
   * Returns once `ending` is aborted and everything there is to read is sent, or the target needs a person.
   * Rejects with the signal's reason.
   */
  run(ending: AbortSignal, signal: AbortSignal): Promise<void>;
};

export type ShipperInput = {
  readonly target: LogTarget;
  readonly entity: LogEntity | undefined;
  /** Bytes wait for more of them at most so long. */
  readonly forceFlushMs: number;
};

type Load = { readonly batch: Batch; readonly taken: Map<Followed, Taken> };

const surpriseDelayMs = 1_000;
/** What has to wait is looked at so often: a full batch goes soon. */
const lookAgainMs = 1_000;

export function createShipper(
  deps: ShipperDeps,
  { target, entity, forceFlushMs }: ShipperInput,
): Shipper {
  const { clock, log } = deps;
  const files = new Set<Followed>();
  const bell = createWake(clock);
  /** Rung at the end alone. */
  const pause = createWake(clock);
  const sent = { events: 0, refused: 0, batches: 0 };
  let error: string | undefined;
  /** The log says so. */
  let isTold = false;
  let busySinceMs: number | undefined;
  let entityTold = false;
  const standing: Standing = { refusedInARow: 0, entityProblem: undefined, failures: 0 };
  /** For what is read and under way. */
  let pass: Pass | undefined;

  const fail = (caught: unknown, delayMs: number, isNews: boolean): void => {
    const message = messageOf(caught);
    const details = { ...target, error: message, retryInMs: Math.round(delayMs) };
    if (error === undefined && isNews) {
      log.warn(details, 'cannot send logs now; the files keep them');
      isTold = true;
    } else log.debug(details, 'still cannot send logs');
    error = message;
  };

  const failCall = (caught: BerthError, delayMs: number): void => {
    // An outage is said once, and not by each target.
    const isOld = isUnanswered(caught) && pass?.unanswered() === false;
    if (!isUnanswered(caught)) pass?.answered();
    // What stays in memory now may stay for long, and nobody waits for that.
    pass?.[Symbol.dispose]();
    fail(caught, delayMs, !isOld);
  };

  const busy = async <T>(work: Promise<T>): Promise<T> => {
    busySinceMs = clock.monotonicMs();
    try {
      return await work;
    } finally {
      busySinceMs = undefined;
    }
  };

  /** Adds what one file has now; false: the batch is full. */
  const readInto = async ({ batch, taken }: Load, file: Followed): Promise<boolean> => {
    const pieces = await file.read();
    const nowMs = clock.nowMs();
    const floorMs = floorOf(file, 'ackedMs');
    let lastMs = taken.get(file)?.lastMs ?? file.ackedMs;
    let end: number | undefined;
    let room = true;
    for (const piece of pieces) {
      // What is no event goes by with the one after it.
      if (piece.message !== '') {
        const ownMs = nextTimestampMs(floorMs, file.marks.timeOf(piece.start, nowMs));
        const isDated = piece.timestampMs !== undefined;
        room = addEvent(batch, createEvent(piece.message, piece.timestampMs ?? ownMs, isDated));
        if (room && !isDated) lastMs = ownMs;
      }
      if (!room) break;
      end = piece.end;
    }
    if (end !== undefined) taken.set(file, file.take(end, lastMs));
    return room;
  };

  /**
   * Waits until there is enough to send, or it has waited long enough: until then the files keep it. Returns how much there
   * is.
   */
  const untilDue = async (ending: AbortSignal, signal: AbortSignal): Promise<number> => {
    for (;;) {
      let unread = 0;
      let leftMs = foreverMs;
      for (const file of files) {
        signal.throwIfAborted();
        if (!file.readable) continue;
        const seen = await file.look();
        unread += seen.unread;
        if (seen.unread > 0) leftMs = Math.min(leftMs, forceFlushMs - seen.waitedMs);
        else if ((await file.read()).length > 0) leftMs = 0;
      }
      if (ending.aborted || leftMs <= 0 || unread >= maxBatchBytes) return unread;
      // Word of each new line would only make it look again.
      if (leftMs === foreverMs) await bell.wait(foreverMs, signal);
      else await pause.wait(Math.min(leftMs, lookAgainMs), signal);
    }
  };

  const deliver = (
    events: readonly LogEvent[],
    failure: unknown,
    mayPostpone: boolean,
    ending: AbortSignal,
    signal: AbortSignal,
  ): Promise<Sent> => {
    // Of a file that is let go nothing can be read again.
    const canReread = [...files].every(({ source }) => !source.releaseDeleted);
    const batch = { events, failure, mayPostpone: mayPostpone && canReread };
    const input = { target, entity, standing, ending, ...batch };
    return sendEvents({ ...deps, onFailure: failCall }, input, signal);
  };

  /** What the fast path leaves. */
  const gather = async (fast: BulkSender, signal: AbortSignal): Promise<Load> => {
    const load: Load = { batch: createBatch(), taken: new Map() };
    for (let read = true; read;) {
      read = false;
      for (const file of files) {
        signal.throwIfAborted();
        if (!file.readable || fast.takes(file)) continue;
        read = true;
        if (!(await readInto(load, file))) return load;
      }
    }
    return load;
  };

  const settle = async ({ accepted, calls, refused }: Sent, signal: AbortSignal): Promise<void> => {
    pass?.answered();
    if (busySinceMs !== undefined) busySinceMs = clock.monotonicMs();
    await deps.deadLetters.put(target, refused, signal);
    sent.events += accepted;
    sent.refused += refused.length;
    sent.batches += calls;
    if (isTold) log.info({ ...target }, 'logs are being sent again');
    isTold = false;
    error = undefined;
    const { entityProblem } = standing;
    if (entityProblem === undefined || entityTold) return;
    entityTold = true;
    log.warn(
      { ...target, entityProblem },
      'CloudWatch does not take the service of these logs: sent without it',
    );
  };

  const send = async (
    { batch, taken }: Load,
    ending: AbortSignal,
    signal: AbortSignal,
  ): Promise<void> => {
    if (taken.size === 0) return;
    if (batch.events.length > 0) {
      await settle(await busy(deliver(inOrder(batch), undefined, true, ending, signal)), signal);
    }
    for (const [file, part] of taken) file.ack(part);
    await deps.onAcked([...taken.keys()]);
  };

  return {
    target,
    sent,
    get error() {
      return error;
    },
    add: (file) => {
      files.add(file);
      bell.ring();
    },
    get files() {
      return files.size;
    },
    get busyForMs() {
      return busySinceMs === undefined ? 0 : clock.monotonicMs() - busySinceMs;
    },
    remove: (file) => void files.delete(file),
    wake: () => bell.ring(),
    run: async (ending, signal) => {
      for (const { ring } of [bell, pause]) ending.addEventListener('abort', ring, { once: true });
      const fast = createBulkSender(deps, {
        target,
        entity,
        standing,
        files,
        deliver: (events, failure, mayPostpone) =>
          deliver(events, failure, mayPostpone, ending, signal),
        settle: (of) => settle(of, signal),
      });
      for (;;) {
        try {
          const unread = await untilDue(ending, signal);
          using entered =
            unread === 0 && ending.aborted
              ? undefined
              : await deps.gate.enter(Math.min(unread, maxBatchBytes), signal);
          pass = entered;
          const batches = await busy(fast.send(signal));
          const load = await gather(fast, signal);
          if (ending.aborted && batches === 0 && load.taken.size === 0) return;
          await send(load, ending, signal);
        } catch (caught) {
          for (const file of files) file.rewind();
          signal.throwIfAborted();
          if (caught instanceof Postponed) {
            await pause.wait(caught.delayMs, signal);
            continue;
          }
          fail(caught, surpriseDelayMs, true);
          if (ending.aborted && caught instanceof BerthError && !caught.retryable) return;
          await clock.sleep(surpriseDelayMs, signal);
        }
      }
    },
  };
}
