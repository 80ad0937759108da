// HTTP to the metadata service, by node:http: it costs the boot nothing (undici costs 44 ms, boot.md 1.6).
// No proxy is ever used.
import { Agent, request } from 'node:http';

export type HttpRequest = {
  readonly method: 'GET' | 'PUT';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connectTimeoutMs: number;
  readonly timeoutMs: number;
  /** A longer body is an error. */
  readonly maxBytes: number;
  /** Where the connection comes from; undefined: the kernel chooses. */
  readonly localAddress: string | undefined;
};

export type HttpResponse = {
  readonly status: number;
  readonly body: Buffer;
};

export type Http = {
  /** Throws the socket's own error (`ECONNREFUSED`, ...), a TimeoutError, or the signal's reason. */
  request(input: HttpRequest, signal: AbortSignal): Promise<HttpResponse>;
};

/** To the metadata service, at a time; its limit is not published (imds.md section 1, client rules). */
export const imdsConnections = 4;

/** One keep-alive pool of at most `maxSockets` connections. */
export function createHttp(maxSockets: number): Http & Disposable {
  const agent = new Agent({ keepAlive: true, maxSockets });
  return {
    request: (input, signal) => send(agent, input, signal),
    [Symbol.dispose]: () => agent.destroy(),
  };
}

function send(agent: Agent, input: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const req = request(input.url, {
      method: input.method,
      headers: input.headers,
      agent,
      ...(input.localAddress === undefined ? {} : { localAddress: input.localAddress }),
    });
    const fail = (error: unknown): void => {
      finish();
      req.destroy();
      reject(error);
    };
    const whole = setTimeout(() => fail(timeoutError(input.timeoutMs)), input.timeoutMs);
    let connect: NodeJS.Timeout | undefined;
    const abort = (): void => fail(signal.reason);
    const finish = (): void => {
      clearTimeout(whole);
      clearTimeout(connect);
      signal.removeEventListener('abort', abort);
    };
    signal.addEventListener('abort', abort, { once: true });
    req.on('socket', (socket) => {
      if (!socket.connecting) return;
      connect = setTimeout(
        () => fail(timeoutError(input.connectTimeoutMs)),
        input.connectTimeoutMs,
      );
      socket.once('connect', () => clearTimeout(connect));
    });
    req.on('error', fail);
    req.on('response', (res) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      res.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > input.maxBytes) fail(new Error(`answer longer than ${input.maxBytes} bytes`));
        else chunks.push(chunk);
      });
      res.on('aborted', () => fail(new Error('answer cut short')));
      res.on('error', fail);
      res.on('end', () => {
        finish();
        resolve({ status: res.statusCode ?? 0, body: Buffer.concat(chunks) });
      });
    });
    req.end();
  });
}

function timeoutError(ms: number): DOMException {
  return new DOMException(`no answer within ${ms} ms`, 'TimeoutError');
}
