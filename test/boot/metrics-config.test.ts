// The CloudWatch agent's `metrics` section and its EMF listener: what is collected, under which names, where it goes.
import { describe, expect, test } from 'vitest';
import { checkConfig, type CheckedConfig } from '../../src/boot/check-config.ts';
import { enaAllowances } from '../../src/boot/metric-names.ts';
import type { Identity } from '../../src/model/instance.ts';
import type { EmfConfig, MetricsConfig } from '../../src/model/metrics.ts';
import { identityOf } from '../fixtures/identity.ts';

function check(input: unknown, identity: Identity | undefined = identityOf()): CheckedConfig {
  return checkConfig(input, { identity, localHostname: 'host-1', nowMs: 0 }, undefined);
}
const messages = (list: readonly { readonly message: string }[]): readonly string[] =>
  list.map(({ message }) => message);

function metricsOf(metrics: unknown, agent: unknown = {}): MetricsConfig {
  const checked = check({ metrics, agent });
  if (!checked.ok) throw new Error(messages(checked.issues).join('\n'));
  return checked.config.metrics!;
}
function emfOf(logs: unknown): EmfConfig | undefined {
  const checked = check({ logs });
  if (!checked.ok) throw new Error(messages(checked.issues).join('\n'));
  return checked.config.emf;
}
const warningsOf = (input: unknown): readonly string[] => messages(check(input).warnings);
function issuesOf(input: unknown): readonly string[] {
  const checked = check(input);
  return checked.ok ? [] : messages(checked.issues);
}
const collected = (metrics_collected: unknown): unknown => ({ metrics: { metrics_collected } });
const mem = { measurement: ['mem_used_percent'] };

