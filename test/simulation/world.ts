// A fleet and its EC2: one seed of the simulator, from which everything follows.
import { tagKeys } from '../../src/claim/tags.ts';
import type { Log } from '../../src/log.ts';
import type { PoolConfig, StandbyConfig } from '../../src/model/config.ts';
import { createEc2Model, type Ec2Model } from '../lab/ec2-model.ts';
import type { Ec2Change, LabEni, LabSubnet } from '../lab/ec2-world.ts';
import { haGroup } from './authorize.ts';
import { createDraws, type Draws } from './draws.ts';
import type { Change, Fact, Observer } from './facts.ts';
import { createHost, plug, powerOff, powerOn, pull, start, type Host } from './host.ts';
import type { Plan } from './plan.ts';
import type { Process } from './process.ts';
import type { SimPorts, StartProgram } from './program.ts';
import { clockOfEc2, createSimTime, type SimTime } from './time.ts';

export type World = {
  readonly plan: Plan;
  readonly time: SimTime;
  readonly model: Ec2Model;
  readonly subnet: LabSubnet;
  readonly pools: readonly string[];
  readonly hosts: Host[];
  /** Of the network and of EC2; of processes; of what befalls hosts and ENIs. */
  readonly net: Draws;
  readonly jitter: Draws;
  readonly fate: Draws;
  readonly log: Log;
  readonly startProgram: StartProgram;
  /** What a mutant does to the ports of a process, and to what goes over the wire. */
  readonly mutate: (ports: SimPorts, process: Process) => SimPorts;
  readonly onTheWire: (change: Change, process: Process) => Change;
  readonly tell: (fact: Fact) => void;
  readonly observe: (observer: Observer) => void;
  /** Attachments that no instance asked for. */
  readonly byPerson: Set<string>;
  /** ENIs whose tags or attachment a person changed, and how. */
  readonly meddled: Map<string, Set<string>>;
  isCalm: boolean;
  calmAtMs: number;
  isOver: boolean;
  outageUntilMs: number;
  /** Calls to EC2 so far. */
  calls: number;
  /** ENIs made so far. */
  enis: number;
  /** What fate has begun and not ended. */
  pending: number;
};

export type Seams = Pick<World, 'startProgram' | 'mutate' | 'onTheWire'>;

const nothing = (): undefined => undefined;
const silent: Log = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silent,
};

const subnet: LabSubnet = {
  subnetId: 'subnet-0000000a',
  vpcId: 'vpc-0000000a',
  availabilityZone: 'eu-central-1a',
  availabilityZoneId: 'euc1-az2',
  ipv4Cidr: '10.0.0.0/23',
};
const elsewhere: LabSubnet = {
  ...subnet,
  subnetId: 'subnet-0000000b',
  availabilityZone: 'eu-central-1b',
  availabilityZoneId: 'euc1-az3',
  ipv4Cidr: '10.0.2.0/24',
};

/** Reads that lag find EC2 as it was before the fleet boots. */
const bootAtMs = 310_000;
const bootWithinMs = 20_000;

export function createWorld(plan: Plan, seams: Seams): World {
  const { seed } = plan;
  const time = createSimTime();
  const observers: Observer[] = [];
  const byInstance = new Map<string, Host>();
  const model = createEc2Model({
    clock: clockOfEc2(time),
    random: createDraws(seed, 'ec2'),
    actuator: {
      plug: (instanceId, { mac }) => Promise.resolve(plug(byInstance.get(instanceId)!, mac)),
      unplug: (instanceId, eniId) =>
        Promise.resolve(pull(byInstance.get(instanceId)!, model.eni(eniId)!.mac)),
    },
    dials: { ...plan.ec2, jitter: 0.9 },
    partition: 'aws',
    region: 'eu-central-1',
    accountId: '123456789012',
  });
  model.addSubnet(subnet);
  model.addSubnet(elsewhere);
  const pools = Array.from({ length: plan.pools }, (_, i) => ['db', 'web'][i]!);
  const world: World = {
    ...seams,
    plan,
    time,
    model,
    subnet,
    pools,
    hosts: [],
    net: createDraws(seed, 'net'),
    jitter: createDraws(seed, 'jitter'),
    fate: createDraws(seed, 'fate'),
    log: silent,
    tell: (fact) => {
      for (const observer of observers) observer(fact);
    },
    observe: (observer) => void observers.push(observer),
    byPerson: new Set(),
    meddled: new Map(),
    isCalm: false,
    calmAtMs: Infinity,
    isOver: false,
    outageUntilMs: -1,
    calls: 0,
    enis: 0,
    pending: 0,
  };
  for (let n = 0; n < plan.enis + plan.elsewhere; n++) {
    addEni(world, n < plan.enis ? subnet.subnetId : elsewhere.subnetId, poolTags(world, n));
  }
  for (let n = 0; n < plan.instances; n++) byInstance.set(...launchHost(world, n));
  model.on('change', (change) => hear(world, byInstance, change));
  return world;
}

