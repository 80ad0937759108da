// When metrics are collected, how they are put together, and what a collector that fails does.
import { describe, expect, test } from 'vitest';
import { checkConfig } from '../../src/boot/check-config.ts';
import type { MetricsConfig } from '../../src/model/metrics.ts';
import type { Health } from '../../src/ship/health.ts';
import { createMetrics } from '../../src/ship/metrics.ts';
import { systemClock, type Clock } from '../../src/system/clock.ts';
import { systemExec } from '../../src/system/exec.ts';
import { systemProc, type Proc } from '../../src/system/proc.ts';
import { createMemoryLog } from '../fakes/log.ts';
import { createVirtualTime } from '../fakes/virtual-time.ts';
import { emfProblems, metricsOf } from '../fixtures/emf-rules.ts';
import { identityOf } from '../fixtures/identity.ts';

const { signal } = new AbortController();

function configOf(metrics: unknown, agent: unknown = {}): MetricsConfig {
  const facts = { identity: identityOf(), localHostname: 'host-1', nowMs: 0 };
  const checked = checkConfig({ metrics, agent }, facts, undefined);
  if (!checked.ok) throw new Error(JSON.stringify(checked.issues));
  return checked.config.metrics!;
}

const quiet: Health = { pools: [], logs: undefined, metrics: { refused: 0, dropped: 0 } };

function setUp(config: MetricsConfig, clock: Clock, proc: Proc = systemProc) {
  const log = createMemoryLog();
  const written: { readonly atMs: number; readonly documents: readonly string[] }[] = [];
  let health = quiet;
  const metrics = createMetrics(
    { clock, proc, exec: systemExec, log },
    {
      config,
      health: () => health,
      write: async (documents) => void written.push({ atMs: clock.monotonicMs(), documents }),
    },
  );
  return { metrics, log, written, setHealth: (next: Health) => (health = next) };
}

const fieldsOf = (document: string): Readonly<Record<string, unknown>> =>
  JSON.parse(document) as Record<string, unknown>;
const everything = {
  append_dimensions: { InstanceId: '${aws:InstanceId}' },
  aggregation_dimensions: [['InstanceId'], []],
  metrics_collected: {
    cpu: { measurement: ['usage_idle', 'time_active'], resources: ['*'] },
    disk: { measurement: ['used_percent', 'inodes_free'] },
    diskio: { measurement: ['reads', 'io_time', 'iops_in_progress'], resources: ['*'] },
    mem: { measurement: ['used_percent', 'available'] },
    net: { measurement: ['bytes_recv', 'drop_in'], resources: ['lo'] },
    netstat: { measurement: ['tcp_established', 'udp_socket'] },
    processes: { measurement: ['total', 'running'] },
    swap: { measurement: ['used_percent'] },
  },
};

