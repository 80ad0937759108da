// The metadata service's HTTP: real sockets that answer, are silent, cut or flood.
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { createHttp, type HttpRequest } from '../../src/system/http.ts';

const { signal } = new AbortController();

async function serve(listener: RequestListener): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/latest`,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

const get = (url: string, change: Partial<HttpRequest> = {}): HttpRequest => ({
  method: 'GET',
  url,
  headers: {},
  connectTimeoutMs: 1_000,
  timeoutMs: 1_000,
  maxBytes: 1_000,
  localAddress: undefined,
  ...change,
});

describe('createHttp', () => {
  test('sends method and headers, and takes any status', async () => {
    await using server = await serve((req, res) => {
      res.writeHead(404).end(`${req.method} ${String(req.headers['x-ask'])}`);
    });
    using http = createHttp(4);
    const headers = { 'x-ask': 'yes' };
    const answer = await http.request(get(server.url, { method: 'PUT', headers }), signal);
    expect(answer).toMatchObject({ status: 404 });
    expect(answer.body.toString()).toBe('PUT yes');
  });

  test('comes from the address that it is told', async () => {
    await using server = await serve((req, res) => res.end(req.socket.remoteAddress));
    using http = createHttp(4);
    const { body } = await http.request(get(server.url, { localAddress: '127.0.0.2' }), signal);
    expect(body.toString()).toBe('127.0.0.2');
  });

  test('uses no proxy', async () => {
    await using server = await serve((_req, res) => res.end('direct'));
    using http = createHttp(4);
    process.env['HTTP_PROXY'] = 'http://127.0.0.1:1';
    try {
      expect((await http.request(get(server.url), signal)).body.toString()).toBe('direct');
    } finally {
      delete process.env['HTTP_PROXY'];
    }
  });

  test('keeps its connections', async () => {
    const ports = new Set<number | undefined>();
    await using server = await serve((req, res) => {
      ports.add(req.socket.remotePort);
      res.end();
    });
    using http = createHttp(4);
    for (let time = 0; time < 3; time++) await http.request(get(server.url), signal);
    expect(ports.size).toBe(1);
  });

  test.each([
    ['no headers', (): void => undefined],
    ['no end', (_req, res): void => void res.writeHead(200).write('some')],
  ] satisfies [string, RequestListener][])('%s: a timeout', async (_what, listener) => {
    await using server = await serve(listener);
    using http = createHttp(4);
    const asked = http.request(get(server.url, { timeoutMs: 100 }), signal);
    await expect(asked).rejects.toMatchObject({
      name: 'TimeoutError',
      message: 'no answer within 100 ms',
    });
  });

  test('nobody there: the code of the socket', async () => {
    const server = await serve((_req, res) => res.end());
    await server[Symbol.asyncDispose]();
    using http = createHttp(4);
    await expect(http.request(get(server.url), signal)).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    });
  });

  test('an answer that is cut, or too long', async () => {
    await using server = await serve((req, res) => {
      res.writeHead(200, { 'content-length': '5000' });
      res.write('x'.repeat(req.url === '/latest' ? 10 : 2_000), () => req.socket.destroy());
    });
    using http = createHttp(4);
    await expect(http.request(get(server.url), signal)).rejects.toThrow(
      /cut short|aborted|hang up/,
    );
    await expect(http.request(get(`${server.url}/long`), signal)).rejects.toThrow(
      'answer longer than 1000 bytes',
    );
  });

  test('an abort, before and during', async () => {
    await using server = await serve(() => undefined);
    using http = createHttp(4);
    const stop = new AbortController();
    const reason = new Error('stopped');
    const asked = http.request(get(server.url), stop.signal);
    stop.abort(reason);
    await expect(asked).rejects.toBe(reason);
    await expect(http.request(get(server.url), stop.signal)).rejects.toBe(reason);
  });
});
