// Holds the lab's IMDS to the protocol of the real one (imds.md sections 1 and 2).
import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { imdsView } from '../fixtures/imds-view.ts';
import { createFakeClock, type FakeClock } from '../fakes/clock.ts';
import type { ImdsView } from './imds-tree.ts';
import { createImdsServer, type ImdsServer } from './imds.ts';

type Reply = { readonly status: number; readonly body: string; readonly type: string | undefined };

let clock: FakeClock;
let server: ImdsServer;
let view: ImdsView | undefined;

beforeEach(async () => {
  clock = createFakeClock();
  view = imdsView();
  server = await createImdsServer({ host: '127.0.0.1', port: 0, clock, viewOf: () => view });
});
afterEach(() => server[Symbol.asyncDispose]());

function call(method: string, path: string, headers: Record<string, string> = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const req = request(server.endpoint + path, { method, headers, agent: false }, (res) => {
      let body = '';
      res.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      res.on('end', () =>
        resolve({ status: res.statusCode ?? 0, body, type: res.headers['content-type'] }),
      );
    });
    req.on('error', reject).end();
  });
}

const ttl = (seconds: string) => ({ 'X-aws-ec2-metadata-token-ttl-seconds': seconds });

async function tokenHeader(seconds = '60') {
  const { body } = await call('PUT', '/latest/api/token', ttl(seconds));
  return { 'X-aws-ec2-metadata-token': body };
}

async function get(path: string): Promise<Reply> {
  return call('GET', path, await tokenHeader());
}

describe('tokens', () => {
  test.each(['0', '21601', '-1', 'x', ''])('a TTL of "%s" is 400', async (seconds) => {
    expect((await call('PUT', '/latest/api/token', ttl(seconds))).status).toBe(400);
  });

  test.each(['1', '21600'])('a TTL of %s is accepted', async (seconds) => {
    expect((await call('PUT', '/latest/api/token', ttl(seconds))).status).toBe(200);
  });

  test('a missing TTL is 400', async () => {
    expect((await call('PUT', '/latest/api/token')).status).toBe(400);
  });

  test('a token path with a date, and a forwarded request, are 403', async () => {
    expect((await call('PUT', '/2021-03-23/api/token', ttl('60'))).status).toBe(403);
    const forwarded = { ...ttl('60'), 'X-Forwarded-For': '10.0.0.1' };
    expect((await call('PUT', '/latest/api/token', forwarded)).status).toBe(403);
  });

  test('no token, a wrong token, an expired one and one of another instance are 401', async () => {
    const path = '/latest/meta-data/instance-id';
    expect((await call('GET', path)).status).toBe(401);
    expect((await call('GET', path, { 'X-aws-ec2-metadata-token': 'x' })).status).toBe(401);
    const token = await tokenHeader('60');
    expect((await call('GET', path, token)).status).toBe(200);
    clock.advance(60_000);
    expect((await call('GET', path, token)).status).toBe(401);
    const fresh = await tokenHeader('60');
    view = imdsView({ instanceId: 'i-0fffffffffffffff0' });
    expect((await call('GET', path, fresh)).status).toBe(401);
  });
});

describe('the tree', () => {
  test('lists one item a line, with or without the final slash', async () => {
    const { body } = await get('/latest/meta-data/network/interfaces/macs/');
    expect(body).toBe('0e:49:61:0f:c3:11/');
    expect((await get('/latest/meta-data/network/interfaces/macs')).body).toBe(body);
    expect((await get('/latest/meta-data/tags/instance')).body).toBe('Name\nberth:pool');
  });

  test('serves dated versions alike, and lists them', async () => {
    expect((await get('/')).body.split('\n')).toContain('latest');
    expect((await get('/2021-03-23/meta-data/mac')).body).toBe('0e:49:61:0f:c3:11');
  });

  test('says what is text and what is bytes', async () => {
    view = imdsView({ userData: Buffer.from('#!/bin/sh') });
    expect((await get('/latest/user-data')).type).toBe('application/octet-stream');
    expect((await get('/latest/meta-data/mac')).type).toBe('text/plain');
    expect((await get('/latest/dynamic/instance-identity/document')).type).toBe('text/plain');
  });

  test('answers 404 for what is not there', async () => {
    view = imdsView({ tags: undefined, roleName: undefined });
    const absent = ['user-data', 'meta-data/tags/instance', 'meta-data/iam/info', 'meta-data/nope'];
    for (const path of absent) expect((await get(`/latest/${path}`)).status).toBe(404);
  });

  test('answers HEAD without a body, and no other method', async () => {
    const head = await call('HEAD', '/latest/meta-data/mac', await tokenHeader());
    expect(head).toMatchObject({ status: 200, body: '' });
    expect((await call('POST', '/latest/meta-data/mac', await tokenHeader())).status).toBe(405);
  });

  test('knows no instance behind a strange address', async () => {
    view = undefined;
    expect((await call('PUT', '/latest/api/token', ttl('60'))).status).toBe(404);
  });
});

