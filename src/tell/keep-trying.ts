// Repeats what somebody can put right while we run; the status and the log say what is wrong.
import { hasCode, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Clock } from '../system/clock.ts';
import type { Random } from '../system/random.ts';
import { backoffMs, type Backoff } from '../system/retry.ts';
import type { StatusBoard } from './status-board.ts';

export type KeepTryingDeps = {
  readonly ports: { readonly clock: Clock; readonly random: Random; readonly log: Log };
  readonly board: StatusBoard;
};

/** Ever more rarely; never an exit, which systemd would turn into a restart loop against AWS. */
const troubleBackoff: Backoff = { firstMs: 1_000, factor: 2, capMs: 60_000 };

/** Throws what only a person can cure (`usage`, `config-invalid`, `config-missing`), and `device-missing`. */
export async function keepTrying<T>(
  { ports, board }: KeepTryingDeps,
  work: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (hasCode(error, 'usage', 'config-invalid', 'config-missing', 'device-missing'))
        throw error;
      const delayMs = backoffMs(troubleBackoff, attempt, ports.random);
      const seconds = Math.max(1, Math.round(delayMs / 1000));
      ports.log.error({ err: error, attempt }, `${messageOf(error)}; trying again in ${seconds} s`);
      board.withdraw('failed', messageOf(error));
      await ports.clock.sleep(delayMs, signal);
    }
  }
}
