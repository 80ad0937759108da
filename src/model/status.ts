// What berth says of itself. Types only.
import type { ConfigSource, Rejected, SignalTarget } from './config.ts';
import type { Notice } from './instance.ts';
import type { RoutingDescription } from './routes.ts';

/** The stage that the daemon is in, and what it is doing there. */
export type Phase =
  | 'starting'
  | 'identifying'
  | 'configuring'
  /** In the warm pool of an Auto Scaling group: nothing is claimed. */
  | 'warm'
  | 'claiming'
  | 'waiting-for-eni'
  | 'standby'
  | 'attaching'
  | 'routing'
  | 'ready'
  | 'lost'
  | 'stopping'
  | 'failed'
  /** The pool stayed empty for as long as it was to be waited for. */
  | 'gave-up'
  /** By `berth release`: nothing is claimed before the next start. */
  | 'released';

/** What `berth status --json` prints. Times are ISO 8601 in UTC. */
export type Status = {
  readonly version: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly phase: Phase;
  readonly ready: boolean;
  readonly readyAt: string | undefined;
  /** From the start of the process to ready. */
  readonly readyAfterMs: number | undefined;
  /** One sentence for people: what is going on, what to do. */
  readonly message: string;
  readonly instanceId: string | undefined;
  readonly config: StatusConfig | undefined;
  /** In the order of the configuration. */
  readonly pools: readonly StatusPool[];
  readonly logs: ShipStatus | undefined;
  readonly metrics: MetricsStatus | undefined;
  /** In force now. */
  readonly notices: readonly Notice[];
  readonly signals: readonly StatusSignal[];
  /** In the order of the configuration. */
  readonly files: readonly StatusFile[];
};

/** Of the configuration that berth runs with. */
export type StatusConfig = ConfigSource & {
  /** A newer one that is not used, and why. */
  readonly rejected: Rejected | undefined;
  /** Keys whose new values count from the next start on. */
  readonly restartNeeded: readonly string[];
};

/** A file of the configuration on this host. */
export type StatusFile = {
  readonly path: string;
  /** `failing`: it is tried again, see `message`. */
  readonly state: 'pending' | 'in-place' | 'failing';
  readonly message: string | undefined;
};

/** What a service of AWS that waits for this instance was told. */
export type StatusSignal = {
  readonly to: SignalTarget;
  /** `failing`: it is tried again; `failed`: it is not. */
  readonly state: 'pending' | 'told' | 'failing' | 'failed';
  readonly message: string;
};

export type StatusPool = {
  readonly pool: string;
  readonly phase: Phase;
  readonly ready: boolean;
  readonly message: string;
  readonly eni: StatusEni | undefined;
};

export type StatusEni = {
  readonly eniId: string;
  readonly mac: string;
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
  readonly device: string | undefined;
  readonly table: number | undefined;
  readonly routing: RoutingDescription;
  /** Rises with every claim of this ENI: lets an application refuse a stale writer. */
  readonly epoch: number;
};

export type ShipStatus = {
  readonly files: number;
  readonly eventsSent: number;
  readonly eventsRefused: number;
  readonly batchesSent: number;
  /** Bytes in the files that CloudWatch has not accepted yet. */
  readonly bytesBehind: number;
  /** Bytes of deleted files that were let go, as the configuration asks. */
  readonly bytesDropped: number;
  /** What is wrong now; if nothing is, the most recent refusal since the start. */
  readonly lastError: string | undefined;
};

/** Of the metrics and the EMF documents, up to the spool; from there on they are log lines. */
export type MetricsStatus = {
  /** Written to the spool since the start. */
  readonly documents: number;
  /** Documents of applications that are no JSON object, or too large. */
  readonly refused: number;
  /** Lost, since the spool was full or could not be written. */
  readonly dropped: number;
  /** What is wrong now: a collector that fails, a port that is taken. */
  readonly lastError: string | undefined;
};