export function addEni(world: World, subnetId: string, tags: LabEni['tags']): LabEni {
  const eniId = `eni-${(0x10000000 + world.enis++).toString(16)}`;
  return world.model.addEni({ subnetId, eniId, tags });
}

/** Of the n-th ENI of the pools. */
export function poolTags({ plan, pools }: World, n: number): LabEni['tags'] {
  return {
    [tagKeys.pool]: pools[n % pools.length]!,
    ...(plan.standbys > 0 ? { [tagKeys.haGroup]: haGroup } : {}),
  };
}

/** What has been begun will be brought to an end, whatever else ends: until then the fleet is not quiet. */
export function later(world: World, ms: number, work: () => void): void {
  world.pending++;
  world.time.after(ms, () => {
    world.pending--;
    if (!world.isOver) work();
  });
}

/** One that was terminated is followed by another, as an Auto Scaling group does it. */
function replace(world: World, byInstance: Map<string, Host>, gone: Host): void {
  if (!world.plan.isReplaced || world.isOver || world.hosts.length >= 3 * world.plan.instances)
    return;
  later(world, world.fate.between(5_000, 40_000), () => {
    const [instanceId, host] = launchHost(world, world.hosts.length, gone.config);
    byInstance.set(instanceId, host);
    start(host);
  });
}

function launchHost(
  world: World,
  number: number,
  config = configOf(world, number),
): [string, Host] {
  const { model, plan } = world;
  const host = createHost(world, number, config);
  world.hosts.push(host);
  model.launch({
    instanceId: host.instanceId,
    subnetId: subnet.subnetId,
    instanceType: plan.instanceType,
    tags: plan.standbys > 0 ? { [tagKeys.haGroup]: haGroup } : {},
  });
  return [host.instanceId, host];
}

function configOf({ plan, pools, fate }: World, number: number): Host['config'] {
  const isStandby = number >= plan.instances - plan.standbys;
  const standby: StandbyConfig = {
    fence: plan.fence,
    probe: { port: 80, httpPath: undefined, intervalMs: 2_000, timeoutMs: 1_000, failures: 3 },
    delayMs: fate.between(0, 5_000),
  };
  const poolOf = (name: string): PoolConfig => ({ name, pin: undefined, waitMs: plan.waitMs });
  return {
    pools: pools.map(poolOf),
    standby: isStandby ? standby : undefined,
    takeOverStale: plan.takeOverStale && !isStandby,
    releaseOnStop: plan.releaseOnStop,
  };
}

/** What EC2 does to an instance happens to its host. */
function hear(world: World, byInstance: Map<string, Host>, change: Ec2Change): void {
  if (change.kind === 'eni') {
    world.tell({ what: 'eni', eniId: change.id, eni: change.eni });
    return;
  }
  const host = byInstance.get(change.id);
  if (host === undefined || change.instance === undefined) return;
  const { state } = change.instance;
  world.tell({ what: 'instance', instanceId: change.id, state });
  if (state === 'stopping') powerOff(host, 'the instance stops');
  if (state === 'stopped' && world.isCalm) startSoon(world, change.id);
  if (state === 'running' && !host.isUp) powerOn(host);
  if (state === 'shutting-down' && !host.isGone) {
    powerOff(host, 'the instance is terminated');
    host.isGone = true;
    replace(world, byInstance, host);
  }
}

/** Not before a standby that stopped it has taken its place. */
function startSoon(world: World, instanceId: string): void {
  later(world, world.fate.between(60_000, 90_000), () => {
    if (world.model.instance(instanceId)?.state === 'stopped') world.model.start(instanceId);
  });
}

/** All of the fleet within seconds. */
export async function bootFleet(world: World): Promise<void> {
  const { time, fate, hosts } = world;
  await time.run(bootAtMs, () => false);
  for (const host of hosts) time.after(fate.upTo(bootWithinMs), () => start(host));
}
