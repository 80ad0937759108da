// What is measured, and how it is called. Types only.
import type { SpoolTarget } from './logs.ts';

export type MetricsConfig = {
  readonly namespace: string;
  /** Of every metric: the host, or what is appended instead. */
  readonly dimensions: Dimensions;
  /** Each metric also by these dimensions, where it has all of them. */
  readonly aggregations: readonly (readonly string[])[];
  /** Of berth's own health. */
  readonly intervalMs: number;
  /** Documents are gathered in memory so long; 0: written at once. */
  readonly flushMs: number;
  readonly sections: readonly MetricsSection[];
  readonly target: SpoolTarget;
};

export type Dimensions = Readonly<Record<string, string>>;

export type MetricsKind =
  | 'cpu'
  | 'disk'
  | 'diskio'
  | 'ethtool'
  | 'mem'
  | 'net'
  | 'netstat'
  | 'processes'
  | 'swap';

export type MetricsSection = {
  readonly kind: MetricsKind;
  readonly metrics: readonly WantedMetric[];
  readonly intervalMs: number;
  /** Mount points, devices or interfaces, with `*`; undefined: what the kind has by default. */
  readonly resources: readonly string[] | undefined;
  /** File system types, or interfaces. */
  readonly ignored: readonly string[];
  /** Beside the sum of all cores: each core. */
  readonly perCpu: boolean;
  readonly totalCpu: boolean;
  /** File systems have no dimension `device`. */
  readonly dropDevice: boolean;
  readonly dimensions: Dimensions;
};

export type WantedMetric = {
  /** In the words of the kernel's reader: `usage_idle`; of ethtool also with `*`. */
  readonly field: string;
  /** In CloudWatch: `cpu_usage_idle`; of ethtool the part in front of the field. */
  readonly name: string;
  readonly unit: string;
};

export type EmfConfig = {
  readonly listeners: readonly EmfAddress[];
  readonly target: SpoolTarget;
};

export type EmfAddress = {
  readonly protocol: 'udp' | 'tcp';
  readonly host: string;
  readonly port: number;
};
