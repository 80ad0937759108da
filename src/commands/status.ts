// `berth status`: asks the running daemon.
import { BerthError } from '../errors.ts';
import type { Status } from '../model/status.ts';
import { systemClock } from '../system/clock.ts';
import { systemLocalSockets } from '../system/local-socket.ts';
import { readStatus } from '../tell/status-socket.ts';
import { renderStatus } from '../tell/render-status.ts';
import type { Run } from './command.ts';
import { parseFlags } from './flags.ts';
import { placesOf } from './unit-environment.ts';

/** A daemon that does not answer its socket is stuck. */
const answerMs = 5_000;

export const run: Run = async (args, signal) => {
  const parsed = parseFlags(args, {
    json: { type: 'boolean' },
    routes: { type: 'boolean' },
    'runtime-dir': { type: 'string' },
  });
  const { runtimeDir } = await placesOf(parsed);
  using deadline = systemClock.deadline(answerMs, signal);
  let status: Status;
  try {
    status = await readStatus(systemLocalSockets, runtimeDir, deadline.signal);
  } catch (error) {
    if (!deadline.expired) throw error;
    throw new BerthError(
      'timeout',
      `cannot read the status: berth does not answer within ${answerMs / 1000} s (it is stuck: systemctl restart berth)`,
      { cause: error },
    );
  }
  const inColour = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;
  process.stdout.write(
    `${parsed.values['json'] === true ? JSON.stringify(status, undefined, 2) : renderStatus(status, { inColour, withCommands: parsed.values['routes'] === true })}\n`,
  );
  return 0;
};