describe('metrics', () => {
  test('has every default', () => {
    expect(metricsOf({ metrics_collected: { mem } })).toEqual({
      namespace: 'CWAgent',
      dimensions: { host: 'host-1' },
      aggregations: [],
      intervalMs: 60_000,
      flushMs: 0,
      target: { logGroupName: '/berth/metrics', logStreamName: 'i-0123456789abcdef0' },
      sections: [
        {
          kind: 'mem',
          metrics: [{ field: 'used_percent', name: 'mem_used_percent', unit: 'Percent' }],
          intervalMs: 60_000,
          resources: undefined,
          ignored: [],
          perCpu: false,
          totalCpu: false,
          dropDevice: false,
          dimensions: {},
        },
      ],
    });
  });

  test('nothing is collected where nothing is asked for', () => {
    expect(check({})).toMatchObject({ ok: true, config: { metrics: undefined, emf: undefined } });
  });

  test("the agent's own example", () => {
    const config = metricsOf(
      {
        namespace: 'Fleet',
        append_dimensions: {
          ImageId: '${aws:ImageId}',
          InstanceId: '${aws:InstanceId}',
          InstanceType: '${aws:InstanceType}',
        },
        aggregation_dimensions: [['ImageId'], ['InstanceId', 'InstanceType'], []],
        force_flush_interval: 30,
        log_group_name: '/{aws_region}/metrics',
        metrics_collected: {
          cpu: {
            resources: ['*'],
            measurement: [
              { name: 'cpu_usage_idle', rename: 'CPU_USAGE_IDLE', unit: 'Percent' },
              { name: 'usage_nice', unit: 'Count' },
              ' cpu_usage_guest ',
            ],
            totalcpu: false,
            metrics_collection_interval: 10,
            append_dimensions: { d1: 'foo' },
          },
          disk: {
            resources: ['/', '/data'],
            measurement: ['free'],
            ignore_file_system_types: ['sysfs'],
            drop_device: true,
          },
          net: { resources: ['*'], measurement: ['net_bytes_sent'] },
        },
      },
      { metrics_collection_interval: 20 },
    );
    expect(config).toMatchObject({
      namespace: 'Fleet',
      dimensions: {
        ImageId: 'ami-0123456789abcdef0',
        InstanceId: 'i-0123456789abcdef0',
        InstanceType: 't3.micro',
      },
      aggregations: [['ImageId'], ['InstanceId', 'InstanceType'], []],
      intervalMs: 20_000,
      flushMs: 30_000,
      target: { logGroupName: '/eu-central-1/metrics' },
    });
    const [cpu, disk, net] = config.sections;
    expect(cpu).toMatchObject({
      metrics: [
        { field: 'usage_idle', name: 'CPU_USAGE_IDLE', unit: 'Percent' },
        { field: 'usage_nice', name: 'cpu_usage_nice', unit: 'Count' },
        { field: 'usage_guest', name: 'cpu_usage_guest', unit: 'Percent' },
      ],
      perCpu: true,
      totalCpu: false,
      intervalMs: 10_000,
      dimensions: { d1: 'foo' },
    });
    expect(config.dimensions).not.toHaveProperty('host');
    expect(disk).toMatchObject({
      resources: ['/', '/data'],
      ignored: ['sysfs'],
      dropDevice: true,
      intervalMs: 20_000,
    });
    expect(net).toMatchObject({ resources: undefined, metrics: [{ field: 'bytes_sent' }] });
  });

  test('without the host where the agent leaves it out', () => {
    expect(metricsOf({ metrics_collected: { mem } }, { omit_hostname: true }).dimensions).toEqual(
      {},
    );
  });

  test('ethtool collects the allowances of ENA by default', () => {
    const [section] = metricsOf({ metrics_collected: { ethtool: {} } }).sections;
    expect(section?.metrics.map(({ field }) => field)).toEqual(enaAllowances);
    expect(section).toMatchObject({ kind: 'ethtool', resources: undefined, ignored: [] });
  });

  test('ethtool: which interfaces, which counters', () => {
    const ethtool = {
      interface_include: ['eth0'],
      interface_exclude: ['eth1'],
      metrics_include: ['queue_0_*'],
    };
    expect(metricsOf({ metrics_collected: { ethtool } }).sections).toMatchObject([
      {
        resources: ['eth0'],
        ignored: ['eth1'],
        metrics: [{ field: 'queue_0_*', name: 'ethtool_', unit: 'None' }],
      },
    ]);
  });

  test('the group of an Auto Scaling instance comes from its tags', () => {
    const metrics = {
      append_dimensions: { AutoScalingGroupName: '${aws:AutoScalingGroupName}' },
      metrics_collected: { mem },
    };
    const identity = identityOf({ tags: { 'aws:autoscaling:groupName': 'web' } });
    expect(check({ metrics }, identity)).toMatchObject({
      warnings: [],
      config: { metrics: { dimensions: { AutoScalingGroupName: 'web' } } },
    });
    expect(warningsOf({ metrics })).toEqual([
      'metrics.append_dimensions.AutoScalingGroupName: left out: the metadata service does not say it (it does for an instance of a group with tags in instance metadata)',
    ]);
    expect(metricsOf(metrics).dimensions).toEqual({});
  });

  test('what berth does not collect is a warning, and the rest is collected', () => {
    expect(
      warningsOf({
        metrics: {
          metrics_destinations: { cloudwatch: {} },
          append_dimensions: { x: '${aws:Foo}' },
          metrics_collected: {
            mem: { measurement: ['mem_used_percent', 'mem_slab', { name: 'free', unit: 'unit' }] },
            procstat: [{ pid_file: '/x', measurement: ['cpu_usage'] }],
            statsd: {},
            Memory: { measurement: ['% Committed'] },
            swap: { measurement: ['used'], drop_original_metrics: ['used'], oops: 1 },
          },
        },
      }),
    ).toEqual([
      'metrics.metrics_destinations: accepted, not done by this version of berth',
      'metrics.metrics_collected.procstat: accepted, not done by this version of berth',
      'metrics.metrics_collected.statsd: accepted, not done by this version of berth',
      expect.stringMatching(/^unknown key metrics\.metrics_collected\.Memory: /),
      'metrics.metrics_collected.swap.drop_original_metrics: accepted, not done by this version of berth',
      expect.stringMatching(/^unknown key metrics\.metrics_collected\.swap\.oops: /),
      'metrics.metrics_collected.mem.measurement[1]: is no measurement of mem that berth collects',
      'metrics.metrics_collected.mem.measurement[2].unit: is no unit of CloudWatch; Bytes is used',
      'metrics.append_dimensions.x: is no value that berth knows',
    ]);
  });

  test.each([
    [{ metrics: {} }, 'metrics.metrics_collected: must be there'],
    [collected({ mem: {} }), 'metrics.metrics_collected.mem.measurement: must be there'],
    [
      collected({ mem: { measurement: [7] } }),
      'metrics.metrics_collected.mem.measurement[0]: must be a name, or an object with a name',
    ],
    [
      collected({ mem: { ...mem, metrics_collection_interval: 0 } }),
      'metrics.metrics_collected.mem.metrics_collection_interval: must be at least 1',
    ],
    [
      { metrics: { metrics_collected: { mem }, append_dimensions: { ':x': 'y' } } },
      'metrics.append_dimensions.:x: must be 1 to 250 ASCII characters and not begin with a colon',
    ],
    [
      { metrics: { metrics_collected: { mem }, append_dimensions: { _aws: 'y' } } },
      'metrics.append_dimensions._aws: must not be _aws',
    ],
    [
      { metrics: { metrics_collected: { mem }, log_group_name: 'a b' } },
      'metrics.log_group_name: must be 1 to 512 of A-Z a-z 0-9 . - _ / #',
    ],
    [
      {
        metrics: {
          metrics_collected: { mem },
          append_dimensions: Object.fromEntries(
            Array.from({ length: 27 }, (_, i) => [`d${i}`, 'x']),
          ),
        },
      },
      'metrics.append_dimensions: must be at most 26, those of a section added',
    ],
  ])('%j is refused', (input, message) => {
    expect(issuesOf(input)).toEqual([message]);
  });
});

