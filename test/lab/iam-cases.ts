// Cases for IAM policies: one resource of one call each, and how a set of policies judges it.
import { deleteTagContext, tagContext, type IamContext } from './ec2-authorization.ts';
import type { Tags } from './ec2-world.ts';
import { evaluate, type Policy, type Verdict } from './iam-evaluate.ts';
import { readPolicy } from './iam.ts';

export const logsRole = 'arn:aws:iam::999988887777:role/logs';

/** Of the cases. */
export const shippedPolicy = (name: string): Policy =>
  readPolicy(name, {
    PARTITION: 'aws',
    REGION: 'eu-west-1',
    ACCOUNT: '111122223333',
    POOL: 'db',
    HA_GROUP: 'db-a',
    LOG_GROUPS: '/app/*',
    LOGS_ROLE: logsRole,
    STACK: 'web',
    GROUP: 'web-group',
  });

const arn = (id: string): string => `arn:aws:ec2:eu-west-1:111122223333:${id}`;
export const me = arn('instance/i-me');
export const other = arn('instance/i-other');
export const pool: Tags = { 'berth:pool': 'db' };
export const mine: Tags = { ...pool, 'berth:owner': me };
export const theirs: Tags = { ...pool, 'berth:owner': other };
export const asMe: Tags = { 'berth:owner': me };
export const asOther: Tags = { 'berth:owner': other };
export const ownerKey = ['berth:owner'];
export const bothKeys = ['berth:owner', 'berth:claim'];

export type Row = {
  readonly name: string;
  /** Of EC2; others with their service, `logs:PutLogEvents`. */
  readonly action: string;
  /** An instance, a whole ARN, or `*`. Default: an ENI. */
  readonly on?: string;
  readonly has?: Tags;
  /** aws:RequestTag */
  readonly request?: Tags;
  /** aws:TagKeys, where they are more than those of `request`. */
  readonly keys?: readonly string[];
  readonly noSource?: true;
  /** aws:PrincipalTag/berth:pool */
  readonly principalPool?: string;
  /** The Sid that decides; neither: an implicit denial. */
  readonly allow?: string;
  readonly deny?: string;
};

export function expected(row: Row): Verdict {
  if (row.allow !== undefined) return { decision: 'allow', sid: row.allow };
  return { decision: row.deny === undefined ? 'implicit-deny' : 'explicit-deny', sid: row.deny };
}

export function judge(policies: readonly Policy[], row: Row): Verdict {
  const request = row.request ?? {};
  const context: IamContext = {
    ...(row.noSource === true ? {} : { 'ec2:SourceInstanceARN': me }),
    ...(row.action === 'DeleteTags'
      ? deleteTagContext(Object.entries(request).map(([key, value]) => ({ key, value })))
      : tagContext(request)),
    ...(row.keys === undefined ? {} : { 'aws:TagKeys': row.keys }),
    ...(row.principalPool === undefined
      ? {}
      : { 'aws:PrincipalTag/berth:pool': row.principalPool }),
  };
  const tags = Object.entries(row.has ?? {}).map(([key, value]) => [
    `aws:ResourceTag/${key}`,
    value,
  ]);
  const resource = {
    arn: arnOf(row.on),
    context: {
      ...Object.fromEntries(tags),
      ...(row.on?.startsWith('i-') === true ? { 'ec2:InstanceID': row.on } : {}),
    },
  };
  const action = row.action.includes(':') ? row.action : `ec2:${row.action}`;
  return evaluate(policies, { action, resource, context });
}

function arnOf(on: string | undefined): string {
  if (on === undefined) return arn('network-interface/eni-1');
  return on.startsWith('i-') ? arn(`instance/${on}`) : on;
}
