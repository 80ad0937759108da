// Reads each kind of metric of the host: which disks, interfaces and cores there are, and what has changed since the last time.
import { once } from 'node:events';
import { BerthError } from '../errors.ts';
import type { Dimensions, MetricsKind, MetricsSection } from '../model/metrics.ts';
import type { Clock } from '../system/clock.ts';
import type { Exec } from '../system/exec.ts';
import type { FileSystemSize, Proc } from '../system/proc.ts';
import {
  cpuUsage,
  parseCpuTimes,
  parseDiskstats,
  parseEthtool,
  parseMemory,
  parseMounts,
  parseNetDev,
  percent,
  type CpuTimes,
  type Fields,
  type Mount,
} from './proc-stats.ts';
import { countProcesses, countSockets, countThreads } from './proc-tables.ts';

export type CollectorDeps = {
  readonly clock: Clock;
  readonly proc: Proc;
  readonly exec: Exec;
};

/** What one thing of the host (a core, a disk) gives. */
export type Reading = { readonly dimensions: Dimensions; readonly fields: Fields };

/** Keeps what it needs for the next time. Throws what the reading throws, and where berth may not read. */
export type Collect = (signal: AbortSignal) => Promise<readonly Reading[]>;

type Create = (deps: CollectorDeps, section: MetricsSection) => Collect;

const ethtoolTimeoutMs = 5_000;
/** A file server that is away may hold an answer back for ever. */
const sizeTimeoutMs = 5_000;

export function createCollector(deps: CollectorDeps, section: MetricsSection): Collect {
  return creators[section.kind](deps, section);
}

const createCpu: Create = ({ proc }, { totalCpu, perCpu }) => {
  let before: ReadonlyMap<string, CpuTimes> = new Map();
  return async () => {
    const now = parseCpuTimes(must(proc, '/proc/stat'));
    const wanted = [...now].filter(([cpu]) => (cpu === 'cpu-total' ? totalCpu : perCpu));
    const readings = wanted.map(([cpu, times]): Reading => {
      const last = before.get(cpu);
      const usage = last === undefined ? undefined : cpuUsage(last, times);
      const seconds = Object.entries(times).map(([name, value]) => [`time_${name}`, value]);
      return { dimensions: { cpu }, fields: { ...Object.fromEntries(seconds), ...usage } };
    });
    before = now;
    return readings;
  };
};

const createMemory: Create =
  ({ proc }, { kind }) =>
  async () => {
    const { mem, swap } = parseMemory(must(proc, '/proc/meminfo'));
    return [{ dimensions: {}, fields: kind === 'mem' ? mem : swap }];
  };

/** Where nothing is asked for by name. Sizes of these are always 0, or looking at them would mount them. */
const sizeless = new Set(
  (
    'autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts fusectl mqueue nsfs proc pstore rpc_pipefs ' +
    'securityfs selinuxfs sysfs tracefs'
  ).split(' '),
);

const createDisk: Create = ({ proc, clock }, { resources, ignored, dropDevice }) => {
  /** Of which no answer came yet: each holds one of the four threads that read files for all of berth. */
  const asked = new Set<string>();
  const ask = async (path: string, signal: AbortSignal): Promise<FileSystemSize | undefined> => {
    if (asked.has(path)) return undefined;
    asked.add(path);
    const answer = proc.sizeOf(path).finally(() => asked.delete(path));
    // What nobody waits for any more.
    answer.catch(() => undefined);
    using deadline = clock.deadline(sizeTimeoutMs, signal);
    if (deadline.signal.aborted) return undefined;
    return await Promise.race([answer, once(deadline.signal, 'abort').then(() => undefined)]);
  };
  return async (signal) => {
    const mounts = parseMounts(must(proc, '/proc/self/mountinfo')).filter(
      ({ fstype }) => !sizeless.has(fstype) && !ignored.includes(fstype),
    );
    const wanted =
      resources === undefined
        ? eachOnce(mounts)
        : mounts.filter(({ path }) => resources.includes(path));
    const names = parseDiskstats(proc.read('/proc/diskstats') ?? '');
    const readings = await Promise.all(
      wanted.map(async ({ path, fstype, source, device }): Promise<readonly Reading[]> => {
        // One that berth may not look into is left out.
        const size = await ask(path, signal).catch(() => undefined);
        if (size === undefined || size.totalBytes === 0) return [];
        const block = source === '/dev/root' ? names.get(device)?.name : undefined;
        const shown = block ?? (source === 'none' ? fstype : source.replaceAll('/dev/', ''));
        const dimensions = { path, ...(dropDevice ? {} : { device: shown }), fstype };
        return [{ dimensions, fields: fieldsOf(size) }];
      }),
    );
    return readings.flat();
  };
};

/** The agent measures a bind mount as well, and systemd's sandbox is made of them. Where all of a file system is mounted. */
function eachOnce(mounts: readonly Mount[]): readonly Mount[] {
  const best = new Map<string, Mount>();
  for (const mount of mounts.toSorted(
    (a, b) => a.root.length - b.root.length || a.path.length - b.path.length,
  )) {
    if (!best.has(mount.device)) best.set(mount.device, mount);
  }
  return mounts.filter((mount) => best.get(mount.device) === mount);
}

