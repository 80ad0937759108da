// Finds out who calls, and refuses keys that are missing, unknown, expired or used wrongly as each service does.
import type { IncomingMessage } from 'node:http';
import { isSignedWith, parseSignature } from './front-signature.ts';
import { AwsFault, type Caller, type LabCall } from './service.ts';

/** A caller, and what is known of its key. Without a secret the signature is not checked. */
export type IdentifiedCaller = Caller & {
  readonly secretAccessKey?: string;
  readonly expiresAtMs?: number;
};

export type IdentityDeps = {
  /** undefined: this key was never issued, or not with this token. */
  identify(accessKeyId: string, sessionToken: string | undefined): IdentifiedCaller | undefined;
  /** Refuse requests signed further off than this (AWS: 15 min). Default: accept all. */
  readonly maxSkewMs?: number;
};

/** Throws AwsFault. */
export async function identifyCaller(
  deps: IdentityDeps,
  nowMs: number,
  service: LabCall['service'],
  request: IncomingMessage,
  body: Buffer,
): Promise<Caller> {
  const faults = faultsOf[service];
  const signature = parseSignature(request);
  if (signature === undefined) throw faults.unsigned();
  const found = deps.identify(signature.accessKeyId, signature.sessionToken);
  if (found === undefined) throw faults.unknownKey();
  const { secretAccessKey, expiresAtMs, ...caller } = found;
  if (expiresAtMs !== undefined && expiresAtMs <= nowMs) throw faults.expired();
  if (deps.maxSkewMs !== undefined && Math.abs(nowMs - signature.signedAtMs) > deps.maxSkewMs) {
    throw faults.skewed();
  }
  if (
    secretAccessKey !== undefined &&
    !(await isSignedWith(secretAccessKey, signature, request, body))
  ) {
    throw faults.badSignature();
  }
  return caller;
}

const badSignature =
  'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.';
const notValidated = 'AWS was not able to validate the provided access credentials';

const ec2Faults = {
  unsigned: () => new AwsFault(401, 'AuthFailure', notValidated),
  unknownKey: () => new AwsFault(401, 'AuthFailure', notValidated),
  expired: () => new AwsFault(400, 'RequestExpired', 'Request has expired.'),
  skewed: () => new AwsFault(400, 'RequestExpired', 'Request has expired.'),
  badSignature: () => new AwsFault(401, 'AuthFailure', notValidated),
};

const jsonFaults: typeof ec2Faults = {
  unsigned: () =>
    new AwsFault(400, 'MissingAuthenticationTokenException', 'Missing Authentication Token'),
  unknownKey: () =>
    new AwsFault(
      400,
      'UnrecognizedClientException',
      'The security token included in the request is invalid.',
    ),
  expired: () =>
    new AwsFault(
      400,
      'ExpiredTokenException',
      'The security token included in the request is expired',
    ),
  skewed: () => new AwsFault(400, 'InvalidSignatureException', 'Signature expired'),
  badSignature: () => new AwsFault(400, 'InvalidSignatureException', badSignature),
};

/** As clients of STS quote them in their issues: not the codes of its model, and 403 (aws-sdk-java-v2 #1649). */
const queryFaults: typeof ec2Faults = {
  unsigned: () =>
    new AwsFault(403, 'MissingAuthenticationToken', 'Request is missing Authentication Token'),
  unknownKey: () =>
    new AwsFault(
      403,
      'InvalidClientTokenId',
      'The security token included in the request is invalid.',
    ),
  expired: () =>
    new AwsFault(403, 'ExpiredToken', 'The security token included in the request is expired'),
  skewed: () => new AwsFault(403, 'SignatureDoesNotMatch', 'Signature expired'),
  badSignature: () => new AwsFault(403, 'SignatureDoesNotMatch', badSignature),
};

const faultsOf = {
  ec2: ec2Faults,
  ssm: jsonFaults,
  logs: jsonFaults,
  sts: queryFaults,
  cloudformation: queryFaults,
  autoscaling: queryFaults,
};
