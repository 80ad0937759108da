// The local CloudWatch Logs against the rules of the real one.
import { beforeEach, describe, expect, test } from 'vitest';
import { createLogsService, type LabLogs } from './logs.ts';

const nowMs = 1_800_000_000_000;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const arnPrefix = 'arn:aws:logs:eu-west-1:111122223333:log-group:';
const names = { logGroupName: 'app', logStreamName: 'i-1' };
let logs: LabLogs;

async function call(action: string, input: Readonly<Record<string, unknown>>) {
  const caller = { instanceId: undefined, instanceArn: undefined };
  return await logs.handle({ action, input, caller });
}

const put = (logEvents: readonly unknown[]) => call('PutLogEvents', { ...names, logEvents });
const at = (timestamp: number, message = 'x') => ({ timestamp, message });
const code = (code: string) => expect.objectContaining({ code, status: 400 }) as Error;
const invalid = code('InvalidParameterException');

beforeEach(async () => {
  logs = createLogsService({ clock: { nowMs: () => nowMs }, arnPrefix });
  await call('CreateLogGroup', names);
  await call('CreateLogStream', names);
});

describe('PutLogEvents', () => {
  test('keeps events in the order of arrival', async () => {
    await put([at(nowMs, 'a'), at(nowMs, 'b')]);
    await put([at(nowMs - 1, 'c')]);
    expect(logs.events('app', 'i-1').map(({ message }) => message)).toEqual(['a', 'b', 'c']);
    const { events } = await call('GetLogEvents', { ...names, startFromHead: true });
    expect((events as { message: string }[]).map(({ message }) => message)).toEqual([
      'c',
      'a',
      'b',
    ]);
  });

  test('counts UTF-8 bytes + 26 up to 1,048,576', async () => {
    const full = 1_048_576 - 2 * 26;
    await put([at(nowMs, 'é'), at(nowMs, 'a'.repeat(full - 2))]);
    await expect(put([at(nowMs, 'é'), at(nowMs, 'a'.repeat(full - 1))])).rejects.toEqual(invalid);
  });

  test('takes 1 to 10,000 events', async () => {
    await put(Array.from({ length: 10_000 }, () => at(nowMs)));
    await expect(put(Array.from({ length: 10_001 }, () => at(nowMs)))).rejects.toEqual(invalid);
    await expect(put([])).rejects.toEqual(invalid);
  });

  test('fails the call for an empty message, disorder and more than 24 hours', async () => {
    await expect(put([at(nowMs, '')])).rejects.toEqual(invalid);
    await expect(put([at(nowMs), at(nowMs - 1)])).rejects.toEqual(invalid);
    await put([at(nowMs - dayMs), at(nowMs)]);
    await expect(put([at(nowMs - dayMs - 1), at(nowMs)])).rejects.toEqual(invalid);
    expect(logs.events('app', 'i-1')).toHaveLength(2);
  });

  test('refuses single events that are too old or too new', async () => {
    const answer = await put([
      at(nowMs - 14 * dayMs - 1, 'old'),
      at(nowMs, 'now'),
      at(nowMs + 2 * hourMs, 'edge'),
      at(nowMs + 2 * hourMs + 1, 'new'),
    ]);
    expect(answer['rejectedLogEventsInfo']).toEqual({
      tooOldLogEventEndIndex: 1,
      tooNewLogEventStartIndex: 3,
    });
    expect(logs.events('app', 'i-1').map(({ message }) => message)).toEqual(['now', 'edge']);
  });

  test('refuses events older than the retention of the group', async () => {
    await call('PutRetentionPolicy', { ...names, retentionInDays: 1 });
    const answer = await put([at(nowMs - dayMs - 1, 'old'), at(nowMs, 'now')]);
    expect(answer['rejectedLogEventsInfo']).toEqual({ expiredLogEventEndIndex: 1 });
  });

  test('names what is missing', async () => {
    const missing = code('ResourceNotFoundException');
    const events = { logEvents: [at(nowMs)] };
    await expect(
      call('PutLogEvents', { ...events, logGroupName: 'none', logStreamName: 'i-1' }),
    ).rejects.toEqual(missing);
    await expect(
      call('PutLogEvents', { ...events, logGroupName: 'app', logStreamName: 'none' }),
    ).rejects.toEqual(missing);
  });
});

