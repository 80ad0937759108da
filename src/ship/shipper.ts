// One target: gathers events from its files into batches and sends one after the other; a file moves on after the answer.
import { BerthError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { LogEntity } from '../model.ts';
import type { Clock } from '../system/clock.ts';
import type { Random } from '../system/random.ts';
import {
  addEvent,
  createBatch,
  createEvent,
  inOrder,
  maxBatchBytes,
  type Batch,
  type LogEvent,
} from './batch.ts';
import { isPlain, minBulkBytes, type Bulks } from './bulk.ts';
import { bodyAround, type CloudWatchLogs } from './cloudwatch.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { Followed } from './followed.ts';
import type { LogTarget } from './log-target.ts';
import { refusedEvents, sendEvents, type SendDeps, type Sent, type Standing } from './send.ts';
import type { Position } from './tail.ts';
import { createWake, foreverMs } from './wake.ts';

export type ShipperDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly cloudwatch: CloudWatchLogs;
  readonly createTarget: SendDeps['createTarget'];
  readonly deadLetters: DeadLetters;
  readonly bulks: Bulks;
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
  /** How long the batch that is under way waits for CloudWatch; 0: none is. */
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

type Load = { readonly batch: Batch; readonly positions: Map<Followed, Position> };

/** What became of one call: settled, or the events that have to go the ordinary way. */
type Attempt = { readonly position: Position } & (
  | { readonly sent: Sent; readonly left?: undefined }
  | { readonly left: readonly LogEvent[] }
);

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
  let busySinceMs: number | undefined;
  let entityTold = false;
  const standing: Standing = { refusedInARow: 0, entityProblem: undefined };

  const fail = (caught: unknown, delayMs: number): void => {
    const message = messageOf(caught);
    const details = { ...target, error: message, retryInMs: Math.round(delayMs) };
    if (error === undefined) log.warn(details, 'cannot send logs now; the files keep them');
    else log.debug(details, 'still cannot send logs');
    error = message;
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
  const readInto = async ({ batch, positions }: Load, file: Followed): Promise<boolean> => {
    const pieces = await file.read();
    const nowMs = clock.nowMs();
    let end: number | undefined;
    let room = true;
    for (const piece of pieces) {
      // What is no event goes by with the one after it.
      if (piece.message !== '') {
        const timestampMs = piece.timestampMs ?? file.marks.timeOf(piece.start, nowMs);
        const isDated = piece.timestampMs !== undefined;
        room = addEvent(batch, createEvent(piece.message, timestampMs, isDated));
      }
      if (!room) break;
      end = piece.end;
    }
    if (end !== undefined) positions.set(file, file.tail.take(end));
    return room;
  };

  /** Waits until there is enough to send, or it has waited long enough: until then the files keep it. */
  const untilDue = async (ending: AbortSignal, signal: AbortSignal): Promise<void> => {
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
      if (ending.aborted || leftMs <= 0 || unread >= maxBatchBytes) return;
      // Word of each new line would only make it look again.
      if (leftMs === foreverMs) await bell.wait(foreverMs, signal);
      else await pause.wait(Math.min(leftMs, lookAgainMs), signal);
    }
  };

  /** One call for a batch of one file. It lets go of its kernel before anybody waits for a bad target. */
  const attemptBulk = async (file: Followed, signal: AbortSignal): Promise<Attempt | undefined> => {
    // What is wrong with the file the ordinary way says.
    const nowMs = clock.nowMs();
    const theirMs = nowMs + deps.cloudwatch.clockOffsetMs;
    using bulk = await deps.bulks.read(file, nowMs, theirMs).catch(() => undefined);
    if (bulk === undefined) return undefined;
    const { position, events } = bulk;
    const wanted = standing.entityProblem === undefined ? entity : undefined;
    const { prefix, suffix } = bodyAround(target, wanted);
    try {
      const answer = await busy(deps.cloudwatch.putBody(bulk.body(prefix, suffix), signal));
      standing.entityProblem ??= answer.entityProblem;
      standing.refusedInARow = 0;
      const { rejection } = answer;
      const refused = rejection === undefined ? [] : refusedEvents(bulk.decode(), rejection);
      return { position, sent: { accepted: events - refused.length, calls: 1, refused } };
    } catch {
      signal.throwIfAborted();
      return { position, left: bulk.decode() };
    }
  };

  /** One file that has much to read goes by itself, the quick way. */
  const sendBulk = async (ending: AbortSignal, signal: AbortSignal): Promise<boolean> => {
    for (const file of Array.from(files)) {
      if (!file.readable || !isPlain(file) || file.unread < minBulkBytes) continue;
      // Its turn comes again after the others.
      files.delete(file);
      files.add(file);
      const attempt = await attemptBulk(file, signal);
      if (attempt === undefined) continue;
      const { position, left } = attempt;
      await settle(left === undefined ? attempt.sent : await deliver(left, ending, signal), signal);
      file.ack(position);
      await deps.onAcked([file]);
      return true;
    }
    return false;
  };

  const deliver = (
    events: readonly LogEvent[],
    ending: AbortSignal,
    signal: AbortSignal,
  ): Promise<Sent> =>
    busy(
      sendEvents(
        { ...deps, onFailure: fail },
        { target, entity, standing, events, ending },
        signal,
      ),
    );

  const gather = async (signal: AbortSignal): Promise<Load> => {
    const load: Load = { batch: createBatch(), positions: new Map() };
    for (let read = true; read;) {
      read = false;
      for (const file of files) {
        signal.throwIfAborted();
        if (!file.readable) continue;
        read = true;
        if (!(await readInto(load, file))) return load;
      }
    }
    return load;
  };

  const settle = async ({ accepted, calls, refused }: Sent, signal: AbortSignal): Promise<void> => {
    await deps.deadLetters.put(target, refused, signal);
    sent.events += accepted;
    sent.refused += refused.length;
    sent.batches += calls;
    if (error !== undefined) log.info({ ...target }, 'logs are being sent again');
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
    { batch, positions }: Load,
    ending: AbortSignal,
    signal: AbortSignal,
  ): Promise<void> => {
    if (batch.events.length > 0) {
      await settle(await deliver(inOrder(batch), ending, signal), signal);
    }
    for (const [file, position] of positions) file.ack(position);
    await deps.onAcked([...positions.keys()]);
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
      for (;;) {
        try {
          await untilDue(ending, signal);
          if (await sendBulk(ending, signal)) continue;
          const load = await gather(signal);
          if (ending.aborted && load.positions.size === 0) return;
          await send(load, ending, signal);
        } catch (caught) {
          for (const file of files) file.rewind();
          signal.throwIfAborted();
          fail(caught, surpriseDelayMs);
          if (ending.aborted && caught instanceof BerthError && !caught.retryable) return;
          await clock.sleep(surpriseDelayMs, signal);
        }
      }
    },
  };
}
