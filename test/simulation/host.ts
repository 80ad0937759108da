// An instance of the fleet: its disk, its kernel, and systemd, which starts berth again and again.
import { identityOf } from '../fixtures/identity.ts';
import { within } from '../../src/system/within.ts';
import { BerthError, messageOf, type ErrorCode } from '../../src/errors.ts';
import type { PoolConfig, StandbyConfig } from '../../src/model/config.ts';
import type { Device } from '../../src/model/eni.ts';
import type { Identity } from '../../src/model/instance.ts';
import type { Phase } from '../../src/model/status.ts';
import type { End } from './facts.ts';
import { createPorts } from './ports.ts';
import type { Process } from './process.ts';
import type { Program, ProgramInput } from './program.ts';
import { clockOf } from './time.ts';
import type { World } from './world.ts';

export type HostConfig = {
  readonly pools: readonly PoolConfig[];
  readonly standby: StandbyConfig | undefined;
  readonly takeOverStale: boolean;
  readonly releaseOnStop: boolean;
};

/** What berth says of one pool. */
export type PoolNews = {
  readonly phase: Phase;
  readonly ready: boolean;
  readonly message: string;
  readonly sinceMs: number;
};

export type Host = {
  readonly world: World;
  readonly number: number;
  readonly instanceId: string;
  readonly arn: string;
  readonly config: HostConfig;
  /** Survives everything but the end of the instance. */
  readonly disk: Map<string, string>;
  readonly wallClock: { offsetMs: number };
  /** By MAC: what EC2 has plugged in. */
  readonly plugged: Set<string>;
  /** By MAC: what the kernel shows. */
  readonly devices: Map<string, Device>;
  /** MACs whose routes are set. */
  readonly routes: Set<string>;
  /** Called when the kernel has changed. */
  readonly watchers: Set<() => void>;
  /** By pool; empty while no process runs. */
  readonly news: Map<string, PoolNews>;
  isUp: boolean;
  /** It answers nobody, though it runs. */
  isHung: boolean;
  isGone: boolean;
  process: Process | undefined;
  /** MACs that IMDS showed at the last start. */
  toldMacs: number;
  lives: number;
};

export function createHost(world: World, number: number, config: HostConfig): Host {
  const instanceId = `i-${(0x10000000 + number).toString(16)}`;
  return {
    world,
    number,
    instanceId,
    arn: world.model.arnOf(instanceId),
    config,
    disk: new Map(),
    wallClock: { offsetMs: 0 },
    plugged: new Set(),
    devices: new Map(),
    routes: new Set(),
    watchers: new Set(),
    news: new Map(),
    isUp: true,
    isHung: false,
    isGone: false,
    process: undefined,
    toldMacs: 1,
    lives: 0,
  };
}

/** RestartSec of the unit, and what comes before the claim in a boot. */
const restartMs = 1_300;
/** TimeoutStopSec and the deadline of a release (src/daemon.ts). */
const stopWithinMs = 20_000;
const releaseWithinMs = 12_000;

/** systemd does it unless it runs already. */
export function start(host: Host): void {
  const { world } = host;
  if (host.process !== undefined || !host.isUp || host.isGone || world.isOver) return;
  const { time, plan, fate } = world;
  const killAt =
    !world.isCalm && fate.chance(plan.killAtCall)
      ? { call: 1 + Math.floor(60 * fate.next() ** 2), isAfter: fate.chance(0.5) }
      : undefined;
  const life = ++host.lives;
  const isFirst = life === 1 && host === world.hosts[0];
  const process: Process = {
    host,
    life,
    isDead: false,
    startedAtMs: time.nowMs(),
    wallClock: host.wallClock,
    stopping: new AbortController(),
    isReleasing: false,
    calls: 0,
    killAt: (isFirst ? plan.firstKill : undefined) ?? killAt,
    kill: (why) => kill(host, why),
  };
  host.process = process;
  world.tell({ what: 'start', host });
  const program = world.startProgram(world.mutate(createPorts(process), process), inputOf(host));
  program.run(process.stopping.signal).then(undefined, (error: unknown) => {
    void finish(process, program, error);
  });
}

