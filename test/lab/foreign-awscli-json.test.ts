// The AWS CLI uses the Parameter Store and the CloudWatch Logs of the lab: what it prints, and how it ends.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/system/clock.ts';
import {
  createAwsClis,
  hasAwsCli,
  needsAwsCli,
  parsed,
  printed,
  refusal,
  type AwsCli,
  type AwsClis,
} from './awscli.ts';
import {
  config,
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

// It starts in a second, and this machine does other things as well.
vi.setConfig({ testTimeout: 120_000 });

const get = (aws: AwsCli, selector: string) =>
  aws`ssm get-parameter --name ${config.name}${selector}`;

describe.skipIf(!hasAwsCli)(`the AWS CLI${needsAwsCli}`, () => {
  let world: TestWorld;
  let clis: AwsClis;
  let operator: AwsCli;
  let byOne: AwsCli;
  beforeAll(async () => {
    world = await createTestWorld();
    prepareStory(world.lab);
    clis = await createAwsClis(world.lab);
    operator = clis.operator;
    byOne = clis.of(one);
  });
  afterAll(async () => {
    console.log(`the AWS CLI ran ${clis.calls()} times`);
    await clis[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  /** Pages that the last command asked for. */
  const pagesOf = (action: string, since: number): number =>
    world.lab.front.calls.slice(since).filter((call) => call.action === action).length;

  test('keeps parameters with versions and labels', async () => {
    const put = (value: string, more: readonly string[]) =>
      operator`ssm put-parameter --name ${config.name} --value ${value} ${more}`;
    const [first] = await Promise.all([
      parsed(put(config.first, ['--type', 'String'])),
      printed(
        operator`ssm put-parameter --name ${secret.name} --value ${secret.value} --type SecureString`,
      ),
    ]);
    expect(first).toEqual({ Version: 1, Tier: 'Standard' });
    expect(await put(config.second, ['--type', 'String'])).toEqual(
      refusal('PutParameter', ...refusals.parameterExists),
    );
    const [second, labelled] = await Promise.all([
      parsed(put(config.second, ['--overwrite'])),
      parsed(
        operator`ssm label-parameter-version --name ${config.name} --parameter-version 1
          --labels ${config.label} aws-not`,
      ),
    ]);
    expect(second).toEqual({ Version: 2, Tier: 'Standard' });
    expect(labelled).toEqual({ InvalidLabels: ['aws-not'], ParameterVersion: 1 });

    const [latest, stable, history, many, denied] = await Promise.all([
      parsed(get(byOne, '')),
      parsed(get(byOne, `:${config.label}`)),
      parsed(operator`ssm get-parameter-history --name ${config.name}
        --query Parameters[].[Version,Value,Labels]`),
      parsed(operator`ssm get-parameters --with-decryption
        --query [sort_by(Parameters,&Name)[].[Name,Type,Value,Version],InvalidParameters]
        --names ${config.name}:1 ${secret.name} /berth/none`),
      byOne`ssm put-parameter --name ${config.name} --value x --overwrite`,
    ]);
    const common = {
      Name: config.name,
      Type: 'String',
      LastModifiedDate: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/),
      ARN: parameterArn(world.lab, config.name),
      DataType: 'text',
    };
    expect(latest).toEqual({ Parameter: { ...common, Value: config.second, Version: 2 } });
    expect(stable).toEqual({
      Parameter: { ...common, Value: config.first, Version: 1, Selector: `:${config.label}` },
    });
    expect(history).toEqual([
      [1, config.first, [config.label]],
      [2, config.second, null],
    ]);
    expect(many).toEqual([
      [
        [config.name, 'String', config.first, 1],
        [secret.name, 'SecureString', secret.value, 1],
      ],
      ['/berth/none'],
    ]);
    expect(denied.code).toBe(254);
    expect(denied.stderr).toContain(
      `(AccessDeniedException) when calling the PutParameter operation: ${denialOf(world.lab, one, 'ssm:PutParameter')}`,
    );
  });

  test('reads parameters by path, in pages', async () => {
    const byPath = operator`ssm get-parameters-by-path --path /berth/slots --page-size 5
      --output text --query Parameters[].[Name]`;
    const since = world.lab.front.calls.length;
    expect(await printed(byPath)).toBe(flatParameters.map((name) => `${name}\n`).join(''));
    expect(pagesOf('GetParametersByPath', since)).toBe(3);
  });

  test('makes log groups, sends events and reads them again', async () => {
    const nowMs = systemClock.nowMs();
    const events = logEvents(nowMs);
    const good = events.slice(1, 3);
    const group = ['--log-group-name', log.group];
    expect(await printed(operator`logs create-log-group ${group}`)).toBe('');
    await Promise.all([
      printed(
        operator`logs put-retention-policy ${group} --retention-in-days ${String(log.retentionDays)}`,
      ),
      printed(operator`logs create-log-stream ${group} --log-stream-name ${log.stream}`),
    ]);
    const put = (stream: string) =>
      operator`logs put-log-events ${group} --log-stream-name ${stream}
        --log-events ${JSON.stringify(events)}`;
    expect(await parsed(put(log.stream))).toMatchObject({ rejectedLogEventsInfo: rejected });

    const [noStream, again, sixDays, groups, streams, got, tail] = await Promise.all([
      put('none'),
      operator`logs create-log-group ${group}`,
      operator`logs put-retention-policy ${group} --retention-in-days 6`,
      parsed(operator`logs describe-log-groups --log-group-name-prefix /berth`),
      parsed(operator`logs describe-log-streams ${group} --order-by LastEventTime`),
      parsed(
        operator`logs get-log-events ${group} --log-stream-name ${log.stream} --start-from-head`,
      ),
      printed(operator`logs tail ${log.group} --format short --filter-pattern ready`),
    ]);
    expect(noStream).toEqual(refusal('PutLogEvents', ...refusals.noStream));
    expect(again).toEqual(refusal('CreateLogGroup', ...refusals.groupExists));
    expect([sixDays.code, sixDays.stderr]).toEqual([
      254,
      expect.stringContaining('(InvalidParameterException) when calling the PutRetentionPolicy'),
    ]);
    expect(groups).toMatchObject({
      logGroups: [
        {
          logGroupName: log.group,
          retentionInDays: log.retentionDays,
          arn: `${logArn(world.lab)}:*`,
        },
      ],
    });
    expect(streams).toMatchObject({
      logStreams: [
        {
          logStreamName: log.stream,
          firstEventTimestamp: good[0]!.timestamp,
          lastEventTimestamp: good[1]!.timestamp,
          arn: `${logArn(world.lab)}:log-stream:${log.stream}`,
        },
      ],
    });
    expect(got).toMatchObject({ events: good });
    expect(tail).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d berth is ready, says "yes" & <so>\n$/);
  });
});
