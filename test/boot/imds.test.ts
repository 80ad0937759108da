// The IMDSv2 client against a real HTTP server that misbehaves as the real one does (imds.md section 4).
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createImds, imdsDefaults, type Imds, type ImdsInput } from '../../src/boot/imds.ts';
import { createHttp, type Http } from '../../src/system/http.ts';
import { createFakeClock, type FakeClock } from '../fakes/clock.ts';
import { createMemoryLog, type MemoryLog } from '../fakes/log.ts';
import { createSeededRandom } from '../fakes/random.ts';
import { imdsView } from '../fixtures/imds-view.ts';
import { createImdsServer, type ImdsServer } from '../lab/imds.ts';

const { signal } = new AbortController();
const path = 'meta-data/instance-id';
const instanceId = 'i-0123456789abcdef0';

const viewOf = () => imdsView({ userData: Buffer.from([0, 1, 255]) });

let clock: FakeClock;
let log: MemoryLog;
let http: Http & Disposable;
let server: ImdsServer;

beforeEach(async () => {
  clock = createFakeClock();
  log = createMemoryLog();
  http = createHttp(4);
  server = await createImdsServer({ host: '127.0.0.1', port: 0, clock, viewOf });
});
afterEach(async () => {
  http[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

function client(change: Partial<ImdsInput> = {}): Imds {
  const deps = { http, clock, random: createSeededRandom(1), log };
  return createImds(deps, { ...imdsDefaults, endpoints: [server.endpoint], ...change });
}

const tokenRequests = () => server.requests.filter(({ method }) => method === 'PUT');

describe('reading', () => {
  test('takes one token for many reads, with the longest TTL', async () => {
    const imds = client();
    const values = await Promise.all(Array.from({ length: 20 }, () => imds.readText(path, signal)));
    expect(new Set(values)).toEqual(new Set([instanceId]));
    expect(tokenRequests()).toHaveLength(1);
    clock.advance(5 * 3_600_000);
    await imds.readText(path, signal);
    expect(tokenRequests()).toHaveLength(1);
  });

  test('renews the token before it expires, so that no read is refused', async () => {
    const imds = client();
    await imds.readText(path, signal);
    clock.advance(21_600_000 - 60_000);
    await imds.readText(path, signal);
    expect(tokenRequests()).toHaveLength(2);
    expect(server.requests.map(({ status }) => status)).not.toContain(401);
  });

  test('an absent value is undefined, not an error', async () => {
    expect(await client().readText('meta-data/nope', signal)).toBeUndefined();
  });

  test('text is trimmed, bytes are not touched', async () => {
    server.dials.overrides.set(path, { status: 200, body: ' i-1\n' });
    expect(await client().readText(path, signal)).toBe('i-1');
    expect(await client().readBytes('user-data', signal)).toEqual(Buffer.from([0, 1, 255]));
  });

  test('at most four requests are under way', async () => {
    let now = 0;
    let most = 0;
    const counting: Http = {
      request: async (input, signal) => {
        most = Math.max(most, ++now);
        return http.request(input, signal).finally(() => now--);
      },
    };
    const deps = { http: counting, clock, random: createSeededRandom(1), log };
    const imds = createImds(deps, { ...imdsDefaults, endpoints: [server.endpoint] });
    await Promise.all(Array.from({ length: 12 }, () => imds.readText(path, signal)));
    expect(most).toBe(4);
  });
});

describe('patience', () => {
  test('a lost token is replaced once for all who wait', async () => {
    const imds = client();
    await imds.readText(path, signal);
    server.forgetTokens();
    await Promise.all(Array.from({ length: 8 }, () => imds.readText(path, signal)));
    expect(tokenRequests()).toHaveLength(2);
    expect(clock.slept).toEqual([]);
  });

  test('401 again and again at boot is waited out', async () => {
    server.dials.readFaults.push(401, 401, 401, 401, 401);
    expect(await client().readText(path, signal)).toBe(instanceId);
    expect(clock.slept.length).toBeGreaterThan(0);
  });

  test('503 on the token and on the value is waited out, and the log says so once', async () => {
    server.dials.tokenFaults.push(503, 503);
    server.dials.readFaults.push(503);
    expect(await client().readText(path, signal)).toBe(instanceId);
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
    expect(log.lines.filter(({ level }) => level === 'info')).toHaveLength(1);
  });

  test('connections refused or reset early are waited out', async () => {
    server.dials.resetConnections = 3;
    server.dials.readFaults.push('reset');
    expect(await client().readText(path, signal)).toBe(instanceId);
  });

  test('the delays grow from 0.25 s to 10 s, and end within 60 s', async () => {
    server.dials.tokenFaults.push(...Array.from({ length: 50 }, () => 503));
    await expect(client().readText(path, signal)).rejects.toMatchObject({
      code: 'imds-unavailable',
      retryable: true,
    });
    expect(clock.slept[0]).toBeLessThanOrEqual(250);
    expect(Math.max(...clock.slept)).toBeLessThanOrEqual(10_000);
    expect(clock.monotonicMs()).toBeGreaterThan(40_000);
    expect(clock.monotonicMs()).toBeLessThanOrEqual(60_000);
  });

  test('after that a read fails at once, until the service is back', async () => {
    const imds = client();
    server.dials.tokenFaults.push(...Array.from({ length: 50 }, () => 503));
    await expect(imds.readText(path, signal)).rejects.toThrow('503');
    const before = clock.slept.length;
    clock.advance(10_000);
    await expect(imds.readText(path, signal)).rejects.toThrow('503');
    expect(clock.slept).toHaveLength(before);
    server.dials.tokenFaults.length = 0;
    expect(await imds.readText(path, signal)).toBe(instanceId);
  });

  test('an error page is no token', async () => {
    const page = { status: 200, body: '<html>please log in</html>' };
    const deps = {
      http: { request: async () => ({ ...page, body: Buffer.from(page.body) }) },
      clock,
      random: createSeededRandom(1),
      log,
    };
    const imds = createImds(deps, { ...imdsDefaults, endpoints: [server.endpoint] });
    const failed = imds.readText(path, signal);
    await expect(failed).rejects.toMatchObject({ code: 'imds-garbage' });
    await expect(failed).rejects.not.toThrow(/log in/);
  });
});

describe('giving up', () => {
  test('nothing listens: absent, and what to do', async () => {
    const imds = client({ endpoints: [await closedEndpoint()] });
    await expect(imds.readText(path, signal)).rejects.toMatchObject({
      code: 'imds-absent',
      message: expect.stringMatching(/^cannot reach .*ECONNREFUSED.*--http-endpoint enabled/),
    });
    expect(clock.monotonicMs()).toBeLessThanOrEqual(60_000);
  });

  test('the token never arrives: absent, with the hop limit as a hint', async () => {
    server.dials.tokensNeverArrive = true;
    const imds = client({ requestTimeoutMs: 20 });
    await expect(imds.readText(path, signal)).rejects.toMatchObject({
      code: 'imds-absent',
      message: expect.stringContaining('--http-put-response-hop-limit 2'),
    });
  });

  test('it was there before: unavailable, and no advice to turn it on', async () => {
    const imds = client({ requestTimeoutMs: 20 });
    await imds.readText(path, signal);
    server.dials.delayMs = 50;
    await expect(imds.readText(path, signal)).rejects.toMatchObject({
      code: 'imds-unavailable',
      message: expect.stringMatching(/: no answer within 20 ms; try again later$/),
    });
  });

  test('version 1 only: refused at once, and never used', async () => {
    server.dials.mode = 'v1-only';
    await expect(client().readText(path, signal)).rejects.toMatchObject({
      code: 'imds-refused',
      message: expect.stringContaining('version 1'),
    });
    expect(server.requests.filter(({ method }) => method === 'GET')).toEqual([]);
    expect(clock.slept).toEqual([]);
  });

  test('turned off (403): refused at once', async () => {
    server.dials.mode = 'disabled';
    await expect(client().readText(path, signal)).rejects.toMatchObject({
      code: 'imds-refused',
      message: expect.stringContaining('--http-endpoint enabled'),
    });
    expect(server.requests).toHaveLength(1);
  });

  test('the caller stops: its own reason, at once', async () => {
    const controller = new AbortController();
    server.dials.readFaults.push('silent');
    const failed = client().readText(path, controller.signal);
    const reason = new Error('stopped');
    await until(() => server.requests.some(({ method }) => method === 'GET'));
    controller.abort(reason);
    await expect(failed).rejects.toBe(reason);
  });

  test('no token ever reaches the log or an error', async () => {
    const imds = client();
    server.dials.readFaults.push(401, 503, 'reset');
    await imds.readText(path, signal);
    server.dials.mode = 'disabled';
    const error: unknown = await imds.readText(path, signal).catch((error: unknown) => error);
    expect(JSON.stringify([log.lines, error, String(error)])).not.toContain('AQAEA');
  });
});

describe('endpoints', () => {
  test('the second is used where the first does not answer, and kept', async () => {
    const imds = client({ endpoints: [await closedEndpoint(), server.endpoint] });
    expect(await imds.readText(path, signal)).toBe(instanceId);
    expect(clock.slept).toEqual([]);
  });

  test('the error is that of the first', async () => {
    server.dials.resetConnections = 1_000;
    const closed = await closedEndpoint();
    const imds = client({ endpoints: [closed, server.endpoint] });
    await expect(imds.readText(path, signal)).rejects.toThrow(closed);
  });
});

/** An address where nothing listens. */
async function closedEndpoint(): Promise<string> {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as AddressInfo;
  await new Promise((resolve) => taken.close(resolve));
  return `http://127.0.0.1:${port}`;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}
