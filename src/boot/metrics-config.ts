// Turns the `metrics` section and the EMF listener of a configuration into what is collected, and under which names. Pure.
import type { SpoolTarget } from '../model/logs.ts';
import type {
  Dimensions,
  EmfAddress,
  EmfConfig,
  MetricsConfig,
  MetricsKind,
  MetricsSection,
  WantedMetric,
} from '../model/metrics.ts';
import type { ConfigIssue, RawConfig } from './config-schema.ts';
import { resolveName } from './log-names.ts';
import { enaAllowances, measurements, units } from './metric-names.ts';
import { serviceAddress } from './metrics-schema.ts';
import type { PlaceholderFacts } from './placeholders.ts';

export type Judged<T> = {
  readonly config: T | undefined;
  readonly issues: readonly ConfigIssue[];
  readonly warnings: readonly ConfigIssue[];
};

type RawMetrics = NonNullable<RawConfig['metrics']>;
type RawSections = RawMetrics['metrics_collected'];
type Say = (path: string, message: string) => void;

/** Room for the three that a section adds, and the pool: 30 is the most (logs.md section 6). */
const maxAppended = 26;
/** The agent's port. Not on all addresses as there: anybody could write into the log group. */
const emfListeners: readonly EmfAddress[] = (['udp', 'tcp'] as const).map((protocol) => ({
  protocol,
  host: '127.0.0.1',
  port: 25_888,
}));

export function metricsConfig(raw: RawConfig, facts: PlaceholderFacts): Judged<MetricsConfig> {
  const { metrics, agent } = raw;
  if (metrics === undefined) return { config: undefined, issues: [], warnings: [] };
  const { issues, warnings, refuse, warn } = createJudge();
  const names = targetOf(
    { group: metrics.log_group_name, stream: metrics.log_stream_name },
    { path: 'metrics', facts },
    refuse,
  );
  const intervalMs = (agent?.metrics_collection_interval ?? 60) * 1000;
  const appended = metrics.append_dimensions;
  const path = 'metrics.metrics_collected';
  const sections = sectionsOf(metrics.metrics_collected, { path, intervalMs, facts }, warn);
  const most = Math.max(...sections.map((one) => Object.keys(one.dimensions).length), 0);
  if (Object.keys(appended ?? {}).length + most > maxAppended) {
    refuse('metrics.append_dimensions', `must be at most ${maxAppended}, those of a section added`);
  }
  // As the agent does: what is appended replaces the name of the host.
  const { localHostname } = facts;
  const withHost = appended === undefined && agent?.omit_hostname !== true;
  const host = withHost && localHostname !== undefined ? { host: localHostname } : {};
  const config: MetricsConfig = {
    namespace: metrics.namespace,
    dimensions: {
      ...host,
      ...fillDimensions(appended, { path: 'metrics.append_dimensions', facts }, warn),
    },
    aggregations: metrics.aggregation_dimensions,
    intervalMs,
    flushMs: (metrics.force_flush_interval ?? 0) * 1000,
    sections,
    target: names,
  };
  return { config, issues, warnings };
}

export function emfConfig(logs: RawConfig['logs'], facts: PlaceholderFacts): Judged<EmfConfig> {
  const emf = logs.metrics_collected?.emf;
  if (emf === undefined) return { config: undefined, issues: [], warnings: [] };
  const { issues, warnings, refuse } = createJudge();
  const path = 'logs.metrics_collected.emf';
  const target = targetOf(
    { group: emf.log_group_name, stream: emf.log_stream_name ?? logs.log_stream_name },
    { path, facts },
    refuse,
  );
  const listeners =
    emf.service_address === undefined ? emfListeners : [address(emf.service_address)];
  if (listeners.some(({ port }) => port < 1 || port > 65_535)) {
    refuse(`${path}.service_address`, 'its port must be 1 to 65535');
  }
  return { config: { listeners, target }, issues, warnings };
}

const into =
  (list: ConfigIssue[]): Say =>
  (path, message) =>
    void list.push({ path, message: `${path}: ${message}` });

function createJudge() {
  const issues: ConfigIssue[] = [];
  const warnings: ConfigIssue[] = [];
  return { issues, warnings, refuse: into(issues), warn: into(warnings) };
}

type Place = { readonly path: string; readonly facts: PlaceholderFacts };

function targetOf(
  { group, stream }: { readonly group: string; readonly stream: string },
  { path, facts }: Place,
  refuse: Say,
): SpoolTarget {
  const name = (kind: 'group' | 'stream', template: string): string => {
    const { text, problem } = resolveName(kind, template, facts);
    if (problem !== undefined) refuse(`${path}.log_${kind}_name`, problem);
    return text;
  };
  return { logGroupName: name('group', group), logStreamName: name('stream', stream) };
}

/** An empty host is every address, as for the agent. The schema has checked the form. */
function address(text: string): EmfAddress {
  const [, protocol, host = '', port] = serviceAddress.exec(text) ?? [];
  return {
    protocol: protocol === 'tcp' ? 'tcp' : 'udp',
    host: host === '' ? '0.0.0.0' : host.replaceAll(/[[\]]/g, ''),
    port: Number(port),
  };
}

