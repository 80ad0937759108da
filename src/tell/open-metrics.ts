// The status as OpenMetrics 1.0 text, for Prometheus and its like. Pure.
import type { Phase, Status } from '../model/status.ts';

export const openMetricsType = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

type Sample = {
  readonly labels: Readonly<Record<string, string>>;
  /** undefined: not known now, and left out. */
  readonly value: number | undefined;
};

type Family = {
  readonly name: string;
  readonly type: 'gauge' | 'counter' | 'info' | 'stateset';
  readonly unit: 'seconds' | 'bytes' | undefined;
  readonly help: string;
  readonly samples: (status: Status) => readonly Sample[];
};

/** All of them: a stateset names each of its states. */
const phases = Object.keys({
  starting: true,
  identifying: true,
  configuring: true,
  warm: true,
  claiming: true,
  'waiting-for-eni': true,
  standby: true,
  attaching: true,
  routing: true,
  ready: true,
  lost: true,
  stopping: true,
  failed: true,
  'gave-up': true,
  released: true,
} satisfies Readonly<Record<Phase, true>>);

export const families: readonly Family[] = [
  family('berth', 'info', 'Version of berth, and the instance', (status) => [
    { labels: { version: status.version, instance_id: status.instanceId ?? '' }, value: 1 },
  ]),
  family(
    'berth_start_time',
    'gauge',
    'When the process started',
    ({ startedAt }) => one(Date.parse(startedAt) / 1000),
    'seconds',
  ),
  family('berth_ready', 'gauge', 'Every address is served', ({ ready }) => one(Number(ready))),
  family(
    'berth_ready_after',
    'gauge',
    'From the start of the process to ready, the first time',
    ({ readyAfterMs }) => one(readyAfterMs === undefined ? undefined : readyAfterMs / 1000),
    'seconds',
  ),
  family(
    'berth_config_version',
    'gauge',
    'Version of the parameter with the configuration, where it is one parameter',
    ({ config }) => one(typeof config?.version === 'number' ? config.version : undefined),
  ),
  family(
    'berth_config_last_known_good',
    'gauge',
    'The last good configuration is used, since there was none that could be',
    ({ config }) => one(config === undefined ? undefined : Number(config.lastKnownGood)),
  ),
  family('berth_pool_ready', 'gauge', 'The address of the pool is served', ({ pools }) =>
    pools.map(({ pool, ready }) => ({ labels: { pool }, value: Number(ready) })),
  ),
  family('berth_pool_claimed', 'gauge', 'An ENI of the pool is held', ({ pools }) =>
    pools.map(({ pool, eni }) => ({
      labels: { pool, eni: eni?.eniId ?? '' },
      value: eni === undefined ? 0 : 1,
    })),
  ),
  family('berth_pool_epoch', 'gauge', 'Rises with every claim of the ENI', ({ pools }) =>
    pools.map(({ pool, eni }) => ({ labels: { pool }, value: eni?.epoch })),
  ),
  family('berth_pool_phase', 'stateset', 'What is done for the pool', ({ pools }) =>
    pools.flatMap(({ pool, phase }) =>
      phases.map((state) => ({
        labels: { pool, berth_pool_phase: state },
        value: Number(state === phase),
      })),
    ),
  ),
  family('berth_notice', 'gauge', 'Notices of AWS that are in force', ({ notices }) =>
    [...new Set(notices.map(({ kind }) => kind))].map((kind) => ({
      labels: { kind },
      value: notices.filter((one) => one.kind === kind).length,
    })),
  ),
  family('berth_log_files', 'gauge', 'Log files that are followed', ({ logs }) => one(logs?.files)),
  family(
    'berth_log_behind',
    'gauge',
    'Of the files, what CloudWatch has not accepted yet',
    ({ logs }) => one(logs?.bytesBehind),
    'bytes',
  ),
  family(
    'berth_log_dropped',
    'counter',
    'Left in deleted files that were let go, as backpressure_mode asks',
    ({ logs }) => one(logs?.bytesDropped),
    'bytes',
  ),
  family('berth_log_events_sent', 'counter', 'Events that CloudWatch accepted', ({ logs }) =>
    one(logs?.eventsSent),
  ),
  family(
    'berth_log_events_refused',
    'counter',
    'Events that CloudWatch refused for good; they are in the dead-letter file',
    ({ logs }) => one(logs?.eventsRefused),
  ),
  family(
    'berth_log_batches_sent',
    'counter',
    'Calls of PutLogEvents that were accepted',
    ({ logs }) => one(logs?.batchesSent),
  ),
  family('berth_metric_documents', 'counter', 'Metric documents that were written', ({ metrics }) =>
    one(metrics?.documents),
  ),
  family(
    'berth_metric_documents_refused',
    'counter',
    'Metric documents of applications that are no JSON object, or too large',
    ({ metrics }) => one(metrics?.refused),
  ),
  family(
    'berth_metric_documents_dropped',
    'counter',
    'Metric documents that were lost',
    ({ metrics }) => one(metrics?.dropped),
  ),
];

/** One line a sample; a family without samples is left out. */
export function renderOpenMetrics(status: Status): string {
  const lines = families.flatMap((family) => {
    const samples = family.samples(status).filter(({ value }) => value !== undefined);
    if (samples.length === 0) return [];
    const { type, unit, help } = family;
    return [
      `# TYPE ${family.name} ${type}`,
      ...(unit === undefined ? [] : [`# UNIT ${family.name} ${unit}`]),
      `# HELP ${family.name} ${help}`,
      ...samples.map(({ labels, value }) => `${sampleNameOf(family)}${braced(labels)} ${value}`),
    ];
  });
  return `${lines.join('\n')}\n# EOF\n`;
}

/** As queries name it. */
export function sampleNameOf({ name, type }: Pick<Family, 'name' | 'type'>): string {
  if (type === 'counter') return `${name}_total`;
  return type === 'info' ? `${name}_info` : name;
}

function family(
  name: string,
  type: Family['type'],
  help: string,
  samples: Family['samples'],
  unit?: Family['unit'],
): Family {
  return { name: unit === undefined ? name : `${name}_${unit}`, type, unit, help, samples };
}

function one(value: number | undefined): readonly Sample[] {
  return [{ labels: {}, value }];
}

function braced(labels: Sample['labels']): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escape(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
