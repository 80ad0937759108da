// What the CloudWatch agent's keys mean, on real files against the local CloudWatch Logs (logs.md section 2).
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  renameSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { GroupOptions, LogSource } from '../../src/model/logs.ts';
import { systemLogFiles, type LogFiles } from '../../src/system/log-files.ts';
import { plainGroup } from '../fixtures/log-source.ts';
import { createHastyClock } from '../fakes/hasty-clock.ts';
import { createRig, type Rig } from './rig.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await createRig();
});
afterEach(() => rig[Symbol.asyncDispose]());

const write = (name: string, text: string, ageSeconds = 0): void => {
  appendFileSync(rig.path(name), text);
  const at = Date.now() / 1000 - ageSeconds;
  utimesSync(rig.path(name), at, at);
};
const source = (pattern: string, more: Partial<LogSource> = {}): LogSource =>
  rig.source(pattern, 'app', 'i-1', more);
const input = (action: string) => rig.calls(action).map((call) => call.input);
const patience = { timeout: 20_000, interval: 20 };
const sent = () => input('PutLogEvents').map(({ logEvents }) => (logEvents as []).length);
const agentDefault = { startPattern: String.raw`^[\S]` } as const;

describe('multi-line', () => {
  test('the last event goes after five seconds of silence', async () => {
    rig.start({ sources: [source('app.log', agentDefault)] });
    write('app.log', 'a\n b\nc\n d\n');
    await vi.waitFor(() => expect(rig.arrived()).toEqual(['a\n b', 'c\n d']), 5_000);
    const sent = rig.calls('PutLogEvents').map(({ input }) => (input['logEvents'] as []).length);
    expect(new Set(sent)).toEqual(new Set([1]));
  });

  test('the last event goes at a stop, and is not sent again', async () => {
    const sources = [source('app.log', agentDefault)];
    write('app.log', 'a\n b\n');
    await rig.stop(rig.start({ sources }));
    expect(rig.arrived()).toEqual(['a\n b']);
    await rig.stop(rig.start({ sources }));
    expect(rig.arrived()).toEqual(['a\n b']);
  });

  test('a stack trace of 3 MB comes in parts, and what follows goes on', async () => {
    const trace = Array.from({ length: 30_000 }, (_, i) => `  at frame ${i} ${'x'.repeat(90)}`);
    write('app.log', `Error\n${trace.join('\n')}\nnext\nlast\n`);
    await rig.stop(rig.start({ sources: [source('app.log', agentDefault)] }));
    const all = rig.arrived();
    expect(all.slice(-2)).toEqual(['next', 'last']);
    expect(all.slice(0, -2).join('\n')).toBe(`Error\n${trace.join('\n')}`);
  });
});

