// The lab's STS: AssumeRole with the trust of the role and the limits of role chaining, and GetCallerIdentity.
import type { RoleCredentials } from '../../src/model/instance.ts';
import type { Policy } from './iam-evaluate.ts';
import { roleArnOf, type Iam } from './iam.ts';
import { AwsFault, type Caller, type LabService, type RoleSession } from './service.ts';

export type LabRole = {
  /** `arn:aws:iam::999988887777:role/logs` */
  readonly arn: string;
  /** Whom its trust policy names: ARNs of roles. */
  readonly trusts: readonly string[];
  readonly policies: readonly Policy[];
};

export type LabSts = LabService & {
  /** Makes it, or replaces it. */
  putRole(role: LabRole): void;
  /** None: there is no such role any more. */
  policiesOf(roleArn: string): readonly Policy[];
  readonly dials: {
    /** What a session really lasts; undefined: as asked for. */
    sessionMs: number | undefined;
  };
};

export type LabStsOptions = {
  readonly partition: string;
  readonly accountId: string;
  readonly clock: { nowMs(): number };
  readonly iam: Pick<Iam, 'authorizeQuery' | 'arnOf'>;
  readonly assume: (session: RoleSession, ttlMs: number) => RoleCredentials;
};

type Input = Readonly<Record<string, unknown>>;

const defaultSeconds = 3_600;
/** Where the caller's keys are those of a role ("role chaining"). */
const maxSeconds = 3_600;

export function createStsService(options: LabStsOptions): LabSts {
  const { iam, assume } = options;
  const roles = new Map<string, LabRole>();
  const dials: LabSts['dials'] = { sessionMs: undefined };

  const assumeRole = (input: Input, caller: Caller) => {
    const arn = textOf(input, 'RoleArn');
    const name = textOf(input, 'RoleSessionName');
    const seconds = Number(input['DurationSeconds'] ?? defaultSeconds);
    if (!/^arn:[\w-]+:iam::\d{12}:role\/[\w+=,.@/-]+$/.test(arn))
      throw invalid(`${arn} is invalid`);
    if (!/^[\w+=,.@-]{2,64}$/.test(name)) throw invalid('roleSessionName');
    if (!(seconds >= 900 && seconds <= 43_200)) throw invalid('durationSeconds');
    if (seconds > maxSeconds) {
      throw invalid(
        'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining',
      );
    }
    iam.authorizeQuery(caller, 'sts:AssumeRole', { arn, context: {} });
    const isTrusted = roles.get(arn)?.trusts.includes(roleArnOf(options, caller)) ?? false;
    // AWS does not tell whether there is such a role.
    if (!isTrusted) {
      throw new AwsFault(
        403,
        'AccessDenied',
        `User: ${iam.arnOf(caller)} is not authorized to perform: sts:AssumeRole on resource: ${arn}`,
      );
    }
    const session = { roleArn: arn, name };
    const keys = assume(session, dials.sessionMs ?? seconds * 1_000);
    const assumed = { instanceId: undefined, instanceArn: undefined, session };
    return {
      Credentials: {
        AccessKeyId: keys.accessKeyId,
        SecretAccessKey: keys.secretAccessKey,
        SessionToken: keys.sessionToken,
        Expiration: new Date(keys.expiresAtMs).toISOString().replace('.000', ''),
      },
      AssumedRoleUser: { AssumedRoleId: idOf(assumed), Arn: iam.arnOf(assumed) },
    };
  };

  return {
    dials,
    putRole: (role) => void roles.set(role.arn, role),
    policiesOf: (arn) => roles.get(arn)?.policies ?? [],
    handle: async ({ action, input, caller }) => {
      if (action === 'AssumeRole') return assumeRole(input, caller);
      // Nobody needs a permission for it.
      if (action === 'GetCallerIdentity') {
        const Arn = iam.arnOf(caller);
        return { Arn, UserId: idOf(caller), Account: Arn.split(':')[4] };
      }
      throw new AwsFault(
        400,
        'InvalidAction',
        `Could not find operation ${action} for version 2011-06-15`,
      );
    },
  };
}

function idOf({ instanceId, session }: Caller): string {
  const name = session?.name ?? instanceId;
  return name === undefined ? 'AIDALAB0000000000000' : `AROALAB0000000000000:${name}`;
}

function textOf(input: Input, name: string): string {
  const value = input[name];
  if (typeof value !== 'string') throw invalid(`${name} is missing`);
  return value;
}

function invalid(what: string): AwsFault {
  return new AwsFault(400, 'ValidationError', `1 validation error detected: ${what}`);
}
