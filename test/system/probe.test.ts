// The probe of a peer, against real sockets that answer, refuse, are silent or flood.
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { systemProbe, type ProbeInput } from '../../src/system/probe.ts';

const { signal } = new AbortController();
const address = '127.0.0.1';

type Listening = AsyncDisposable & { readonly port: number; readonly sockets: Set<Socket> };

async function listen(server: Server): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

const http = (listener: RequestListener): Promise<Listening> => listen(createHttpServer(listener));
const probe = (
  { port }: Pick<Listening, 'port'>,
  change: Partial<ProbeInput> = {},
): Promise<string | undefined> =>
  systemProbe({ address, port, httpPath: undefined, timeoutMs: 2_000, ...change }, signal);

/** A port where nobody listens. */
async function deadPort(): Promise<Pick<Listening, 'port'>> {
  await using server = await listen(createServer());
  return { port: server.port };
}

describe('over TCP', () => {
  test('a connection is enough, and it is closed again', async () => {
    await using server = await listen(createServer((socket) => socket.resume()));
    expect(await probe(server)).toBeUndefined();
    await expect.poll(() => server.sockets.size).toBe(0);
  });

  test('nobody listens', async () => {
    expect(await probe(await deadPort())).toBe('ECONNREFUSED');
  });
});

describe('over HTTP', () => {
  const httpPath = '/health?deep=1';

  test.each([
    [200, undefined],
    [204, undefined],
    [399, undefined],
    [400, 'HTTP 400'],
    [503, 'HTTP 503'],
  ])('%s', async (status, why) => {
    const asked: (string | undefined)[] = [];
    await using server = await http((req, res) => {
      asked.push(`${req.method} ${req.url}`);
      res.writeHead(status).end();
    });
    expect(await probe(server, { httpPath })).toBe(why);
    expect(asked).toEqual(['GET /health?deep=1']);
  });

  test('a redirect is an answer, and not followed', async () => {
    let asked = 0;
    await using server = await http((_req, res) => {
      asked++;
      res.writeHead(302, { location: '/elsewhere' }).end();
    });
    expect(await probe(server, { httpPath })).toBeUndefined();
    expect(asked).toBe(1);
  });

  test('a body without an end is not read', async () => {
    await using server = await http((_req, res) => {
      res.writeHead(200);
      const flood = (): void => {
        while (!res.destroyed && res.write('x'.repeat(65_536)));
      };
      res.on('drain', flood);
      flood();
    });
    expect(await probe(server, { httpPath })).toBeUndefined();
    await expect.poll(() => server.sockets.size).toBe(0);
  });

  test('silence after the connection is no answer', async () => {
    await using server = await http(() => undefined);
    expect(await probe(server, { httpPath, timeoutMs: 50 })).toBe('no answer within 50 ms');
    await expect.poll(() => server.sockets.size).toBe(0);
  });

  test('what is no HTTP is no answer', async () => {
    await using server = await listen(createServer((socket) => socket.end('SSH-2.0-x\r\n')));
    expect(await probe(server, { httpPath })).toMatch(/^HPE_/);
    expect(await probe(await deadPort(), { httpPath })).toBe('ECONNREFUSED');
  });

  test('uses no proxy', async () => {
    await using server = await http((_req, res) => res.end());
    process.env['HTTP_PROXY'] = 'http://127.0.0.1:1';
    try {
      expect(await probe(server, { httpPath })).toBeUndefined();
    } finally {
      delete process.env['HTTP_PROXY'];
    }
  });
});

test('a stop ends it with its reason', async () => {
  await using server = await http(() => undefined);
  const stop = new AbortController();
  const reason = new Error('stopping');
  const input = { address, port: server.port, httpPath: '/', timeoutMs: 60_000 };
  const asked = systemProbe(input, stop.signal);
  await expect.poll(() => server.sockets.size).toBe(1);
  stop.abort(reason);
  await expect(asked).rejects.toBe(reason);
  await expect(systemProbe(input, stop.signal)).rejects.toBe(reason);
});
