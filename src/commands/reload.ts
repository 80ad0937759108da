// `berth reload`: the running daemon looks at its configuration now; `--check` says what would come of it.
import { exitCodes } from '../errors.ts';
import { systemClock } from '../system/clock.ts';
import { systemLocalSockets } from '../system/local-socket.ts';
import { askReload } from '../tell/control-socket.ts';
import { reloadWithinMs } from '../tell/systemd.ts';
import type { Run } from './command.ts';
import { parseFlags } from './flags.ts';
import { placesOf } from './unit-environment.ts';

export const run: Run = async (args, signal) => {
  const parsed = parseFlags(args, {
    'runtime-dir': { type: 'string' },
    check: { type: 'boolean' },
  });
  const { runtimeDir } = await placesOf(parsed);
  const input = {
    runtimeDir,
    reload: parsed.values['check'] === true ? 'check' : 'now',
  } as const;
  using deadline = systemClock.deadline(reloadWithinMs, signal);
  const said = await askReload(systemLocalSockets, input, deadline.signal);
  process.stdout.write(`${said}\n`);
  return exitCodes.stopped;
};
