// `berth wait`: returns when the claimed address is served.
import { BerthError, exitCodes } from '../errors.ts';
import type { Status } from '../model.ts';
import { systemClock } from '../system/clock.ts';
import { systemLocalSockets } from '../system/local-socket.ts';
import { waitUntilReady } from '../tell/status-socket.ts';
import type { Run } from './command.ts';
import { parseFlags, runtimeDirOf, text } from './flags.ts';

/** A timer of Node takes 2^31 ms, and ends at once beyond. */
const maxTimeoutSeconds = 2_147_483;

export const run: Run = async (args, signal) => {
  const parsed = parseFlags(args, {
    timeout: { type: 'string' },
    'runtime-dir': { type: 'string' },
  });
  const timeoutMs = timeoutOf(text(parsed, 'timeout'));
  using deadline = timeoutMs === undefined ? undefined : systemClock.deadline(timeoutMs, signal);
  let last: Status | undefined;
  try {
    const status = await waitUntilReady(
      { sockets: systemLocalSockets, clock: systemClock },
      runtimeDirOf(parsed),
      deadline?.signal ?? signal,
      (heard) => {
        last = heard;
      },
    );
    process.stdout.write(`${status.message}\n`);
    return exitCodes.stopped;
  } catch (error) {
    if (deadline?.expired !== true) throw error;
    const why = last === undefined ? 'berth is not running (systemctl status berth)' : last.message;
    throw new BerthError('timeout', `cannot say ready after ${text(parsed, 'timeout')} s: ${why}`, {
      cause: error,
    });
  }
};

function timeoutOf(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const seconds = Number(value);
  if (seconds >= 0 && seconds <= maxTimeoutSeconds && value.trim() !== '') return seconds * 1_000;
  throw new BerthError(
    'usage',
    `--timeout takes a number of seconds, at most ${maxTimeoutSeconds}`,
  );
}
