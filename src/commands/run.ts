// `berth run`: the daemon.
import { exitCodes } from '../errors.ts';
import { runDaemon } from '../daemon.ts';
import { createLog } from '../log.ts';
import { createPorts } from '../system/ports.ts';
import type { Run } from './command.ts';
import { logLevelOf, parseFlags, runtimeDirOf, stateDirOf, text } from './flags.ts';
import { version } from './version.ts';

export const run: Run = async (args, signal) => {
  const parsed = parseFlags(args, {
    config: { type: 'string' },
    'state-dir': { type: 'string' },
    'runtime-dir': { type: 'string' },
    'log-level': { type: 'string' },
  });
  const log = createLog(logLevelOf(parsed), (line) => process.stdout.write(line));
  using ports = createPorts(log);
  await runDaemon(
    ports,
    {
      version,
      pid: process.pid,
      configFlag: text(parsed, 'config'),
      stateDir: stateDirOf(parsed),
      runtimeDir: runtimeDirOf(parsed),
      environment: process.env,
    },
    signal,
  );
  return exitCodes.stopped;
};
