// A small HTTP server for this host's own programs: GET of a few paths, on a unix socket or a loopback port.
import { chmod, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { BerthError, messageOf } from '../errors.ts';
import { isErrno } from './files.ts';

/** A socket file is replaced: its folder belongs to one berth. */
export type HttpAddress =
  | { readonly path: string; readonly mode: number }
  /** 0: one that is free. */
  | { readonly host: '127.0.0.1'; readonly port: number };

export type HttpAnswer = {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
};

export type HttpServer = AsyncDisposable & { readonly port: number | undefined };

export type HttpServers = {
  /**
   * `answer`: of a GET or HEAD of a path, without its query; undefined: there is nothing.
   * Throws `already-running` where another program has the port, else `not-permitted`.
   */
  serve(
    address: HttpAddress,
    answer: (path: string) => HttpAnswer | undefined,
  ): Promise<HttpServer>;
};

/** Whoever scrapes needs one connection; the rest are refused before they cost memory. */
const maxConnections = 32;
const requestTimeoutMs = 5_000;

export const systemHttpServers: HttpServers = {
  serve: async (address, answer) => {
    const server = createServer(
      { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs, maxHeaderSize: 8_192 },
      ({ method, url }, response) => {
        const isRead = method === 'GET' || method === 'HEAD';
        const found = isRead ? answer((url ?? '').split('?')[0]!) : notRead;
        const { status, contentType, body } = found ?? notFound;
        response.writeHead(status, {
          'Content-Type': contentType,
          'Content-Length': Buffer.byteLength(body),
          ...(isRead ? {} : { Allow: 'GET, HEAD' }),
        });
        response.end(method === 'HEAD' ? undefined : body);
      },
    );
    server.maxConnections = maxConnections;
    try {
      if ('path' in address) await rm(address.path, { force: true });
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      server.once('error', reject);
      server.listen({ ...address, exclusive: true }, resolve);
      await promise;
      server.off('error', reject).on('error', () => undefined);
      if ('path' in address) await chmod(address.path, address.mode);
    } catch (error) {
      server.close();
      throw serveError(address, error);
    }
    const bound = server.address();
    return {
      port: typeof bound === 'object' ? bound?.port : undefined,
      [Symbol.asyncDispose]: async () => {
        const closed = new Promise((resolve) => server.close(resolve));
        server.closeAllConnections();
        await closed;
      },
    };
  },
};

const plain = 'text/plain; charset=utf-8';
const notRead: HttpAnswer = { status: 405, contentType: plain, body: 'GET only\n' };
const notFound: HttpAnswer = { status: 404, contentType: plain, body: 'there is nothing here\n' };

function serveError(address: HttpAddress, error: unknown): BerthError {
  const where = 'path' in address ? address.path : `http://${address.host}:${address.port}`;
  const taken = isErrno(error, 'EADDRINUSE');
  const why = taken ? 'another program has the port' : messageOf(error);
  return new BerthError(
    taken ? 'already-running' : 'not-permitted',
    `cannot serve ${where}: ${why}`,
    { cause: error, retryable: true },
  );
}
