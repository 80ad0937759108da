// The lab's STS over HTTP, as the SDK and the AWS CLI see it.
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  DeleteLogGroupCommand,
  DescribeLogGroupsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { DescribeNetworkInterfacesCommand, EC2Client } from '@aws-sdk/client-ec2';
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/system/clock.ts';
import { createAwsClis, hasAwsCli, needsAwsCli, parsed } from './awscli.ts';
import { logsRoleOf } from '../fixtures/role.ts';
import { logsRole, shippedPolicy } from './iam-cases.ts';
import { createTestWorld, errorOf, one, two, type TestWorld } from './test-world.ts';

let world: TestWorld;
let offsetMs: number;
const clients: { destroy(): void }[] = [];

beforeEach(async () => {
  offsetMs = 0;
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + offsetMs };
  world = await createTestWorld({ clock });
  world.lab.sts.putRole(logsRoleOf({ trusted: true }));
  world.lab.setPolicies(one, [shippedPolicy('assume-role')]);
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await world[Symbol.asyncDispose]();
});

type Key = { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
function config(credentials: Key) {
  const { endpoint, region } = world.lab;
  return { endpoint, region, maxAttempts: 1, credentials };
}
function use<T extends { destroy(): void }>(client: T): T {
  clients.push(client);
  return client;
}
const sts = (key: Key = world.lab.credentialsFor(one)) => use(new STSClient(config(key)));
const assume = (more: object = {}) =>
  new AssumeRoleCommand({ RoleArn: logsRole, RoleSessionName: one, ...more });

async function assumed(): Promise<Key> {
  const { Credentials } = await sts().send(assume());
  return {
    accessKeyId: Credentials!.AccessKeyId!,
    secretAccessKey: Credentials!.SecretAccessKey!,
    sessionToken: Credentials!.SessionToken!,
  };
}

describe('AssumeRole', () => {
  test('gives keys for an hour, and says whose they are', async () => {
    const answer = await sts().send(assume());
    expect(answer.AssumedRoleUser?.Arn).toBe(`arn:aws:sts::999988887777:assumed-role/logs/${one}`);
    const leftMs = answer.Credentials!.Expiration!.getTime() - Date.now();
    expect(leftMs).toBeGreaterThan(3_590_000 - 60_000);
    expect(leftMs).toBeLessThanOrEqual(3_600_000);
    expect(world.lab.front.calls.at(-1)).toMatchObject({ service: 'sts', instanceId: one });
  });

  test.each([
    ['an instance without the policy', two, {}, /AccessDenied: User: .* sts:AssumeRole/],
    ['another role', one, { RoleArn: `${logsRole}2` }, /AccessDenied: User: /],
    ['more than an hour', one, { DurationSeconds: 3_601 }, /ValidationError: .*role chaining/],
    ['a name of a session that is none', one, { RoleSessionName: 'a/b' }, /ValidationError/],
  ])('refuses %s', async (name, instanceId, more, error) => {
    if (name.startsWith('a name')) world.lab.judge.expect('AssumeRole.RoleSessionName');
    const client = sts(world.lab.credentialsFor(instanceId));
    expect(await errorOf(client.send(assume(more)))).toMatch(error);
  });

  test('refuses where the role does not trust the caller, and where there is none', async () => {
    world.lab.sts.putRole(logsRoleOf({ trusted: false }));
    expect(await errorOf(sts().send(assume()))).toMatch(/^AccessDenied: User: .*\/berth\//);
  });

  test.each([
    ['keys that nobody issued', { accessKeyId: 'ASIA0000000000000000' }, 'InvalidClientTokenId'],
    ['a secret that is not theirs', { secretAccessKey: 'guess' }, 'SignatureDoesNotMatch'],
  ])('refuses %s', async (_name, wrong, code) => {
    const client = sts({ ...world.lab.credentialsFor(one), ...wrong });
    expect(await errorOf(client.send(assume()))).toContain(code);
  });

  test('refuses keys of an instance that have expired', async () => {
    const client = sts();
    offsetMs = 7 * 3_600_000;
    expect(await errorOf(client.send(assume()))).toMatch(/^ExpiredToken: /);
  });
});

describe('the keys of an assumed role', () => {
  test('do what the policies of the role allow, in its account, and nothing else', async () => {
    const key = await assumed();
    const logs = use(new CloudWatchLogsClient(config(key)));
    await logs.send(new CreateLogGroupCommand({ logGroupName: '/app/a' }));
    expect(world.lab.front.calls.at(-1)).toMatchObject({
      roleArn: logsRole,
      instanceId: undefined,
    });
    const other = new DeleteLogGroupCommand({ logGroupName: '/app/a' });
    expect(await errorOf(logs.send(other))).toMatch(
      /^AccessDeniedException: User: arn:aws:sts::999988887777:assumed-role\/logs\/i-0+1 /,
    );
    const ec2 = use(new EC2Client(config(key)));
    expect(await errorOf(ec2.send(new DescribeNetworkInterfacesCommand({})))).toMatch(
      /^UnauthorizedOperation/,
    );
  });

  test('are refused with another secret, another token, and after their end', async () => {
    const key = await assumed();
    const groups = new DescribeLogGroupsCommand({ logGroupNamePrefix: '/app/a' });
    const by = (wrong: Partial<Key>) =>
      errorOf(use(new CloudWatchLogsClient(config({ ...key, ...wrong }))).send(groups));
    expect(await by({ secretAccessKey: 'guess' })).toMatch(/^InvalidSignatureException/);
    expect(await by({ sessionToken: 'guess' })).toMatch(/^UnrecognizedClientException/);
    offsetMs = 3_600_000;
    expect(await by({})).toMatch(/^ExpiredTokenException: .* is expired/);
  });

  test('end sooner where the dial says so', async () => {
    world.lab.sts.dials.sessionMs = 60_000;
    const { Credentials } = await sts().send(assume());
    expect(Credentials!.Expiration!.getTime() - Date.now()).toBeLessThanOrEqual(60_000);
  });
});

const arnOf = async (key: Key) => (await sts(key).send(new GetCallerIdentityCommand({}))).Arn;

test('GetCallerIdentity tells instances, sessions and the operator apart', async () => {
  expect(await arnOf(world.lab.credentialsFor(one))).toBe(
    `arn:aws:sts::111122223333:assumed-role/berth/${one}`,
  );
  expect(await arnOf(await assumed())).toBe(`arn:aws:sts::999988887777:assumed-role/logs/${one}`);
  expect(await arnOf(world.lab.operator)).toBe('arn:aws:iam::111122223333:user/operator');
});

test.skipIf(!hasAwsCli)(
  `the AWS CLI reads the same${needsAwsCli}`,
  { timeout: 120_000 },
  async () => {
    await using clis = await createAwsClis(world.lab);
    const aws = clis.of(one);
    expect(
      await parsed(aws`sts assume-role --role-arn ${logsRole} --role-session-name ${one}`),
    ).toMatchObject({
      Credentials: { AccessKeyId: expect.stringMatching(/^ASIA/), Expiration: expect.any(String) },
      AssumedRoleUser: { AssumedRoleId: `AROALAB0000000000000:${one}` },
    });
    expect(
      await aws`sts assume-role --role-arn ${logsRole}2 --role-session-name ${one}`,
    ).toMatchObject({ code: 254, stderr: expect.stringContaining('(AccessDenied)') });
  },
);
