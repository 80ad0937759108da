// The chaos proxy between the SDK and the lab: what each fault looks like to a client, and what became of the call.
import { CloudWatchLogsClient, CreateLogGroupCommand } from '@aws-sdk/client-cloudwatch-logs';
import {
  CreateTagsCommand,
  DescribeNetworkInterfacesCommand,
  EC2Client,
} from '@aws-sdk/client-ec2';
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { beforeEach, describe, expect, test } from 'vitest';
import { staleMs } from './chaos-memory.ts';
import { parseChaos } from './chaos-options.ts';
import { chaosKinds, createSchedule, type ChaosKind } from './chaos-schedule.ts';
import { createChaos, summaryOf, type Chaos } from './chaos.ts';
import { createTestWorld, errorOf, one, subnetA, type TestWorld } from './test-world.ts';

const eni = 'eni-00000000000000001';
const timeoutMs = 400;

type Under = AsyncDisposable & {
  readonly chaos: Chaos;
  readonly ec2: EC2Client;
  readonly ssm: SSMClient;
  readonly logs: CloudWatchLogsClient;
};

let world: TestWorld;
beforeEach(async () => {
  world = await createTestWorld();
  world.lab.ec2.addEni({ eniId: eni, subnetId: subnetA, tags: { 'berth:pool': 'db' } });
  return () => world[Symbol.asyncDispose]();
});

/** Clients that do not try again, and give up after `timeoutMs`. */
async function under(text: string): Promise<Under> {
  const chaos = await createChaos({
    ...parseChaos(`seed=1,${text}`),
    target: world.lab.endpoint,
    judge: world.lab.judge,
  });
  const config = {
    endpoint: chaos.endpoint,
    region: world.lab.region,
    maxAttempts: 1,
    credentials: world.lab.operator,
    requestHandler: { requestTimeout: timeoutMs, throwOnRequestTimeout: true },
  };
  const clients = {
    ec2: new EC2Client(config),
    ssm: new SSMClient(config),
    logs: new CloudWatchLogsClient(config),
  };
  return {
    chaos,
    ...clients,
    [Symbol.asyncDispose]: async () => {
      for (const client of Object.values(clients)) client.destroy();
      await chaos[Symbol.asyncDispose]();
    },
  };
}

const tagWith = (ec2: EC2Client, value: string) =>
  ec2.send(new CreateTagsCommand({ Resources: [eni], Tags: [{ Key: 'Name', Value: value }] }));
const nameNow = () => world.lab.ec2.eni(eni)!.tags['Name'];
const nameSeen = async (ec2: EC2Client) => {
  const command = new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [eni] });
  const { NetworkInterfaces } = await ec2.send(command);
  return NetworkInterfaces![0]!.TagSet!.find((tag) => tag.Key === 'Name')?.Value;
};

test('without rules everything passes, to each service', async () => {
  await using at = await under('slow=0');
  await tagWith(at.ec2, 'x');
  expect(await nameSeen(at.ec2)).toBe('x');
  await at.logs.send(new CreateLogGroupCommand({ logGroupName: 'app' }));
  const missing = at.ssm.send(new GetParameterCommand({ Name: '/berth/config' }));
  expect(await errorOf(missing)).toMatch(/^ParameterNotFound/);
  expect(at.chaos.injected).toEqual([]);
  expect(summaryOf(at.chaos)).toBe('0 faults in 4 calls');
});

describe('errors in the words of each service', () => {
  test.each([
    ['throttle', 503, 'RequestLimitExceeded', 400, 'ThrottlingException', 'ThrottlingException'],
    ['500', 500, 'InternalError', 500, 'InternalServerError', 'InternalFailure'],
    ['503', 503, 'Unavailable', 503, 'ServiceUnavailable', 'ServiceUnavailableException'],
  ] as const)('%s', async (kind, ec2Status, ec2Code, jsonStatus, ssmCode, logsCode) => {
    await using at = await under(`${kind}=1`);
    const calls: readonly (readonly [Promise<unknown>, number, string])[] = [
      [tagWith(at.ec2, 'x'), ec2Status, ec2Code],
      [at.ssm.send(new GetParameterCommand({ Name: '/a' })), jsonStatus, ssmCode],
      [at.logs.send(new CreateLogGroupCommand({ logGroupName: 'a' })), jsonStatus, logsCode],
    ];
    for (const [call, httpStatusCode, name] of calls) {
      await expect(call).rejects.toMatchObject({ name, $metadata: { httpStatusCode } });
    }
    expect(world.lab.front.calls).toEqual([]);
    const imds = await fetch(`${at.chaos.endpoint}/latest/api/token`, { method: 'PUT' });
    expect([imds.status, await imds.text()]).toEqual([kind === '500' ? 500 : 503, '']);
  });
});

