// `berth plan`: what `berth run` would claim and set here. Reads, and changes nothing.
import { bootWithin } from '../boot/boot.ts';
import { createAwsEc2 } from '../claim/aws-ec2.ts';
import { repeat } from '../claim/calls.ts';
import { nextStep, type Step } from '../claim/decide.ts';
import { freeDeviceIndex } from '../claim/device-index.ts';
import type { Ec2 } from '../claim/ec2.ts';
import { createClaimRecords } from '../claim/record.ts';
import { subnetOf } from '../claim/settle.ts';
import { BerthError, exitCodes } from '../errors.ts';
import { planFiles, type FilePlan } from '../files/plan-files.ts';
import { createLog } from '../log.ts';
import type { ConfigSource, PoolConfig } from '../model/config.ts';
import type { ClaimedEni, Eni } from '../model/eni.ts';
import type { Identity } from '../model/instance.ts';
import type { RoutingConfig } from '../model/routes.ts';
import { ownGroup } from '../route/bridge-group.ts';
import { drawRouting } from '../route/picture.ts';
import { describePlan } from '../route/describe.ts';
import { planRoutes } from '../route/plan.ts';
import { isIpv6On } from '../route/sysctls.ts';
import { primaryMtu } from '../route/primary-mtu.ts';
import { systemClock } from '../system/clock.ts';
import { endThoughHanging } from '../system/mount-wait.ts';
import { createPorts, type Ports } from '../system/ports.ts';
import type { Run } from './command.ts';
import { parseFlags } from './flags.ts';
import { placesOf } from './unit-environment.ts';

/** Whoever plans sits and waits. */
const withinMs = 30_000;
/** An instance that boots answers later than this; people plan on one that is up. */
const imdsPatienceMs = 5_000;

export const run: Run = async (args, signal) => {
  const parsed = parseFlags(args, {
    config: { type: 'string' },
    'state-dir': { type: 'string' },
    json: { type: 'boolean' },
  });
  const { configFlag, stateDir } = await placesOf(parsed);
  const log = createLog('warn', (line) => process.stderr.write(line));
  using ports = createPorts(log);
  using deadline = systemClock.deadline(withinMs, signal);
  const { identity, access, config, source, rejected } = await bootWithin(
    { ...ports, files: readOnly(ports), progress: () => undefined },
    {
      configFlag,
      stateDir,
      environment: process.env,
      patienceMs: imdsPatienceMs,
    },
    deadline.signal,
  );
  if (rejected !== undefined) throw new BerthError('config-invalid', rejected.reason);
  using ec2 = createAwsEc2(ports, access);
  const planned = config.pools.map((pool, i) =>
    planClaim(
      ports,
      ec2,
      { identity, pool, stateDir, firstIndex: i + 1, routing: config.routing },
      deadline.signal,
    ),
  );
  const pools = await Promise.all(planned).catch((error: unknown) => {
    if (!deadline.expired) throw error;
    throw new BerthError(
      'timeout',
      `cannot plan the claim: EC2 has not answered within ${withinMs / 1000} s; the warnings above say why`,
      { cause: error, retryable: true },
    );
  });
  const document = {
    instanceId: identity.instanceId,
    config: source,
    pools,
    logs: config.logs,
    files: await planFiles(ports, config.files),
  };
  process.stdout.write(
    parsed.values['json'] === true
      ? `${JSON.stringify(document, undefined, 2)}\n`
      : render(document),
  );
  endThoughHanging();
  return exitCodes.stopped;
};

type ClaimPlan = {
  readonly pool: string;
  readonly step: string;
  readonly eni: Eni | undefined;
  readonly picture: readonly string[];
  readonly commands: readonly string[];
};

