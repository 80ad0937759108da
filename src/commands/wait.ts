// `berth wait`: returns when the claimed address is served, or once it is held no more.
import { BerthError, exitCodes } from '../errors.ts';
import type { Status } from '../model/status.ts';
import { systemClock } from '../system/clock.ts';
import { systemLocalMacs } from '../system/local-macs.ts';
import { systemLocalSockets } from '../system/local-socket.ts';
import { createNotify } from '../system/notify.ts';
import { waitUntilReady } from '../tell/status-socket.ts';
import { waitUntilLost } from '../tell/until-lost.ts';
import type { Run } from './command.ts';
import { parseFlags, text } from './flags.ts';
import { placesOf } from './unit-environment.ts';

/** A timer of Node takes 2^31 ms, and ends at once beyond. */
const maxTimeoutSeconds = 2_147_483;

export const run: Run = async (args, signal) => {
  const parsed = parseFlags(args, {
    timeout: { type: 'string' },
    'until-lost': { type: 'boolean' },
    'runtime-dir': { type: 'string' },
  });
  const { runtimeDir } = await placesOf(parsed);
  const served = await untilReady(text(parsed, 'timeout'), runtimeDir, signal);
  process.stdout.write(`${served.message}\n`);
  if (parsed.values['until-lost'] !== true) return exitCodes.stopped;
  const deps = { sockets: systemLocalSockets, clock: systemClock, localMacs: systemLocalMacs };
  tellSystemd(served);
  try {
    const why = await waitUntilLost(deps, { runtimeDir, served }, signal);
    process.stdout.write(`${why}\n`);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return exitCodes.stopped;
};

/** The unit berth-held.service is up once this is said. */
function tellSystemd({ message }: Status): void {
  const notify = createNotify(
    { notifySocket: process.env['NOTIFY_SOCKET'], watchdogUsec: undefined },
    (error) => process.stderr.write(`berth: ${error}\n`),
  );
  notify.send(['READY=1', `STATUS=${message}`]);
}

/** Throws `timeout` with what is in the way. */
async function untilReady(
  timeout: string | undefined,
  runtimeDir: string,
  signal: AbortSignal,
): Promise<Status> {
  const timeoutMs = timeoutOf(timeout);
  using deadline = timeoutMs === undefined ? undefined : systemClock.deadline(timeoutMs, signal);
  let last: Status | undefined;
  try {
    return await waitUntilReady(
      { sockets: systemLocalSockets, clock: systemClock },
      runtimeDir,
      deadline?.signal ?? signal,
      (heard) => {
        last = heard;
      },
    );
  } catch (error) {
    if (deadline?.expired !== true) throw error;
    const why = last === undefined ? 'berth is not running (systemctl status berth)' : last.message;
    throw new BerthError('timeout', `cannot say ready after ${timeout} s: ${why}`, {
      cause: error,
    });
  }
}

function timeoutOf(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const seconds = Number(value);
  if (seconds >= 0 && seconds <= maxTimeoutSeconds && value.trim() !== '') return seconds * 1_000;
  throw new BerthError(
    'usage',
    `--timeout takes a number of seconds, at most ${maxTimeoutSeconds}`,
  );
}
