// The keys of the CloudWatch agent's `metrics` section and of its EMF listener, with their bounds and defaults.
import * as v from 'valibot';
import { agentKey, open } from './key-marks.ts';
import { nameTemplate } from './log-names.ts';

/** timeIntervalDefinition of the agent's schema. */
export const intervalSeconds = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(172_800));

/** A dimension of an EMF document (logs.md section 6). */
const dimensionName = v.pipe(
  v.string(),
  v.regex(/^(?!:)[ -~]{1,250}$/, 'must be 1 to 250 ASCII characters and not begin with a colon'),
  v.check((name) => name !== '_aws', 'must not be _aws'),
);
const dimensionValue = v.pipe(v.string(), v.regex(/^.{1,1024}$/, 'must be 1 to 1024 characters'));
const dimensions = v.record(dimensionName, dimensionValue);

const text = (most: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(most));
const list = v.pipe(v.array(text(4096)), v.maxLength(256));

const measurement = v.array(
  v.union(
    [
      text(255),
      v.object({
        name: text(255),
        rename: v.optional(text(255)),
        unit: v.optional(text(256)),
      }),
    ],
    'must be a name, or an object with a name',
  ),
);

/** An unfinished pipe of a section: what all of them have. */
const common = {
  measurement,
  metrics_collection_interval: v.optional(intervalSeconds),
  append_dimensions: v.optional(dimensions),
};

export function metricsSchema() {
  const ofSection = { ...common, drop_original_metrics: agentKey };
  const section = <E extends v.ObjectEntries>(entries: E, description: string) =>
    v.optional(
      v.pipe(v.object({ ...ofSection, ...entries }), v.metadata(open), v.description(description)),
    );
  const metricsCollected = v.pipe(
    v.object({
      cpu: section(
        { resources: v.optional(list), totalcpu: v.optional(v.boolean(), true) },
        'usage_idle, usage_user, time_active, ...: of all cores (totalcpu), and of each with resources ["*"]',
      ),
      disk: section(
        {
          resources: v.optional(list),
          ignore_file_system_types: v.optional(list, []),
          drop_device: v.optional(v.boolean(), false),
        },
        'used_percent, free, inodes_free, ...: of the mount points in resources; by default each file system once',
      ),
      diskio: section(
        { resources: v.optional(list) },
        'reads, write_bytes, io_time, ...: since the last collection',
      ),
      mem: section({}, 'used_percent, available, cached, ...'),
      net: section(
        { resources: v.optional(list) },
        'bytes_recv, drop_in, ...: since the last collection; by default of each interface that is up',
      ),
      netstat: section({}, 'tcp_established, tcp_time_wait, udp_socket, ...'),
      processes: section({}, 'running, blocked, zombies, total, ...'),
      swap: section({}, 'used_percent, used, free'),
      ethtool: v.optional(
        v.pipe(
          v.object({
            interface_include: v.optional(list, ['*']),
            interface_exclude: v.optional(list, []),
            metrics_include: v.optional(list),
            append_dimensions: v.optional(dimensions),
            metrics_collection_interval: v.optional(intervalSeconds),
            drop_original_metrics: agentKey,
          }),
          v.metadata(open),
          v.description(
            'Counters of `ethtool -S`; metrics_include is the allowances of ENA by default (bw_in_allowance_exceeded, ...)',
          ),
        ),
      ),
      collectd: agentKey,
      efa: agentKey,
      jmx: agentKey,
      nvidia_gpu: agentKey,
      nvidia_smi: agentKey,
      otlp: agentKey,
      procstat: agentKey,
      prometheus: agentKey,
      statsd: agentKey,
    }),
    v.metadata(open),
  );
  return v.object({
    namespace: v.optional(
      v.pipe(
        v.string(),
        v.regex(/^[\w.\-/#: ]{1,255}$/, 'must be 1 to 255 of A-Z a-z 0-9 . - _ / # : and blanks'),
        v.description('CloudWatch namespace of the metrics of the host'),
      ),
      'CWAgent',
    ),
    append_dimensions: v.optional(
      v.pipe(
        dimensions,
        v.description(
          'Of every metric, instead of host: ${aws:InstanceId} ${aws:ImageId} ${aws:InstanceType} ${aws:AutoScalingGroupName}',
        ),
      ),
    ),
    aggregation_dimensions: v.optional(
      v.pipe(
        v.array(v.pipe(v.array(text(250)), v.maxLength(30))),
        v.maxLength(28),
        v.description('Each metric by these dimensions too; [] is all instances together'),
      ),
      [],
    ),
    force_flush_interval: v.optional(
      v.pipe(
        intervalSeconds,
        v.description('Seconds that metrics are gathered before they are written; by default none'),
      ),
    ),
    log_group_name: v.optional(
      v.pipe(
        nameTemplate('group'),
        v.description('Log group of the documents that CloudWatch makes the metrics from'),
      ),
      '/berth/metrics',
    ),
    log_stream_name: v.optional(
      v.pipe(nameTemplate('stream'), v.description('Its log stream')),
      '{instance_id}',
    ),
    metrics_collected: metricsCollected,
    credentials: agentKey,
    'deployment.environment': agentKey,
    endpoint_override: agentKey,
    metrics_destinations: agentKey,
    'service.name': agentKey,
  });
}

/** `udp://127.0.0.1:25888`, `tcp://:25888`, `udp:0.0.0.0:25888`; IPv6 in brackets. */
export const serviceAddress = /^(udp|tcp):(?:\/\/)?([^:[\]/]*|\[[\da-fA-F:.]+\]):(\d{1,5})$/;

/** `logs.metrics_collected`. */
export function logMetricsSchema() {
  return v.pipe(
    v.object({
      emf: v.optional(
        v.pipe(
          v.object({
            service_address: v.optional(
              v.pipe(
                v.string(),
                v.regex(serviceAddress, 'must be like udp://127.0.0.1:25888 or tcp://:25888'),
                v.description('udp:// or tcp://; by default both on 127.0.0.1:25888'),
              ),
            ),
            log_group_name: v.optional(
              v.pipe(nameTemplate('group'), v.description('Log group of these documents')),
              'emf/logs/default',
            ),
            log_stream_name: v.optional(
              v.pipe(
                nameTemplate('stream'),
                v.description('Its log stream. Default: logs.log_stream_name'),
              ),
            ),
          }),
          v.metadata(open),
          v.description('Listens for Embedded Metric Format documents of applications'),
        ),
      ),
      app_signals: agentKey,
      application_signals: agentKey,
      ecs: agentKey,
      kubernetes: agentKey,
      otlp: agentKey,
      prometheus: agentKey,
      structured_log: agentKey,
    }),
    v.metadata(open),
  );
}