async function planClaim(
  ports: Ports,
  ec2: Ec2,
  input: {
    readonly identity: Identity;
    readonly pool: PoolConfig;
    readonly stateDir: string;
    readonly firstIndex: number;
    readonly routing: RoutingConfig;
  },
  signal: AbortSignal,
): Promise<ClaimPlan> {
  const { identity, pool, stateDir, firstIndex, routing } = input;
  const { instanceId } = identity;
  const deps = { ...ports, ec2 };
  const record = createClaimRecords(ports, { stateDir, instanceId }).of(pool.name);
  const [enis, self, recordedEniId] = await Promise.all([
    repeat(deps, () => ec2.describePool(pool.name, signal), signal),
    repeat(deps, () => ec2.describeInstance(instanceId, signal), signal),
    record.load(),
  ]);
  const none: ReadonlySet<string> = new Set();
  const step = nextStep({
    identity,
    pool,
    enis,
    recordedEniId,
    unsuitable: none,
    orphaned: none,
  });
  const eni = eniOf(step);
  const said = { pool: pool.name, step: sentenceOf(step) };
  if (eni === undefined) return { ...said, eni, picture: [], commands: [] };
  const subnet = await subnetOf(deps, eni, identity, signal);
  const claimed: ClaimedEni = {
    eni,
    deviceIndex: eni.attachment?.deviceIndex ?? freeDeviceIndex(self, firstIndex),
    networkCardIndex: eni.attachment?.networkCardIndex ?? 0,
    subnet,
  };
  const [device, mtu] = await Promise.all([
    ports.devices.find(eni.mac, signal),
    primaryMtu(ports, { primaryMac: identity.primaryMac, otherwise: undefined }, signal),
  ]);
  const hasIpv6 = await isIpv6On(ports, device?.name ?? 'default');
  const { mode, localBridges, connmark } = routing;
  const bridgeGroup = localBridges ? ownGroup : undefined;
  const plan = planRoutes({ claimed, device, mtu, hasIpv6, bridgeGroup, connmark });
  const picture = drawRouting(plan, identity);
  return { ...said, eni, picture, commands: mode === 'own' ? describePlan(plan) : [] };
}

function eniOf(step: Step): Eni | undefined {
  if (step.do === 'adopt' || step.do === 'resume') return step.eni;
  return step.do === 'try' ? step.candidates[0] : undefined;
}

function sentenceOf(step: Step): string {
  switch (step.do) {
    case 'adopt':
      return `keep ${step.eni.eniId}, which is attached to this instance`;
    case 'resume':
      return `go on with ${step.eni.eniId}, which was claimed before`;
    case 'try':
      return `claim ${step.candidates[0]?.eniId}${step.candidates.length > 1 ? `, or one of ${step.candidates.length - 1} others when another instance is faster` : ''}`;
    case 'let-go':
      return `detach ${step.surplus.map(({ eniId }) => eniId).join(', ')}, which the configuration does not pin, and then look again`;
    case 'look-again':
      return `wait until ${step.eni.eniId} has left this instance`;
    default:
      return step.why;
  }
}

function render(document: {
  readonly instanceId: string;
  readonly config: ConfigSource;
  readonly pools: readonly ClaimPlan[];
  readonly files: readonly FilePlan[];
  readonly logs: {
    readonly sources: readonly {
      readonly filePath: string;
      readonly logGroupName: string;
      readonly logStreamName: string;
    }[];
  };
}): string {
  const { instanceId, config, pools, logs, files } = document;
  const lines = [
    `instance   ${instanceId}`,
    `config     ${config.name}${config.version === undefined ? '' : ` version ${config.version}`}`,
    ...(pools.length === 0 ? ['pool       none: nothing is claimed'] : []),
    ...pools.flatMap(({ pool, step, eni, picture }) => [
      `pool       ${pool}`,
      `claim      ${step}`,
      ...(eni === undefined ? [] : [`addresses  ${eni.ipv4.join(' ')}  MAC ${eni.mac}`]),
      ...picture.map((line, n) => `${(n === 0 ? 'routing' : '').padEnd(11)}${line}`),
    ]),
    ...logs.sources.map(
      ({ filePath, logGroupName, logStreamName }) =>
        `logs       ${filePath} -> ${logGroupName} / ${logStreamName}`,
    ),
    ...files.flatMap(({ path, step, diff }) => [
      `file       ${path} ${step}`,
      ...diff.map((line) => `           ${line}`),
    ]),
    ...(pools.every(({ commands }) => commands.length === 0)
      ? []
      : [
          '',
          'Once the device is there (DEVICE stands for its name until then):',
          ...pools.flatMap(({ commands }) => commands.map((line) => `  ${line}`)),
        ]),
  ];
  return `${lines.join('\n')}\n`;
}

/** The last good configuration is not a plan's to write. */
function readOnly(ports: Ports): Ports['files'] {
  return { ...ports.files, writeAtomic: async () => undefined, remove: async () => undefined };
}
