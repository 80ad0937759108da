// What is shipped, and where to. Types only.

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
