// The meaning of EC2 error codes for a claim: the table of claim.md section 3. Codes decide; text is read in one place only.
import { BerthError, messageOf, type ErrorCode } from '../errors.ts';
import { awsCodeOf, classifyAwsError } from '../system/aws.ts';

const meanings: Readonly<
  Record<string, { readonly code: ErrorCode; readonly retryable: boolean }>
> = {
  'InvalidNetworkInterface.InUse': { code: 'eni-in-use', retryable: false },
  AttachmentLimitExceeded: { code: 'eni-limit', retryable: false },
  InvalidParameterCombination: { code: 'eni-unsuitable', retryable: false },
  'InvalidInterface.IpAddressLimitExceeded': { code: 'eni-unsuitable', retryable: false },
  PrivateIpAddressLimitExceeded: { code: 'eni-unsuitable', retryable: false },
  OperationNotPermitted: { code: 'eni-unsuitable', retryable: false },
  IncorrectState: { code: 'eni-state', retryable: true },
  IncorrectInstanceState: { code: 'eni-state', retryable: true },
  'InvalidInstanceID.NotFound': { code: 'eni-state', retryable: true },
  'InvalidNetworkInterfaceID.NotFound': { code: 'eni-gone', retryable: true },
  'InvalidAttachmentID.NotFound': { code: 'eni-gone', retryable: true },
  ConcurrentTagAccess: { code: 'aws-throttled', retryable: true },
};

/** Reads whatever the SDK threw for `action` (`ec2:AttachNetworkInterface`). */
export function classifyEc2Error(action: string, error: unknown): BerthError {
  const awsCode = awsCodeOf(error);
  const meaning =
    meanings[awsCode] ?? (awsCode === 'InvalidParameterValue' ? invalidValue(error) : undefined);
  if (meaning === undefined) return classifyAwsError(action, error);
  return new BerthError(meaning.code, `cannot call ${action}: ${awsCode}: ${messageOf(error)}`, {
    cause: error,
    retryable: meaning.retryable,
    details: { action, awsCode },
  });
}

/** One code for three things; the texts are those of k8s-vpcnet #71 and vpc-cni #69. */
function invalidValue(error: unknown): { code: ErrorCode; retryable: boolean } | undefined {
  const text = messageOf(error);
  if (text.includes('already has an interface attached at device index')) {
    return { code: 'eni-index-taken', retryable: true };
  }
  if (text.includes('currently in use')) return { code: 'eni-in-use', retryable: false };
  return undefined;
}
