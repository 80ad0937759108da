// Judging a configuration: every problem at once, each with its path and what to do.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkConfig } from '../../src/boot/check-config.ts';
import type { Identity } from '../../src/model/instance.ts';
import { loadPatterns } from '../../src/system/patterns.ts';
import { identityOf } from '../fixtures/identity.ts';
import { entrySource, logsConfig } from '../fixtures/log-source.ts';

const compile = await loadPatterns();

const facts = { identity: identityOf(), localHostname: 'web-1', nowMs: 0 };
const check = (input: unknown) => checkConfig(input, facts, compile);

/** Problems as text; [] where the configuration is good. */
function problems(input: unknown): readonly string[] {
  const checked = check(input);
  return checked.ok ? [] : checked.issues.map(({ message }) => message);
}

function configOf(input: unknown) {
  const checked = check(input);
  expect(checked).toMatchObject({ ok: true });
  return checked.ok ? checked.config : undefined;
}

const filesOf = (...list: readonly unknown[]) => ({
  logs: { logs_collected: { files: { collect_list: list } } },
});
/** What is about the claim, by default. */
const plain = {
  pools: [],
  releaseOnStop: false,
  takeOverStale: false,
  reload: { everyMs: 600_000 },
  files: [],
  standby: undefined,
  routing: { mode: 'own', localBridges: false, connmark: undefined },
  hooks: {
    onClaimed: undefined,
    onReady: undefined,
    onLost: undefined,
    onReleased: undefined,
    onNotice: undefined,
    environment: {},
    timeoutMs: 30_000,
  },
};
const first = 'logs.logs_collected.files.collect_list[0]';

const checkWith = (signals: unknown, tags: Identity['tags']) =>
  checkConfig({ signals }, { ...facts, identity: { ...identityOf(), tags } }, compile);

describe('signals', () => {
  const tags = {
    'aws:cloudformation:stack-name': 'web',
    'aws:cloudformation:logical-id': 'Fleet',
    'aws:autoscaling:groupName': 'web-group',
  };
  const whole = {
    timeoutSeconds: 60,
    cloudFormation: {},
    autoScaling: { launchHook: 'up', terminateHook: 'down' },
  };

  test('the tags say where the instance belongs', () => {
    expect(checkWith(whole, tags)).toMatchObject({
      ok: true,
      warnings: [],
      config: {
        signals: {
          timeoutMs: 60_000,
          stack: { stack: 'web', resource: 'Fleet' },
          hooks: {
            group: 'web-group',
            launch: 'up',
            terminate: 'down',
            heartbeatMs: 120_000,
            abandon: false,
          },
          problems: [],
        },
        notices: { release: ['termination'], drainMs: 0 },
      },
    });
  });

  test('the configuration goes first', () => {
    const named = {
      cloudFormation: { stack: 'other', resource: 'Host' },
      autoScaling: { group: 'mine', launchHook: 'up' },
    };
    expect(checkWith(named, tags)).toMatchObject({
      config: {
        signals: { stack: { stack: 'other', resource: 'Host' }, hooks: { group: 'mine' } },
        notices: undefined,
      },
    });
  });

  test('what nobody says is a warning, and the rest is done', () => {
    const off = checkWith({ ...whole, autoScaling: { group: 'mine' } }, undefined);
    expect(off).toMatchObject({
      ok: true,
      config: { signals: { stack: undefined, hooks: { group: 'mine' } } },
    });
    expect(off.warnings.map(({ message }) => message)).toEqual([
      'signals.cloudFormation: nobody is told: set stack and resource, since tags in instance metadata are off',
    ]);
    expect(checkWith(whole, {}).warnings.map(({ message }) => message)).toEqual([
      'signals.cloudFormation: nobody is told: set stack and resource, since its tags do not say it',
      'signals.autoScaling: nobody is told: set group, since its tags do not say it',
    ]);
    // Elsewhere than on the instance.
    const elsewhere = checkConfig({ signals: whole }, { ...facts, identity: undefined }, compile);
    expect(elsewhere).toMatchObject({ ok: true, warnings: [] });
  });

  test('a terminate hook needs the release that it waits for', () => {
    const notices = { release: ['spot'] };
    expect(problems({ notices, signals: whole })).toEqual([
      'the configuration: signals.autoScaling.terminateHook needs termination in notices.release',
    ]);
    expect(problems({ notices, signals: { autoScaling: { launchHook: 'up' } } })).toEqual([]);
  });

  test.each([
    [{ cloudFormation: { stack: '-x' } }, 'signals.cloudFormation.stack: must be the name or'],
    [{ autoScaling: { launchHook: 'a b' } }, 'signals.autoScaling.launchHook: must be the name'],
    [{ autoScaling: { heartbeatSeconds: 1 } }, 'signals.autoScaling.heartbeatSeconds: must be'],
    [{ timeoutSeconds: 0 }, 'signals.timeoutSeconds: must be at least 1'],
    [{ cloudformation: {} }, 'unknown key signals.cloudformation: did you mean cloudFormation?'],
  ])('%o is refused', (signals, message) => {
    expect(problems({ signals })).toEqual([expect.stringContaining(message)]);
  });
});

