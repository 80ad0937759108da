// The clients of the SDK for Parameter Store and CloudWatch Logs tell the same story as the AWS CLI.
import * as cwl from '@aws-sdk/client-cloudwatch-logs';
import * as ps from '@aws-sdk/client-ssm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/system/clock.ts';
import { pagesOf, refused } from './foreign-sdk.ts';
import {
  config,
  deepParameter,
  denialOf,
  flatParameters,
  log,
  logArn,
  logEvents,
  parameterArn,
  prepareStory,
  refusals,
  rejected,
  secret,
} from './foreign-story.ts';
import { createTestWorld, one, type TestWorld } from './test-world.ts';

let world: TestWorld;
let byOne: ReturnType<TestWorld['clientsOf']>;
let logs: cwl.CloudWatchLogsClient;
beforeAll(async () => {
  world = await createTestWorld();
  prepareStory(world.lab);
  byOne = world.clientsOf(one);
  const { endpoint, region, operator } = world.lab;
  logs = new cwl.CloudWatchLogsClient({ endpoint, region, maxAttempts: 1, credentials: operator });
});
afterAll(async () => {
  logs.destroy();
  await world[Symbol.asyncDispose]();
});

const namesOf = async (Recursive: boolean) =>
  pagesOf(
    ps.paginateGetParametersByPath(
      { client: world.ssm, pageSize: 5 },
      { Path: '/berth/slots', Recursive },
    ),
    (page) => page.Parameters?.map(({ Name }) => Name!),
  );

test('parameters with versions and labels', async () => {
  const put = (Value: string, more: Partial<ps.PutParameterCommandInput>) =>
    world.ssm.send(new ps.PutParameterCommand({ Name: config.name, Value, ...more }));
  const get = async (selector: string) => {
    const Name = `${config.name}${selector}`;
    return (await byOne.ssm.send(new ps.GetParameterCommand({ Name }))).Parameter;
  };
  expect(await put(config.first, { Type: 'String' })).toMatchObject({
    Version: 1,
    Tier: 'Standard',
  });
  await expect(put(config.second, { Type: 'String' })).rejects.toEqual(
    refused(refusals.parameterExists),
  );
  expect(await put(config.second, { Overwrite: true })).toMatchObject({ Version: 2 });
  const label = new ps.LabelParameterVersionCommand({
    Name: config.name,
    ParameterVersion: 1,
    Labels: [config.label, 'aws-not'],
  });
  expect(await world.ssm.send(label)).toMatchObject({
    InvalidLabels: ['aws-not'],
    ParameterVersion: 1,
  });
  const common = {
    Name: config.name,
    Type: 'String',
    LastModifiedDate: expect.any(Date),
    ARN: parameterArn(world.lab, config.name),
    DataType: 'text',
  };
  expect(await get('')).toEqual({ ...common, Value: config.second, Version: 2 });
  const first = { ...common, Value: config.first, Version: 1 };
  expect(await get(`:${config.label}`)).toEqual({ ...first, Selector: `:${config.label}` });
  expect(await get(':1')).toEqual({ ...first, Selector: ':1' });
  await expect(get(':3')).rejects.toBeInstanceOf(ps.ParameterVersionNotFound);
  const history = await pagesOf(
    ps.paginateGetParameterHistory({ client: world.ssm }, { Name: config.name }),
    (page) => page.Parameters?.map(({ Version, Value, Labels }) => [Version, Value, Labels]),
  );
  expect(history.flat()).toEqual([
    [1, config.first, [config.label]],
    [2, config.second, undefined],
  ]);
  const denied = byOne.ssm.send(
    new ps.PutParameterCommand({ Name: config.name, Value: 'x', Overwrite: true }),
  );
  await expect(denied).rejects.toMatchObject({
    name: 'AccessDeniedException',
    message: expect.stringContaining(denialOf(world.lab, one, 'ssm:PutParameter')),
  });
});

test('secrets, and what is not there', async () => {
  const { name: Name, value: Value } = secret;
  await world.ssm.send(new ps.PutParameterCommand({ Name, Value, Type: 'SecureString' }));
  const read = async (WithDecryption: boolean) =>
    world.ssm.send(new ps.GetParametersCommand({ Names: [Name, '/berth/none'], WithDecryption }));
  expect(await read(true)).toMatchObject({
    Parameters: [{ Name, Value, Type: 'SecureString' }],
    InvalidParameters: ['/berth/none'],
  });
  expect((await read(false)).Parameters![0]!.Value).not.toContain(Value);
  const none = world.ssm.send(new ps.GetParameterCommand({ Name: '/berth/none' }));
  await expect(none).rejects.toBeInstanceOf(ps.ParameterNotFound);
});

test('the paginator of parameters below a path', async () => {
  const flat = await namesOf(false);
  expect(flat.map(({ length }) => length)).toEqual([5, 5, 2]);
  expect(flat.flat()).toEqual(flatParameters);
  const deep = (await namesOf(true)).flat();
  expect(new Set(deep)).toEqual(new Set([...flatParameters, deepParameter]));
  expect(deep).toHaveLength(flatParameters.length + 1);
});

test('log groups and events', async () => {
  const events = logEvents(systemClock.nowMs());
  const good = events.slice(1, 3);
  const names = { logGroupName: log.group, logStreamName: log.stream };
  await logs.send(new cwl.CreateLogGroupCommand(names));
  await expect(logs.send(new cwl.CreateLogGroupCommand(names))).rejects.toEqual(
    refused(refusals.groupExists),
  );
  const put = new cwl.PutLogEventsCommand({ ...names, logEvents: events });
  await expect(logs.send(put)).rejects.toEqual(refused(refusals.noStream));
  await logs.send(new cwl.CreateLogStreamCommand(names));
  expect(await logs.send(put)).toMatchObject({ rejectedLogEventsInfo: rejected });
  const retain = (retentionInDays: number) =>
    logs.send(new cwl.PutRetentionPolicyCommand({ ...names, retentionInDays }));
  await retain(log.retentionDays);
  await expect(retain(6)).rejects.toBeInstanceOf(cwl.InvalidParameterException);

  const groups = new cwl.DescribeLogGroupsCommand({ logGroupNamePrefix: log.group });
  expect((await logs.send(groups)).logGroups).toMatchObject([
    { logGroupName: log.group, retentionInDays: log.retentionDays, arn: `${logArn(world.lab)}:*` },
  ]);
  const got = await pagesOf(
    cwl.paginateGetLogEvents(
      { client: logs, pageSize: 1, stopOnSameToken: true },
      { ...names, startFromHead: true },
    ),
    (page) => page.events?.map(({ timestamp, message }) => ({ timestamp, message })),
  );
  expect(got.flat()).toEqual(good);
  const found = await pagesOf(
    cwl.paginateFilterLogEvents({ client: logs }, { ...names, filterPattern: 'ready' }),
    (page) => page.events?.map(({ message }) => message),
  );
  expect(found.flat()).toEqual([good[1]!.message]);
});