describe('documents', () => {
  test('of this machine are valid, and hold what was asked for', async () => {
    const { metrics, log } = setUp(configOf(everything), systemClock);
    await metrics.collect(signal);
    await new Promise((resolve) => setTimeout(resolve, 30));
    const documents = await metrics.collect(signal);
    expect(documents.flatMap(emfProblems)).toEqual([]);
    const found = new Set(documents.flatMap(metricsOf));
    expect([...found]).toEqual(
      expect.arrayContaining([
        'CWAgent cpu_usage_idle',
        'CWAgent cpu_time_active',
        'CWAgent disk_used_percent',
        'CWAgent mem_used_percent',
        'CWAgent net_bytes_recv',
        'CWAgent netstat_tcp_established',
        'CWAgent processes_total',
        'CWAgent swap_used_percent',
        'Berth log_bytes_behind',
      ]),
    );
    expect(found).not.toContain('CWAgent mem_used');
    expect(log.lines).toEqual([]);
  });

  test('what has the same dimensions is one document', async () => {
    const { metrics } = setUp(configOf(everything), systemClock);
    const documents = await metrics.collect(signal);
    const together = documents.filter((document) => document.includes('mem_used_percent'));
    expect(together).toHaveLength(1);
    expect(fieldsOf(together[0]!)).toMatchObject({
      InstanceId: 'i-0123456789abcdef0',
      swap_used_percent: expect.any(Number) as number,
      processes_total: expect.any(Number) as number,
    });
  });

  test('names and units that were chosen; the dimensions of the section; the host by default', async () => {
    const mem = {
      measurement: [{ name: 'mem_total', rename: 'Memory', unit: 'Kilobytes' }],
      append_dimensions: { team: 'db' },
    };
    const { metrics } = setUp(configOf({ metrics_collected: { mem } }), systemClock);
    const [document] = await metrics.collect(signal);
    expect(document).toContain('"Dimensions":[["host","team"]]');
    expect(document).toContain('"Metrics":[{"Name":"Memory","Unit":"Kilobytes"}]');
    expect(fieldsOf(document!)).toMatchObject({ host: 'host-1', team: 'db' });
  });

  test('the allowances of ENA, and what else is like a pattern', async () => {
    const proc: Proc = {
      read: (path) => {
        if (path.endsWith('/flags')) return '0x1003';
        return path.endsWith('/uevent') ? 'DRIVER=ena\n' : undefined;
      },
      list: () => ['eth0'],
      sizeOf: (path) => systemProc.sizeOf(path),
    };
    const ethtool = { metrics_include: ['bw_in_allowance_exceeded', 'queue_*_tx_cnt'] };
    const metrics = createMetrics(
      {
        clock: systemClock,
        proc,
        log: createMemoryLog(),
        exec: {
          ...systemExec,
          run: async () => ({
            code: 0,
            stderr: '',
            stdout:
              'NIC statistics:\n     bw_in_allowance_exceeded: 5\n     queue_7_tx_cnt: 6\n     x: 1\n',
          }),
        },
      },
      {
        config: configOf({ metrics_collected: { ethtool } }),
        health: () => quiet,
        write: async () => undefined,
      },
    );
    const [document] = await metrics.collect(signal);
    expect(metricsOf(document!)).toEqual([
      'CWAgent ethtool_bw_in_allowance_exceeded',
      'CWAgent ethtool_queue_7_tx_cnt',
    ]);
    expect(fieldsOf(document!)).toMatchObject({ interface: 'eth0', driver: 'ena' });
  });

  test('berth itself: each pool, and what was lost since the last time', async () => {
    const { metrics, setHealth } = setUp(configOf({ metrics_collected: {} }), systemClock);
    const logs = {
      files: 1,
      eventsSent: 10,
      eventsRefused: 1,
      batchesSent: 1,
      bytesBehind: 4096,
      bytesDropped: 13,
      lastError: undefined,
    };
    const pools = [{ pool: 'db', ready: false, eni: undefined }];
    setHealth({ pools, logs, metrics: { refused: 2, dropped: 3 } });
    const [pool, whole] = await metrics.collect(signal);
    expect(fieldsOf(pool!)).toMatchObject({ pool: 'db', claimed: 0, ready: 0 });
    expect(fieldsOf(whole!)).toMatchObject({
      log_bytes_behind: 4096,
      log_events_sent: 10,
      log_events_refused: 1,
      log_bytes_dropped: 13,
      events_dropped: 5,
      spool_lines_dropped: 3,
      emf_documents_refused: 2,
    });
    setHealth({
      pools: [],
      logs: { ...logs, eventsSent: 12 },
      metrics: { refused: 2, dropped: 4 },
    });
    expect(fieldsOf((await metrics.collect(signal))[0]!)).toMatchObject({
      log_events_sent: 2,
      log_events_refused: 0,
      log_bytes_dropped: 0,
      events_dropped: 1,
      spool_lines_dropped: 1,
      emf_documents_refused: 0,
    });
  });
});

describe('the schedule', () => {
  const often = {
    metrics_collected: {
      mem: { measurement: ['used'], metrics_collection_interval: 1 },
      swap: { measurement: ['used'], metrics_collection_interval: 10 },
    },
  };

  test('each section in its interval, one write for what is due together', async () => {
    const time = createVirtualTime();
    const { metrics, written } = setUp(configOf(often), time);
    using end = time.deadline(20_500, signal);
    await time.run(metrics.run(end.signal));
    expect(written.map(({ atMs }) => atMs)).toEqual(Array.from({ length: 21 }, (_, i) => i * 1000));
    const of = (name: string): number =>
      written.filter(({ documents }) => documents.some((one) => one.includes(`"${name}"`))).length;
    expect([of('mem_used'), of('swap_used'), of('log_bytes_behind')]).toEqual([21, 3, 1]);
  });

  test('more often than each minute is kept by the second', async () => {
    const { metrics } = setUp(configOf(often, { metrics_collection_interval: 60 }), systemClock);
    const documents = await metrics.collect(signal);
    expect(documents.map((one) => one.includes('"StorageResolution":1'))).toEqual([true, false]);
  });

  test('gathers for force_flush_interval, and writes the rest at the end', async () => {
    const time = createVirtualTime();
    const config = configOf({ ...often, force_flush_interval: 5 });
    const { metrics, written } = setUp(config, time);
    using end = time.deadline(8_500, signal);
    await time.run(metrics.run(end.signal));
    expect(written.map(({ atMs }) => atMs)).toEqual([5_000, 8_500]);
    expect(
      written.flatMap(({ documents }) => documents.filter((d) => d.includes('mem_used'))),
    ).toHaveLength(9);
  });
});

test('a collector that fails is said once; the others go on', async () => {
  let isBroken = true;
  const proc: Proc = {
    ...systemProc,
    read: (path) => (isBroken && path === '/proc/meminfo' ? undefined : systemProc.read(path)),
  };
  const { metrics, log } = setUp(configOf(everything), systemClock, proc);
  await metrics.collect(signal);
  expect((await metrics.collect(signal)).flatMap(metricsOf)).toContain('CWAgent processes_total');
  expect(metrics.error).toBe('cannot read /proc/meminfo');
  expect(log.lines).toMatchObject([
    { level: 'warn', msg: 'cannot collect the metrics of mem' },
    { level: 'warn', msg: 'cannot collect the metrics of swap' },
  ]);
  isBroken = false;
  expect((await metrics.collect(signal)).flatMap(metricsOf)).toContain('CWAgent mem_used_percent');
  expect(metrics.error).toBeUndefined();
});
