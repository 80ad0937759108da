// Brings one batch into CloudWatch, however long it takes: what comes back is accepted or refused for good, never lost.
import { BerthError, hasCode, messageOf } from '../errors.ts';
import type { LogEntity } from '../model/logs.ts';
import type { Clock } from '../system/clock.ts';
import type { Random } from '../system/random.ts';
import { backoffMs, type Backoff } from '../system/retry.ts';
import { restampEvents, truncateEvent, type LogEvent } from './batch.ts';
import type { CloudWatchLogs, Rejection } from './cloudwatch.ts';
import type { LogTarget } from './log-target.ts';
import { createWake } from './wake.ts';

export type Refused = { readonly event: LogEvent; readonly reason: string };
export type Sent = {
  readonly accepted: number;
  /** Calls that were answered with success. */
  readonly calls: number;
  readonly refused: readonly Refused[];
};

export type SendDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly cloudwatch: CloudWatchLogs;
  /** Throws as CloudWatchLogs does. */
  readonly createTarget: (target: LogTarget, signal: AbortSignal) => Promise<void>;
  /** After each failed attempt. */
  readonly onFailure: (error: BerthError, delayMs: number) => void;
};

/** What all batches of a target tell of it; the owner of the target keeps it and hands it to each call. */
export type Standing = {
  /** Events that were refused alone since the last one that was accepted. */
  refusedInARow: number;
  /** Why the entity was refused; from then on it is left out. */
  entityProblem: string | undefined;
  /** Attempts that failed since the last one that did not. */
  failures: number;
};

/** It failed, and is to be tried again after a while: nothing of the batch is there, and it need not wait in memory. */
export class Postponed extends Error {
  readonly delayMs: number;
  constructor(delayMs: number) {
    super('to be tried again');
    this.delayMs = delayMs;
  }
}

export type SendInput = {
  readonly target: LogTarget;
  readonly entity: LogEntity | undefined;
  readonly standing: Standing;
  /** One batch, as batch.ts makes it. */
  readonly events: readonly LogEvent[];
  /** How the first attempt failed, where there was one. */
  readonly failure: unknown;
  /** The batch can be made again from its files. */
  readonly mayPostpone: boolean;
  /** Aborted: shipping is about to end. Waits are cut short, and what needs a person is not tried again. */
  readonly ending: AbortSignal;
};

/** So many events, each refused alone and none accepted, do not condemn the events but the target. */
const condemnAtMost = 8;
/** The limit of an event before April 2025, and in China still. */
const oldMaxEventBytes = 256 * 1024 - 26;
const endingRetryMs = 500;

/** Nothing has arrived: cheap to try often, so that logs flow again within 5 s of the network. */
const networkBackoff: Backoff = { firstMs: 200, factor: 2, capMs: 5_000 };
/** All calls slow down together, see pace.ts. */
const throttledBackoff: Backoff = { firstMs: 200, factor: 2, capMs: 60_000 };
const serverBackoff: Backoff = { firstMs: 500, factor: 2, capMs: 60_000 };
/** Somebody has to put it right: permission, key, quota, name. */
const personBackoff: Backoff = { firstMs: 60_000, factor: 2, capMs: 15 * 60_000 };

type Tally = {
  accepted: number;
  calls: number;
  /** Refused alone, in this attempt. */
  alone: number;
  readonly refused: Refused[];
};

/**
 * Retries for ever, or throws `Postponed`. Rejects with the signal's reason; once `input.ending` is aborted also with the BerthError of a
 * target that needs a person. Then nothing is known of the batch, and it has to be sent again.
 */