describe('a good configuration', () => {
  test('an empty one has every default', () => {
    expect(configOf('{}')).toEqual({
      ...plain,
      logs: logsConfig({ compression: 'auto' }),
    });
  });

  test("the CloudWatch agent's file, with berth's own keys", () => {
    const text = JSON.stringify({
      agent: { metrics_collection_interval: 60, run_as_user: 'root' },
      pool: 'web',
      releaseOnStop: true,
      logs: {
        force_flush_interval: 15,
        log_stream_name: '{instance_id}/{ip_address}',
        logs_collected: {
          files: {
            collect_list: [
              { file_path: '/var/log/messages', log_group_name: '/{aws_region}/messages' },
              { file_path: '/var/log/app/*.log', log_stream_name: 'app' },
              { file_path: '/var/log/a.log.1' },
            ],
          },
        },
      },
    });
    expect(configOf(text)).toEqual({
      ...plain,
      pools: [{ name: 'web', pin: undefined, waitMs: undefined }],
      releaseOnStop: true,
      logs: logsConfig({
        compression: 'auto',
        forceFlushMs: 15_000,
        sources: [
          entrySource({
            filePath: '/var/log/messages',
            logGroupName: '/eu-central-1/messages',
            logStreamName: 'i-0123456789abcdef0/10.0.0.10',
          }),
          entrySource({
            filePath: '/var/log/app/*.log',
            logGroupName: '/var/log/app/_',
            logStreamName: 'app',
          }),
          entrySource({
            filePath: '/var/log/a.log.1',
            logGroupName: '/var/log/a.log',
            logStreamName: 'i-0123456789abcdef0/10.0.0.10',
          }),
        ],
      }),
    });
  });

  test('a byte order mark and a value that was parsed already do', () => {
    expect(configOf('\uFEFF{"pool":"web"}')?.pools).toMatchObject([{ name: 'web' }]);
    expect(configOf({ pool: 'web' })?.pools).toMatchObject([{ name: 'web' }]);
  });

  test('what berth does not do yet is a warning for each', () => {
    const { warnings, ok } = check({
      agent: { debug: true, regoin: 'x' },
      traces: {},
      ...filesOf({ file_path: '/a' }),
    });
    expect(ok).toBe(true);
    expect(warnings.map(({ message }) => message)).toEqual([
      'agent.debug: accepted, not done by this version of berth',
      'unknown key agent.regoin: did you mean region?',
      'traces: accepted, not done by this version of berth',
    ]);
  });
});

const sourceOf = (entry: Record<string, unknown>) =>
  configOf(filesOf({ file_path: '/a', ...entry }))?.logs.sources[0];

/** What an entity says of the instance. */
const here = {
  accountId: identityOf().accountId,
  instanceId: identityOf().instanceId,
  autoScalingGroup: undefined,
};

const zoneOf = (timezone: string | undefined) =>
  sourceOf({ timestamp_format: '%H', timezone })?.timestamp?.zone;
const endpointOf = (endpoint_override: string) =>
  configOf({ logs: { endpoint_override } })?.logs.endpoint;

