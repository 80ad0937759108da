// `berth pool`: every ENI of a pool, who holds it, and what its claim says. Reads, and changes nothing.
import { bootWithin } from '../boot/boot.ts';
import { createAwsEc2 } from '../claim/aws-ec2.ts';
import { surveyPool, type Berth } from '../claim/survey.ts';
import { BerthError, exitCodes } from '../errors.ts';
import { createLog } from '../log.ts';
import { systemClock } from '../system/clock.ts';
import { createPorts } from '../system/ports.ts';
import type { Run } from './command.ts';
import { parseFlags, text } from './flags.ts';
import { renderPools } from './pool-table.ts';
import { placesOf } from './unit-environment.ts';

/** Whoever looks sits and waits. */
const withinMs = 30_000;
const imdsPatienceMs = 5_000;
/** Few people watch, and the account's calls are everybody's. */
const redrawMs = 5_000;
const clearScreen = '\u001B[2J\u001B[H';

export const run: Run = async (args, signal) => {
  const parsed = parseFlags(args, {
    pool: { type: 'string' },
    json: { type: 'boolean' },
    watch: { type: 'boolean' },
    config: { type: 'string' },
    'state-dir': { type: 'string' },
  });
  const { configFlag, stateDir } = await placesOf(parsed);
  const log = createLog('warn', (line) => process.stderr.write(line));
  using ports = createPorts(log);
  using starting = systemClock.deadline(withinMs, signal);
  const files = {
    ...ports.files,
    writeAtomic: async () => undefined,
    remove: async () => undefined,
  };
  const { access, config } = await bootWithin(
    { ...ports, files, progress: () => undefined },
    {
      configFlag,
      stateDir,
      environment: process.env,
      patienceMs: imdsPatienceMs,
    },
    starting.signal,
  );
  const named = text(parsed, 'pool');
  const names = named === undefined ? config.pools.map(({ name }) => name) : [named];
  if (names.length === 0)
    throw new BerthError('usage', 'no pool is configured here: name one with --pool');
  using ec2 = createAwsEc2(ports, access);
  const deps = { ...ports, ec2 };

  for (;;) {
    using deadline = systemClock.deadline(withinMs, signal);
    const pools: Record<string, readonly Berth[]> = {};
    for (const name of names) pools[name] = await surveyPool(deps, name, deadline.signal);
    const onTerminal = process.stdout.isTTY;
    const shown =
      parsed.values['json'] === true
        ? JSON.stringify(pools, undefined, 2)
        : renderPools(pools, onTerminal && process.env['NO_COLOR'] === undefined);
    const isWatching = parsed.values['watch'] === true;
    process.stdout.write(`${isWatching && onTerminal ? clearScreen : ''}${shown}\n`);
    if (!isWatching) return exitCodes.stopped;
    try {
      await systemClock.sleep(redrawMs, signal);
    } catch {
      return exitCodes.stopped;
    }
  }
};
