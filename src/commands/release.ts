// `berth release`: gives the ENI of a pool back; through the daemon, which would claim it again, or without one.
import { bootWithin } from '../boot/boot.ts';
import { createAwsEc2 } from '../claim/aws-ec2.ts';
import { describe } from '../claim/calls.ts';
import { createClaimRecords } from '../claim/record.ts';
import { releaseRecorded } from '../claim/release-recorded.ts';
import { BerthError, exitCodes, hasCode } from '../errors.ts';
import { createLog } from '../log.ts';
import { rulePriority, tableOf } from '../route/plan.ts';
import { removeRoutes } from '../route/remove.ts';
import { createUnmanaged } from '../route/unmanaged.ts';
import { systemClock } from '../system/clock.ts';
import { createPorts } from '../system/ports.ts';
import { askRelease } from '../tell/control-socket.ts';
import type { Run } from './command.ts';
import { parseFlags, text } from './flags.ts';
import { placesOf } from './unit-environment.ts';

/** The daemon has two minutes for it. */
const withinMs = 130_000;
const imdsPatienceMs = 5_000;

export const run: Run = async (args, signal) => {
  const parsed = parseFlags(args, {
    pool: { type: 'string' },
    config: { type: 'string' },
    'state-dir': { type: 'string' },
    'runtime-dir': { type: 'string' },
  });
  const pool = text(parsed, 'pool');
  const log = createLog('warn', (line) => process.stderr.write(line));
  using ports = createPorts(log);
  using deadline = systemClock.deadline(withinMs, signal);
  const { configFlag, stateDir, runtimeDir } = await placesOf(parsed);
  let said: string;
  try {
    said = await askRelease(ports.sockets, { runtimeDir, pool }, deadline.signal);
  } catch (error) {
    if (!hasCode(error, 'daemon-absent')) throw error;
    said = await releaseAlone({ stateDir, pool, configFlag });
  }
  process.stdout.write(`${said}\n`);
  return exitCodes.stopped;

  /** By the record of the daemon that ran before. */
  async function releaseAlone(input: {
    readonly stateDir: string;
    readonly pool: string | undefined;
    readonly configFlag: string | undefined;
  }): Promise<string> {
    const { stateDir, configFlag } = input;
    const { identity, access, config } = await bootWithin(
      { ...ports, progress: () => undefined },
      { configFlag, stateDir, environment: process.env, patienceMs: imdsPatienceMs },
      deadline.signal,
    );
    using ec2 = createAwsEc2(ports, access);
    const unmanaged = createUnmanaged(ports, { stateDir });
    const records = createClaimRecords(ports, { stateDir, instanceId: identity.instanceId });
    const [name, eniId] = chosen(await records.all(), input.pool);
    const deps = { ...ports, ec2, unmanaged, record: records.of(name) };
    const eni = await describe(deps, eniId, deadline.signal);
    const isOwn = config.routing.mode === 'own';
    if (isOwn && eni?.attachment?.instanceId === identity.instanceId) {
      const { networkCardIndex, deviceIndex } = eni.attachment;
      const table = tableOf(networkCardIndex, deviceIndex);
      const routes = { mac: eni.mac, table, priority: rulePriority };
      await removeRoutes(ports, routes, deadline.signal);
    }
    await releaseRecorded(deps, identity, deadline.signal);
    return `${eniId} of pool ${name} was given back`;
  }
};

function chosen(
  recorded: Readonly<Record<string, string>>,
  pool: string | undefined,
): readonly [pool: string, eniId: string] {
  const fitting = Object.entries(recorded).filter(([name]) => pool === undefined || name === pool);
  const [one] = fitting;
  if (one === undefined) {
    const which = pool === undefined ? '' : ` of pool ${pool}`;
    throw new BerthError('usage', `there is nothing${which} to release on this instance`);
  }
  if (fitting.length > 1) {
    const names = fitting.map(([name]) => name).join(', ');
    throw new BerthError('usage', `name one of ${names} with --pool`);
  }
  return one;
}