describe('faults', () => {
  test('come one for each request, and leave', async () => {
    const token = await tokenHeader();
    server.dials.readFaults.push(503, 'reset');
    const path = '/latest/meta-data/mac';
    expect((await call('GET', path, token)).status).toBe(503);
    await expect(call('GET', path, token)).rejects.toThrow(/ECONNRESET|hang up/);
    expect((await call('GET', path, token)).status).toBe(200);
    expect(server.requests.map(({ status }) => status)).toEqual([200, 503, undefined, 200]);
  });

  test('version 1 alone, or nothing at all', async () => {
    server.dials.mode = 'v1-only';
    expect((await call('PUT', '/latest/api/token', ttl('60'))).status).toBe(404);
    expect((await call('GET', '/latest/meta-data/mac')).status).toBe(200);
    server.dials.mode = 'disabled';
    expect((await call('GET', '/latest/meta-data/mac')).status).toBe(403);
  });

  test.each([
    ['tokenUnavailable', 503, 200],
    ['readUnavailable', 200, 503],
    ['unauthorized', 200, 401],
  ] as const)('%s comes at its rate, from the seed', async (rate, ofToken, ofRead) => {
    const token = await tokenHeader();
    server.dials.rates[rate] = 0.5;
    const statuses = async (count: number) => {
      const tokens = new Map<number, number>();
      const reads = new Map<number, number>();
      for (let index = 0; index < count; index++) {
        const put = await call('PUT', '/latest/api/token', ttl('60'));
        tokens.set(put.status, (tokens.get(put.status) ?? 0) + 1);
        const read = await call('GET', '/latest/meta-data/mac', token);
        reads.set(read.status, (reads.get(read.status) ?? 0) + 1);
      }
      return [tokens, reads];
    };
    const [tokens, reads] = await statuses(60);
    expect(new Set(tokens!.keys())).toEqual(new Set([200, ofToken]));
    expect(new Set(reads!.keys())).toEqual(new Set([200, ofRead]));
    const faults = (ofToken === 200 ? reads!.get(ofRead) : tokens!.get(ofToken))!;
    expect(faults).toBeGreaterThan(15);
    expect(faults).toBeLessThan(45);
  });

  test('a connection is refused until it listens again, at the same endpoint', async () => {
    const token = await tokenHeader();
    await server.refuse();
    await expect(call('GET', '/latest/meta-data/mac', token)).rejects.toThrow(/ECONNREFUSED/);
    await server.accept();
    expect((await call('GET', '/latest/meta-data/mac', token)).status).toBe(200);
  });
});

const read = (path: string): Promise<Reply> => get(`/latest/meta-data/${path}`);

describe('notices', () => {
  test('appear with their paths, and are 404 before', async () => {
    const paths = ['spot/termination-time', 'events/recommendations/rebalance'];
    for (const path of paths) expect((await read(path)).status).toBe(404);
    expect((await read('events/maintenance/scheduled')).body).toBe('[]');
    const time = new Date('2026-01-02T03:04:05.678Z');
    view = imdsView({
      spotInstanceAction: { action: 'terminate', time },
      rebalanceNoticed: time,
      scheduledEvents: '[{}]',
      placement: { 'group-name': 'near' },
    });
    expect((await read(paths[0]!)).body).toBe('2026-01-02T03:04:05Z');
    expect((await read(paths[1]!)).body).toBe('{"noticeTime":"2026-01-02T03:04:05Z"}');
    expect((await read('events/maintenance/scheduled')).body).toBe('[{}]');
    expect((await read('placement/group-name')).body).toBe('near');
  });
});
