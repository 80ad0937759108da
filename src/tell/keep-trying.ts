// Repeats what somebody can put right while we run; the status and the log say what is wrong.
import { hasCode, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Clock } from '../system/clock.ts';
import type { Random } from '../system/random.ts';
import { backoffMs, type Backoff } from '../system/retry.ts';
import type { News } from './status-board.ts';

export type KeepTryingDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
};

/** Ever more rarely; never an exit, which systemd would turn into a restart loop against AWS. */
const troubleBackoff: Backoff = { firstMs: 1_000, factor: 2, capMs: 60_000 };

const final = [
  'usage',
  'config-invalid',
  'config-missing',
  'device-missing',
  'pool-empty',
] as const;

/** Throws what only a person can cure (`usage`, `config-invalid`, `config-missing`), `device-missing` and `pool-empty`. */
export async function keepTrying<T>(
  { clock, random, log }: KeepTryingDeps,
  board: News,
  work: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (hasCode(error, ...final)) throw error;
      const delayMs = backoffMs(troubleBackoff, attempt, random);
      const seconds = Math.max(1, Math.round(delayMs / 1000));
      log.error({ err: error, attempt }, `${messageOf(error)}; trying again in ${seconds} s`);
      board.withdraw('failed', messageOf(error));
      await clock.sleep(delayMs, signal);
    }
  }
}
