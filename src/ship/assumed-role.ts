// The keys of the role that logs are sent with (`credentials.role_arn`): assumed with those of the instance, and renewed
// while the old ones are still good, so that nothing waits.
import { BerthError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { RoleCredentials } from '../model/instance.ts';
import {
  awsClientConfig,
  awsCodeOf,
  classifyAwsError,
  type AwsAccess,
  type ClientHeritage,
} from '../system/aws.ts';
import type { Clock } from '../system/clock.ts';
import type { Random } from '../system/random.ts';
import { backoffMs, type Backoff } from '../system/retry.ts';

export type AssumedRoleDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
};

export type AssumedRoleInput = {
  /** Of the instance. */
  readonly access: AwsAccess;
  readonly roleArn: string;
  /** Shows in CloudTrail. */
  readonly sessionName: string;
};

/** The default of STS, and the most for keys of a role that give those of another ("role chaining"). */
const sessionMs = 3_600_000;
/** Renewal begins when between a quarter and half of the time is left. */
const leastLeft = 0.25;
/** CloudWatch that refuses whatever STS gives is no reason to ask STS more often. */
const forcedMs = 60_000;
/** Nothing has arrived: cheap to try, so that logs flow again within 5 s of the network. */
const networkBackoff: Backoff = { firstMs: 500, factor: 2, capMs: 5_000 };
/** For all targets together; each of them waits longer where a person has to act. */
const refusedBackoff: Backoff = { firstMs: 1_000, factor: 2, capMs: 60_000 };

/**
 * Where STS cannot be turned off, by partition, as the CloudWatch agent has it (its cfg/aws/sts.go): in other Regions an
 * account may do that.
 */
const lastRegions: Readonly<Record<string, string>> = {
  aws: 'us-east-1',
  'aws-cn': 'cn-north-1',
  'aws-us-gov': 'us-gov-west-1',
  'aws-iso': 'us-iso-east-1',
  'aws-iso-b': 'us-isob-east-1',
};

/**
 * Its credentials reject with a BerthError that names the role and what to do; concurrent callers share one call.
 * - `aws-denied`, `aws-invalid`: somebody has to act.
 * - `aws-unavailable`: STS cannot be reached.
 * - `credentials-missing`: it refuses the instance's keys or the clock, asks to slow down, or there are no keys.
 */
export function createAssumedRole(
  { clock, random, log }: AssumedRoleDeps,
  { access, roleArn, sessionName }: AssumedRoleInput,
): AwsAccess & Disposable {
  const over = new AbortController();
  let kept: RoleCredentials | undefined;
  /** Monotonic, as are all here: the clock may be off. */
  let renewAtMs = 0;
  let endsAtMs = 0;
  let forceableAtMs = 0;
  let holdUntilMs = 0;
  let failures = 0;
  let failure: BerthError | undefined;
  let underway: Promise<RoleCredentials> | undefined;
  let before: ClientHeritage = { refused: false, clockOffsetMs: 0 };

  const callFrom = async (region: string): Promise<RoleCredentials> => {
    const sdk = await import('./sts-sdk.ts');
    const client = new sdk.STSClient(awsClientConfig({ ...access, region }, before));
    try {
      const command = new sdk.AssumeRoleCommand({ RoleArn: roleArn, RoleSessionName: sessionName });
      const { Credentials } = await client.send(command, { abortSignal: over.signal });
      const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = Credentials ?? {};
      if (!AccessKeyId || !SecretAccessKey || !SessionToken || !Expiration) {
        throw new BerthError('aws-unknown-outcome', 'the answer holds no keys');
      }
      return {
        accessKeyId: AccessKeyId,
        secretAccessKey: SecretAccessKey,
        sessionToken: SessionToken,
        expiresAtMs: Expiration.getTime(),
      };
    } finally {
      before = { refused: false, clockOffsetMs: client.config.systemClockOffset };
      client.destroy();
    }
  };

  const call = async (): Promise<RoleCredentials> => {
    try {
      return await callFrom(access.region);
    } catch (error) {
      const last = lastRegions[roleArn.split(':')[1] ?? ''];
      if (awsCodeOf(error) !== 'RegionDisabledException' || last === undefined) throw error;
      return await callFrom(last);
    }
  };

  const accept = (fresh: RoleCredentials): RoleCredentials => {
    const saidMs = fresh.expiresAtMs - clock.nowMs() - before.clockOffsetMs;
    // What cannot be is the clock's fault.
    const lifetimeMs = saidMs > 0 && saidMs < sessionMs ? saidMs : sessionMs;
    const nowMs = clock.monotonicMs();
    endsAtMs = nowMs + lifetimeMs;
    renewAtMs = endsAtMs - lifetimeMs * leastLeft * (1 + random.next());
    forceableAtMs = nowMs + forcedMs;
    if (kept === undefined || failures > 0) {
      log.info({ roleArn }, 'assumed the role that the logs are sent with');
    }
    failures = 0;
    failure = undefined;
    kept = fresh;
    return fresh;
  };

  const fail = (error: unknown): never => {
    over.signal.throwIfAborted();
    const classified = classifyAwsError('sts:AssumeRole', error);
    before = { ...before, refused: classified.code === 'aws-credentials' };
    failure = failureOf(roleArn, classified);
    const backoff = failure.code === 'aws-unavailable' ? networkBackoff : refusedBackoff;
    const nowMs = clock.monotonicMs();
    holdUntilMs = nowMs + backoffMs(backoff, ++failures, random);
    // Otherwise whoever has to wait says it.
    if (failures === 1 && kept !== undefined && nowMs < endsAtMs) {
      const goodForSeconds = Math.round((endsAtMs - nowMs) / 1_000);
      log.warn(
        { error: failure.message, goodForSeconds },
        'cannot assume the role of the logs anew yet',
      );
    }
    throw failure;
  };

  const renew = async (): Promise<RoleCredentials> => {
    if (underway === undefined && failure !== undefined && clock.monotonicMs() < holdUntilMs) {
      throw failure;
    }
    underway ??= call()
      .then(accept, fail)
      .finally(() => {
        underway = undefined;
      });
    return await underway;
  };

  return {
    region: access.region,
    credentials: async (fresh) => {
      const nowMs = clock.monotonicMs();
      if (fresh && nowMs >= forceableAtMs) endsAtMs = renewAtMs = nowMs;
      if (kept === undefined || nowMs >= endsAtMs) return await renew();
      if (nowMs >= renewAtMs) renew().catch(() => undefined);
      return kept;
    },
    [Symbol.dispose]: () => over.abort(),
  };
}

/** In the codes that the shipper waits for; those of throttling and refused keys would be taken for CloudWatch's own. */
function failureOf(roleArn: string, { code, message, details, cause }: BerthError): BerthError {
  const make = (as: BerthError['code'], retryable: boolean, why: string): BerthError =>
    new BerthError(as, `cannot assume the role ${roleArn}: ${why}`, { cause, retryable, details });
  switch (code) {
    case 'aws-denied':
      return make(
        code,
        false,
        'STS denies it; the instance role needs sts:AssumeRole on it (packaging/iam/assume-role.json), and the role has to exist and to trust the instance role',
      );
    case 'aws-invalid':
      return make(code, false, message);
    case 'aws-unavailable':
    case 'aws-unknown-outcome':
      return make('aws-unavailable', true, message);
    default:
      return make('credentials-missing', true, message);
  }
}