describe('which files', () => {
  test('the newest alone, and every newer one', async () => {
    write('a.log', 'old\n', 300);
    write('b.log', 'newest\n', 100);
    write('c.log', 'older\n', 200);
    rig.start({ sources: [source('*.log', { files: 'newest' })] });
    await vi.waitFor(() => expect(rig.arrived()).toEqual(['newest']));
    write('d.log', 'new\n');
    await vi.waitFor(() => expect(rig.arrived()).toEqual(['newest', 'new']));
    // An older tail runs on.
    appendFileSync(rig.path('b.log'), 'more\n');
    await vi.waitFor(() => expect(rig.arrived()).toEqual(['newest', 'new', 'more']));
    expect(rig.arrived()).not.toContain('old');
  });

  test('publish_multi_logs: each file in a stream of its own, named after its path', async () => {
    write('a b.log', 'one\n');
    write('c.log', 'two\n');
    rig.start({ sources: [source('*.log', { files: 'stream' })] });
    const streamOf = (name: string): string =>
      `i-1_${rig.path(name).replaceAll('/', '_').replaceAll(' ', '_')}`;
    await vi.waitFor(() => expect(rig.arrived('app', streamOf('a b.log'))).toEqual(['one']));
    await vi.waitFor(() => expect(rig.arrived('app', streamOf('c.log'))).toEqual(['two']));
  });

  test('publish_multi_logs without a group: each file in a group of its own', async () => {
    write('a b.log', 'one\n');
    rig.start({ sources: [source('*.log', { files: 'group' })] });
    const group = rig.path('a b.log').replaceAll(' ', '_');
    await vi.waitFor(() => expect(rig.arrived(group)).toEqual(['one']));
  });

  test('publish_multi_logs: a renamed file stays in its stream over a restart', async () => {
    const sources = [source('app.log*', { files: 'stream' })];
    const stream = `i-1_${rig.path('app.log').replaceAll('/', '_')}`;
    write('app.log', 'one\n');
    await rig.stop(rig.start({ sources }));
    appendFileSync(rig.path('app.log'), 'two\n');
    renameSync(rig.path('app.log'), rig.path('app.log.1'));
    write('app.log', 'three\n');
    await rig.stop(rig.start({ sources }));
    expect(rig.arrived('app', stream)).toEqual(['one', 'two', 'three']);
    expect(rig.logs.streams('app')).toEqual([stream]);
  });

  test('two stars within a name: every file of the tree, also of folders that come', async () => {
    for (const folder of ['logs/a/b', 'other', 'stage/c/.d'])
      mkdirSync(rig.path(folder), { recursive: true });
    write('logs/top.log', 'top\n');
    write('logs/a/b/deep.log', 'deep\n');
    const shipping = rig.start({ sources: [source('logs/**.log')] });
    await vi.waitFor(() => expect(rig.arrived().toSorted()).toEqual(['deep', 'top']), patience);
    // A link may be a loop, or lead to all of the disk.
    write('other/outside.log', 'outside\n');
    symlinkSync(rig.path('other'), rig.path('stage/c/out'));
    write('stage/c/.d/new.log', 'new\n');
    renameSync(rig.path('stage/c'), rig.path('logs/a/c'));
    await vi.waitFor(() => expect(rig.arrived()).toContain('new'), patience);
    write('logs/a/c/last.log', 'last\n');
    await vi.waitFor(() => expect(rig.arrived()).toContain('last'), patience);
    expect(rig.arrived()).toHaveLength(4);
    expect(shipping.status().files).toBe(4);
  });

  test("berth's own folder is left alone", async () => {
    write('app.log', 'one\n');
    const shipping = rig.start({ sources: [source('**')] });
    await vi.waitFor(() => expect(rig.arrived()).toEqual(['one']), patience);
    write('next.log', 'two\n');
    await vi.waitFor(() => expect(rig.arrived()).toEqual(['one', 'two']), patience);
    expect(existsSync(rig.stateDir)).toBe(true);
    expect(shipping.status().files).toBe(2);
  });

  test('blacklist leaves out by the name of the file', async () => {
    write('a.log', 'a\n');
    write('secret.log', 'b\n');
    const shipping = rig.start({ sources: [source('*.log', { blacklist: '^sec' })] });
    await vi.waitFor(() => expect(rig.arrived()).toEqual(['a']));
    expect(shipping.status().files).toBe(1);
  });

  test('auto_removal deletes a file that is sent once a newer one matches', async () => {
    const sources = [source('*.log', { files: 'newest', autoRemoval: true })];
    write('1.log', 'one\n', 100);
    rig.start({ sources });
    await vi.waitFor(() => expect(rig.arrived()).toEqual(['one']));
    expect(existsSync(rig.path('1.log'))).toBe(true);
    write('2.log', 'two\n');
    await vi.waitFor(() => expect(existsSync(rig.path('1.log'))).toBe(false), 5_000);
    expect(rig.arrived()).toEqual(['one', 'two']);
    expect(existsSync(rig.path('2.log'))).toBe(true);
  });
});

test('auto_removal deletes nothing that CloudWatch does not have', async () => {
  let looks = 0;
  const expand: LogFiles['expand'] = (pattern) => {
    looks++;
    return systemLogFiles.expand(pattern);
  };
  const sources = [source('*.log', { files: 'newest', autoRemoval: true })];
  write('1.log', 'one\n', 100);
  const shipping = rig.start({ sources, deps: { logFiles: { ...systemLogFiles, expand } } });
  await vi.waitFor(() => expect(rig.arrived()).toEqual(['one']), patience);
  const fault = { kind: 'error', status: 500, code: 'InternalFailure' } as const;
  rig.front.fail({ match: 'logs:*', times: 100_000, fault });
  write('1.log', 'more\n', 50);
  write('2.log', 'two\n');
  await vi.waitFor(() => expect(shipping.status()).toMatchObject({ files: 2 }), patience);
  const before = looks;
  await vi.waitFor(() => expect(looks).toBeGreaterThan(before + 2), patience);
  expect(existsSync(rig.path('1.log'))).toBe(true);
  rig.front.clearFaults();
  await vi.waitFor(() => expect(existsSync(rig.path('1.log'))).toBe(false), patience);
  expect(rig.arrived()).toEqual(['one', 'more', 'two']);
});

describe('force_flush_interval', () => {
  test('is what a batch waits for more', async () => {
    write('app.log', 'made\n');
    const shipping = rig.start({ forceFlushMs: 60_000 });
    await vi.waitFor(() => expect(rig.arrived()).toEqual(['made']), patience);
    const before = sent().length;
    write('app.log', 'a\n');
    await vi.waitFor(() => expect(shipping.status().bytesBehind).toBe(2), patience);
    write('app.log', 'b\n');
    await vi.waitFor(() => expect(rig.arrived()).toEqual(['made', 'a', 'b']), patience);
    expect(sent().slice(before)).toEqual([2]);
  });

  test('a full batch goes at once, what is left at the end', async () => {
    const lines = Array.from({ length: 3_000 }, (_, i) => `${i} ${'x'.repeat(1_000)}`);
    write('app.log', `${lines.join('\n')}\n`);
    const shipping = rig.start({ forceFlushMs: 172_800_000 });
    await vi.waitFor(() => expect(rig.arrived().length).toBeGreaterThan(1_000), patience);
    expect(rig.arrived().length).toBeLessThan(3_000);
    await rig.stop(shipping);
    expect(rig.arrived()).toEqual(lines);
  });
});

