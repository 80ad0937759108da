// What every AWS client of berth has in common: credentials, Region, time limits, one attempt, and the first reading of an error.
import { BerthError, messageOf } from '../errors.ts';
import type { RoleCredentials } from '../model/instance.ts';
import { isErrno } from './files.ts';

/** Of every tag that berth reads or writes. Should a tool choke on the colon: change it here, and in packaging/iam. */
export const tagPrefix = 'berth:';

export type AwsAccess = {
  readonly region: string;
  /**
   * Role credentials, cached by the giver; `fresh`: AWS refused the ones before, so read them anew.
   * Throws `credentials-missing`.
   */
  readonly credentials: (fresh: boolean) => Promise<RoleCredentials>;
};

/** What a client takes over from the one before it. */
export type ClientHeritage = {
  /** AWS refused its credentials, which the SDK would keep to their end. */
  readonly refused: boolean;
  /** How far the clock of AWS is ahead: the SDK takes it from the answers and signs with it. */
  readonly clockOffsetMs: number;
};

/**
 * Settings for any SDK v3 client. One attempt, since only the caller knows what a lost reply means.
 * The endpoint comes from `AWS_ENDPOINT_URL` or `AWS_ENDPOINT_URL_<SERVICE>`, else from the Region.
 */
export function awsClientConfig(access: AwsAccess, before?: ClientHeritage) {
  let fresh = before?.refused ?? false;
  const credentials = async () => {
    const { accessKeyId, secretAccessKey, sessionToken, expiresAtMs } =
      await access.credentials(fresh);
    fresh = false;
    return { accessKeyId, secretAccessKey, sessionToken, expiration: new Date(expiresAtMs) };
  };
  return {
    region: access.region,
    systemClockOffset: before?.clockOffsetMs ?? 0,
    maxAttempts: 1,
    // The giver keeps them: the SDK would ask for new ones five minutes before their end, and no sooner.
    credentials: Object.assign(credentials, { memoized: true }),
    requestHandler: {
      connectionTimeout: 3_000,
      requestTimeout: 5_000,
      throwOnRequestTimeout: true,
    },
  };
}

const denied = ['UnauthorizedOperation', 'AccessDenied', 'AccessDeniedException'];
const credentials = [
  'AuthFailure',
  'ExpiredToken',
  'ExpiredTokenException',
  'RequestExpired',
  'InvalidClientTokenId',
  'UnrecognizedClientException',
  'SignatureDoesNotMatch',
  'InvalidSignatureException',
  'CredentialsProviderError',
];
const throttled = [
  'RequestLimitExceeded',
  'Throttling',
  'ThrottlingException',
  'ThrottledException',
  'TooManyRequestsException',
];
/** The request never arrived. */
const unreachable = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'];

/** The handshake failed: the request never left. A clock that is wrong at boot is one reason, and passes. */
const distrusted = [
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_NOT_YET_VALID',
  'CERT_HAS_EXPIRED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
];

/** The code of an AWS error (`InvalidParameterValue`, ...), or the name of whatever was thrown. */
export function awsCodeOf(error: unknown): string {
  return error instanceof Error ? error.name : 'Error';
}

/**
 * The meaning that an error has for every AWS service. `action` is the IAM name, `ec2:AttachNetworkInterface`.
 * A BerthError (from the credentials) passes as it is. What is left over is `aws-invalid`: a mistake in the call.
 */
export function classifyAwsError(action: string, error: unknown): BerthError {
  if (error instanceof BerthError) return error;
  const code = awsCodeOf(error);
  const status = statusOf(error);
  const details = { action, awsCode: code, ...(status === undefined ? {} : { status }) };
  const make = (
    berthCode: ConstructorParameters<typeof BerthError>[0],
    retryable: boolean,
    why: string,
  ): BerthError =>
    new BerthError(berthCode, `cannot call ${action}: ${why}`, {
      cause: error,
      retryable,
      details,
    });

  if (denied.includes(code)) {
    return make('aws-denied', false, `the role lacks the permission ${action} (${code})`);
  }
  if (credentials.includes(code)) {
    return make(
      'aws-credentials',
      true,
      `AWS refuses the credentials or the clock (${code}: ${messageOf(error)})`,
    );
  }
  if (throttled.includes(code) || status === 429) {
    return make('aws-throttled', true, `AWS asks to slow down (${code})`);
  }
  if (isErrno(error, ...unreachable)) {
    return make(
      'aws-unavailable',
      true,
      `the endpoint cannot be reached (${messageOf(error)}); check DNS, routes and VPC endpoints`,
    );
  }
  if (isErrno(error, ...distrusted)) {
    return make(
      'aws-unavailable',
      true,
      `the certificate of the endpoint cannot be trusted (${messageOf(error)}); check the clock, the endpoint and NODE_EXTRA_CA_CERTS`,
    );
  }
  if (status === undefined || status < 300 || isErrno(error, 'ECONNRESET', 'EPIPE')) {
    return make('aws-unknown-outcome', true, `no usable answer (${messageOf(error)})`);
  }
  if (status >= 500) return make('aws-unavailable', true, `AWS answered ${status} (${code})`);
  return make('aws-invalid', false, `${code}: ${messageOf(error)}`);
}

function statusOf(error: unknown): number | undefined {
  const metadata = (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata;
  return metadata?.httpStatusCode;
}
