// Every row of claim.md section 3: what EC2 says, and what it means to the claim.
import { describe, expect, test } from 'vitest';
import { classifyEc2Error } from '../../src/claim/ec2-errors.ts';
import type { ErrorCode } from '../../src/errors.ts';

const sdkError = (name: string, message: string, status: number | undefined): Error =>
  Object.assign(new Error(message), {
    name,
    $metadata: status === undefined ? {} : { httpStatusCode: status },
  });

type Row = readonly [string, string, number | undefined, ErrorCode, boolean];

describe('classifyEc2Error', () => {
  test.each<Row>([
    ['InvalidNetworkInterface.InUse', 'Interface: [eni-1] in use', 400, 'eni-in-use', false],
    [
      'InvalidParameterValue',
      "Instance 'i-1' already has an interface attached at device index '1'.",
      400,
      'eni-index-taken',
      true,
    ],
    [
      'InvalidParameterValue',
      "Network interface 'eni-1' is currently in use.",
      400,
      'eni-in-use',
      false,
    ],
    ['InvalidParameterValue', 'Value (x) is invalid', 400, 'aws-invalid', false],
    [
      'AttachmentLimitExceeded',
      'Interface count 4 exceeds the limit for t3.medium',
      400,
      'eni-limit',
      false,
    ],
    ['InvalidParameterCombination', 'not in the same zone', 400, 'eni-unsuitable', false],
    ['InvalidInterface.IpAddressLimitExceeded', '', 400, 'eni-unsuitable', false],
    ['PrivateIpAddressLimitExceeded', '', 400, 'eni-unsuitable', false],
    ['OperationNotPermitted', '', 400, 'eni-unsuitable', false],
    ['IncorrectState', '', 400, 'eni-state', true],
    ['IncorrectInstanceState', "Instance is not 'running'", 400, 'eni-state', true],
    ['InvalidInstanceID.NotFound', '', 400, 'eni-state', true],
    ['InvalidNetworkInterfaceID.NotFound', '', 400, 'eni-gone', true],
    ['InvalidAttachmentID.NotFound', '', 400, 'eni-gone', true],
    ['UnauthorizedOperation', '', 403, 'aws-denied', false],
    ['AuthFailure', '', 401, 'aws-credentials', true],
    ['ConcurrentTagAccess', '', 400, 'aws-throttled', true],
    ['RequestLimitExceeded', '', 503, 'aws-throttled', true],
    ['InternalError', '', 500, 'aws-unavailable', true],
    ['Unavailable', '', 503, 'aws-unavailable', true],
    ['UnsupportedOperation', '', 400, 'aws-invalid', false],
    ['TagLimitExceeded', '', 400, 'aws-invalid', false],
    ['InvalidTagKey.Malformed', '', 400, 'aws-invalid', false],
    ['TimeoutError', 'no answer', undefined, 'aws-unknown-outcome', true],
    ['Error', 'socket hang up', undefined, 'aws-unknown-outcome', true],
    ['Error', 'Unexpected end of the XML', 200, 'aws-unknown-outcome', true],
  ])('%s (%s, HTTP %s) is %s', (name, message, status, code, retryable) => {
    const error = sdkError(name, message, status);
    const meaning = classifyEc2Error('ec2:AttachNetworkInterface', error);
    expect(meaning).toMatchObject({ code, retryable, cause: error });
    expect(meaning.message).toMatch(/^cannot call ec2:AttachNetworkInterface: /);
    expect(meaning.details).toMatchObject({ action: 'ec2:AttachNetworkInterface', awsCode: name });
  });

  test('a refused connection happened to nothing', () => {
    const error = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    expect(classifyEc2Error('ec2:CreateTags', error).code).toBe('aws-unavailable');
  });

  test('a reset connection may have happened to something', () => {
    const error = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
    expect(classifyEc2Error('ec2:CreateTags', error).code).toBe('aws-unknown-outcome');
  });
});
