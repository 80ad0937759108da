// The parsers of /proc and ethtool, on text of real kernels.
import { describe, expect, test } from 'vitest';
import {
  cpuUsage,
  parseCpuTimes,
  parseDiskstats,
  parseEthtool,
  parseMemory,
  parseMounts,
  parseNetDev,
} from '../../src/ship/proc-stats.ts';
import { countProcesses, countSockets } from '../../src/ship/proc-tables.ts';

const at = (...ticks: readonly number[]): string =>
  `cpu  ${ticks.join(' ')}\ncpu0 1 2 3 4 5 6 7 8 0 0\nintr 35 0 0\nctxt 68\nprocs_running 6\n`;

describe('/proc/stat', () => {
  test('gives seconds, of all cores and of each', () => {
    const times = parseCpuTimes(at(2000, 100, 500, 9000, 80, 10, 90, 20, 300, 0));
    expect([...times.keys()]).toEqual(['cpu-total', 'cpu0']);
    expect(times.get('cpu-total')).toMatchObject({
      user: 20,
      idle: 90,
      steal: 0.2,
      guest: 3,
      active: 28,
    });
  });

  test('usage is percent of what passed; guests count once', () => {
    const before = parseCpuTimes(at(2000, 100, 500, 9000, 80, 10, 90, 20, 300, 0));
    const now = parseCpuTimes(at(2050, 100, 520, 9020, 90, 10, 90, 20, 310, 0));
    expect(cpuUsage(before.get('cpu-total')!, now.get('cpu-total')!)).toEqual({
      usage_active: expect.closeTo(80) as number,
      usage_user: expect.closeTo(40) as number,
      usage_guest: expect.closeTo(10) as number,
      usage_system: expect.closeTo(20) as number,
      usage_idle: expect.closeTo(20) as number,
      usage_iowait: expect.closeTo(10) as number,
      usage_nice: 0,
      usage_irq: 0,
      usage_softirq: 0,
      usage_steal: 0,
      usage_guest_nice: 0,
    });
  });

  test('no usage where no time passed, or counters began anew', () => {
    const before = parseCpuTimes(at(2000, 100, 500, 9000, 0, 0, 0, 0, 0, 0)).get('cpu-total')!;
    const anew = parseCpuTimes(at(1, 1, 1, 1, 0, 0, 0, 0, 0, 0)).get('cpu-total')!;
    expect(cpuUsage(before, before)).toBeUndefined();
    expect(cpuUsage(before, anew)).toBeUndefined();
  });
});

describe('/proc/meminfo', () => {
  const text = `MemTotal:       1000 kB
MemFree:         300 kB
MemAvailable:    600 kB
Buffers:          50 kB
Cached:          200 kB
SwapCached:        9 kB
Active:          110 kB
Inactive:        120 kB
Active(anon):      7 kB
SwapTotal:       400 kB
SwapFree:        300 kB
Shmem:            30 kB
SReclaimable:     50 kB
HugePages_Total:   0
`;

  test('used is neither free nor cache', () => {
    expect(parseMemory(text)).toEqual({
      mem: {
        total: 1_024_000,
        available: 614_400,
        used: 409_600,
        cached: 256_000,
        free: 307_200,
        buffered: 51_200,
        active: 112_640,
        inactive: 122_880,
        shared: 30_720,
        used_percent: 40,
        available_percent: 60,
      },
      swap: { used: 102_400, free: 307_200, used_percent: 25 },
    });
  });

  test('without swap none is used', () => {
    expect(parseMemory('MemTotal: 10 kB\n').swap).toEqual({ used: 0, free: 0, used_percent: 0 });
  });
});

test('/proc/diskstats', () => {
  const text = `   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
 259       0 nvme0n1 673944 82279 21259882 855336 186435 855646 34909056 185510 3 194844 1133456 489933 71 21047168
`;
  const devices = parseDiskstats(text);
  expect([...devices.keys()]).toEqual(['7:0', '259:0']);
  expect(devices.get('259:0')).toEqual({
    name: 'nvme0n1',
    fields: {
      reads: 673_944,
      read_bytes: 21_259_882 * 512,
      read_time: 855_336,
      writes: 186_435,
      write_bytes: 34_909_056 * 512,
      write_time: 185_510,
      iops_in_progress: 3,
      io_time: 194_844,
    },
  });
});