function fieldsOf({
  totalBytes,
  freeBytes,
  usedBytes,
  inodes,
  inodesFree,
}: FileSystemSize): Fields {
  return {
    total: totalBytes,
    free: freeBytes,
    used: usedBytes,
    // Of what anybody but root may have.
    used_percent: percent(usedBytes, usedBytes + freeBytes),
    inodes_total: inodes,
    inodes_free: inodesFree,
    inodes_used: inodes - inodesFree,
  };
}

/** Since the last time; nothing at the first time, and when a counter begins anew. */
function createDeltas(): (key: string, now: Fields) => Fields {
  const last = new Map<string, Fields>();
  return (key, now) => {
    const before = last.get(key);
    last.set(key, now);
    if (before === undefined) return {};
    const deltas = Object.entries(now).map(
      ([name, value]) => [name, value - before[name]!] as const,
    );
    return deltas.every(([, delta]) => delta >= 0) ? Object.fromEntries(deltas) : {};
  };
}

const createDiskIo: Create = ({ proc }, { resources }) => {
  const deltas = createDeltas();
  return async () => {
    const devices = [...parseDiskstats(must(proc, '/proc/diskstats')).values()].filter(
      ({ name, fields }) =>
        // The agent has the loop devices that never did anything, too.
        resources?.some((pattern) => isLike(pattern, name)) ??
        fields['reads']! + fields['writes']! > 0,
    );
    return devices.map(({ name, fields: { iops_in_progress: inProgress, ...counters } }) => ({
      dimensions: { name },
      fields: { ...deltas(name, counters), iops_in_progress: inProgress! },
    }));
  };
};

/** Flags of <linux/if.h>. */
const isUp = 0x1;
const isLoopback = 0x8;

function isLive(proc: Proc, name: string): boolean {
  const flags = Number(proc.read(`/sys/class/net/${name}/flags`)?.trim() ?? 0);
  return (flags & isUp) !== 0 && (flags & isLoopback) === 0;
}

const createNet: Create = ({ proc }, { resources }) => {
  const deltas = createDeltas();
  return async () =>
    [...parseNetDev(must(proc, '/proc/net/dev'))]
      .filter(([name]) => resources?.some((one) => isLike(one, name)) ?? isLive(proc, name))
      .map(([name, counters]) => ({
        dimensions: { interface: name },
        fields: deltas(name, counters),
      }));
};

const createNetstat: Create =
  ({ proc }) =>
  async () => {
    // Without IPv6 there is no tcp6.
    const tcp = [must(proc, '/proc/net/tcp'), proc.read('/proc/net/tcp6') ?? ''];
    const udp = [proc.read('/proc/net/udp') ?? '', proc.read('/proc/net/udp6') ?? ''];
    return [{ dimensions: {}, fields: countSockets({ tcp, udp }) }];
  };

const createProcesses: Create =
  ({ proc }, { metrics }) =>
  async () => {
    // The unit hides the processes of others. The kernel tells how many threads run or are blocked.
    if (proc.read('/proc/1/stat') === undefined) {
      const kernel = countThreads(must(proc, '/proc/stat'), must(proc, '/proc/loadavg'));
      if (metrics.some(({ field }) => kernel[field] !== undefined))
        return [{ dimensions: {}, fields: kernel }];
      throw new BerthError(
        'not-permitted',
        "cannot count processes: berth's unit hides those of others, but for running, blocked and total_threads; set ProtectProc=default in a drop-in (systemctl edit berth)",
      );
    }
    const pids = proc.list('/proc').filter((name) => /^\d+$/.test(name));
    const stats = pids.flatMap((pid) => proc.read(`/proc/${pid}/stat`) ?? []);
    return [{ dimensions: {}, fields: countProcesses(stats) }];
  };

const createEthtool: Create =
  ({ proc, exec }, { resources, ignored }) =>
  async (signal) => {
    const readings: Reading[] = [];
    for (const name of proc.list('/sys/class/net')) {
      const isWanted = resources?.some((pattern) => isLike(pattern, name)) ?? true;
      if (!isWanted || ignored.some((pattern) => isLike(pattern, name))) continue;
      // A bridge, a tunnel or one end of a container's cable has no driver.
      const uevent = proc.read(`/sys/class/net/${name}/device/uevent`) ?? '';
      const driver = /^DRIVER=(.+)$/m.exec(uevent)?.[1];
      if (driver === undefined || !isLive(proc, name)) continue;
      const { code, stdout } = await exec.run(
        { argv: ['ethtool', '-S', name], stdin: undefined, timeoutMs: ethtoolTimeoutMs },
        signal,
      );
      if (code !== 0) continue;
      readings.push({ dimensions: { interface: name, driver }, fields: parseEthtool(stdout) });
    }
    return readings;
  };

const creators: Readonly<Record<MetricsKind, Create>> = {
  cpu: createCpu,
  disk: createDisk,
  diskio: createDiskIo,
  ethtool: createEthtool,
  mem: createMemory,
  net: createNet,
  netstat: createNetstat,
  processes: createProcesses,
  swap: createMemory,
};

/** `eth*`; nothing else is special. */
export function isLike(pattern: string, name: string): boolean {
  if (!pattern.includes('*')) return pattern === name;
  const escaped = pattern.replaceAll(/[^\w*]/g, String.raw`\$&`).replaceAll('*', '.*');
  return new RegExp(`^${escaped}$`).test(name);
}

function must(proc: Proc, path: string): string {
  const text = proc.read(path);
  if (text !== undefined) return text;
  throw new BerthError('disk', `cannot read ${path}`, { details: { path } });
}
