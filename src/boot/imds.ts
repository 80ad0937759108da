// The client of the instance metadata service, version 2 only: one token for all, patient while the instance boots.
import { BerthError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Clock } from '../system/clock.ts';
import { imdsConnections, type Http, type HttpResponse } from '../system/http.ts';
import type { Random } from '../system/random.ts';
import { retry } from '../system/retry.ts';
import { badStatus, garbage, noAnswer, tokenPath } from './imds-errors.ts';
import { createSlots } from './slots.ts';

export type Imds = {
  /**
   * The value at a path below `/latest/`, without surrounding white space. undefined: no such thing now (404).
   * Throws `imds-absent`, `imds-unavailable` (both after `patienceMs`), `imds-refused`, `imds-garbage` (no token).
   */
  readText(path: string, signal: AbortSignal): Promise<string | undefined>;
  /** The same by a single try: for what is looked at again soon. Throws at once, and says nothing in the log. */
  tryText(path: string, signal: AbortSignal): Promise<string | undefined>;
  /** As it is. */
  readBytes(path: string, signal: AbortSignal): Promise<Buffer | undefined>;
};

export type ImdsDeps = {
  readonly http: Http;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
};

export type ImdsInput = {
  /** `http://HOST`; the first that gives a token is kept. */
  readonly endpoints: readonly [string, ...string[]];
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** So long may the service fail without a break before a read gives up; later reads then fail at once. */
  readonly patienceMs: number;
};

/** imds.md section 1, client rules; the refusals of early boot end within 30 s. */
export const imdsDefaults = {
  connectTimeoutMs: 250,
  requestTimeoutMs: 1_500,
  patienceMs: 60_000,
} as const;

const backoff = { firstMs: 250, factor: 2, capMs: 10_000 };
const tokenTtlSeconds = 21_600;
/** A token is given up this long before it expires. */
const tokenMarginMs = 30 * 60_000;
const plausibleToken = /^[A-Za-z0-9+/=_-]{16,512}$/;
/** User data is at most 16 KB; no other value comes near. */
const maxBytes = 1_048_576;

type Token = { readonly value: string; readonly from: string; readonly renewAtMs: number };

export function createImds(deps: ImdsDeps, input: ImdsInput): Imds {
  const { http, clock, random, log } = deps;
  const slots = createSlots(imdsConnections);
  const { connectTimeoutMs, requestTimeoutMs } = input;
  let endpoint: string | undefined;
  let token: Token | undefined;
  let renewal: Promise<Token> | undefined;
  let failingSinceMs: number | undefined;

  const call = async (
    from: string,
    method: 'GET' | 'PUT',
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpResponse> => {
    const url = `${from}/latest/${path}`;
    const limits = {
      connectTimeoutMs,
      timeoutMs: requestTimeoutMs,
      maxBytes,
      localAddress: undefined,
    };
    try {
      return await slots.run(() => http.request({ method, url, headers, ...limits }, signal));
    } catch (error) {
      signal.throwIfAborted();
      throw noAnswer(from, path, from === endpoint, error);
    }
  };

  /** Tries the next endpoint only where one does not answer at all; its error is then the one to report. */
  const askForToken = async (): Promise<{
    readonly from: string;
    readonly answer: HttpResponse;
  }> => {
    const headers = { 'X-aws-ec2-metadata-token-ttl-seconds': String(tokenTtlSeconds) };
    // No waiter's signal: the others still want the token. The request has its own limit.
    const { signal } = new AbortController();
    let firstError: unknown;
    for (const from of endpoint === undefined ? input.endpoints : [endpoint]) {
      try {
        return { from, answer: await call(from, 'PUT', tokenPath, headers, signal) };
      } catch (error) {
        firstError ??= error;
      }
    }
    throw firstError;
  };

  const renew = async (): Promise<Token> => {
    try {
      const askedMs = clock.monotonicMs();
      const { from, answer } = await askForToken();
      if (answer.status !== 200) throw badStatus(tokenPath, answer.status);
      const value = answer.body.toString('latin1').trim();
      if (!plausibleToken.test(value)) throw garbage(tokenPath, 'that is no token');
      const fresh = { value, from, renewAtMs: askedMs + tokenTtlSeconds * 1000 - tokenMarginMs };
      endpoint = from;
      token = fresh;
      return fresh;
    } finally {
      renewal = undefined;
    }
  };

  const currentToken = async (signal: AbortSignal): Promise<Token> => {
    if (token !== undefined && clock.monotonicMs() < token.renewAtMs) return token;
    renewal ??= renew();
    return abortable(renewal, signal);
  };

  const readOnce = async (path: string, signal: AbortSignal): Promise<Buffer | undefined> => {
    for (let attempt = 1; ; attempt++) {
      const used = await currentToken(signal);
      const headers = { 'X-aws-ec2-metadata-token': used.value };
      const { status, body } = await call(used.from, 'GET', path, headers, signal);
      if (status === 200) return body;
      if (status === 404) return undefined;
      // Another reader may have replaced it already.
      if (status === 401 && token === used) token = undefined;
      if (status !== 401 || attempt > 1) throw badStatus(path, status);
    }
  };

  const noteFailure = (error: unknown): void => {
    if (failingSinceMs !== undefined) return;
    failingSinceMs = clock.monotonicMs();
    log.warn({ err: error }, 'the metadata service does not answer as it should; trying again');
  };
  const noteSuccess = (): void => {
    if (failingSinceMs === undefined) return;
    const forMs = Math.round(clock.monotonicMs() - failingSinceMs);
    failingSinceMs = undefined;
    log.info({ forMs }, 'the metadata service answers again');
  };

  const readBytes = async (path: string, signal: AbortSignal): Promise<Buffer | undefined> => {
    const spentMs = failingSinceMs === undefined ? 0 : clock.monotonicMs() - failingSinceMs;
    const totalMs = Math.max(0, input.patienceMs - spentMs);
    const body = await retry(
      { clock, random },
      { backoff, totalMs, isRetryable: (error) => isTransient(error), onRetry: noteFailure },
      (signal) => readOnce(path, signal),
      signal,
    );
    noteSuccess();
    return body;
  };

  return {
    readBytes,
    readText: async (path, signal) => textOf(await readBytes(path, signal)),
    tryText: async (path, signal) => textOf(await readOnce(path, signal)),
  };
}

function textOf(body: Buffer | undefined): string | undefined {
  return body?.toString().trim();
}

/** An implausible token is tried again too: an error page may stand in for a service that starts. */
function isTransient(error: unknown): boolean {
  return error instanceof BerthError && (error.retryable || error.code === 'imds-garbage');
}

async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
