// The contract between the lab's HTTP front and its services.

/** Who signed the call; found by the access key, which the lab's IMDS (or the lab itself) issued. */
export type Caller = {
  /** undefined: the operator, who may do everything, or a role that was assumed. */
  readonly instanceId: string | undefined;
  /** Value of `ec2:SourceInstanceARN`; undefined for whoever is no instance. */
  readonly instanceArn: string | undefined;
  /** The session of a role that was assumed. */
  readonly session?: RoleSession;
};

export type RoleSession = {
  /** `arn:aws:iam::111122223333:role/logs` */
  readonly roleArn: string;
  readonly name: string;
};

export type LabRequest = {
  /** Name of the operation: `PutLogEvents`. */
  readonly action: string;
  /** JSON 1.1: the parsed body. Query: parameters nested and numbered lists as arrays, all leaves strings. */
  readonly input: Readonly<Record<string, unknown>>;
  readonly caller: Caller;
};

/** One AWS service behind the front. Answers the operation's output; throws AwsFault. */
export type LabService = {
  handle(request: LabRequest): Promise<Readonly<Record<string, unknown>>>;
};

/** An error as AWS sends it. */
export class AwsFault extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** One call that reached the front, for timelines and assertions. */
export type LabCall = {
  /** Milliseconds since 1970, when the request was read. */
  readonly atMs: number;
  readonly endMs: number;
  readonly service: 'ec2' | 'ssm' | 'logs' | 'sts' | 'cloudformation' | 'autoscaling';
  readonly action: string;
  readonly instanceId: string | undefined;
  /** Whose session made it, where it was a role that was assumed. */
  readonly roleArn: string | undefined;
  /** That it was signed for. */
  readonly region: string | undefined;
  readonly input: Readonly<Record<string, unknown>>;
  readonly status: number;
  /** AWS error code; undefined when it succeeded. */
  readonly code: string | undefined;
  readonly compressed: boolean;
};

/** A wire fault, applied to the next `times` matching calls. */
export type LabFaultRule = {
  /** `ec2:AttachNetworkInterface`, `ec2:*`, `*` */
  readonly match: string;
  readonly times: number;
  readonly fault:
    | { readonly kind: 'error'; readonly status: number; readonly code: string }
    | { readonly kind: 'reset-before' }
    /** It happened; the answer is lost. */
    | { readonly kind: 'reset-after' }
    | { readonly kind: 'truncated' }
    | { readonly kind: 'html'; readonly status: number }
    | { readonly kind: 'slow'; readonly ms: number };
};
