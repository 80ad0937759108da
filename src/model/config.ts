// The configuration after validation: what this instance was told. Types only.
import type { NoticeKind } from './instance.ts';
import type { LogsConfig } from './logs.ts';
import type { EmfConfig, MetricsConfig } from './metrics.ts';
import type { RoutingConfig } from './routes.ts';

/** Where a configuration came from, for the log and the status. */
export type ConfigSource = {
  /** `file /etc/berth/config.json`, `parameter /berth/config`, `user data`, `instance tag berth:pool`, ... */
  readonly name: string;
  /** Of the parameter; of several and of trees eight hex digits; undefined where there is none. */
  readonly version: number | string | undefined;
  /** The copy of the last good configuration was used, since there was none that could be. */
  readonly lastKnownGood: boolean;
};

/** A newer configuration that could not be used. */
export type Rejected = {
  readonly version: ConfigSource['version'];
  readonly reason: string;
};

/** The configuration after validation, with every default filled in. */
export type Config = {
  /** One ENI each; none: this instance claims nothing. */
  readonly pools: readonly PoolConfig[];
  /** Detach and release the claim at a clean stop. */
  readonly releaseOnStop: boolean;
  /** Take an ENI whose owner was terminated and left its claim behind. */
  readonly takeOverStale: boolean;
  /** undefined: this instance takes what is free, and nothing else. */
  readonly standby: StandbyConfig | undefined;
  readonly hooks: HooksConfig;
  readonly routing: RoutingConfig;
  readonly logs: LogsConfig;
  /** undefined: nothing is collected. */
  readonly metrics: MetricsConfig | undefined;
  /** undefined: nobody is listened to. */
  readonly emf: EmfConfig | undefined;
  /** undefined: nobody is told. */
  readonly monitoring: MonitoringConfig | undefined;
  /** undefined: nobody looks for notices. */
  readonly notices: NoticesConfig | undefined;
  /** undefined: no service of AWS hears of this instance's readiness. */
  readonly signals: SignalsConfig | undefined;
  readonly reload: ReloadConfig;
  /** Of this host, kept as they are written here. */
  readonly files: readonly FileConfig[];
};

export type LoadedConfig = {
  readonly config: Config;
  readonly source: ConfigSource;
  /** As it was written, with the references resolved: secrets may be in it. */
  readonly value: unknown;
  /** It, or what a reference stands for, came out of Parameter Store, where it may change. */
  readonly isStored: boolean;
  /** A newer one that was found and could not be used. */
  readonly rejected: Rejected | undefined;
};

/** A file of this host as it is to be. */
export type FileConfig = {
  /** Absolute and plain: see system/plain-path.ts. */
  readonly path: string;
  /** Secrets may be in it. */
  readonly content: string;
  /** Names, or numbers. */
  readonly owner: string;
  readonly group: string;
  /** 0 to 0o777. */
  readonly mode: number;
  /** `{}` in an argument stands for a file with the new content; unless it ends with 0, the old one stays. */
  readonly check: FileCommand | undefined;
  /** After a change. */
  readonly reload: FileCommand | undefined;
};

/** Run without a shell. */
export type FileCommand = {
  readonly argv: readonly string[];
  readonly timeoutMs: number;
};

export type ReloadConfig = {
  /** Parameter Store is looked at so long after the last time, or at random up to twice as long. */
  readonly everyMs: number;
};

export type PoolConfig = {
  /** Value of the tag `berth:pool` on the ENIs. */
  readonly name: string;
  /** undefined: any ENI of the pool. */
  readonly pin: Pin | undefined;
  /** So long is a free ENI waited for before the pool has failed; undefined: for ever. */
  readonly waitMs: number | undefined;
};

/** Which ENI of its pool an instance takes, and no other. */
export type Pin =
  | { readonly by: 'eni'; readonly eniId: string }
  /** Any private IPv4 address of the ENI. */
  | { readonly by: 'ip'; readonly ipv4: string }
  /** Lower case, colons. */
  | { readonly by: 'mac'; readonly mac: string }
  /** undefined: the instance's own tag of this name, filled in at boot. */
  | { readonly by: 'tag'; readonly key: string; readonly value: string | undefined };

/** How a standby watches the holder, and what it does to it before it takes the ENI (claim.md section 6). */
export type StandbyConfig = {
  readonly fence: 'detach' | 'stop';
  readonly probe: ProbeConfig;
  /** Before it fences: of two standbys the one with the shorter delay wins. */
  readonly delayMs: number;
};

export type ProbeConfig = {
  readonly port: number;
  /** GET, healthy from 200 to 399; undefined: a TCP connection is enough. */
  readonly httpPath: string | undefined;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Failures running before the holder counts as silent. */
  readonly failures: number;
};

/** An argv each, run without a shell; undefined: nothing is run. */
export type HooksConfig = {
  readonly onClaimed: readonly string[] | undefined;
  readonly onReady: readonly string[] | undefined;
  readonly onLost: readonly string[] | undefined;
  readonly onReleased: readonly string[] | undefined;
  readonly onNotice: readonly string[] | undefined;
  /** Secret: never shown. */
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
};

export type MonitoringConfig = {
  /** On 127.0.0.1, beside the socket; undefined: on the socket alone. */
  readonly port: number | undefined;
};

export type NoticesConfig = {
  /** On which the ENIs are given back; on a return to the warm pool they always are. */
  readonly release: readonly NoticeKind[];
  /** Between the notice and that. */
  readonly drainMs: number;
  /** So long before the time of the notice it is given back at the latest. */
  readonly marginMs: number;
};

/** Which services of AWS wait for this instance. */
export type SignalsConfig = {
  /** Not ready so long after the start is a failure; undefined: only a pool that gave up is one. */
  readonly timeoutMs: number | undefined;
  readonly stack: StackConfig | undefined;
  readonly hooks: LifecycleHooksConfig | undefined;
  /** What was to be told, and cannot be: the instance does not say where it belongs. */
  readonly problems: readonly { readonly to: SignalTarget; readonly message: string }[];
};

export type StackConfig = {
  readonly stack: string;
  /** Logical id of what has the CreationPolicy. */
  readonly resource: string;
};

export type LifecycleHooksConfig = {
  readonly group: string;
  /** Names of the hooks; undefined: there is none. */
  readonly launch: string | undefined;
  readonly terminate: string | undefined;
  readonly heartbeatMs: number;
  /** What the launch hook hears of a failure; else it hears nothing more, and its own default counts. */
  readonly abandon: boolean;
};

/** A service of AWS that waits for this instance. */
export type SignalTarget = 'cloudformation' | 'launch-hook' | 'terminate-hook';
