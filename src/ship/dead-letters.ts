// The dead-letter file: the lines that CloudWatch refused for good, each with the reason, as JSON Lines.
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { maskSecrets } from '../secrets.ts';
import type { Clock } from '../system/clock.ts';
import type { LogFiles } from '../system/log-files.ts';
import type { Random } from '../system/random.ts';
import { backoffMs, type Backoff } from '../system/retry.ts';
import type { LogTarget } from './log-target.ts';
import type { Refused } from './send.ts';

export type DeadLetters = {
  /** Resolves once they are on disk: until then the source file keeps them. Rejects with the signal's reason. */
  put(target: LogTarget, refused: readonly Refused[], signal: AbortSignal): Promise<void>;
  /** The most recent refusal since the start, in words. */
  last(): string | undefined;
};

type Deps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly logFiles: Pick<LogFiles, 'append'>;
  readonly log: Log;
};

/** Of the file, and of the one before it. */
const maxFileBytes = 10_000_000;
const backoff: Backoff = { firstMs: 1_000, factor: 2, capMs: 60_000 };

export function createDeadLetters(
  { clock, random, logFiles, log }: Deps,
  path: string,
): DeadLetters {
  /** Targets fail at the same time; the file takes one write after the other. */
  let turns: Promise<void> = Promise.resolve();
  let refusal: string | undefined;

  const append = async (text: string, signal: AbortSignal): Promise<void> => {
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted();
      try {
        const { replaced } = await logFiles.append(path, text, maxFileBytes);
        if (replaced) {
          log.warn(
            { path, maxFileBytes },
            `the dead-letter file is full for the second time: the oldest refused lines, in ${path}.1, are gone`,
          );
        }
        return;
      } catch (error) {
        if (attempt === 1) {
          log.error(
            { path, error: messageOf(error) },
            'cannot keep refused lines: their target waits',
          );
        }
        await clock.sleep(backoffMs(backoff, attempt, random), signal);
      }
    }
  };

  return {
    put: async (target, refused, signal) => {
      if (refused.length === 0) return;
      const at = new Date(clock.nowMs()).toISOString();
      const lines = refused.map(
        ({ event, reason }) =>
          `${JSON.stringify({ at, ...target, reason, timestampMs: event.timestampMs, message: event.message })}\n`,
      );
      const turn = turns.then(() => append(maskSecrets(lines.join('')), signal));
      turns = turn.catch(() => undefined);
      await turn;
      const reason = refused[0]?.reason;
      refusal = `CloudWatch refused lines for ${target.group} ${target.stream}: ${reason}; they are kept in ${path}`;
      log.warn(
        { path, ...target, lines: refused.length, reason },
        `CloudWatch refused ${refused.length} lines; they are kept in the dead-letter file`,
      );
    },
    last: () => refusal,
  };
}