const address = (service_address: string): unknown =>
  emfOf({ metrics_collected: { emf: { service_address } } })?.listeners;

describe('the EMF listener', () => {
  test("has the agent's port, on the loopback alone", () => {
    expect(emfOf({ metrics_collected: { emf: {} }, log_stream_name: 's' })).toEqual({
      listeners: [
        { protocol: 'udp', host: '127.0.0.1', port: 25_888 },
        { protocol: 'tcp', host: '127.0.0.1', port: 25_888 },
      ],
      target: { logGroupName: 'emf/logs/default', logStreamName: 's' },
    });
  });

  test.each([
    ['udp://127.0.0.1:25888', 'udp', '127.0.0.1', 25_888],
    ['tcp://:25888', 'tcp', '0.0.0.0', 25_888],
    ['udp:localhost:1', 'udp', 'localhost', 1],
    ['tcp://[::1]:65535', 'tcp', '::1', 65_535],
  ])('listens on %s', (text, protocol, host, port) => {
    expect(address(text)).toEqual([{ protocol, host, port }]);
  });

  test.each(['127.0.0.1:25888', 'http://127.0.0.1:1', 'udp://127.0.0.1', 'udp://::1:5'])(
    'refuses %s',
    (service_address) => {
      expect(issuesOf({ logs: { metrics_collected: { emf: { service_address } } } })).toEqual([
        'logs.metrics_collected.emf.service_address: must be like udp://127.0.0.1:25888 or tcp://:25888',
      ]);
    },
  );

  test('refuses a port that there is not', () => {
    const emf = { service_address: 'udp://:65536' };
    expect(issuesOf({ logs: { metrics_collected: { emf } } })).toEqual([
      'logs.metrics_collected.emf.service_address: its port must be 1 to 65535',
    ]);
  });

  test('goes to the log group of its own key', () => {
    const emf = { log_group_name: 'apps', log_stream_name: '{ip_address}' };
    expect(emfOf({ metrics_collected: { emf } })?.target).toEqual({
      logGroupName: 'apps',
      logStreamName: '10.0.0.10',
    });
  });

  test('what else the agent has there is a warning', () => {
    expect(warningsOf({ logs: { metrics_collected: { kubernetes: {} } } })).toEqual([
      'logs.metrics_collected.kubernetes: accepted, not done by this version of berth',
    ]);
  });
});
