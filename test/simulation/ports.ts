// The outside world of one process but for EC2: files, devices, routing, what it tells, and the probe of a standby.
import { BerthError } from '../../src/errors.ts';
import type { Device } from '../../src/model/eni.ts';
import type { RoutePlan } from '../../src/model/routes.ts';
import type { Phase } from '../../src/model/status.ts';
import type { Routing } from '../../src/route/routing.ts';
import type { Announce } from '../../src/tell/announce.ts';
import type { PoolBoard } from '../../src/tell/status-board.ts';
import { createSimEc2 } from './ec2-port.ts';
import type { Host } from './host.ts';
import { gate, never, type Process } from './process.ts';
import type { SimPorts } from './program.ts';
import { clockOf } from './time.ts';

export function createPorts(process: Process): SimPorts {
  const { host } = process;
  const { world } = host;
  const clock = clockOf(world.time, process);
  return {
    clock,
    random: world.jitter,
    log: world.log,
    ec2: createSimEc2(process),
    files: {
      readText: (path) => gate(process, () => host.disk.get(path)),
      writeAtomic: (path, content) => gate(process, () => void host.disk.set(path, content)),
      remove: (path) => gate(process, () => void host.disk.delete(path)),
    },
    devices: { wait: (mac, signal) => gate(process, () => waitForDevice(process, mac, signal)) },
    routing: createRouting(process),
    boardOf: (pool) => createBoard(process, pool),
    announceOf: () => createAnnounce(process),
    probe: ({ address, timeoutMs }, signal) =>
      gate(process, async () => {
        const isAlive = isAnswering(process, address);
        await clock.sleep(isAlive ? 5 : timeoutMs, signal);
        return isAlive ? undefined : 'no answer';
      }),
  };
}

/** The kernel tells at once. */
function waitForDevice(process: Process, mac: string, signal: AbortSignal): Promise<Device> {
  const { host } = process;
  return new Promise((resolve, reject) => {
    const look = (): void => {
      const device = host.devices.get(mac);
      if (device === undefined) return;
      done();
      resolve(device);
    };
    const abort = (): void => {
      done();
      if (process.isDead) return;
      const isLate = signal.reason instanceof DOMException && signal.reason.name === 'TimeoutError';
      reject(isLate ? missing(mac) : (signal.reason as Error));
    };
    const done = (): void => {
      host.watchers.delete(look);
      signal.removeEventListener('abort', abort);
    };
    if (signal.aborted) {
      abort();
      return;
    }
    host.watchers.add(look);
    signal.addEventListener('abort', abort, { once: true });
    look();
  });
}

function missing(mac: string): BerthError {
  return new BerthError('device-missing', `cannot find the network device with MAC ${mac}`, {
    retryable: true,
  });
}

const noAddresses = { addresses: [], sources: [], subnets: [], gateway: undefined };

/** As src/route: it needs the device, says what others broke, and hears of changes. */
function createRouting(process: Process): Routing {
  const { host } = process;
  const { world } = host;
  const need = ({ mac }: RoutePlan): void => {
    if (!host.devices.has(mac)) throw missing(mac);
  };
  return {
    prepare: () => gate(process, () => undefined),
    plan: ({ claimed, device }, before) =>
      gate(process, () => ({
        eniId: claimed.eni.eniId,
        mac: claimed.eni.mac,
        ifname: before?.ifname ?? device.name,
        table: 1_000 + device.index,
        priority: 1_000,
        mtu: 9_001,
        ipv4: { ...noAddresses, addresses: claimed.eni.ipv4 },
        ipv6: noAddresses,
        unserved: [],
        bridgeGroup: undefined,
        mark: undefined,
      })),
    apply: (plan) =>
      gate(process, () => {
        need(plan);
        host.routes.add(plan.mac);
        world.tell({ what: 'routes', host, mac: plan.mac, areSet: true });
        return plan;
      }),
    problems: (plan) =>
      gate(process, () => {
        need(plan);
        return host.routes.has(plan.mac) ? [] : ['the routes are gone'];
      }),
    concerns: () => gate(process, () => []),
    remove: ({ mac }) =>
      gate(process, () => {
        host.routes.delete(mac);
        world.tell({ what: 'routes', host, mac, areSet: false });
      }),
    describe: () => ({ picture: [], commands: [] }),
    watch: (_current, signal) => createWatcher(process, signal),
  };
}

/** Changes come in groups; one look is enough for all of them. */
const settleMs = 50;

function createWatcher(process: Process, signal: AbortSignal): ReturnType<Routing['watch']> {
  const { host } = process;
  const { time } = host.world;
  let isNews = false;
  let end: ((error: unknown) => void) | undefined;
  const wake = (): void => {
    isNews = true;
    end?.(undefined);
  };
  const abort = (): void => end?.(signal.reason);
  host.watchers.add(wake);
  signal.addEventListener('abort', abort, { once: true });
  return {
    wake,
    next: (sweepMs) => {
      if (process.isDead) return never();
      return new Promise<void>((resolve, reject) => {
        if (signal.aborted) {
          reject(signal.reason as Error);
          return;
        }
        const timer = time.after(isNews ? settleMs : sweepMs, () => end?.(undefined));
        end = (error) => {
          end = undefined;
          isNews = false;
          time.cancel(timer);
          if (process.isDead) return;
          if (error === undefined) resolve();
          else reject(error);
        };
      });
    },
    [Symbol.dispose]: () => {
      host.watchers.delete(wake);
      signal.removeEventListener('abort', abort);
    },
  };
}

/** Only a change of phase is a fact: the words change with every trouble. */
function createBoard(process: Process, pool: string): PoolBoard {
  const { host } = process;
  const { world } = host;
  const put = (phase: Phase, ready: boolean, message: string): void => {
    if (process.isDead) return;
    const before = host.news.get(pool);
    const isSame = before?.phase === phase && before.ready === ready;
    const sinceMs = isSame ? before.sinceMs : world.time.nowMs();
    host.news.set(pool, { phase, ready, message, sinceMs });
    if (!isSame) world.tell({ what: 'news', host, pool, phase, ready, message });
  };
  return {
    progress: (phase, message) => put(phase, host.news.get(pool)?.ready ?? false, message),
    ready: (message) => put('ready', true, message),
    withdraw: (phase, message) => put(phase, false, message),
    serves: () => undefined,
  };
}

function createAnnounce(process: Process): Announce {
  const nothing = (): Promise<void> => gate(process, () => undefined);
  return { writeEnvironment: nothing, removeEnvironment: nothing, hook: nothing, notice: nothing };
}

/** Is `address` served? An ENI's by the host whose kernel has it and its routes; an instance's own by the host itself. */
function isAnswering(process: Process, address: string): boolean {
  const { world } = process.host;
  if (!world.isCalm && world.fate.chance(world.plan.misfortunes.impaired / 20)) return false;
  const eni = world.model.enis().find(({ ipv4 }) => ipv4.includes(address));
  const holder = world.hosts.find(({ instanceId }) => instanceId === eni?.attachment?.instanceId);
  if (eni === undefined || holder === undefined || !holder.isUp || holder.isHung) return false;
  return eni.attachment?.deviceIndex === 0 || isServing(holder, eni.mac);
}

function isServing(host: Host, mac: string): boolean {
  return host.devices.has(mac) && host.routes.has(mac);
}