export async function sendEvents(
  deps: SendDeps,
  input: SendInput,
  signal: AbortSignal,
): Promise<Sent> {
  const { target, standing, events, ending } = input;
  let { failure } = input;
  const tally: Tally = { accepted: 0, calls: 0, alone: 0, refused: [] };
  const wake = createWake(deps.clock);
  ending.addEventListener('abort', wake.ring, { once: true });
  try {
    await deliver(events, false);
    const { accepted, calls, refused } = tally;
    return { accepted, calls, refused };
  } finally {
    ending.removeEventListener('abort', wake.ring);
  }

  async function deliver(part: readonly LogEvent[], isolating: boolean): Promise<void> {
    for (;;) {
      try {
        await attemptOnce(part, true);
        if (!isolating) judgeTarget();
        standing.failures = 0;
        return;
      } catch (caught) {
        signal.throwIfAborted();
        const error = caught instanceof BerthError ? caught : unexpected(caught);
        // The target is condemned.
        if (isolating && error.code === 'log-rejected') throw error;
        const needsPerson = backoffOf(error) === personBackoff;
        if (ending.aborted && needsPerson) throw error;
        const planMs = backoffMs(backoffOf(error), ++standing.failures, deps.random);
        const delayMs = ending.aborted ? Math.min(planMs, endingRetryMs) : planMs;
        deps.onFailure(error, delayMs);
        if (input.mayPostpone && !isolating && !ending.aborted) throw new Postponed(delayMs);
        await wake.wait(delayMs, signal);
      }
    }
  }

  async function attemptOnce(part: readonly LogEvent[], mayCreate: boolean): Promise<void> {
    // A clock that is hours off is no reason to have a line refused.
    const nowMs = deps.clock.nowMs() + deps.cloudwatch.clockOffsetMs;
    const stamped = restampEvents(part, nowMs);
    try {
      if (failure !== undefined) throw takeFailure();
      const entity = standing.entityProblem === undefined ? input.entity : undefined;
      const answer = await deps.cloudwatch.putEvents(target, stamped, entity, signal);
      standing.entityProblem ??= answer.entityProblem;
      settle(stamped, answer.rejection);
    } catch (error) {
      if (hasCode(error, 'log-exists')) settle(stamped, undefined);
      else if (hasCode(error, 'log-rejected', 'log-too-large')) await isolate(stamped, error);
      else if (hasCode(error, 'log-target-missing') && mayCreate) {
        await deps.createTarget(target, signal);
        await attemptOnce(part, false);
      } else throw error;
    }
  }

  function takeFailure(): unknown {
    const taken = failure;
    failure = undefined;
    return taken;
  }

  function settle(part: readonly LogEvent[], rejection: Rejection | undefined): void {
    const refused = rejection === undefined ? [] : refusedEvents(part, rejection);
    tally.calls++;
    const accepted = part.length - refused.length;
    tally.accepted += accepted;
    if (accepted > 0) standing.refusedInARow = 0;
    tally.refused.push(...refused);
  }

  /** Halves the batch until the event that CloudWatch dislikes stands alone. */
  async function isolate(part: readonly LogEvent[], error: BerthError): Promise<void> {
    if (part.length > 1) {
      const middle = Math.ceil(part.length / 2);
      await deliver(part.slice(0, middle), true);
      await deliver(part.slice(middle), true);
      return;
    }
    const event = part[0]!;
    if (event.bytes > oldMaxEventBytes) {
      await deliver([truncateEvent(event, oldMaxEventBytes)], true);
      return;
    }
    tally.refused.push({ event, reason: error.message });
    tally.alone++;
    standing.refusedInARow++;
    if (tally.accepted === 0 && tally.alone >= condemnAtMost) throw condemn();
  }

  /** Small batches never hold enough lines for that: the ones before them count too. */
  function judgeTarget(): void {
    if (tally.accepted > 0 || tally.alone === 0) return;
    if (standing.refusedInARow >= condemnAtMost) throw condemn();
  }

  /** The whole batch is to be sent again one day. */
  function condemn(): BerthError {
    const reason = tally.refused.at(-1)?.reason;
    tally.alone = 0;
    tally.refused.length = 0;
    return new BerthError(
      'log-rejected',
      `cannot send logs to ${target.group} ${target.stream}: CloudWatch refuses one line after the other, so they are kept; look at the log group (${reason})`,
    );
  }
}

/** Which events of an accepted call CloudWatch refused, and why. */
export function refusedEvents(
  events: readonly LogEvent[],
  { tooOldEnd, expiredEnd, tooNewStart }: Rejection,
): readonly Refused[] {
  return events.flatMap((event, index) => {
    if (index < tooOldEnd) return [{ event, reason: 'older than 14 days' }];
    if (index < expiredEnd) return [{ event, reason: 'older than the retention of the log group' }];
    if (index >= tooNewStart) {
      return [{ event, reason: 'more than 2 hours in the future: set the clock' }];
    }
    return [];
  });
}

/** Nothing came back: it may be the network. */
export function isUnanswered(error: BerthError): boolean {
  return backoffOf(error) === networkBackoff;
}

function backoffOf(error: BerthError): Backoff {
  switch (error.code) {
    case 'aws-unknown-outcome':
      return networkBackoff;
    case 'aws-unavailable':
      return error.details['status'] === undefined ? networkBackoff : serverBackoff;
    case 'aws-throttled':
      return throttledBackoff;
    case 'aws-credentials':
    case 'credentials-missing':
    case 'log-target-missing':
      return serverBackoff;
    default:
      return error.retryable ? serverBackoff : personBackoff;
  }
}

function unexpected(error: unknown): BerthError {
  return new BerthError('aws-unavailable', `cannot send logs: ${messageOf(error)}`, {
    cause: error,
    retryable: true,
  });
}
