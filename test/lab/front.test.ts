// The front over HTTP, as the real SDK clients see it.
import { gzipSync } from 'node:zlib';
import { CloudWatchLogsClient, DescribeLogGroupsCommand } from '@aws-sdk/client-cloudwatch-logs';
import {
  AttachNetworkInterfaceCommand,
  CreateTagsCommand,
  DescribeNetworkInterfacesCommand,
  EC2Client,
} from '@aws-sdk/client-ec2';
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { SignatureV4 } from '@smithy/signature-v4';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/system/clock.ts';
import type { FrontOptions } from './front.ts';
import { createJudgedFront, type JudgedFront } from './judged-front.ts';
import { parseQuery } from './front-query.ts';
import { Sha256 } from './front-signature.ts';
import { AwsFault, type LabRequest, type LabService } from './service.ts';

const secretAccessKey = 'the-secret';
let front: JudgedFront;
let seen: LabRequest[];
let expiresAtMs: number;
const disposables: Disposable[] = [];

const record = (answer: Readonly<Record<string, unknown>>): LabService => ({
  handle: async (request) => {
    seen.push(request);
    if (request.action === 'DescribeNetworkInterfaces') return { networkInterfaceSet: [] };
    if (request.action === 'CreateTags') throw new AwsFault(400, 'TagLimitExceeded', 'a < b & c');
    if (request.action === 'GetParameter') {
      throw new AwsFault(400, 'ParameterNotFound', 'no such parameter');
    }
    return answer;
  },
});

async function start(extra: Partial<FrontOptions> = {}): Promise<JudgedFront> {
  return createJudgedFront({
    host: '127.0.0.1',
    port: 0,
    clock: systemClock,
    services: {
      ec2: record({ attachmentId: 'eni-attach-1' }),
      ssm: record({}),
      logs: record({ logGroups: [{ logGroupName: 'g' }] }),
    },
    identify: (accessKeyId, sessionToken) =>
      accessKeyId === 'ASIA1' && sessionToken === 'token'
        ? { instanceId: 'i-1', instanceArn: 'arn:i-1', secretAccessKey, expiresAtMs }
        : undefined,
    ...extra,
  });
}

beforeEach(async () => {
  seen = [];
  expiresAtMs = Date.now() + 3_600_000;
  front = await start();
});

afterEach(async () => {
  for (const disposable of disposables.splice(0)) disposable[Symbol.dispose]();
  await front[Symbol.asyncDispose]();
});

type Key = { accessKeyId: string; secretAccessKey: string; sessionToken: string };
const goodKey: Key = { accessKeyId: 'ASIA1', secretAccessKey, sessionToken: 'token' };

function clients(key: Key = goodKey, endpoint = front.endpoint) {
  const config = { region: 'eu-west-1', endpoint, maxAttempts: 1, credentials: key };
  const made = {
    ec2: new EC2Client(config),
    ssm: new SSMClient(config),
    logs: new CloudWatchLogsClient(config),
  };
  disposables.push({
    [Symbol.dispose]: () => Object.values(made).forEach((client) => client.destroy()),
  });
  return made;
}

const attach = new AttachNetworkInterfaceCommand({
  NetworkInterfaceId: 'eni-1',
  InstanceId: 'i-1',
  DeviceIndex: 1,
});
const getParameter = new GetParameterCommand({ Name: '/a' });
const groups = new DescribeLogGroupsCommand({});
const caught = async (work: Promise<unknown>): Promise<Error & { $metadata?: unknown }> =>
  work.then(
    () => expect.unreachable('no error'),
    (error: unknown) => error as Error,
  );

const laterMs = (): number => Date.now() + 16 * 60_000;
const deny = (): never => {
  throw new AwsFault(400, 'AccessDeniedException', 'no');
};

