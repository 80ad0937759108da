// Which disks, interfaces and cores are read, and what has changed since the last time: on a kernel made of text, and once
// on the one that this runs on.
import { describe, expect, test } from 'vitest';
import type { MetricsSection } from '../../src/model/metrics.ts';
import { createCollector, isLike, type Reading } from '../../src/ship/collectors.ts';
import { systemClock } from '../../src/system/clock.ts';
import { systemExec, type Exec } from '../../src/system/exec.ts';
import { systemProc, type FileSystemSize, type Proc } from '../../src/system/proc.ts';
import { createFakeClock } from '../fakes/clock.ts';

const { signal } = new AbortController();
const size: FileSystemSize = {
  totalBytes: 1000,
  freeBytes: 600,
  usedBytes: 200,
  inodes: 50,
  inodesFree: 40,
};

const sectionOf = (change: Partial<MetricsSection>): MetricsSection => ({
  kind: 'mem',
  metrics: [],
  intervalMs: 60_000,
  resources: undefined,
  ignored: [],
  perCpu: false,
  totalCpu: true,
  dropDevice: false,
  dimensions: {},
  ...change,
});

type Texts = Record<string, string>;
type Kernel = { readonly texts: Texts; readonly sizes?: Proc['sizeOf']; readonly exec?: Exec };

function collectorOf(kernel: Kernel, change: Partial<MetricsSection>) {
  const proc: Proc = {
    read: (path) => kernel.texts[path],
    list: (folder) => [
      ...new Set(
        Object.keys(kernel.texts)
          .filter((path) => path.startsWith(`${folder}/`))
          .map((path) => path.slice(folder.length + 1).split('/')[0]!),
      ),
    ],
    sizeOf: kernel.sizes ?? (() => Promise.resolve(size)),
  };
  const exec = kernel.exec ?? systemExec;
  return createCollector({ clock: createFakeClock(), proc, exec }, sectionOf(change));
}

const emptyOrClosed: Proc['sizeOf'] = (path) =>
  path === '/' ? Promise.reject(new Error('EACCES')) : Promise.resolve({ ...size, totalBytes: 0 });

const paths = (readings: readonly Reading[]): readonly unknown[] =>
  readings.map(({ dimensions }) => dimensions['path']);
const names = (readings: readonly Reading[]): readonly unknown[] =>
  readings.map(({ dimensions }) => dimensions['interface'] ?? dimensions['name']);

describe('cpu', () => {
  const texts: Texts = {};
  const tick = (idle: number): void => {
    texts['/proc/stat'] = `cpu  10 0 10 ${idle} 0 0 0 0 0 0\ncpu0 10 0 10 ${idle} 0 0 0 0 0 0\n`;
  };

  test('usage from the second time on', async () => {
    const collect = collectorOf({ texts }, { kind: 'cpu' });
    tick(100);
    const [first] = await collect(signal);
    expect(first?.dimensions).toEqual({ cpu: 'cpu-total' });
    expect(Object.keys(first!.fields)).not.toContain('usage_idle');
    expect(first?.fields['time_idle']).toBe(1);
    tick(200);
    const usage = (await collect(signal))[0]?.fields;
    expect(usage?.['usage_idle']).toBeCloseTo(100);
    expect(usage?.['usage_active']).toBeCloseTo(0);
  });

  test('each core, without their sum', async () => {
    tick(100);
    const collect = collectorOf({ texts }, { kind: 'cpu', perCpu: true, totalCpu: false });
    expect(await collect(signal)).toMatchObject([{ dimensions: { cpu: 'cpu0' } }]);
  });
});

