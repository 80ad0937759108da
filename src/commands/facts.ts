// `berth facts`: who this instance is, where it is placed, what it may hold and what it holds. Reads, and changes nothing.
import { createRoleCredentials } from '../boot/credentials.ts';
import { readIdentity } from '../boot/identity.ts';
import { readImdsFacts } from '../boot/imds-facts.ts';
import { imdsEndpoints } from '../boot/imds-endpoint.ts';
import { createImds, imdsDefaults, type Imds } from '../boot/imds.ts';
import { repeat } from '../claim/calls.ts';
import { createEc2Facts, type Asked } from '../claim/instance-facts.ts';
import { BerthError, exitCodes, messageOf } from '../errors.ts';
import { createLog } from '../log.ts';
import { systemClock } from '../system/clock.ts';
import { isStacked } from '../system/devices.ts';
import { createPorts, type Ports } from '../system/ports.ts';
import type { Run } from './command.ts';
import { factsOf, type Facts } from './facts-document.ts';
import { renderFacts } from './facts-table.ts';
import { parseFlags } from './flags.ts';
import { readNic, type NicFacts } from './nic-facts.ts';
import { placesOf } from './unit-environment.ts';

/** Whoever asks sits and waits. */
const withinMs = 30_000;
/** Then what EC2 would tell is left out. */
const ec2WithinMs = 12_000;
const imdsPatienceMs = 5_000;

export const run: Run = async (args, signal) => {
  const parsed = parseFlags(args, { json: { type: 'boolean' } });
  await placesOf(parsed);
  const log = createLog('warn', (line) => process.stderr.write(line));
  using ports = createPorts(log);
  using deadline = systemClock.deadline(withinMs, signal);
  const endpoints = imdsEndpoints(process.env);
  const imds = createImds(ports, { ...imdsDefaults, endpoints, patienceMs: imdsPatienceMs });
  try {
    const facts = await gather(ports, imds, deadline.signal);
    const shown =
      parsed.values['json'] === true ? JSON.stringify(facts, undefined, 2) : renderFacts(facts);
    process.stdout.write(`${shown}\n`);
    return exitCodes.stopped;
  } catch (error) {
    if (!deadline.expired) throw error;
    throw new BerthError(
      'timeout',
      `cannot tell the facts within ${withinMs / 1000} s; the warnings above say why`,
      { cause: error, retryable: true },
    );
  }
};

async function gather(ports: Ports, imds: Imds, signal: AbortSignal): Promise<Facts> {
  const [identity, fromImds, nics] = await Promise.all([
    readIdentity(ports, imds, signal),
    readImdsFacts(imds, signal),
    readNics(ports, signal),
  ]);
  const credentials = createRoleCredentials(ports, imds, signal);
  using ec2 = createEc2Facts(ports, { region: identity.region, credentials });
  using deadline = systemClock.deadline(ec2WithinMs, signal);
  const ask = async <T>(
    permission: string,
    call: (signal: AbortSignal) => Promise<Asked<T>>,
  ): Promise<Asked<T>> => {
    try {
      return await repeat(ports, () => call(deadline.signal), deadline.signal);
    } catch (error) {
      signal.throwIfAborted();
      const why = deadline.expired ? `no answer within ${ec2WithinMs / 1000} s` : messageOf(error);
      ports.log.warn(`cannot ask EC2 (${permission}): ${why}`);
      return { needs: permission };
    }
  };
  const { instanceId, instanceType } = identity;
  const [instance, type] = await Promise.all([
    ask('ec2:DescribeInstances', (within) => ec2.instance(instanceId, within)),
    ask('ec2:DescribeInstanceTypes', (within) => ec2.type(instanceType, within)),
  ]);
  const group =
    fromImds.placementGroup ?? ('facts' in instance ? instance.facts?.placementGroup : undefined);
  const strategy =
    group === undefined
      ? { facts: undefined }
      : await ask('ec2:DescribePlacementGroups', (within) => ec2.strategy(group, within));
  return factsOf({ identity, imds: fromImds, instance, type, strategy, nics });
}

/** By MAC. */
async function readNics(ports: Ports, signal: AbortSignal): Promise<ReadonlyMap<string, NicFacts>> {
  const links = await ports.devices.list(signal);
  const hardware = links.filter((link) => link.mac !== '' && !isStacked(link));
  const facts = await Promise.all(hardware.map(({ name }) => readNic(ports, name, signal)));
  return new Map(hardware.map(({ mac }, i) => [mac, facts[i]!]));
}
