// The one error class of berth, and the codes that decide a reaction.

/**
 * What went wrong, in the words of the component that decides on it.
 *
 * - `usage`, `config-*`: the operator has to change something; exit 64 or 78.
 * - `aws-*`: an answer of AWS, classified once by the adapter that made the call.
 * - `aws-unknown-outcome`: the call may or may not have happened (timeout, reset, cut answer).
 */
export type ErrorCode =
  | 'usage'
  | 'config-invalid'
  | 'config-missing'
  | 'config-unavailable'
  | 'config-denied'
  | 'imds-unavailable'
  | 'imds-refused'
  | 'imds-absent'
  | 'imds-garbage'
  | 'credentials-missing'
  | 'aws-denied'
  | 'aws-credentials'
  | 'aws-throttled'
  | 'aws-unavailable'
  | 'aws-unknown-outcome'
  | 'aws-not-found'
  | 'aws-invalid'
  | 'pool-empty'
  | 'eni-in-use'
  | 'eni-index-taken'
  | 'eni-limit'
  | 'eni-unsuitable'
  | 'eni-state'
  | 'eni-gone'
  | 'device-missing'
  | 'routing-failed'
  | 'not-permitted'
  | 'command-missing'
  | 'command-failed'
  | 'log-target-missing'
  | 'log-exists'
  | 'log-rejected'
  | 'log-too-large'
  | 'disk'
  | 'timeout'
  | 'daemon-absent'
  | 'already-running';

export type ErrorOptions = {
  /** Is the same call worth repeating without anybody changing anything? */
  readonly retryable?: boolean;
  readonly cause?: unknown;
  /** For the log and for `--json`; never a secret. */
  readonly details?: Readonly<Record<string, unknown>>;
};

/** Thrown for everything that is not an expected outcome. Messages begin "cannot ..." and say what to do. */
export class BerthError extends Error {
  override readonly name = 'BerthError';
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
  }
}

/** Is `error` a BerthError with one of these codes? */
export function hasCode<C extends ErrorCode>(
  error: unknown,
  ...codes: readonly C[]
): error is BerthError & { readonly code: C } {
  return error instanceof BerthError && (codes as readonly ErrorCode[]).includes(error.code);
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Exit codes; the unit file does not restart on 64 and 78. */
export const exitCodes = { stopped: 0, failure: 1, usage: 64, configuration: 78 } as const;

export function exitCodeOf(error: unknown): number {
  if (hasCode(error, 'usage')) return exitCodes.usage;
  if (hasCode(error, 'config-invalid', 'config-missing')) return exitCodes.configuration;
  return exitCodes.failure;
}