describe('disk', () => {
  const mountinfo = [
    '21 27 0:20 / /proc rw - proc proc rw',
    '27 1 259:1 / / rw - xfs /dev/root rw',
    '30 27 259:1 /var/tmp /tmp rw - xfs /dev/root rw',
    '31 27 259:2 /@home /home rw - btrfs /dev/nvme1n1 rw',
    '32 27 259:2 /@srv /srv rw - btrfs /dev/nvme1n1 rw',
    '33 27 0:50 / /run rw - tmpfs tmpfs rw',
    '34 27 0:51 / /auto rw - autofs systemd-1 rw',
    '35 27 259:3 /part /b rw - ext4 /dev/nvme2n1 rw',
    '36 27 259:3 / /whole rw - ext4 /dev/nvme2n1 rw',
  ].join('\n');
  const texts = {
    '/proc/self/mountinfo': mountinfo,
    '/proc/diskstats': ' 259 1 nvme0n1p1 1 1 1 1 1 1 1 1 1 1 1\n',
  };

  test('each file system once, where it is mounted as a whole', async () => {
    const readings = await collectorOf({ texts }, { kind: 'disk' })(signal);
    expect(paths(readings)).toEqual(['/', '/srv', '/run', '/whole']);
    expect(readings[0]).toEqual({
      dimensions: { path: '/', device: 'nvme0n1p1', fstype: 'xfs' },
      fields: {
        total: 1000,
        free: 600,
        used: 200,
        used_percent: 25,
        inodes_total: 50,
        inodes_free: 40,
        inodes_used: 10,
      },
    });
  });

  test('those of resources, also a bind mount', async () => {
    const collect = collectorOf({ texts }, { kind: 'disk', resources: ['/tmp', '/home', '/none'] });
    expect(paths(await collect(signal))).toEqual(['/tmp', '/home']);
  });

  test('without the ignored types, and without the device', async () => {
    const change = { kind: 'disk', ignored: ['tmpfs', 'btrfs', 'ext4'], dropDevice: true } as const;
    const readings = await collectorOf({ texts }, change)(signal);
    expect(readings.map(({ dimensions }) => dimensions)).toEqual([{ path: '/', fstype: 'xfs' }]);
  });

  test('not those that are empty or closed to us', async () => {
    const kernel = { texts, sizes: emptyOrClosed };
    expect(await collectorOf(kernel, { kind: 'disk' })(signal)).toEqual([]);
  });

  test('one whose server is away is left out, and not asked twice', async () => {
    const asked: string[] = [];
    const never = new Promise<FileSystemSize>(() => undefined);
    const sizes: Proc['sizeOf'] = (path) => {
      asked.push(path);
      return path === '/srv' ? never : Promise.resolve(size);
    };
    const clock = createFakeClock();
    const proc: Proc = { read: (path) => (texts as Texts)[path], list: () => [], sizeOf: sizes };
    const collect = createCollector({ clock, proc, exec: systemExec }, sectionOf({ kind: 'disk' }));
    const first = collect(signal);
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(5_000);
    expect(paths(await first)).toEqual(['/', '/run', '/whole']);
    expect(paths(await collect(signal))).toEqual(['/', '/run', '/whole']);
    expect(asked).toEqual(['/', '/srv', '/run', '/whole', '/', '/run', '/whole']);
  });
});

const diskstats = (reads: number): string =>
  `7 0 loop0 0 0 0 0 0 0 0 0 0 0 0\n259 0 nvme0n1 ${reads} 0 8 5 2 0 8 5 3 9 9\n`;

describe('diskio', () => {
  test('what happened since, and what is happening', async () => {
    const texts: Texts = { '/proc/diskstats': diskstats(10) };
    const collect = collectorOf({ texts }, { kind: 'diskio' });
    expect(await collect(signal)).toEqual([
      { dimensions: { name: 'nvme0n1' }, fields: { iops_in_progress: 3 } },
    ]);
    texts['/proc/diskstats'] = diskstats(17);
    expect((await collect(signal))[0]?.fields).toMatchObject({
      reads: 7,
      writes: 0,
      iops_in_progress: 3,
    });
    // A device that was taken away and came back.
    texts['/proc/diskstats'] = diskstats(2);
    expect((await collect(signal))[0]?.fields).toEqual({ iops_in_progress: 3 });
    texts['/proc/diskstats'] = diskstats(3);
    expect((await collect(signal))[0]?.fields['reads']).toBe(1);
  });

  test('one that is asked for, also if it never did anything', async () => {
    const texts = { '/proc/diskstats': diskstats(10) };
    const collect = collectorOf({ texts }, { kind: 'diskio', resources: ['loop*'] });
    expect(names(await collect(signal))).toEqual(['loop0']);
  });
});

const row = (name: string, bytes: number): string =>
  `${name}: ${bytes} 0 0 0 0 0 0 0 7 0 0 0 0 0 0 0\n`;

