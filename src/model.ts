// The nouns that stages pass to each other. Types only.

/** What IMDS says of this instance. Absent values are undefined, never ''. */
export type Identity = {
  readonly instanceId: string;
  readonly instanceType: string;
  readonly imageId: string | undefined;
  readonly accountId: string;
  readonly region: string;
  /** `aws`, `aws-cn`, `aws-us-gov`: the second field of an ARN. */
  readonly partition: string;
  readonly availabilityZone: string;
  /** The same name in all accounts (`use1-az1`); compare it with ENIs where present. */
  readonly availabilityZoneId: string | undefined;
  readonly architecture: string;
  readonly hostname: string | undefined;
  readonly privateIpv4: string | undefined;
  /** Of the primary ENI: lower case, colons. */
  readonly primaryMac: string;
  /** Network interfaces that IMDS lists, the primary included: a hint, since IMDS lags. */
  readonly macCount: number;
  readonly primarySubnet: Subnet | undefined;
  readonly vpcId: string | undefined;
  /** Only keys of `berth:` and `aws:`. undefined: tags in instance metadata are not enabled. */
  readonly tags: Readonly<Record<string, string>> | undefined;
};

export type Subnet = {
  readonly subnetId: string;
  readonly ipv4Cidr: string | undefined;
  readonly ipv6Cidrs: readonly string[];
};

/** Short-lived keys of the instance role. Secret: never logged. */
export type RoleCredentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiresAtMs: number;
};

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