describe('protocols', () => {
  test('EC2 Query reaches the service with nested input and the caller', async () => {
    const { ec2 } = clients();
    const filters = [{ Name: 'tag:a', Values: ['b', 'c'] }];
    await ec2.send(new DescribeNetworkInterfacesCommand({ Filters: filters, MaxResults: 5 }));
    expect(seen).toEqual([
      {
        action: 'DescribeNetworkInterfaces',
        input: { Filter: [{ Name: 'tag:a', Value: ['b', 'c'] }], MaxResults: '5' },
        caller: { instanceId: 'i-1', instanceArn: 'arn:i-1' },
      },
    ]);
  });

  test('EC2 answers and errors are read by the SDK', async () => {
    const { ec2 } = clients();
    expect((await ec2.send(attach)).AttachmentId).toBe('eni-attach-1');
    const tags = new CreateTagsCommand({ Resources: ['eni-1'], Tags: [{ Key: 'a', Value: 'b' }] });
    expect(await caught(ec2.send(tags))).toMatchObject({
      name: 'TagLimitExceeded',
      message: 'a < b & c',
      $metadata: { httpStatusCode: 400 },
    });
  });

  test('JSON answers and errors are read by the SDK', async () => {
    const { ssm, logs } = clients();
    expect((await logs.send(groups)).logGroups).toEqual([{ logGroupName: 'g' }]);
    expect(await caught(ssm.send(getParameter))).toMatchObject({
      name: 'ParameterNotFound',
      message: 'no such parameter',
    });
  });

  test('a gzip body is unpacked, its signature that of the packed bytes', async () => {
    const body = gzipSync(JSON.stringify({ logGroupNamePrefix: 'g' }));
    const url = new URL(front.endpoint);
    const signer = new SignatureV4({
      credentials: goodKey,
      region: 'eu-west-1',
      service: 'logs',
      sha256: Sha256,
    });
    const headers = {
      host: url.host,
      'content-type': 'application/x-amz-json-1.1',
      'content-encoding': 'gzip',
      'x-amz-target': 'Logs_20140328.DescribeLogGroups',
    };
    const request = { method: 'POST', protocol: 'http:', hostname: url.hostname, path: '/' };
    const signed = await signer.sign({ ...request, headers, body });
    const answer = await fetch(url, { method: 'POST', headers: signed.headers, body });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/x-amz-json-1.1');
    expect(seen[0]?.input).toEqual({ logGroupNamePrefix: 'g' });
  });

  test('a signature without the hash of the body in a header, as the AWS CLI makes it', async () => {
    const body = JSON.stringify({ logGroupNamePrefix: 'g' });
    const url = new URL(front.endpoint);
    const signer = new SignatureV4({
      credentials: goodKey,
      region: 'eu-west-1',
      service: 'logs',
      sha256: Sha256,
      applyChecksum: false,
    });
    const headers = {
      host: url.host,
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': 'Logs_20140328.DescribeLogGroups',
    };
    const request = { method: 'POST', protocol: 'http:', hostname: url.hostname, path: '/' };
    const signed = await signer.sign({ ...request, headers, body });
    const send = (sent: string) =>
      fetch(url, { method: 'POST', headers: signed.headers, body: sent });
    expect((await send(body)).status).toBe(200);
    expect((await send(`${body} `)).status).toBe(400);
  });

  test('numbered lists come in the order of their numbers', () => {
    expect(parseQuery('L.10=j&L.2=b&A.B=c&E=')).toEqual({ L: ['b', 'j'], A: { B: 'c' }, E: '' });
    expect(() => parseQuery('A=1&A.1=2')).toThrow(SyntaxError);
  });
});