describe('interfaces', () => {
  const texts: Texts = {
    '/proc/net/dev': row('lo', 1) + row('eth0', 100) + row('eth1', 1) + row('docker0', 1),
    '/sys/class/net/lo/flags': '0x9\n',
    '/sys/class/net/eth0/flags': '0x1003\n',
    '/sys/class/net/eth0/device/uevent': 'DRIVER=ena\nPCI_CLASS=20000\n',
    '/sys/class/net/eth1/flags': '0x1002\n',
    '/sys/class/net/eth1/device/uevent': 'DRIVER=ena\n',
    '/sys/class/net/docker0/flags': '0x1003\n',
  };

  test('net: those that are up, but for the loopback', async () => {
    const collect = collectorOf({ texts }, { kind: 'net' });
    expect(await collect(signal)).toEqual([
      { dimensions: { interface: 'eth0' }, fields: {} },
      { dimensions: { interface: 'docker0' }, fields: {} },
    ]);
    texts['/proc/net/dev'] = row('eth0', 250);
    expect(await collect(signal)).toMatchObject([
      { dimensions: { interface: 'eth0' }, fields: { bytes_recv: 150, bytes_sent: 0 } },
    ]);
  });

  test('net: those of resources', async () => {
    texts['/proc/net/dev'] = row('lo', 1) + row('eth0', 100) + row('eth1', 1);
    const collect = collectorOf({ texts }, { kind: 'net', resources: ['lo', 'eth1'] });
    expect(names(await collect(signal))).toEqual(['lo', 'eth1']);
  });

  const asked: string[] = [];
  const exec: Exec = {
    ...systemExec,
    run: ({ argv }) => {
      asked.push(argv.join(' '));
      const stdout = 'NIC statistics:\n     bw_in_allowance_exceeded: 3\n';
      return Promise.resolve({ code: 0, stdout, stderr: '' });
    },
  };

  test('ethtool: those with a driver that are up', async () => {
    expect(await collectorOf({ texts, exec }, { kind: 'ethtool' })(signal)).toEqual([
      { dimensions: { interface: 'eth0', driver: 'ena' }, fields: { bw_in_allowance_exceeded: 3 } },
    ]);
    expect(asked).toEqual(['ethtool -S eth0']);
  });

  test('ethtool: not those that are excluded', async () => {
    const change = { kind: 'ethtool', resources: ['eth*'], ignored: ['eth0'] } as const;
    expect(await collectorOf({ texts, exec }, change)(signal)).toEqual([]);
  });
});

describe('processes', () => {
  test('are counted', async () => {
    const texts = {
      '/proc/1/stat': '1 (a) S 1',
      '/proc/22/stat': '22 (b) R 1',
      '/proc/meminfo': '',
    };
    const [reading] = await collectorOf({ texts }, { kind: 'processes' })(signal);
    expect(reading?.fields).toMatchObject({ total: 2, sleeping: 1, running: 1 });
  });

  describe('that are hidden', () => {
    const texts = {
      '/proc/22/stat': '22 (berth) R 1',
      '/proc/stat': 'cpu  1 2 3 4\nprocs_running 3\nprocs_blocked 2\nsoftirq 1',
      '/proc/loadavg': '0.20 0.18 0.12 3/480 11206\n',
    };
    const wanting = (...fields: readonly string[]) =>
      collectorOf(
        { texts },
        {
          kind: 'processes',
          metrics: fields.map((field) => ({ field, name: field, unit: 'Count' as const })),
        },
      )(signal);

    test('run, wait and have threads all the same', async () => {
      expect(await wanting('total', 'running')).toEqual([
        { dimensions: {}, fields: { running: 3, blocked: 2, total_threads: 480 } },
      ]);
    });

    test('are no number, but a complaint', async () => {
      await expect(wanting('total', 'zombies')).rejects.toThrow(
        'set ProtectProc=default in a drop-in',
      );
    });
  });
});

test('a file of /proc that is not there is named', async () => {
  await expect(collectorOf({ texts: {} }, { kind: 'mem' })(signal)).rejects.toThrow(
    'cannot read /proc/meminfo',
  );
});

test('a pattern knows * and nothing else', () => {
  expect(isLike('eth*', 'eth0')).toBe(true);
  expect(isLike('eth*', 'veth0')).toBe(false);
  expect(isLike('e.h0', 'eth0')).toBe(false);
  expect(isLike('e.*', 'eth0')).toBe(false);
  expect(isLike('*', '')).toBe(true);
});

test('the kernel that this runs on has all of it', async () => {
  const deps = { clock: systemClock, proc: systemProc, exec: systemExec };
  const read = (kind: MetricsSection['kind']) => createCollector(deps, sectionOf({ kind }))(signal);
  expect((await read('cpu'))[0]?.fields['time_idle']).toBeGreaterThan(0);
  const [mem] = await read('mem');
  expect(mem?.fields['used_percent']).toBeGreaterThan(0);
  expect(mem?.fields['used_percent']).toBeLessThan(100);
  expect(paths(await read('disk'))).toContain('/');
  expect((await read('processes'))[0]?.fields['total']).toBeGreaterThan(1);
  const [sockets] = await read('netstat');
  expect(Number.isInteger(sockets?.fields['tcp_listen'])).toBe(true);
});
