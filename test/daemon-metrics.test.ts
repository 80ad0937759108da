// The whole daemon with metrics: a document of the host and one of an application arrive in the local CloudWatch Logs.
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createLoopback, instanceId, type Loopback } from './fixtures/loopback-daemon.ts';
import { emfProblems, metricsOf } from './fixtures/emf-rules.ts';
import { until } from './lab/progress.ts';

const collected = {
  cpu: { measurement: ['cpu_usage_idle'], metrics_collection_interval: 1 },
  mem: { measurement: ['mem_used_percent'] },
};

/** A port of its own, since tests run side by side. */
function configOf(at: Loopback, address: string): readonly string[] {
  const config = {
    metrics: {
      append_dimensions: { InstanceId: '${aws:InstanceId}', ImageId: '${aws:ImageId}' },
      metrics_collected: collected,
    },
    logs: {
      force_flush_interval: 1,
      metrics_collected: { emf: { service_address: address } },
    },
  };
  return ['--config', at.file('berth.json', JSON.stringify(config))];
}

const heardBy = (at: Loopback, group: string): readonly string[] =>
  at.lab.logs.events(group, instanceId).map(({ message }) => message);

describe.concurrent('metrics', () => {
  test('of the host, of berth and of an application by UDP', async () => {
    await using at = await createLoopback();
    const port = 20_000 + (process.pid % 20_000);
    const daemon = at.start(configOf(at, `udp://127.0.0.1:${port}`));
    await daemon.line('listening', ({ msg }) => msg === 'listening for EMF documents');
    const document = '{"_aws":{"Timestamp":1,"CloudWatchMetrics":[]},"orders":3}';
    const socket = createSocket('udp4');
    socket.send(`${document}\n`, port, '127.0.0.1', () => socket.close());

    const usage = await until('cpu usage', 20_000, () =>
      heardBy(at, '/berth/metrics').find((one) => one.includes('"cpu_usage_idle":')),
    );
    const messages = heardBy(at, '/berth/metrics');
    expect(messages.flatMap(emfProblems)).toEqual([]);
    expect(messages.flatMap(metricsOf)).toEqual(
      expect.arrayContaining(['CWAgent mem_used_percent', 'Berth log_bytes_behind']),
    );
    expect(JSON.parse(usage)).toMatchObject({
      InstanceId: instanceId,
      ImageId: 'ami-0123456789abcdef0',
      cpu: 'cpu-total',
    });
    await until('the document', 20_000, () =>
      heardBy(at, 'emf/logs/default').includes(document) ? true : undefined,
    );
    const { metrics } = await at.status('metrics', (status) => status.metrics !== undefined);
    expect(metrics).toMatchObject({ refused: 0, dropped: 0 });
    expect((await at.command('status')).stdout).toMatch(
      /metrics +\d+ documents, 0 refused, 0 drop/,
    );
    expect(daemon.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('monitoring asks by the socket, and finds it gone at the end', async () => {
    await using at = await createLoopback();
    const daemon = at.start(['--config', at.file('berth.json', '{"monitoring":{}}')]);
    await at.status('ready', ({ ready }) => ready);
    const ask = (path: string) =>
      execFileSync(
        'curl',
        ['-sS', '--unix-socket', join(at.runtimeDir, 'http.sock'), `http://berth${path}`],
        { encoding: 'utf8' },
      );
    expect(ask('/readyz')).toMatch(/^no pool is configured/);
    expect(ask('/metrics')).toContain(`instance_id="${instanceId}"`);
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
    expect(existsSync(join(at.runtimeDir, 'http.sock'))).toBe(false);
  });

  test('what was heard just before SIGTERM arrives before the end', async () => {
    await using at = await createLoopback();
    const port = 40_000 + (process.pid % 20_000);
    const daemon = at.start(configOf(at, `tcp://127.0.0.1:${port}`));
    await daemon.line('listening', ({ msg }) => msg === 'listening for EMF documents');
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.write('{"_aws":{},"last":1}\n', resolve));
    await new Promise((resolve) => setTimeout(resolve, 100));
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
    expect(heardBy(at, 'emf/logs/default')).toEqual(['{"_aws":{},"last":1}']);
    expect(heardBy(at, '/berth/metrics').length).toBeGreaterThan(0);
  });
});