/** `${aws:...}` by what the metadata service said; what it did not say is left out. */
function fillDimensions(
  raw: Dimensions | undefined,
  { path, facts }: Place,
  warn: Say,
): Dimensions {
  const { identity } = facts;
  const known: Readonly<Record<string, string | undefined>> = {
    '${aws:InstanceId}': identity?.instanceId,
    '${aws:ImageId}': identity?.imageId,
    '${aws:InstanceType}': identity?.instanceType,
    '${aws:AutoScalingGroupName}': identity?.tags?.['aws:autoscaling:groupName'],
  };
  const filled: Record<string, string> = {};
  for (const [name, value] of Object.entries(raw ?? {})) {
    if (!/^\$\{.*\}$/.test(value)) filled[name] = value;
    else if (known[value] !== undefined) filled[name] = known[value];
    else if (!Object.hasOwn(known, value)) warn(`${path}.${name}`, 'is no value that berth knows');
    else if (identity !== undefined) {
      warn(`${path}.${name}`, `left out: the metadata service does not say it${hintOf(value)}`);
    }
  }
  return filled;
}

function hintOf(value: string): string {
  return value === '${aws:AutoScalingGroupName}'
    ? ' (it does for an instance of a group with tags in instance metadata)'
    : '';
}

type SectionPlace = Place & { readonly intervalMs: number };

function sectionsOf(
  raw: RawSections,
  { path, intervalMs, facts }: SectionPlace,
  warn: Say,
): readonly MetricsSection[] {
  const { cpu, disk, diskio, mem, net, netstat, processes, swap, ethtool } = raw;
  const measured = { cpu, disk, diskio, mem, net, netstat, processes, swap };
  const shared = (kind: MetricsKind, section: RawShared): Omit<MetricsSection, 'metrics'> => ({
    kind,
    intervalMs: secondsToMs(section.metrics_collection_interval) ?? intervalMs,
    resources: someOf(section.resources),
    ignored: [],
    perCpu: false,
    totalCpu: false,
    dropDevice: false,
    dimensions: fillDimensions(
      section.append_dimensions,
      { path: `${path}.${kind}.append_dimensions`, facts },
      warn,
    ),
  });
  const sections = Object.entries(measured).flatMap(([name, section]): MetricsSection[] => {
    if (section === undefined) return [];
    const kind = name as keyof typeof measured;
    const metrics = wantedOf(kind, section.measurement, `${path}.${kind}.measurement`, warn);
    return [{ ...shared(kind, section), metrics, ...detailsOf(raw, kind) }];
  });
  if (ethtool === undefined) return sections;
  const { interface_include: resources, interface_exclude: ignored } = ethtool;
  const fields = ethtool.metrics_include ?? enaAllowances;
  const metrics = fields.map((field) => ({ field, name: 'ethtool_', unit: 'None' }));
  return [...sections, { ...shared('ethtool', { ...ethtool, resources }), ignored, metrics }];
}

type RawShared = {
  readonly metrics_collection_interval?: number | undefined;
  readonly resources?: readonly string[] | undefined;
  readonly append_dimensions?: Dimensions | undefined;
};

/** What only some kinds have. */
function detailsOf(raw: RawSections, kind: MetricsKind): Partial<MetricsSection> {
  if (kind === 'cpu') {
    const { resources, totalcpu } = raw.cpu!;
    const perCpu = resources?.includes('*') ?? false;
    return { perCpu, totalCpu: totalcpu, resources: undefined };
  }
  if (kind !== 'disk') return {};
  const { ignore_file_system_types: ignored, drop_device: dropDevice } = raw.disk!;
  return { ignored, dropDevice };
}

/** A `*` alone stands for what there is by default, as for the agent. */
function someOf(resources: readonly string[] | undefined): readonly string[] | undefined {
  return resources?.includes('*') === true ? undefined : resources;
}

function secondsToMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}

type RawMeasurement = NonNullable<RawSections['mem']>['measurement'];

function wantedOf(
  kind: keyof typeof measurements,
  raw: RawMeasurement,
  path: string,
  warn: Say,
): readonly WantedMetric[] {
  const known: Readonly<Record<string, string>> = measurements[kind];
  const wanted = raw.flatMap((item, i): WantedMetric[] => {
    const { name, rename, unit }: Exclude<typeof item, string> =
      typeof item === 'string' ? { name: item } : item;
    const trimmed = name.trim();
    const field = trimmed.startsWith(`${kind}_`) ? trimmed.slice(kind.length + 1) : trimmed;
    if (!Object.hasOwn(known, field)) {
      warn(`${path}[${i}]`, `is no measurement of ${kind} that berth collects`);
      return [];
    }
    const isUnit = unit === undefined || units.has(unit.trim());
    if (!isUnit) warn(`${path}[${i}].unit`, `is no unit of CloudWatch; ${known[field]} is used`);
    return [
      {
        field,
        name: rename?.trim() || `${kind}_${field}`,
        unit: isUnit && unit !== undefined ? unit.trim() : known[field]!,
      },
    ];
  });
  return [...new Map(wanted.map((one) => [one.name, one])).values()];
}