/** Of the configuration that berth runs with. */
export type StatusConfig = ConfigSource & {
  /** A newer one that is not used, and why. */
  readonly rejected: Rejected | undefined;
  /** Keys whose new values count from the next start on. */
  readonly restartNeeded: readonly string[];
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

export type LogsConfig = {
  readonly sources: readonly LogSource[];
  readonly journals: readonly JournalSource[];
  /** A batch waits for at most this long. */
  readonly forceFlushMs: number;
  readonly compression: 'auto' | 'none' | 'gzip';
  /** All of berth sends no more than this, before compression; undefined: as fast as it can. */
  readonly maxBytesPerSecond: number | undefined;
  /** URL of CloudWatch Logs; undefined: that of the region. */
  readonly endpoint: string | undefined;
  /** Whose CloudWatch Logs; undefined: that of the instance. */
  readonly region: string | undefined;
  /** The role that all is sent with; undefined: the instance's. */
  readonly roleArn: string | undefined;
};

/** What a log group is to be: made so where it is missing; only the retention is put right later. */
export type GroupOptions = {
  readonly class: 'STANDARD' | 'INFREQUENT_ACCESS' | undefined;
  /** undefined: leave it alone. */
  readonly retentionDays: number | undefined;
  readonly kmsKeyId: string | undefined;
  readonly tags: Readonly<Record<string, string>> | undefined;
};

/** The service to which CloudWatch relates the logs. */
export type LogEntity = {
  readonly service: string;
  readonly environment: string | undefined;
  readonly accountId: string | undefined;
  readonly instanceId: string | undefined;
  readonly autoScalingGroup: string | undefined;
};

/** A regular expression of RE2. */
export type LogFilter = { readonly type: 'include' | 'exclude'; readonly expression: string };

export type LogSource = {
  /** Glob of file paths. */
  readonly filePath: string;
  /** Placeholders are filled in. */
  readonly logGroupName: string;
  readonly logStreamName: string;
  readonly groupOptions: GroupOptions;
  /**
   * `newest`: of the files that match at the start only that which was written last, and every newer one; `all`. With
   * `group` or `stream`, all, each in a group or stream named after its path; with `spool`, in those that berth has put
   * into the name of the file.
   */
  readonly files: 'newest' | 'all' | 'group' | 'stream' | 'spool';
  /** Of file names that are left out. */
  readonly blacklist: string | undefined;
  /** A label of the WHATWG encoding standard, or a code page of DOS. */
  readonly encoding: string;
  /** Lines that do not match belong to the event before them; undefined: each line is an event. */
  readonly startPattern: string | undefined;
  /** undefined: an event has the time at which it was seen in the file. */
  readonly timestamp: TimestampFormat | undefined;
  /** undefined: the lines are text, whatever is in them. */
  readonly json: JsonFields | undefined;
  /** All have to let an event pass. */
  readonly filters: readonly LogFilter[];
  /** Delete a file that is sent once a newer one matches. */
  readonly autoRemoval: boolean;
  /** Let go of a deleted file while sending is blocked: its space is free, and the rest of its lines lost. */
  readonly releaseDeleted: boolean;
  readonly entity: LogEntity | undefined;
};

export type TimestampFormat = {
  /** In the directives of the CloudWatch agent. */
  readonly format: string;
  readonly zone: 'utc' | 'local';
  /** Cut it out of the event. */
  readonly trim: boolean;
};

/** Fields of the outermost object of a JSON line, by their whole names. */
export type JsonFields = {
  /** It says when the event was; undefined: none does. */
  readonly timestampField: string | undefined;
  /** They are not sent. */
  readonly removeFields: readonly string[];
};

/** A selection of the systemd journal. */
export type JournalSource = {
  readonly logGroupName: string;
  readonly logStreamName: string;
  readonly groupOptions: GroupOptions;
  /** None: all units. */
  readonly units: readonly string[];
  readonly priority: string;
  /** Entries with all the fields of one of them. */
  readonly matches: readonly Readonly<Record<string, string>>[];
  /** One include has to match, if there is any, and no exclude. */
  readonly filters: readonly LogFilter[];
  readonly entity: LogEntity | undefined;
};

/** Where a spool of EMF documents is shipped to. */
export type SpoolTarget = Pick<LogSource, 'logGroupName' | 'logStreamName'>;

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

export type MonitoringConfig = {
  /** On 127.0.0.1, beside the socket; undefined: on the socket alone. */
  readonly port: number | undefined;
};

export type NoticeKind =
  | 'spot'
  | 'rebalance'
  | 'termination'
  | 'maintenance'
  /** Back into it: the group reuses its instances. */
  | 'warm-pool';

/** What AWS says is about to happen to this instance. */
export type Notice = {
  readonly kind: NoticeKind;
  readonly message: string;
  /** When, in ISO 8601; undefined: soon. */
  readonly at: string | undefined;
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
  readonly problems: readonly Pick<StatusSignal, 'to' | 'message'>[];
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

/** An ENI as EC2 describes it. */
export type Eni = {
  readonly eniId: string;
  /** Lower case, colons. */
  readonly mac: string;
  readonly subnetId: string;
  readonly vpcId: string;
  readonly availabilityZone: string;
  readonly availabilityZoneId: string | undefined;
  readonly status: 'available' | 'associated' | 'attaching' | 'in-use' | 'detaching' | 'unknown';
  readonly interfaceType: string;
  readonly requesterManaged: boolean;
  /** Managed by an AWS service (`Operator.Managed`). */
  readonly operatorManaged: boolean;
  readonly outpostArn: string | undefined;
  /** The first is the primary address. */
  readonly ipv4: readonly string[];
  readonly ipv4Prefixes: readonly string[];
  readonly ipv6: readonly string[];
  readonly ipv6Prefixes: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  readonly attachment: EniAttachment | undefined;
};

export type EniAttachment = {
  readonly attachmentId: string;
  /** undefined: attached by a service that hides its instance. */
  readonly instanceId: string | undefined;
  readonly deviceIndex: number;
  readonly networkCardIndex: number;
  readonly status: 'attaching' | 'attached' | 'detaching' | 'detached' | 'unknown';
  readonly deleteOnTermination: boolean;
  /** ISO 8601. undefined: EC2 was not asked yet. */
  readonly attachedAt: string | undefined;
};

/** The ENI that this instance holds: what routing needs. */
export type ClaimedEni = {
  readonly eni: Eni;
  readonly deviceIndex: number;
  readonly networkCardIndex: number;
  readonly subnet: Subnet;
};

/** A network device of the kernel. */
export type Device = { readonly name: string; readonly index: number; readonly mac: string };

/** A claimed ENI that the kernel shows. */
export type Claimed = {
  readonly claimed: ClaimedEni;
  readonly device: Device;
  /** ENIs of the pool: so many instances may ask EC2 as this one does. */
  readonly peers: number;
};

/** What berth wants the kernel to hold for one ENI (routing.md section 3). */
export type RoutePlan = {
  readonly eniId: string;
  readonly mac: string;
  /** Name of the device; a placeholder while it does not exist yet. */
  readonly ifname: string;
  readonly table: number;
  readonly priority: number;
  /** Of the primary's device. */
  readonly mtu: number;
  readonly ipv4: AddressFamilyPlan;
  readonly ipv6: AddressFamilyPlan;
  /** Addresses of the ENI that this kernel cannot hold, since its IPv6 is off. */
  readonly unserved: readonly string[];
  /** The link group of this host's ENIs: what main has of other devices, bridges of containers, is reached too. */
  readonly bridgeGroup: number | undefined;
  /** Of connections that came in by this ENI, also where they are forwarded to a container. */
  readonly mark: Mark | undefined;
};

/** What the configuration says of routing. */
export type RoutingConfig = {
  /** `verify`: another tool sets the routes, and berth says whether they are right. */
  readonly mode: 'own' | 'verify';
  readonly localBridges: boolean;
  readonly connmark: number | undefined;
};

export type Mark = { readonly value: number; readonly mask: number };

export type AddressFamilyPlan = {
  /** With prefix length, in the order of the ENI: `10.0.1.20/24`, then `/32` (`/128`). */
  readonly addresses: readonly string[];
  /** Sources of the `from` rules: each address and each delegated prefix, with length. */
  readonly sources: readonly string[];
  /** Subnets reached directly. */
  readonly subnets: readonly string[];
  readonly gateway: string | undefined;
};

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

/** A file of the configuration on this host. */
export type StatusFile = {
  readonly path: string;
  /** `failing`: it is tried again, see `message`. */
  readonly state: 'pending' | 'in-place' | 'failing';
  readonly message: string | undefined;
};

/** What a service of AWS that waits for this instance was told. */
export type StatusSignal = {
  readonly to: 'cloudformation' | 'launch-hook' | 'terminate-hook';
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

/** What is set for an ENI, for people. */
export type RoutingDescription = {
  /** Which subnet, which addresses, which device they leave by: a line each. */
  readonly picture: readonly string[];
  /** As they could be typed, for a device that is down and bare. */
  readonly commands: readonly string[];
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
