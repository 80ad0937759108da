// The instance role of the lab: the policies that are shipped in packaging/iam, read from there, and AWS's denials.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AuthorizeEc2 } from './ec2.ts';
import type { IamContext, IamResource } from './ec2-authorization.ts';
import type { Tags } from './ec2-world.ts';
import { evaluate, type Policy, type Verdict } from './iam-evaluate.ts';
import { AwsFault, type Caller, type LabRequest } from './service.ts';

const folder = join(import.meta.dirname, '..', '..', 'packaging', 'iam');

/** `assume-role`, `base`, `config`, ... */
export const shippedPolicies: readonly string[] = globSync('*.json', { cwd: folder })
  .map((file) => file.replace(/\.json$/, ''))
  .toSorted();

/** What the role of every instance has. */
export const policiesOfEveryRole: readonly string[] = ['base', 'config', 'logs'];

/** A member of a failover group has one more. `takeover` is opt-in. */
export function policiesOfRole(tags: Tags): readonly string[] {
  return [...policiesOfEveryRole, ...(tags['berth:ha-group'] === undefined ? [] : ['standby'])];
}

/** What the words in capitals stand for, see packaging/iam/README.md. */
export type PolicyWords = {
  readonly PARTITION: string;
  readonly REGION: string;
  readonly ACCOUNT: string;
  readonly POOL: string;
  readonly HA_GROUP: string;
  readonly LOG_GROUPS: string;
  /** Only for `assume-role`. */
  readonly LOGS_ROLE?: string;
  /** Only for `cloudformation`. */
  readonly STACK?: string;
  /** Only for `auto-scaling`. */
  readonly GROUP?: string;
};

export function readPolicy(name: string, words: PolicyWords): Policy {
  const text = readFileSync(join(folder, `${name}.json`), 'utf8').replaceAll(
    /\b(PARTITION|REGION|ACCOUNT|POOL|HA_GROUP|LOG_GROUPS|LOGS_ROLE|STACK|GROUP)\b/g,
    (word) => words[word as keyof PolicyWords] ?? word,
  );
  return JSON.parse(text) as Policy;
}

export type Iam = {
  readonly authorizeEc2: AuthorizeEc2;
  /** For SSM and Logs. Throws AwsFault. */
  authorizeJson(service: 'ssm' | 'logs', request: LabRequest): void;
  /** For the Query services but EC2. `action`: `sts:AssumeRole`. Throws AwsFault. */
  authorizeQuery(caller: Caller, action: string, resource: IamResource): void;
  /** As GetCallerIdentity says it. */
  arnOf(caller: Caller): string;
};

export type IamDeps = {
  readonly partition: string;
  readonly region: string;
  readonly accountId: string;
  /** Of the caller's role; undefined: it may do everything. */
  policiesOf(caller: Caller): readonly Policy[] | undefined;
};

/** What the policy of a role names as the caller; the lab's instances have one role. */
export function roleArnOf({ partition, accountId }: Account, { session }: Caller): string {
  return session?.roleArn ?? `arn:${partition}:iam::${accountId}:role/berth`;
}

type Account = Pick<IamDeps, 'partition' | 'accountId'>;

export function createIam(deps: IamDeps): Iam {
  const judge = (
    caller: Caller,
    action: string,
    resources: readonly IamResource[],
    context: IamContext,
  ): Denial | undefined => {
    const policies = deps.policiesOf(caller);
    if (policies === undefined) return undefined;
    const source: IamContext =
      caller.instanceArn === undefined
        ? {}
        : { 'ec2:SourceInstanceARN': caller.instanceArn, 'ec2:RoleDelivery': '2.0' };
    for (const resource of resources) {
      const verdict = evaluate(policies, { action, resource, context: { ...source, ...context } });
      if (verdict.decision !== 'allow') return { arn: resource.arn, verdict };
    }
    return undefined;
  };
  const arnOf = (caller: Caller): string => {
    const { partition } = deps;
    const name = caller.session?.name ?? caller.instanceId;
    const role = roleArnOf(deps, caller);
    return name === undefined
      ? `arn:${partition}:iam::${deps.accountId}:user/operator`
      : `arn:${partition}:sts::${accountOf(role)}:assumed-role/${role.split('/').at(-1)}/${name}`;
  };
  const textOf = (caller: Caller, action: string, { arn, verdict }: Denial): string => {
    const why =
      verdict.decision === 'explicit-deny'
        ? 'with an explicit deny in an identity-based policy'
        : `because no identity-based policy allows the ${action} action`;
    return `User: ${arnOf(caller)} is not authorized to perform: ${action} on resource: ${arn} ${why}`;
  };
  return {
    arnOf,
    authorizeQuery: (caller, action, resource) => {
      const denial = judge(caller, action, [resource], {});
      if (denial === undefined) return;
      throw new AwsFault(403, 'AccessDenied', textOf(caller, action, denial));
    },
    authorizeEc2: (caller, action, resources, context) => {
      const denial = judge(caller, action, resources, context);
      if (denial === undefined) return;
      throw new AwsFault(
        403,
        'UnauthorizedOperation',
        `You are not authorized to perform this operation. ${textOf(caller, action, denial)}`,
      );
    },
    authorizeJson: (service, { action, input, caller }) => {
      const name = `${service}:${action}`;
      // Whose parameters and logs these are, the caller's account says.
      const place = { ...deps, accountId: accountOf(roleArnOf(deps, caller)) };
      const arns = (service === 'ssm' ? parameterArns : logArns)(place, input);
      const resources = arns.map((arn) => ({ arn, context: {} }));
      const denial = judge(caller, name, resources, {});
      if (denial === undefined) return;
      throw new AwsFault(400, 'AccessDeniedException', textOf(caller, name, denial));
    },
  };
}

function accountOf(roleArn: string): string {
  return roleArn.split(':')[4] ?? '';
}

type Denial = { readonly arn: string; readonly verdict: Verdict };
type Input = LabRequest['input'];

/** Without the version or label that may follow the name. */
function parameterArns(deps: IamDeps, input: Input): readonly string[] {
  const names = [
    input['Name'],
    input['Path'],
    ...(Array.isArray(input['Names']) ? input['Names'] : []),
  ];
  const prefix = `arn:${deps.partition}:ssm:${deps.region}:${deps.accountId}:parameter/`;
  const arns = names
    .filter((name) => typeof name === 'string')
    .map((name) =>
      name.startsWith('arn:') ? name : prefix + name.replace(/^\//, '').split(':')[0],
    );
  return arns.length === 0 ? ['*'] : arns;
}

/** As AWS writes them in its denials: `log-group:NAME:log-stream:STREAM`. */
function logArns(deps: IamDeps, input: Input): readonly string[] {
  const text = (name: string): string => {
    const value = input[name];
    return typeof value === 'string' ? value : '';
  };
  const group = text('logGroupName') || text('logGroupIdentifier');
  const prefix = `arn:${deps.partition}:logs:${deps.region}:${deps.accountId}:log-group:`;
  return [`${prefix}${group}:log-stream:${text('logStreamName')}`];
}
