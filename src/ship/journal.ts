// The systemd journal as a source: journalctl reads it, and the cursor is saved when CloudWatch has what is in front of it.
// The journal is the buffer: what is not taken waits in journalctl, what is not sent is read again.
import { BerthError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { JournalSource } from '../model/logs.ts';
import type { Clock } from '../system/clock.ts';
import type { Lines } from '../system/lines.ts';
import type { CompilePattern } from '../system/patterns.ts';
import type { Random } from '../system/random.ts';
import { backoffMs, type Backoff } from '../system/retry.ts';
import { addEvent, createBatch, inOrder, type LogEvent } from './batch.ts';
import type { Cursors } from './cursors.ts';
import type { DeadLetters } from './dead-letters.ts';
import { createEntryReader, journalArgv, type JournalEntry } from './journal-entries.ts';
import { missedBehind } from './journal-gap.ts';
import { foreverMs } from './wake.ts';
import { sendEvents, type SendDeps, type Standing } from './send.ts';

export type JournalDeps = SendDeps & {
  readonly clock: Clock;
  readonly random: Random;
  readonly lines: Lines;
  readonly log: Log;
  readonly cursors: Cursors;
  readonly deadLetters: DeadLetters;
};

export type Journal = {
  readonly sent: { readonly events: number; readonly refused: number; readonly batches: number };
  /** Why nothing goes through now. */
  readonly error: string | undefined;
  /** Returns once `ending` is aborted and what was read is sent. Rejects with the signal's reason. */
  run(ending: AbortSignal, signal: AbortSignal): Promise<void>;
};

const notYet = Promise.resolve('not yet' as const);

/** What is there already goes with the batch that is due, for so long. */
const graceMs = 100;
const lateMs = 2_000;
/** So long does journalctl take at most until its first line. */
const startMs = 2_000;
const restartBackoff: Backoff = { firstMs: 1_000, factor: 2, capMs: 60_000 };

export function createJournal(
  deps: Omit<JournalDeps, 'onFailure'>,
  source: JournalSource,
  {
    forceFlushMs,
    compile,
  }: { readonly forceFlushMs: number; readonly compile: CompilePattern | undefined },
): Journal {
  const { clock, random, lines, log, cursors } = deps;
  const target = { group: source.logGroupName, stream: source.logStreamName };
  const key = JSON.stringify([target, source.units, source.priority, source.matches]);
  const entryOf = createEntryReader(source.filters, compile);
  const sent = { events: 0, refused: 0, batches: 0 };
  const standing: Standing = { refusedInARow: 0, entityProblem: undefined, failures: 0 };
  let error: string | undefined;

  const fail = (caught: unknown, message: string): void => {
    if (error === undefined) log.warn({ ...target, error: messageOf(caught) }, message);
    error = messageOf(caught);
  };

  const send = async (
    events: readonly LogEvent[],
    cursor: string,
    ending: AbortSignal,
    signal: AbortSignal,
  ): Promise<void> => {
    if (events.length > 0) {
      const onFailure = (caught: unknown): void =>
        fail(caught, 'cannot send the journal now; it keeps the entries');
      const { entity } = source;
      const input = {
        target,
        entity,
        standing,
        events,
        failure: undefined,
        mayPostpone: false,
        ending,
      };
      const { accepted, refused, calls } = await sendEvents({ ...deps, onFailure }, input, signal);
      await deps.deadLetters.put(target, refused, signal);
      sent.events += accepted;
      sent.refused += refused.length;
      sent.batches += calls;
    }
    await cursors.save(key, cursor);
    if (error !== undefined) log.info({ ...target }, 'the journal is being sent again');
    error = undefined;
  };

  /** One life of journalctl. */
  const follow = async (ending: AbortSignal, signal: AbortSignal): Promise<void> => {
    // A generator that waits for a line hears of nothing but its signal.
    const done = new AbortController();
    const life = AbortSignal.any([done.signal, signal]);
    const from = cursors.of(key);
    const iterator = lines(journalArgv(source, from), life)[Symbol.asyncIterator]();
    let next = iterator.next();
    let held: JournalEntry | undefined;
    let heardAny = false;
    /** At the end: what was written until then is sent. */
    let endingAtMs = ending.aborted ? clock.nowMs() : Infinity;
    const onEnding = (): void => {
      endingAtMs = clock.nowMs();
    };
    ending.addEventListener('abort', onEnding, { once: true });

    const nextEntry = async (dueMs: number): Promise<JournalEntry | 'due' | 'over'> => {
      for (;;) {
        const leftMs = dueMs - clock.monotonicMs();
        if (leftMs <= -lateMs) return 'due';
        const waitMs = ending.aborted ? (heardAny ? graceMs : startMs) : Math.max(leftMs, graceMs);
        // What is there already needs no timer.
        const ready = await Promise.race([next, notYet]);
        const result = ready === 'not yet' ? await firstOf(next, waitMs, ending) : ready;
        if (result === 'ending') continue;
        if (result === 'due') return 'due';
        if (result.done === true) return 'over';
        heardAny = true;
        next = iterator.next();
        // Rejected while nobody waits for it.
        next.catch(() => undefined);
        const entry = entryOf(result.value);
        if (entry !== undefined && entry.cursor !== from) return entry;
      }
    };

    try {
      for (let isOver = false; !isOver;) {
        const batch = createBatch();
        let cursor: string | undefined;
        let dueMs = Infinity;
        for (;;) {
          const entry = held ?? (await nextEntry(dueMs));
          held = undefined;
          if (entry === 'due' || entry === 'over') {
            isOver = entry === 'over' || ending.aborted;
            break;
          }
          if ((entry.event?.timestampMs ?? 0) > endingAtMs) {
            isOver = true;
            break;
          }
          if (entry.event !== undefined && !addEvent(batch, entry.event)) {
            held = entry;
            break;
          }
          cursor = entry.cursor;
          if (dueMs === Infinity) dueMs = clock.monotonicMs() + forceFlushMs;
        }
        if (cursor !== undefined) await send(inOrder(batch), cursor, ending, signal);
      }
    } finally {
      ending.removeEventListener('abort', onEnding);
      done.abort();
    }
  };

  /** `due`: the time is over first. */
  const firstOf = async <T>(
    work: Promise<T>,
    ms: number,
    ending: AbortSignal,
  ): Promise<T | 'due' | 'ending'> => {
    const wasEnding = ending.aborted;
    const timer = new AbortController();
    const stop = (): void => timer.abort();
    ending.addEventListener('abort', stop, { once: true });
    const time = clock.sleep(Math.min(ms, foreverMs), timer.signal).then(
      () => 'due' as const,
      () => (ending.aborted && !wasEnding ? ('ending' as const) : ('due' as const)),
    );
    try {
      return await Promise.race([work, time]);
    } finally {
      ending.removeEventListener('abort', stop);
      timer.abort();
    }
  };

  return {
    sent,
    get error() {
      return error;
    },
    run: async (ending, signal) => {
      await sayGap(signal);
      for (let attempt = 1; ; attempt++) {
        const startedMs = clock.monotonicMs();
        try {
          await follow(ending, signal);
          if (ending.aborted) return;
        } catch (caught) {
          signal.throwIfAborted();
          fail(caught, 'cannot read the journal; trying again and again');
          if (ending.aborted) return;
          // It ends with an error where the cursor is none of this journal.
          if (caught instanceof BerthError && /seek to cursor/.test(caught.message))
            cursors.forget(key);
        }
        if (clock.monotonicMs() - startedMs > restartBackoff.capMs) attempt = 1;
        await sleepUnless(ending, backoffMs(restartBackoff, attempt, random), signal);
      }
    },
  };

  async function sayGap(signal: AbortSignal): Promise<void> {
    const cursor = cursors.of(key);
    if (cursor === undefined) return;
    // What is wrong with journalctl is said when the journal is read.
    const missed = await missedBehind(lines, cursor, signal).catch(() => 0);
    if (missed === 0) return;
    log.warn(
      { ...target, missed },
      'the journal has deleted entries before CloudWatch had them: give it more room (SystemMaxUse= in journald.conf)',
    );
  }

  async function sleepUnless(ending: AbortSignal, ms: number, signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([ending, signal]);
    await clock.sleep(ms, either).catch(() => undefined);
    signal.throwIfAborted();
  }
}