test('/proc/net/dev', () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 1489288491  971007    0    0    0     0          0         0 1489288491  971007    0    0    0     0       0          0
eth0.10:2575979008 70689    1    2    0     0          0         0  4839909   41685    3    4    0     0       0          0
`;
  const interfaces = parseNetDev(text);
  expect([...interfaces.keys()]).toEqual(['lo', 'eth0.10']);
  expect(interfaces.get('eth0.10')).toEqual({
    bytes_recv: 2_575_979_008,
    packets_recv: 70_689,
    err_in: 1,
    drop_in: 2,
    bytes_sent: 4_839_909,
    packets_sent: 41_685,
    err_out: 3,
    drop_out: 4,
  });
});

test('/proc/self/mountinfo: the last mount at a place is what is seen there', () => {
  const text = String.raw`27 1 259:1 / / rw,relatime shared:1 - xfs /dev/nvme0n1p1 rw,attr2
42 27 259:1 /srv /data\040disk rw,relatime shared:1 master:2 - xfs /dev/nvme0n1p1 rw
50 27 259:9 / /home rw - ext4 /dev/nvme1n1 rw
51 50 0:40 / /home ro - tmpfs tmpfs ro
`;
  expect(parseMounts(text)).toEqual([
    { path: '/', root: '/', fstype: 'xfs', source: '/dev/nvme0n1p1', device: '259:1' },
    { path: '/data disk', root: '/srv', fstype: 'xfs', source: '/dev/nvme0n1p1', device: '259:1' },
    { path: '/home', root: '/', fstype: 'tmpfs', source: 'tmpfs', device: '0:40' },
  ]);
});

test('ethtool -S', () => {
  const text = `NIC statistics:
     total_resets: 0
     bw_in_allowance_exceeded: 17
     bw_out_allowance_exceeded: 0
     conntrack_allowance_available: 136812
     queue_0_tx_cnt: 4
     odd: n/a
`;
  expect(parseEthtool(text)).toEqual({
    total_resets: 0,
    bw_in_allowance_exceeded: 17,
    bw_out_allowance_exceeded: 0,
    conntrack_allowance_available: 136_812,
    queue_0_tx_cnt: 4,
  });
});

test('/proc/net/tcp, tcp6 and udp', () => {
  const heading =
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n';
  const tcp = `${heading}   0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1603 1
   1: 0100007F:07E8 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 0 1
10000: 0100007F:07E8 0100007F:9998 06 00000000:00000000 03:00000000 00000000     0        0 0 1
   3: 0100007F:07E8 0100007F:9997 0C 00000000:00000000 03:00000000 00000000     0        0 0 1
`;
  const tcp6 = `${heading}   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 16 1
`;
  const udp = `${heading}  123: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 5 2
`;
  expect(countSockets({ tcp: [tcp, tcp6], udp: [udp, ''] })).toEqual({
    tcp_close: 0,
    tcp_close_wait: 0,
    tcp_closing: 0,
    tcp_established: 1,
    tcp_fin_wait1: 0,
    tcp_fin_wait2: 0,
    tcp_last_ack: 0,
    tcp_listen: 2,
    tcp_none: 0,
    tcp_syn_recv: 1,
    tcp_syn_sent: 0,
    tcp_time_wait: 1,
    udp_socket: 1,
  });
});

test('/proc/PID/stat, whatever a process calls itself', () => {
  const rest = '1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0';
  expect(
    countProcesses([
      `1 (systemd) S ${rest} 1 0 5`,
      `2 (a) R (b) R ${rest} 12 0 5`,
      `3 (x y) Z ${rest} 1 0 5`,
      `4 (kworker/0:0) I ${rest} 1 0 5`,
      `5 (gdb) t ${rest} 1 0 5`,
      `6 (new) K ${rest} 1 0 5`,
    ]),
  ).toEqual({
    total: 6,
    total_threads: 17,
    running: 1,
    sleeping: 1,
    blocked: 0,
    zombies: 1,
    dead: 0,
    stopped: 1,
    paging: 0,
    idle: 1,
    wait: 0,
  });
});
