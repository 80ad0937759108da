// What an error of CloudWatch Logs means for the shipper, decided once.
import { BerthError, messageOf } from '../errors.ts';
import { awsCodeOf, classifyAwsError } from '../system/aws.ts';

/**
 * - `log-target-missing`: the stream or its group does not exist.
 * - `log-exists`: what should be made is there; what should be sent was accepted before.
 * - `log-rejected`: something in this very batch; `log-too-large`: the whole of it.
 * - `aws-*`: as for every service. `aws-invalid` needs a person: a quota, a key of KMS, a wrong class.
 */
export function classifyLogsError(action: string, error: unknown): BerthError {
  const code = awsCodeOf(error);
  const make = (berthCode: BerthError['code'], retryable: boolean, why: string): BerthError =>
    new BerthError(berthCode, `cannot call logs:${action}: ${why}`, {
      cause: error,
      retryable,
      details: { action, awsCode: code },
    });
  switch (code) {
    case 'ResourceNotFoundException':
      return make('log-target-missing', true, messageOf(error));
    case 'ResourceAlreadyExistsException':
    case 'DataAlreadyAcceptedException':
    case 'InvalidSequenceTokenException':
      return make('log-exists', false, messageOf(error));
    case 'InvalidParameterException':
      return make('log-rejected', false, messageOf(error));
    case 'RequestEntityTooLargeException':
      return make('log-too-large', false, messageOf(error));
    case 'OperationAbortedException':
      return make('aws-unavailable', true, 'another call works on the same log group');
    case 'LimitExceededException':
    case 'ServiceQuotaExceededException':
      return make('aws-invalid', false, `a quota of the account is reached (${messageOf(error)})`);
    default: {
      const status = (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata
        ?.httpStatusCode;
      return status === 413
        ? make('log-too-large', false, 'the request is too large')
        : classifyAwsError(`logs:${action}`, error);
    }
  }
}