describe('log sources', () => {
  test('every key of the agent reaches its source', () => {
    expect(
      sourceOf({
        log_group_name: 'g',
        publish_multi_logs: true,
        blacklist: 'x$',
        encoding: 'utf_16le',
        multi_line_start_pattern: '{timestamp_format}',
        timestamp_format: '%H:%M',
        timezone: 'UTC',
        trim_timestamp: true,
        backpressure_mode: 'fd_release',
        filters: [{ type: 'exclude', expression: 'DEBUG' }],
        retention_in_days: 7,
        json: { timestamp_field: '@timestamp', remove_fields: ['password'] },
        log_group_class: 'infrequent_access',
        kms_key_id: 'arn:aws:kms:x',
        tags: { a: 'b' },
        'service.name': 'shop',
        'deployment.environment': 'prod',
      }),
    ).toEqual({
      filePath: '/a',
      logGroupName: 'g',
      logStreamName: 'i-0123456789abcdef0',
      groupOptions: {
        class: 'INFREQUENT_ACCESS',
        retentionDays: 7,
        kmsKeyId: 'arn:aws:kms:x',
        tags: { a: 'b' },
      },
      files: 'stream',
      blacklist: 'x$',
      encoding: 'utf-16le',
      startPattern: '{timestamp_format}',
      timestamp: { format: '%H:%M', zone: 'utc', trim: true },
      json: { timestampField: '@timestamp', removeFields: ['password'] },
      filters: [{ type: 'exclude', expression: 'DEBUG' }],
      autoRemoval: false,
      releaseDeleted: true,
      entity: { service: 'shop', environment: 'prod', ...here },
    });
  });

  test('every key of a journal reaches its source, with the defaults of the agent', () => {
    const group = { log_group_name: 'g-{aws_region}' };
    const filters = [{ type: 'include', expression: 'x' }];
    const whole = {
      ...group,
      log_stream_name: 'own',
      units: ['a.service', 'b.service'],
      priority: '3',
      matches: [{ _UID: '0', _COMM: 'x' }],
      filters,
      retention_in_days: 3,
      log_group_class: 'standard',
    };
    const logs = {
      'service.name': 'shop',
      logs_collected: { journald: { collect_list: [group, whole] } },
    };
    const entity = { service: 'shop', environment: undefined, ...here };
    const plain = {
      class: undefined,
      retentionDays: undefined,
      kmsKeyId: undefined,
      tags: undefined,
    };
    expect(configOf({ logs })?.logs.journals).toEqual([
      {
        logGroupName: 'g-eu-central-1',
        logStreamName: 'i-0123456789abcdef0',
        groupOptions: plain,
        units: [],
        priority: 'info',
        matches: [],
        filters: [],
        entity,
      },
      {
        logGroupName: 'g-eu-central-1',
        logStreamName: 'own',
        groupOptions: { ...plain, class: 'STANDARD', retentionDays: 3 },
        units: ['a.service', 'b.service'],
        priority: '3',
        matches: [{ _UID: '0', _COMM: 'x' }],
        filters,
        entity,
      },
    ]);
  });

  test('what is about all of logs reaches it', () => {
    const logs = { compression: 'gzip', max_bytes_per_second: 4096, force_flush_interval: 7 };
    expect(configOf({ logs })?.logs).toMatchObject({
      compression: 'gzip',
      maxBytesPerSecond: 4096,
      forceFlushMs: 7_000,
    });
  });

  test('the entity names the Auto Scaling group that the tags say', () => {
    const tags = { 'aws:autoscaling:groupName': 'web' };
    const identity = { ...identityOf(), tags };
    const input = filesOf({ file_path: '/a', 'service.name': 'shop' });
    expect(checkConfig(input, { ...facts, identity }, compile)).toMatchObject({
      config: { logs: { sources: [{ entity: { autoScalingGroup: 'web' } }] } },
    });
  });

  test('the service comes from the entry, the section logs or the agent', () => {
    const input = {
      agent: { 'service.name': 'agent', 'deployment.environment': 'test' },
      ...filesOf({ file_path: '/a' }, { file_path: '/b', 'service.name': 'own' }),
    };
    expect(configOf(input)?.logs.sources.map(({ entity }) => entity)).toEqual([
      { service: 'agent', environment: 'test', ...here },
      { service: 'own', environment: 'test', ...here },
    ]);
  });

  test('the role comes from the section logs, or the agent', () => {
    const ofAgent = 'arn:aws:iam::111122223333:role/agent';
    const ofLogs = 'arn:aws-cn:iam::111122223333:role/path/logs';
    const agent = { credentials: { role_arn: ofAgent } };
    const both = { agent, logs: { credentials: { role_arn: ofLogs } } };
    const inputs = [{}, { agent }, { agent, logs: { credentials: {} } }, both];
    expect(inputs.map((input) => configOf(input)?.logs.roleArn)).toEqual([
      undefined,
      ofAgent,
      ofAgent,
      ofLogs,
    ]);
    expect(check(both).warnings).toEqual([]);
  });

  test.each(['${ROLE}', 'arn:aws:iam::111122223333:user/a', 'arn:aws:iam::1:role/a', 'role/a', ''])(
    '%j is no role',
    (role_arn) => {
      const message = 'credentials.role_arn: must be the ARN of an IAM role';
      const credentials = { role_arn };
      expect(problems({ logs: { credentials } })).toEqual([`logs.${message}`]);
      expect(problems({ agent: { credentials } })).toEqual([`agent.${message}`]);
    },
  );

  test('each line an event, and files that each have a group', () => {
    expect(sourceOf({ multi_line: false, publish_multi_logs: true })).toMatchObject({
      startPattern: undefined,
      files: 'group',
    });
  });

  test.each([
    [{ filters: [{ type: 'include', expression: '(?=x)' }] }, 'filters[0].expression: must be a'],
    [{ filters: [{ type: 'maybe', expression: 'x' }] }, 'filters[0].type'],
    [{ blacklist: '(' }, 'blacklist: must be a regular expression'],
    [{ multi_line_start_pattern: '[' }, 'multi_line_start_pattern: must be a regular'],
    [{ timezone: 'Europe/Berlin' }, 'timezone'],
    [{ encoding: 'klingon' }, 'encoding: is no encoding'],
    [{ encoding: 'cp037' }, 'encoding: is no encoding'],
    [{ json: { timestamp_field: '' } }, 'json.timestamp_field: must not be empty'],
    [{ json: { remove_fields: 'a' } }, 'json.remove_fields: must be an array'],
    [{ json: { timestamp: 'a' } }, 'json.timestamp: known here are timestamp_field, remove_fields'],
    [{ retention_in_days: 8 }, 'retention_in_days: must be one of'],
    [{ tags: { '': 'x' } }, 'tags'],
  ])('%j is refused', (entry, message) => {
    expect(problems(filesOf({ file_path: '/a', ...entry }))).toEqual([
      expect.stringContaining(message),
    ]);
  });

  test.each([
    [
      { timestamp_format: '%e %H:%M %-H %%S' },
      { timestamp: { format: '%e %H:%M %-H %%S' } },
      ['timestamp_format: %e is no directive', 'timestamp_format: %-H is no directive'],
    ],
    [
      { multi_line_start_pattern: '{timestamp_format}' },
      { startPattern: String.raw`^[\S]` },
      ['multi_line_start_pattern: there is no timestamp_format'],
    ],
    [
      { log_group_class: 'delivery' },
      { groupOptions: { class: undefined } },
      ['log_group_class: is neither STANDARD nor INFREQUENT_ACCESS'],
    ],
    [{ timestamp_format: `%B%b%m%-m%A%a%d%-d%H%I%-I%M%-M%S%-S%Y%y%p%Z%z%f` }, {}, []],
    [{ 'deployment.environment': 'x'.repeat(259), 'service.name': 'a' }, {}, []],
  ])('%j starts the agent, and berth', (entry, expected, said) => {
    expect(sourceOf(entry)).toMatchObject(expected);
    const { warnings } = check(filesOf({ file_path: '/a', ...entry }));
    expect(warnings.map(({ message }) => message)).toEqual(
      said.map((one) => expect.stringContaining(`${first}.${one}`) as string),
    );
  });

  test('the endpoint is a URL, or the name of a host, as for PrivateLink', () => {
    const host = 'vpce-1.logs.us-east-1.vpce.amazonaws.com';
    expect(endpointOf(host)).toBe(`https://${host}`);
    expect(endpointOf(`${host}:8443`)).toBe(`https://${host}:8443`);
    expect(endpointOf('http://127.0.0.1:1')).toBe('http://127.0.0.1:1');
    expect(problems({ logs: { endpoint_override: 'a b' } })).toEqual([
      'logs.endpoint_override: must be a URL, or the name of a host',
    ]);
  });

  test('an empty Region of the agent is none', () => {
    const value = { pool: 'db', agent: { region: '' } };
    const checked = checkConfig(value, facts, undefined);
    expect(checked.ok && checked.config.logs.region).toBeUndefined();
    expect(checked).toMatchObject({ ok: true });
  });

  test('the Region of the agent is where everything is sent, and what {aws_region} means', () => {
    const list = [{ file_path: '/a', log_group_name: '{aws_region}' }];
    const config = configOf({
      agent: { region: 'us-west-2' },
      logs: {
        logs_collected: { files: { collect_list: list } },
        metrics_collected: { emf: { log_group_name: '{aws_region}' } },
      },
      metrics: { log_group_name: '{aws_region}', metrics_collected: {} },
    });
    expect(config).toMatchObject({
      logs: { region: 'us-west-2', sources: [{ logGroupName: 'us-west-2' }] },
      metrics: { target: { logGroupName: 'us-west-2' } },
      emf: { target: { logGroupName: 'us-west-2' } },
    });
    expect(problems({ agent: { region: 'Oregon' } })).toEqual([
      'agent.region: must be the name of a Region',
    ]);
  });

  test('auto_removal deletes files itself: backpressure_mode has no say', () => {
    expect(sourceOf({ auto_removal: true, backpressure_mode: 'fd_release' })).toMatchObject({
      autoRemoval: true,
      releaseDeleted: false,
    });
  });

  test('auto_removal has no effect with publish_multi_logs', () => {
    const autoRemoval = { auto_removal: true };
    expect(sourceOf(autoRemoval)).toMatchObject({ autoRemoval: true });
    expect(sourceOf({ ...autoRemoval, publish_multi_logs: true })?.autoRemoval).toBe(false);
  });

  test('the zone is that of the host unless it is UTC', () => {
    expect([undefined, 'Local', 'LOCAL', 'UTC'].map(zoneOf)).toEqual([
      'local',
      'local',
      'local',
      'utc',
    ]);
  });

  test('two entries that want one group to be two things are refused', () => {
    const other = { file_path: '/b', log_group_name: 'GROUP', retention_in_days: 7 };
    expect(
      problems(filesOf({ file_path: '/a', log_group_name: 'group', retention_in_days: 3 }, other)),
    ).toEqual([expect.stringContaining(`retention_in_days: ${first} wants another one`)]);
    const files = filesOf({
      file_path: '/a',
      log_group_name: 'group',
      log_group_class: 'STANDARD',
    });
    const journald = {
      collect_list: [{ log_group_name: 'Group', log_group_class: 'INFREQUENT_ACCESS' }],
    };
    const logs = { logs_collected: { ...files.logs.logs_collected, journald } };
    expect(problems({ logs })).toEqual([
      expect.stringContaining(`log_group_class: ${first} wants another one`),
    ]);
  });

  test('an empty json says nothing: the file goes the quick way', () => {
    expect(sourceOf({ json: {} })?.json).toBeUndefined();
    expect(sourceOf({ json: { remove_fields: [] } })?.json).toBeUndefined();
  });

  test('500 entries are judged', () => {
    const entries = Array.from({ length: 500 }, (_, i) => ({ file_path: `/var/log/${i}.log` }));
    expect(configOf(filesOf(...entries))?.logs.sources).toHaveLength(500);
  });
});

