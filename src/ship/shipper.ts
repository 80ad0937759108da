// One target: gathers lines from its files into batches and sends one after the other; a file moves on after the answer.
import { BerthError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Clock } from '../system/clock.ts';
import type { Random } from '../system/random.ts';
import { addEvent, createBatch, createEvent, nextTimestampMs, type Batch } from './batch.ts';
import type { CloudWatchLogs } from './cloudwatch.ts';
import type { CreateTarget } from './create-target.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { Followed } from './followed.ts';
import type { LogTarget } from './log-target.ts';
import { sendEvents, type Standing } from './send.ts';
import type { Position } from './tail.ts';
import { createWake, foreverMs } from './wake.ts';

export type ShipperDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly cloudwatch: CloudWatchLogs;
  readonly createTarget: CreateTarget;
  readonly deadLetters: DeadLetters;
  /** Saves how far these files are; never fails. */
  readonly onAcked: (files: readonly Followed[]) => Promise<void>;
};

export type Shipper = {
  readonly target: LogTarget;
  readonly sent: { readonly events: number; readonly refused: number; readonly batches: number };
  /** Why nothing goes through now. */
  readonly error: string | undefined;
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

type Load = { readonly batch: Batch; readonly positions: Map<Followed, Position> };

const surpriseDelayMs = 1_000;

export function createShipper(
  deps: ShipperDeps,
  { target, forceFlushMs }: { readonly target: LogTarget; readonly forceFlushMs: number },
): Shipper {
  const { clock, log } = deps;
  const files = new Set<Followed>();
  const bell = createWake(clock);
  const sent = { events: 0, refused: 0, batches: 0 };
  let error: string | undefined;
  const standing: Standing = { refusedInARow: 0 };
  let lastTimestampMs = 0;

  const fail = (caught: unknown, delayMs: number): void => {
    const message = messageOf(caught);
    const details = { ...target, error: message, retryInMs: Math.round(delayMs) };
    if (error === undefined) log.warn(details, 'cannot send logs now; the files keep them');
    else log.debug(details, 'still cannot send logs');
    error = message;
  };

  /** Adds what one file has now; false: the batch is full. */
  const readInto = async ({ batch, positions }: Load, file: Followed): Promise<boolean> => {
    const lines = await file.read();
    let end: number | undefined;
    let room = true;
    const timestampMs = nextTimestampMs(lastTimestampMs, clock.nowMs());
    for (const line of lines) {
      // An empty line is no event; it goes by with the line after it.
      room = line.message === '' || addEvent(batch, createEvent(line.message, timestampMs));
      if (!room) break;
      end = line.end;
    }
    if (end !== undefined) {
      lastTimestampMs = timestampMs;
      positions.set(file, file.tail.take(end));
    }
    return room;
  };

  const gather = async (ending: AbortSignal, signal: AbortSignal): Promise<Load> => {
    const load: Load = { batch: createBatch(), positions: new Map() };
    let oldestMs: number | undefined;
    for (;;) {
      let read = false;
      for (const file of files) {
        signal.throwIfAborted();
        if (!file.readable) continue;
        read = true;
        if (!(await readInto(load, file))) return load;
      }
      if (read) {
        if (load.batch.events.length > 0) oldestMs ??= clock.monotonicMs();
        continue;
      }
      if (ending.aborted || (load.batch.events.length === 0 && load.positions.size > 0))
        return load;
      const leftMs =
        oldestMs === undefined ? foreverMs : oldestMs + forceFlushMs - clock.monotonicMs();
      if (leftMs <= 0) return load;
      await bell.wait(leftMs, signal);
    }
  };

  const send = async (
    { batch, positions }: Load,
    ending: AbortSignal,
    signal: AbortSignal,
  ): Promise<void> => {
    if (batch.events.length > 0) {
      const input = { target, standing, events: batch.events, ending };
      const { accepted, calls, refused } = await sendEvents(
        { ...deps, onFailure: fail },
        input,
        signal,
      );
      await deps.deadLetters.put(target, refused, signal);
      sent.events += accepted;
      sent.refused += refused.length;
      sent.batches += calls;
      if (error !== undefined) log.info({ ...target }, 'logs are being sent again');
      error = undefined;
    }
    for (const [file, position] of positions) file.tail.ack(position);
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
    remove: (file) => void files.delete(file),
    wake: () => bell.ring(),
    run: async (ending, signal) => {
      ending.addEventListener('abort', bell.ring, { once: true });
      for (;;) {
        try {
          const load = await gather(ending, signal);
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
