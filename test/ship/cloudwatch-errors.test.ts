// The reaction table of logs.md section 1: what each answer of CloudWatch Logs means for the shipper.
import { expect, test } from 'vitest';
import { classifyLogsError } from '../../src/ship/cloudwatch-errors.ts';

test.each([
  ['ResourceNotFoundException', 400, 'log-target-missing', true],
  ['ResourceAlreadyExistsException', 400, 'log-exists', false],
  ['DataAlreadyAcceptedException', 400, 'log-exists', false],
  ['InvalidSequenceTokenException', 400, 'log-exists', false],
  ['OperationAbortedException', 400, 'aws-unavailable', true],
  ['LimitExceededException', 400, 'aws-invalid', false],
  ['ServiceQuotaExceededException', 400, 'aws-invalid', false],
  ['InvalidParameterException', 400, 'log-rejected', false],
  ['RequestEntityTooLargeException', 400, 'log-too-large', false],
  ['Error', 413, 'log-too-large', false],
  ['ThrottlingException', 400, 'aws-throttled', true],
  ['Error', 429, 'aws-throttled', true],
  ['ServiceUnavailableException', 503, 'aws-unavailable', true],
  ['TimeoutError', undefined, 'aws-unknown-outcome', true],
  ['ExpiredToken', 400, 'aws-credentials', true],
  ['ExpiredTokenException', 400, 'aws-credentials', true],
  ['RequestExpired', 400, 'aws-credentials', true],
  ['InvalidSignatureException', 400, 'aws-credentials', true],
  ['SignatureDoesNotMatch', 403, 'aws-credentials', true],
  ['UnrecognizedClientException', 400, 'aws-credentials', true],
  ['InvalidClientTokenId', 403, 'aws-credentials', true],
  ['AccessDeniedException', 400, 'aws-denied', false],
  ['AccessDenied', 403, 'aws-denied', false],
  ['KMSInvalidStateException', 400, 'aws-invalid', false],
] as const)('%s with %s is %s', (name, httpStatusCode, code, retryable) => {
  const error = Object.assign(new Error('why'), { name, $metadata: { httpStatusCode } });
  expect(classifyLogsError('PutLogEvents', error)).toMatchObject({ code, retryable });
});