describe('who calls', () => {
  const unknown = { ...goodKey, accessKeyId: 'ASIA2' };
  const otherToken = { ...goodKey, sessionToken: 'stolen' };
  const wrongSecret = { ...goodKey, secretAccessKey: 'guessed' };

  test.each([
    ['an unknown key', unknown, 'AuthFailure', 401, 'UnrecognizedClientException'],
    ['a key with another token', otherToken, 'AuthFailure', 401, 'UnrecognizedClientException'],
    ['a wrong secret', wrongSecret, 'AuthFailure', 401, 'InvalidSignatureException'],
  ])('%s is refused', async (_name, key, ec2Code, ec2Status, jsonCode) => {
    const { ec2, ssm } = clients(key);
    expect(await caught(ec2.send(attach))).toMatchObject({
      name: ec2Code,
      $metadata: { httpStatusCode: ec2Status },
    });
    expect(await caught(ssm.send(getParameter))).toMatchObject({
      name: jsonCode,
      $metadata: { httpStatusCode: 400 },
    });
    expect(seen).toEqual([]);
  });

  test('expired credentials are refused', async () => {
    expiresAtMs = Date.now() - 1;
    const { ec2, logs } = clients();
    expect((await caught(ec2.send(attach))).name).toBe('RequestExpired');
    expect((await caught(logs.send(groups))).name).toBe('ExpiredTokenException');
    expect(seen).toEqual([]);
  });

  test('a clock further off than allowed is refused', async () => {
    expiresAtMs = laterMs() + 60_000;
    const clock = { ...systemClock, nowMs: laterMs };
    await using skewed = await start({ clock, maxSkewMs: 900_000 });
    const { ec2 } = clients(goodKey, skewed.endpoint);
    // The SDK would correct its clock by the Date header and hide it, were it to try again.
    expect((await caught(ec2.send(attach))).name).toBe('RequestExpired');
  });

  test('authorize may refuse before the service sees the call', async () => {
    await using strict = await start({ authorize: deny });
    const { ssm } = clients(goodKey, strict.endpoint);
    expect((await caught(ssm.send(getParameter))).name).toBe('AccessDeniedException');
    expect(seen).toEqual([]);
  });
});

describe('faults, latency and the record of calls', () => {
  test('an injected error is for as many calls as asked, and never reaches the service', async () => {
    const { ec2 } = clients();
    const fault = { kind: 'error', status: 503, code: 'RequestLimitExceeded' } as const;
    front.fail({ match: 'ec2:AttachNetworkInterface', times: 2, fault });
    await clients().logs.send(groups);
    expect((await caught(ec2.send(attach))).name).toBe('RequestLimitExceeded');
    expect((await caught(ec2.send(attach))).name).toBe('RequestLimitExceeded');
    expect(seen.map((request) => request.action)).toEqual(['DescribeLogGroups']);
    await ec2.send(attach);
    expect(front.calls.map(({ status, code }) => [status, code])).toEqual([
      [200, undefined],
      [503, 'RequestLimitExceeded'],
      [503, 'RequestLimitExceeded'],
      [200, undefined],
    ]);
  });

  test.each([
    ['reset-before', 0, 'ECONNRESET'],
    ['reset-after', 1, 'ECONNRESET'],
    ['truncated', 1, 'ECONNRESET'],
  ] as const)(
    '%s: the service saw it %i times, the client knows nothing',
    async (kind, times, errno) => {
      front.fail({ match: 'ec2:*', times: 1, fault: { kind } });
      const error = (await caught(clients().ec2.send(attach))) as NodeJS.ErrnoException;
      expect(error.code).toBe(errno);
      expect(seen).toHaveLength(times);
      expect(front.calls).toMatchObject([{ status: 0, code: kind, instanceId: 'i-1' }]);
    },
  );

  test('an HTML page in place of an answer', async () => {
    front.fail({ match: '*', times: 1, fault: { kind: 'html', status: 502 } });
    expect(await caught(clients().ec2.send(attach))).toMatchObject({
      $metadata: { httpStatusCode: 502 },
    });
    expect(seen).toEqual([]);
  });

  test.each([
    ['a slow answer', () => front.fail({ match: '*', times: 1, fault: { kind: 'slow', ms: 80 } })],
    ['latency of its kind', () => void (front.latency.attachMs = 80)],
  ])('%s comes after the work is done', async (_name, set) => {
    set();
    front.latency.describeMs = 60_000;
    await clients().ec2.send(attach);
    const [call] = front.calls;
    expect(call!.endMs - call!.atMs).toBeGreaterThanOrEqual(79);
    expect(seen).toHaveLength(1);
  });

  test('listeners hear of each call until they stop', async () => {
    const heard: string[] = [];
    const stop = front.onCall((call) => void heard.push(`${call.service}:${call.action}`));
    await clients().ec2.send(attach);
    stop();
    await clients().ec2.send(attach);
    expect(heard).toEqual(['ec2:AttachNetworkInterface']);
    expect(front.calls[0]).toMatchObject({ input: { InstanceId: 'i-1', DeviceIndex: '1' } });
  });
});
