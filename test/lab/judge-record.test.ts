// The record of the judge: what a test expects, what fails it, and what a run sums up; the judge inside a lab.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as logs from '@aws-sdk/client-cloudwatch-logs';
import * as sdk from '@aws-sdk/client-ec2';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { scratch } from './environment.ts';
import { exchange, formHeaders, models, why, xmlError } from './judge-exchanges.ts';
import {
  createLabJudge,
  folderVariable,
  runSummaryText,
  sumUp,
  takeViolations,
} from './judge-record.ts';
import { createTestWorld, errorOf } from './test-world.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(scratch, 'judged-'));
  // What breaks the models here is no part of the run's figures.
  vi.stubEnv(folderVariable, folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

const call = (body: string) =>
  exchange(
    { body: `Version=2016-11-15&Action=DescribeSubnets${body}`, headers: formHeaders },
    { body: xmlError, type: 'text/xml;charset=UTF-8', status: 400 },
  );
const tooFew = 'client: ec2: DescribeSubnets.MaxResults: 4: less than 5';

describe.skipIf(why !== '')(`with models${why}`, () => {
  test('a violation is on record, once for the test and for the run', () => {
    const judge = createLabJudge(models);
    judge.hear(call(''));
    judge.hear(call('&MaxResults=4'));
    expect(judge.violations).toEqual([tooFew]);
    expect(judge.summary()).toMatch(/^2 calls judged by botocore [\d.]+, 1 violations$/);
    expect(takeViolations()).toEqual([tooFew]);
    expect(takeViolations()).toEqual([]);
    judge.close();
    createLabJudge(models).close();
    const run = sumUp(folder);
    expect(run).toEqual({
      tally: { calls: 2, broken: 0, expected: 0, client: 1, lab: 0, unmet: 0 },
      violations: [tooFew],
    });
    expect(runSummaryText('botocore 1', run)).toBe(
      'API models: botocore 1 judged 2 calls: 1 violations by clients, 0 by the lab (0 that tests expected, 0 expected in vain, 0 answers cut or replaced on purpose)',
    );
  });

  test('an expected one is none, however often; another is', () => {
    const judge = createLabJudge(models);
    judge.expect('MaxResults: 4');
    judge.hear(call('&MaxResults=4'));
    judge.hear(call('&MaxResults=4'));
    judge.hear({ ...call('&MaxResults=4'), answer: undefined });
    judge.hear(call('&MaxResults=3'));
    expect(takeViolations()).toEqual([tooFew.replace('4', '3')]);
    judge.close();
    expect(takeViolations()).toEqual([]);
    expect(sumUp(folder).tally).toMatchObject({ calls: 4, broken: 1, expected: 3, client: 1 });
  });

  test('what was expected in vain is a violation', () => {
    const judge = createLabJudge(models);
    judge.expect('MaxResults: 4');
    judge.hear(call(''));
    judge.close();
    expect(takeViolations()).toEqual(['test: expected and never seen: MaxResults: 4']);
    expect(sumUp(folder).tally).toMatchObject({ expected: 0, unmet: 1 });
  });

  test('a lab hears of every call, also of those that are cut or no AWS', async () => {
    await using world = await createTestWorld();
    const { lab, ec2 } = world;
    const describeFew = new sdk.DescribeNetworkInterfacesCommand({ MaxResults: 4 });
    expect(await errorOf(ec2.send(describeFew))).toMatch(/^InvalidMaxResults/);
    const { endpoint, region, operator: credentials } = lab;
    const cloudWatch = new logs.CloudWatchLogsClient({ endpoint, region, credentials });
    const batch = { logGroupName: 'g', logStreamName: 'a:b', logEvents: [] };
    await errorOf(cloudWatch.send(new logs.PutLogEventsCommand(batch)));
    cloudWatch.destroy();
    lab.front.fail({ match: '*', times: 1, fault: { kind: 'html', status: 502 } });
    await errorOf(ec2.send(new sdk.DescribeNetworkInterfacesCommand({})));
    await fetch(endpoint, { method: 'POST', body: 'hello' });
    expect(takeViolations()).toEqual([
      'client: ec2: DescribeNetworkInterfaces.MaxResults: 4: less than 5',
      expect.stringContaining('logStreamName: a:b is not of the pattern'),
      expect.stringContaining('logEvents: 0 entries: less than 1'),
      'client: no AWS service: request: is no call of a service that the lab plays',
    ]);
    expect(lab.judge.violations).toHaveLength(4);
    expect(lab.judge.summary()).toMatch(/^4 calls judged by .*, 4 violations$/);
  });
});

test('without models nothing is judged, and the reason is told', () => {
  const judge = createLabJudge('nowhere to be found');
  judge.expect('what never comes');
  judge.hear(call('&MaxResults=4'));
  judge.close();
  expect(judge.version).toBeUndefined();
  expect(judge.summary()).toBe('skipped: API models: nowhere to be found');
  expect(takeViolations()).toEqual([]);
  expect(sumUp(folder).tally.calls).toBe(0);
});
