// Reads what the kernel counts out of the text of /proc and of ethtool. Pure; each field as the CloudWatch agent names it.

/** By the agent's name of the field, without that of the section. */
export type Fields = Readonly<Record<string, number>>;

/** Seconds in which a core did each thing since the boot. */
export type CpuTimes = Fields;

/** USER_HZ: 100 on every architecture that Node runs on. */
const ticksPerSecond = 100;
const cpuColumns = 'user nice system idle iowait irq softirq steal guest guest_nice'.split(' ');

/** /proc/stat: `cpu-total`, `cpu0`, ... */
export function parseCpuTimes(stat: string): ReadonlyMap<string, CpuTimes> {
  const found = new Map<string, CpuTimes>();
  for (const [, name = '', rest = ''] of stat.matchAll(/^cpu(\d*) +([\d ]+)$/gm)) {
    const ticks = rest.split(' ').map(Number);
    const times = Object.fromEntries(
      cpuColumns.map((column, i) => [column, (ticks[i] ?? 0) / ticksPerSecond]),
    );
    // The time of guests is in `user` and `nice` already.
    const all = cpuColumns.slice(0, 8).reduce((sum, column) => sum + times[column]!, 0);
    found.set(`cpu${name === '' ? '-total' : name}`, { ...times, active: all - times['idle']! });
  }
  return found;
}

/** Percent of the time between the two; undefined: no time passed, or the counters began anew. */
export function cpuUsage(before: CpuTimes, now: CpuTimes): Fields | undefined {
  const since = (column: string): number => now[column]! - before[column]!;
  const total = since('active') + since('idle');
  if (!(total > 0)) return undefined;
  const guests: Fields = { user: since('guest'), nice: since('guest_nice') };
  return Object.fromEntries(
    ['active', ...cpuColumns].map((column) => {
      // The kernel takes a little back now and then.
      const spent = Math.max(0, since(column) - (guests[column] ?? 0));
      return [`usage_${column}`, (100 * spent) / total];
    }),
  );
}

/** /proc/meminfo in bytes; `used` is what neither is free nor caches files. */
export function parseMemory(meminfo: string): { readonly mem: Fields; readonly swap: Fields } {
  const kb = new Map<string, number>();
  for (const [, name = '', value] of meminfo.matchAll(/^([\w()]+): +(\d+)/gm)) {
    kb.set(name, Number(value));
  }
  const of = (name: string): number => (kb.get(name) ?? 0) * 1024;
  const total = of('MemTotal');
  const cached = of('Cached') + of('SReclaimable');
  const used = total - of('MemFree') - of('Buffers') - cached;
  const available = of('MemAvailable');
  const swapUsed = of('SwapTotal') - of('SwapFree');
  return {
    mem: {
      total,
      available,
      used,
      cached,
      free: of('MemFree'),
      buffered: of('Buffers'),
      active: of('Active'),
      inactive: of('Inactive'),
      shared: of('Shmem'),
      used_percent: percent(used, total),
      available_percent: percent(available, total),
    },
    swap: {
      used: swapUsed,
      free: of('SwapFree'),
      used_percent: percent(swapUsed, of('SwapTotal')),
    },
  };
}

export function percent(part: number, whole: number): number {
  return whole > 0 ? (100 * part) / whole : 0;
}

export type BlockDevice = { readonly name: string; readonly fields: Fields };

const bytesPerSector = 512;

/** /proc/diskstats, by major and minor number. */
export function parseDiskstats(diskstats: string): ReadonlyMap<string, BlockDevice> {
  const found = new Map<string, BlockDevice>();
  for (const line of diskstats.split('\n')) {
    const [major, minor, name, ...columns] = line.trim().split(/ +/);
    const at = columns.map(Number);
    if (name === undefined || at.length < 11) continue;
    const fields = {
      reads: at[0]!,
      read_bytes: at[2]! * bytesPerSector,
      read_time: at[3]!,
      writes: at[4]!,
      write_bytes: at[6]! * bytesPerSector,
      write_time: at[7]!,
      iops_in_progress: at[8]!,
      io_time: at[9]!,
    };
    found.set(`${major}:${minor}`, { name, fields });
  }
  return found;
}

/** /proc/net/dev, by interface. */
export function parseNetDev(dev: string): ReadonlyMap<string, Fields> {
  const found = new Map<string, Fields>();
  for (const [, name = '', rest = ''] of dev.matchAll(/^ *(\S+): *([\d ]+)$/gm)) {
    const at = rest.trim().split(/ +/).map(Number);
    if (at.length < 16) continue;
    found.set(name, {
      bytes_recv: at[0]!,
      packets_recv: at[1]!,
      err_in: at[2]!,
      drop_in: at[3]!,
      bytes_sent: at[8]!,
      packets_sent: at[9]!,
      err_out: at[10]!,
      drop_out: at[11]!,
    });
  }
  return found;
}

export type Mount = {
  readonly path: string;
  readonly fstype: string;
  readonly source: string;
  /** Major and minor number. */
  readonly device: string;
  /** The part of the file system that is mounted: `/` is all of it. */
  readonly root: string;
};

/** /proc/self/mountinfo (proc_pid_mountinfo(5)): what is seen at each mount point, so the last of several. */
export function parseMounts(mountinfo: string): readonly Mount[] {
  const found = new Map<string, Mount>();
  for (const line of mountinfo.split('\n')) {
    const [left = '', right] = line.split(' - ');
    const [, , device, root, path] = left.split(' ');
    const [fstype, source] = right?.split(' ') ?? [];
    if (path === undefined || source === undefined) continue;
    const mount = { path: unescape(path), fstype: fstype!, source, device: device!, root: root! };
    found.set(mount.path, mount);
  }
  return [...found.values()];
}

/** Blanks and their like are octal. */
function unescape(text: string): string {
  return text.replaceAll(/\\(\d{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/** `ethtool -S`. */
export function parseEthtool(text: string): Fields {
  return Object.fromEntries(
    [...text.matchAll(/^ +(\S[^:\n]*): (\d+)$/gm)].map(([, name, value]) => [name, Number(value)]),
  );
}