describe('what the client cannot know', () => {
  test.each([
    ['reset-before', /ECONNRESET|socket hang up/, false],
    ['black-hole', /TimeoutError/, false],
    ['reset-after', /ECONNRESET|socket hang up/, true],
    ['truncated', /aborted|ECONNRESET|[Uu]nclosed|[Dd]eserializ|premature/i, true],
    ['lost-answer', /TimeoutError/, true],
  ] as const)('%s: %s, and it happened: %s', async (kind, error, happened) => {
    await using at = await under(`${kind}=1x1@ec2:CreateTags`);
    expect(await errorOf(tagWith(at.ec2, 'x'))).toMatch(error);
    expect(nameNow()).toBe(happened ? 'x' : undefined);
    expect(world.lab.front.calls).toHaveLength(happened ? 1 : 0);
    expect(at.chaos.injected).toMatchObject([{ name: 'ec2:CreateTags', kind }]);
    await tagWith(at.ec2, 'y');
    expect(nameNow()).toBe('y');
  });

  test('half-open: the next call on that connection gets no answer and never arrives', async () => {
    await using at = await under('half-open=1x1');
    await tagWith(at.ec2, 'x');
    expect(await errorOf(tagWith(at.ec2, 'y'))).toMatch(/TimeoutError/);
    expect(nameNow()).toBe('x');
    await tagWith(at.ec2, 'z');
    expect(nameNow()).toBe('z');
  });
});

test('slow: late, and right', async () => {
  await using at = await under('slow=1x1');
  const startMs = performance.now();
  await tagWith(at.ec2, 'x').catch(() => undefined);
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(290);
  expect(nameNow()).toBe('x');
});

test('wrong-date: a client that trusts it signs wrongly, is refused, and recovers', async () => {
  await using at = await under('wrong-date=1x1');
  await tagWith(at.ec2, 'x');
  expect(await errorOf(tagWith(at.ec2, 'y'))).toMatch(/^RequestExpired/);
  await tagWith(at.ec2, 'z');
  expect(nameNow()).toBe('z');
});

test('stale: a Describe of the last 5 s, of the same caller, and nothing else', async () => {
  await using at = await under('stale=1');
  await tagWith(at.ec2, 'x');
  expect(await nameSeen(at.ec2)).toBe('x');
  const firstMs = performance.now();
  await tagWith(at.ec2, 'y');
  expect(await nameSeen(at.ec2)).toBe('x');
  const other = new EC2Client({
    endpoint: at.chaos.endpoint,
    region: world.lab.region,
    credentials: world.lab.credentialsFor(one),
  });
  expect(await nameSeen(other)).toBe('y');
  other.destroy();
  expect(at.chaos.injected.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
    'ec2:DescribeNetworkInterfaces stale',
  ]);
  await new Promise((resolve) => setTimeout(resolve, staleMs + 50 - (performance.now() - firstMs)));
  expect(await nameSeen(at.ec2)).toBe('y');
});

const drawAll = (seed: number, text: string): readonly string[] => {
  const schedule = createSchedule(seed, parseChaos(`seed=0,${text}`).rules);
  return Array.from({ length: 200 }, () => schedule.draw('ec2:CreateTags', 'a')?.kind ?? '-');
};

describe('the schedule', () => {
  test('is that of its seed', () => {
    const text = 'throttle=0.2,slow=0.2';
    expect(drawAll(7, text)).toEqual(drawAll(7, text));
    expect(drawAll(8, text)).not.toEqual(drawAll(7, text));
    const share = drawAll(7, text).filter((kind) => kind === 'throttle').length / 200;
    expect(share).toBeGreaterThan(0.12);
    expect(share).toBeLessThan(0.28);
  });

  test('of one operation and caller does not depend on the others', () => {
    const { rules } = parseChaos('seed=0,500=0.5');
    const alone = createSchedule(3, rules);
    const mixed = createSchedule(3, rules);
    for (let call = 0; call < 50; call++) {
      mixed.draw('ec2:DescribeInstances', 'a');
      mixed.draw('ec2:CreateTags', 'b');
      expect(mixed.draw('ec2:CreateTags', 'a')).toEqual(alone.draw('ec2:CreateTags', 'a'));
    }
  });

  test('keeps to the operation and to the number of times', () => {
    expect(drawAll(1, '500=1x3@ec2:CreateTags').filter((kind) => kind === '500')).toHaveLength(3);
    expect(drawAll(1, '500=1@ec2:*')).toEqual(Array.from({ length: 200 }, () => '500'));
    expect(new Set(drawAll(1, '500=1@ssm:*'))).toEqual(new Set(['-']));
    expect(new Set(drawAll(1, '500=1@ec2:DeleteTags'))).toEqual(new Set(['-']));
  });

  test('a seed alone means every kind', () => {
    const { seed, rules } = parseChaos('seed=12');
    expect(seed).toBe(12);
    const kinds = new Set<ChaosKind>(rules.map((rule) => rule.kind));
    expect(kinds).toEqual(new Set(chaosKinds));
  });

  test.each([
    ['throttle=0.5', 'it without a seed'],
    ['seed=x', 'the seed "x"'],
    ['seed=1,thortle=0.5', 'the kind "thortle"'],
    ['seed=1,throttle=2', 'the probability 2'],
    ['seed=1,throttle=a', '"throttle=a"'],
  ])('%s is refused', (text, what) => {
    expect(() => parseChaos(text)).toThrow(`cannot read ${what} in --chaos; it is seed=NUMBER`);
  });
});