async function finish(process: Process, program: Program, error: unknown): Promise<void> {
  const { host } = process;
  if (process.isDead) return;
  if (!process.stopping.signal.aborted) {
    const code = error instanceof BerthError ? error.code : undefined;
    end(process, 'failed', messageOf(error), code);
    return;
  }
  const { world } = host;
  // As src/daemon.ts does.
  for (const [pool, { message }] of host.news) {
    host.news.set(pool, { phase: 'stopping', ready: false, message, sinceMs: world.time.nowMs() });
    world.tell({ what: 'news', host, pool, phase: 'stopping', ready: false, message });
  }
  if (host.config.releaseOnStop) {
    process.isReleasing = true;
    const deps = { clock: clockOf(world.time, process), log: world.log };
    await within(deps, releaseWithinMs, 'give the ENI back', (signal) => program.giveBack(signal));
  }
  if (!process.isDead) end(process, 'stopped', 'stopped');
}

function end(process: Process, by: End, why: string, code?: ErrorCode): void {
  const { host } = process;
  process.isDead = true;
  host.process = undefined;
  host.watchers.clear();
  host.world.tell({ what: 'end', host, by, why, code });
  host.news.clear();
  host.world.time.after(restartMs * host.world.fate.between(0.9, 2), () => start(host));
}

/** SIGKILL. */
export function kill(host: Host, why: string): void {
  if (host.process !== undefined) end(host.process, 'killed', why);
}

/** `systemctl restart`: it is started again when it has ended. */
export function restart(host: Host): void {
  const { process, world } = host;
  if (process === undefined || process.stopping.signal.aborted) return;
  process.stopping.abort(new Error('stopped by SIGTERM'));
  world.time.after(stopWithinMs, () => {
    if (!process.isDead) process.kill('did not stop in time');
  });
}

/** The machine goes off; its disk stays. */
export function powerOff(host: Host, why: string): void {
  kill(host, why);
  host.isUp = false;
  for (const mac of host.devices.keys()) unplug(host, mac);
  host.routes.clear();
}

export function powerOn(host: Host): void {
  if (host.isGone) return;
  host.isUp = true;
  for (const mac of host.plugged) showDevice(host, mac);
  host.world.time.after(host.world.fate.between(1_000, 8_000), () => start(host));
}

export function plug(host: Host, mac: string): void {
  host.plugged.add(mac);
  if (host.isUp) showDevice(host, mac);
}

export function pull(host: Host, mac: string): void {
  host.plugged.delete(mac);
  unplug(host, mac);
}

function showDevice(host: Host, mac: string): void {
  const index = host.devices.size + 3;
  host.devices.set(mac, { name: `ens${index + 2}`, index, mac });
  host.world.tell({ what: 'device', host, mac, isThere: true });
  changed(host);
}

function unplug(host: Host, mac: string): void {
  if (!host.devices.delete(mac)) return;
  host.routes.delete(mac);
  host.world.tell({ what: 'device', host, mac, isThere: false });
  changed(host);
}

export function changed(host: Host): void {
  // One that has seen enough leaves the set.
  for (const watcher of Array.from(host.watchers)) watcher();
}

/** What IMDS says at the start: it may omit an interface that is there, and list one that is not (claim.md section 4). */
function inputOf(host: Host): ProgramInput {
  const { world, config } = host;
  const { plan, fate } = world;
  const doubt = !world.isCalm && fate.chance(0.2) ? fate.int(3) - 1 : 0;
  host.toldMacs = Math.max(1, 1 + host.plugged.size + doubt);
  const identity: Identity = identityOf({
    instanceId: host.instanceId,
    instanceType: plan.instanceType,
    availabilityZone: world.subnet.availabilityZone,
    availabilityZoneId: world.subnet.availabilityZoneId,
    vpcId: world.subnet.vpcId,
    primarySubnet: {
      subnetId: world.subnet.subnetId,
      ipv4Cidr: world.subnet.ipv4Cidr,
      ipv6Cidrs: [],
    },
    macCount: host.toldMacs,
    tags: {},
  });
  return { identity, ...config };
}