describe('a bad configuration', () => {
  test('every problem is named at once', () => {
    const input = {
      pooll: 'web',
      pool: '',
      releaseOnStop: 'yes',
      logs: {
        force_flush_interval: 0,
        logs_colected: {},
        logs_collected: {
          files: {
            collect_list: [
              { log_group_name: 'x' },
              { file_path: 7 },
              { file_path: '/a', filepath: 1, log_group_name: 'a b' },
            ],
          },
        },
      },
    };
    expect(problems(input)).toEqual([
      'unknown key pooll: did you mean pool?',
      'unknown key logs.logs_colected: did you mean logs_collected?',
      'unknown key logs.logs_collected.files.collect_list[2].filepath: did you mean file_path?',
      'pool: must not be empty',
      'releaseOnStop: must be a boolean',
      'logs.logs_collected.files.collect_list[0].file_path: must be there',
      'logs.logs_collected.files.collect_list[1].file_path: must be a string',
      `logs.logs_collected.files.collect_list[2].log_group_name: must be 1 to 512 of A-Z a-z 0-9 . - _ / #`,
      'logs.force_flush_interval: must be at least 1',
    ]);
  });

  test('unknown keys and bad names are named together', () => {
    expect(problems({ x: 1, ...filesOf({ file_path: '/a', log_group_name: 'a b' }) })).toEqual([
      expect.stringMatching(/^unknown key x: known here are \$schema, pool, pools, releaseOnStop/),
      `${first}.log_group_name: must be 1 to 512 of A-Z a-z 0-9 . - _ / #`,
    ]);
  });

  test.each([
    [
      { log_group_name: '{instance}' },
      '.log_group_name: must be 1 to 512 of A-Z a-z 0-9 . - _ / #; {instance} is no placeholder',
    ],
    [{ log_group_name: 'aws/x' }, '.log_group_name: must not begin with aws/'],
    [{ log_stream_name: 'a:b' }, '.log_stream_name: must be 1 to 512 characters without : and *'],
    [{ log_stream_name: 'a'.repeat(513) }, '.log_stream_name: must be at most 512 long'],
    [
      { log_stream_name: '{instance_id}'.repeat(39) },
      '.log_stream_name: must be 1 to 512 characters without : and *',
    ],
  ])('names: %j', (names, problem) => {
    expect(problems(filesOf({ file_path: '/a', ...names }))).toEqual([`${first}${problem}`]);
  });

  test('a source that is there twice is shipped once', () => {
    const entry = { log_group_name: 'journal' };
    const twice = {
      logs: {
        logs_collected: {
          files: { collect_list: [{ file_path: '/a' }, { file_path: '/a', log_group_name: '/a' }] },
          journald: { collect_list: [entry, { ...entry, priority: 'info' }] },
        },
      },
    };
    expect(configOf(twice)?.logs).toMatchObject({ sources: [{}], journals: [{}] });
    expect(check(twice).warnings.map(({ message }) => message)).toEqual([
      `logs.logs_collected.files.collect_list[1]: is the same as ${first}: done once`,
      'logs.logs_collected.journald.collect_list[1]: is the same as logs.logs_collected.journald.collect_list[0]: done once',
    ]);
  });

  test.each([
    [{ force_flush_interval: 172_801 }, 'must be at most 172800'],
    [{ force_flush_interval: 1.5 }, 'must be a whole number'],
    [{ force_flush_interval: '5' }, 'must be a number'],
  ])('bounds: %j', (logs, problem) => {
    expect(problems({ logs })).toEqual([`logs.force_flush_interval: ${problem}`]);
  });

  test.each([
    ['[]', 'the configuration: must be an object'],
    ['null', 'the configuration: must be an object'],
    ['"x"', 'the configuration: must be an object'],
    ['{"logs":[]}', 'logs: must be an object'],
    ['{"__proto__":{"pool":"x"}}', expect.stringContaining('unknown key __proto__')],
    ['{\n"pool": web}', 'line 2, column 9: this is not JSON from here on'],
    ['', 'line 1, column 1: this is not JSON from here on'],
  ])('the wrong form: %j', (text, problem) => {
    expect(problems(text)).toEqual([problem]);
  });
});

test('never throws, and never repeats a value', () => {
  const secret = 'hunter2hunter2';
  const key = fc.constantFrom(
    'pool',
    'logs',
    'releaseOnStop',
    'logs_collected',
    'files',
    'collect_list',
    'file_path',
    'log_group_name',
    'log_stream_name',
    'force_flush_interval',
    'agent',
    'x',
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'medium' },
      fc.constantFrom(secret, `${secret}:`, '', 0, -1, null, true, undefined),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(key, tie('value'), { maxKeys: 5 }),
    ),
  }));
  fc.assert(
    fc.property(fc.oneof(value, fc.anything(), fc.string(), fc.json()), (input) => {
      const said = JSON.stringify(problems(input));
      expect(said).not.toContain(secret);
    }),
    { numRuns: 500 },
  );
});