describe('groups and streams', () => {
  test('exist once', async () => {
    const exists = code('ResourceAlreadyExistsException');
    await expect(call('CreateLogGroup', names)).rejects.toEqual(exists);
    await expect(call('CreateLogStream', names)).rejects.toEqual(exists);
    expect([logs.groups(), logs.streams('app')]).toEqual([['app'], ['i-1']]);
  });

  test.each(['', 'a b', 'aws/lambda', 'a'.repeat(513)])('no group "%s"', async (logGroupName) => {
    await expect(call('CreateLogGroup', { logGroupName })).rejects.toEqual(invalid);
  });

  test.each(['', 'a:b', 'a*', 'a'.repeat(513)])('no stream "%s"', async (logStreamName) => {
    await expect(call('CreateLogStream', { ...names, logStreamName })).rejects.toEqual(invalid);
  });

  test('retention takes only the listed days', async () => {
    await expect(call('PutRetentionPolicy', { ...names, retentionInDays: 2 })).rejects.toEqual(
      invalid,
    );
    await call('PutRetentionPolicy', { ...names, retentionInDays: 3653 });
    expect(await call('DescribeLogGroups', { logGroupNamePrefix: 'a' })).toEqual({
      logGroups: [expect.objectContaining({ logGroupName: 'app', retentionInDays: 3653 })],
    });
  });

  test('are listed by prefix, in pages', async () => {
    await call('CreateLogStream', { ...names, logStreamName: 'i-2' });
    const first = await call('DescribeLogStreams', { logGroupName: 'app', limit: 1 });
    expect(first).toEqual({
      logStreams: [expect.objectContaining({ logStreamName: 'i-1' })],
      nextToken: '1',
    });
    const second = await call('DescribeLogStreams', {
      logGroupName: 'app',
      limit: 1,
      nextToken: first['nextToken'],
    });
    expect(second).toEqual({ logStreams: [expect.objectContaining({ logStreamName: 'i-2' })] });
  });

  test('have ARNs, and streams the times of their events', async () => {
    await put([at(nowMs - hourMs), at(nowMs - 1)]);
    const { logGroups } = await call('DescribeLogGroups', {});
    expect(logGroups).toMatchObject([
      { arn: `${arnPrefix}app:*`, logGroupArn: `${arnPrefix}app`, metricFilterCount: 0 },
    ]);
    const { logStreams } = await call('DescribeLogStreams', names);
    expect(logStreams).toMatchObject([
      {
        arn: `${arnPrefix}app:log-stream:i-1`,
        firstEventTimestamp: nowMs - hourMs,
        lastEventTimestamp: nowMs - 1,
        lastIngestionTime: nowMs,
      },
    ]);
    const { events } = await call('GetLogEvents', names);
    expect(events).toMatchObject([{ ingestionTime: nowMs }, { ingestionTime: nowMs }]);
  });

  test('the latest event first, unless there is a prefix', async () => {
    await call('CreateLogStream', { ...names, logStreamName: 'i-0' });
    await put([at(nowMs)]);
    const orderOf = async (input: Readonly<Record<string, unknown>>) => {
      const answer = await call('DescribeLogStreams', { logGroupName: 'app', ...input });
      return (answer['logStreams'] as { logStreamName: string }[]).map((s) => s.logStreamName);
    };
    expect(await orderOf({ descending: true })).toEqual(['i-1', 'i-0']);
    expect(await orderOf({ orderBy: 'LastEventTime' })).toEqual(['i-0', 'i-1']);
    expect(await orderOf({ orderBy: 'LastEventTime', descending: true })).toEqual(['i-1', 'i-0']);
    await expect(orderOf({ orderBy: 'LastEventTime', logStreamNamePrefix: 'i' })).rejects.toEqual(
      invalid,
    );
  });

  test('are searched by text', async () => {
    await put([at(nowMs, 'GET /'), at(nowMs, 'POST /')]);
    const { events } = await call('FilterLogEvents', {
      logGroupName: 'app',
      filterPattern: '"POST"',
    });
    expect(events).toEqual([expect.objectContaining({ message: 'POST /', logStreamName: 'i-1' })]);
  });
});
