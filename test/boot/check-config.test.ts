// Judging a configuration: every problem at once, each with its path and what to do.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkConfig } from '../../src/boot/check-config.ts';
import { identityOf } from '../fixtures/identity.ts';

const facts = { identity: identityOf(), localHostname: 'web-1', nowMs: 0 };
const check = (input: unknown) => checkConfig(input, facts);

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
  standby: undefined,
  routing: { mode: 'own', localBridges: false, connmark: undefined },
  hooks: {
    onClaimed: undefined,
    onReady: undefined,
    onLost: undefined,
    onReleased: undefined,
    timeoutMs: 30_000,
  },
};
const first = 'logs.logs_collected.files.collect_list[0]';

describe('a good configuration', () => {
  test('an empty one has every default', () => {
    expect(configOf('{}')).toEqual({
      ...plain,
      logs: { sources: [], forceFlushMs: 5000 },
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
      logs: {
        forceFlushMs: 15_000,
        sources: [
          {
            filePath: '/var/log/messages',
            logGroupName: '/eu-central-1/messages',
            logStreamName: 'i-0123456789abcdef0/10.0.0.10',
          },
          { filePath: '/var/log/app/*.log', logGroupName: '/var/log/app/_', logStreamName: 'app' },
          {
            filePath: '/var/log/a.log.1',
            logGroupName: '/var/log/a.log',
            logStreamName: 'i-0123456789abcdef0/10.0.0.10',
          },
        ],
      },
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
      ...filesOf({ file_path: '/a', retention_in_days: 7 }),
    });
    expect(ok).toBe(true);
    expect(warnings.map(({ message }) => message)).toEqual([
      'agent.debug: accepted, not done by this version of berth',
      'unknown key agent.regoin: did you mean region?',
      'traces: accepted, not done by this version of berth',
      `${first}.retention_in_days: accepted, not done by this version of berth`,
    ]);
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

  test('a source that is there twice would be shipped twice', () => {
    expect(
      problems(filesOf({ file_path: '/a' }, { file_path: '/a', log_group_name: '/a' })),
    ).toEqual([
      `logs.logs_collected.files.collect_list[1]: is the same as ${first}: remove one of them`,
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
