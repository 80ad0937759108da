// Is somebody there? One TCP connection or one HTTP request to an address, with a time limit.
import { request } from 'node:http';
import { connect } from 'node:net';

export type ProbeInput = {
  readonly address: string;
  readonly port: number;
  /** GET, alive from 200 to 399: a redirect is an answer and is not followed. undefined: a TCP connection is enough. */
  readonly httpPath: string | undefined;
  /** For all of it. */
  readonly timeoutMs: number;
};

/** undefined: alive. Else why not, in a few words. Throws nothing but the signal's reason. */
export type Probe = (input: ProbeInput, signal: AbortSignal) => Promise<string | undefined>;

export const systemProbe: Probe = (input, signal) =>
  input.httpPath === undefined ? probeTcp(input, signal) : probeHttp(input, signal);

/** Ends at the first `end`, which also frees what the attempt holds. */
function attempt(
  { timeoutMs }: ProbeInput,
  signal: AbortSignal,
  start: (end: (why: string | undefined) => void) => { destroy(): void },
): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      // An error that comes later has its listener still.
      started.destroy();
    };
    const end = (why: string | undefined): void => {
      finish();
      resolve(why);
    };
    const abort = (): void => {
      finish();
      reject(signal.reason);
    };
    const timer = setTimeout(() => end(`no answer within ${timeoutMs} ms`), timeoutMs);
    signal.addEventListener('abort', abort, { once: true });
    const started = start(end);
  });
}

function probeTcp(input: ProbeInput, signal: AbortSignal): Promise<string | undefined> {
  const { address: host, port } = input;
  return attempt(input, signal, (end) => {
    const socket = connect({ host, port });
    socket.on('connect', () => end(undefined));
    socket.on('error', (error) => end(codeOf(error)));
    return socket;
  });
}

/** The status decides: the body is not read. No proxy, no kept connection. */
function probeHttp(input: ProbeInput, signal: AbortSignal): Promise<string | undefined> {
  const { address: host, port, httpPath: path } = input;
  return attempt(input, signal, (end) => {
    const asked = request({ host, port, path, method: 'GET', agent: false });
    asked.on('response', ({ statusCode = 0 }) => {
      end(statusCode >= 200 && statusCode < 400 ? undefined : `HTTP ${statusCode}`);
    });
    asked.on('error', (error) => end(codeOf(error)));
    asked.end();
    return asked;
  });
}

/** `ECONNREFUSED`, `EHOSTUNREACH`, ...: the address is known to who reads it. */
function codeOf(error: NodeJS.ErrnoException): string {
  return error.code ?? error.message;
}
