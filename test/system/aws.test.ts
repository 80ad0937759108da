// The meaning that an error has for every AWS service.
import { describe, expect, test } from 'vitest';
import { BerthError, type ErrorCode } from '../../src/errors.ts';
import { awsClientConfig, classifyAwsError } from '../../src/system/aws.ts';

const action = 'ec2:AttachNetworkInterface';
const named = (name: string, status?: number): Error =>
  Object.assign(new Error(`text of ${name}`), {
    name,
    ...(status === undefined ? {} : { $metadata: { httpStatusCode: status } }),
  });
const socket = (code: string): Error => Object.assign(new Error(`connect ${code}`), { code });

describe('classifyAwsError', () => {
  const cases: readonly (readonly [string, Error, ErrorCode, boolean, RegExp])[] = [
    [
      'EC2 denies',
      named('UnauthorizedOperation', 403),
      'aws-denied',
      false,
      /lacks the permission ec2:Attach/,
    ],
    [
      'SSM denies',
      named('AccessDeniedException', 400),
      'aws-denied',
      false,
      /lacks the permission/,
    ],
    [
      'keys expired',
      named('ExpiredToken', 400),
      'aws-credentials',
      true,
      /credentials or the clock/,
    ],
    ['a wrong clock', named('RequestExpired', 400), 'aws-credentials', true, /or the clock/],
    ['throttled', named('RequestLimitExceeded', 503), 'aws-throttled', true, /slow down/],
    ['throttled by status', named('Whatever', 429), 'aws-throttled', true, /slow down/],
    [
      'nobody listens',
      socket('ECONNREFUSED'),
      'aws-unavailable',
      true,
      /check DNS, routes and VPC/,
    ],
    ['no name', socket('ENOTFOUND'), 'aws-unavailable', true, /cannot be reached/],
    [
      'a certificate of the future',
      socket('CERT_NOT_YET_VALID'),
      'aws-unavailable',
      true,
      /cannot be trusted .*; check the clock/,
    ],
    ['reset', socket('ECONNRESET'), 'aws-unknown-outcome', true, /no usable answer/],
    ['no answer', named('TimeoutError'), 'aws-unknown-outcome', true, /no usable answer/],
    [
      '200 that cannot be read',
      named('SyntaxError', 200),
      'aws-unknown-outcome',
      true,
      /no usable/,
    ],
    ['down', named('InternalError', 500), 'aws-unavailable', true, /AWS answered 500/],
    ['a mistake of ours', named('InvalidParameter', 400), 'aws-invalid', false, /InvalidParameter/],
  ];
  test.each(cases)('%s', (_what, error, code, retryable, message) => {
    const classified = classifyAwsError(action, error);
    expect(classified).toMatchObject({ code, retryable, cause: error });
    expect(classified.message).toMatch(/^cannot call ec2:AttachNetworkInterface: /);
    expect(classified.message).toMatch(message);
  });

  test('an error of ours, out of the credentials, stays what it is', () => {
    const own = new BerthError('credentials-missing', 'no role');
    expect(classifyAwsError(action, own)).toBe(own);
  });
});

describe('awsClientConfig', () => {
  test('one attempt, and the keys are asked for each time', async () => {
    let asked = 0;
    const config = awsClientConfig({
      region: 'eu-west-1',
      credentials: async () => ({
        accessKeyId: `key ${++asked}`,
        secretAccessKey: 's',
        sessionToken: 't',
        expiresAtMs: 1_000,
      }),
    });
    expect(config).toMatchObject({ region: 'eu-west-1', maxAttempts: 1 });
    expect(await config.credentials()).toEqual({
      accessKeyId: 'key 1',
      secretAccessKey: 's',
      sessionToken: 't',
      expiration: new Date(1_000),
    });
    expect(await config.credentials()).toMatchObject({ accessKeyId: 'key 2' });
    // Or the SDK would keep them until five minutes before their end.
    expect(config.credentials.memoized).toBe(true);
  });
});