const group = (options: Partial<GroupOptions>): Partial<LogSource> => ({
  groupOptions: { ...plainGroup, ...options },
});

describe('the log group', () => {
  test('is made with its class, key and tags, and keeps as long as it shall', async () => {
    write('app.log', 'a\n');
    const options = {
      class: 'INFREQUENT_ACCESS',
      kmsKeyId: 'arn:aws:kms:eu-west-1:111122223333:key/1',
      tags: { team: 'web' },
      retentionDays: 7,
    } as const;
    rig.start({ sources: [source('app.log', group(options))] });
    await vi.waitFor(() => expect(input('PutRetentionPolicy')).toHaveLength(1), 5_000);
    expect(input('CreateLogGroup')).toEqual([
      {
        logGroupName: 'app',
        logGroupClass: 'INFREQUENT_ACCESS',
        kmsKeyId: 'arn:aws:kms:eu-west-1:111122223333:key/1',
        tags: { team: 'web' },
      },
    ]);
    expect(input('PutRetentionPolicy')).toEqual([{ logGroupName: 'app', retentionInDays: 7 }]);
    expect(rig.calls('DescribeLogGroups')).toEqual([]);
  });

  test('that was there is corrected later, once, and only where it differs', async () => {
    write('app.log', 'a\n');
    await rig.stop(rig.start());
    const haste = createHastyClock(2_000);
    const seven = [source('app.log', group({ retentionDays: 7 }))];
    const first = rig.start({ sources: seven, deps: { clock: haste } });
    await vi.waitFor(() => expect(input('PutRetentionPolicy')).toHaveLength(1), 5_000);
    await rig.stop(first);
    rig.start({ sources: seven, deps: { clock: haste } });
    await vi.waitFor(() => expect(rig.calls('DescribeLogGroups')).toHaveLength(2), 5_000);
    expect(input('PutRetentionPolicy')).toHaveLength(1);
  });
});

describe('the entity', () => {
  const entity = {
    service: 'shop',
    environment: 'prod',
    accountId: '111122223333',
    instanceId: 'i-1',
    autoScalingGroup: 'web',
  };
  test('goes with the events, as the agent says it', async () => {
    write('app.log', 'a\n');
    rig.start({ sources: [source('app.log', { entity })] });
    await vi.waitFor(() => expect(rig.arrived()).toEqual(['a']));
    expect(rig.calls('PutLogEvents').at(-1)?.input['entity']).toEqual({
      keyAttributes: {
        Type: 'Service',
        Name: 'shop',
        Environment: 'prod',
        AwsAccountId: '111122223333',
      },
      attributes: {
        PlatformType: 'AWS::EC2',
        'EC2.InstanceId': 'i-1',
        'EC2.AutoScalingGroup': 'web',
        'AWS.ServiceNameSource': 'UserConfiguration',
      },
    });
  });

  test('says nothing of what is not known', async () => {
    const of = { environment: undefined, accountId: undefined, autoScalingGroup: undefined };
    write('app.log', 'a\n');
    rig.start({ sources: [source('app.log', { entity: { ...entity, ...of } })] });
    await vi.waitFor(() => expect(rig.arrived()).toEqual(['a']));
    expect(rig.calls('PutLogEvents').at(-1)?.input['entity']).toMatchObject({
      keyAttributes: { Type: 'Service', Name: 'shop' },
    });
  });
});

test('a line has the time at which it was written, however late it is sent', async () => {
  rig.start({ forceFlushMs: 60_000 });
  const before = Date.now();
  write('app.log', 'a\n');
  await vi.waitFor(() => expect(rig.arrived()).toEqual(['a']), 10_000);
  const [event] = rig.logs.events('app', 'i-1');
  expect(event!.timestamp - before).toBeLessThan(20_000);
});

test('also a line that came while CloudWatch was away, of which the status tells', async () => {
  let laterMs = 0;
  const clock = { ...createHastyClock(20), nowMs: () => Date.now() + laterMs };
  const fault = { kind: 'error', status: 500, code: 'InternalFailure' } as const;
  rig.front.fail({ match: 'logs:*', times: 10_000, fault });
  write('app.log', 'a\n');
  const shipping = rig.start({ deps: { clock } });
  await vi.waitFor(() => expect(shipping.status().lastError).toMatch(/500/), 10_000);
  const before = Date.now();
  write('app.log', 'b\n');
  await vi.waitFor(() => expect(shipping.status().bytesBehind).toBe(4), 10_000);
  laterMs = 1_800_000;
  rig.front.clearFaults();
  await vi.waitFor(() => expect(rig.arrived()).toEqual(['a', 'b']), 10_000);
  expect(rig.logs.events('app', 'i-1')[1]!.timestamp - before).toBeLessThan(600_000);
});
