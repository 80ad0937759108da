// The shipped policies against the cases of iam.md section 7 and the rows of its section 8 that concern the base policy.
import { describe, expect, test } from 'vitest';
import { deleteTagContext, tagContext, type IamContext } from './ec2-authorization.ts';
import { evaluate, type Policy, type Statement } from './iam-evaluate.ts';
import { readPolicy, shippedPolicies } from './iam.ts';

const words = {
  PARTITION: 'aws',
  REGION: 'eu-west-1',
  ACCOUNT: '111122223333',
  POOL: 'db',
  LOG_GROUPS: '/app/*',
};
const base = readPolicy('base', words);
const arn = (id: string): string => `arn:aws:ec2:eu-west-1:111122223333:${id}`;
const me = arn('instance/i-me');
const other = arn('instance/i-other');

type Tags = Readonly<Record<string, string>>;
type Row = {
  readonly name: string;
  readonly action:
    | 'CreateTags'
    | 'DeleteTags'
    | 'AttachNetworkInterface'
    | 'DetachNetworkInterface';
  /** Default: an ENI. */
  readonly on?: 'i-me' | 'i-other';
  readonly has?: Tags;
  /** aws:RequestTag */
  readonly request?: Tags;
  /** aws:TagKeys, where they are more than those of `request`. */
  readonly keys?: readonly string[];
  readonly noSource?: true;
  /** The Sid that decides; undefined: an implicit denial. */
  readonly allow?: string;
  readonly deny?: string;
};

const pool: Tags = { 'berth:pool': 'db' };
const mine: Tags = { ...pool, 'berth:owner': me };
const theirs: Tags = { ...pool, 'berth:owner': other };
const asMe: Tags = { 'berth:owner': me };
const asOther: Tags = { 'berth:owner': other };
const owner = ['berth:owner'];
const attach = 'AttachNetworkInterface';
const detach = 'DetachNetworkInterface';
const create = 'CreateTags';
const remove = 'DeleteTags';

const rows: readonly Row[] = [
  {
    name: '1 claim a free one as me',
    action: create,
    has: pool,
    request: asMe,
    allow: 'ClaimUnclaimedPoolEniAsMyself',
  },
  { name: '2 claim as another', action: create, has: pool, request: asOther },
  { name: '3 claim one already owned', action: create, has: theirs, request: asMe },
  { name: '4 claim outside the pool', action: create, request: asMe },
  {
    name: '5 claim and smuggle the pool key',
    action: create,
    has: pool,
    request: { ...asMe, 'berth:pool': 'x' },
    deny: 'NeverTouchPoolTag',
  },
  {
    name: '6 claim and smuggle another key',
    action: create,
    has: pool,
    request: asMe,
    keys: [...owner, 'Name'],
  },
  {
    name: '7 claim without a source instance',
    action: create,
    has: pool,
    request: asMe,
    noSource: true,
  },
  {
    name: '8 refresh mine',
    action: create,
    has: mine,
    request: { 'berth:claim': '2' },
    allow: 'RefreshMyOwnClaim',
  },
  { name: '9 hand mine to another', action: create, has: mine, request: asOther },
  {
    name: '10 attach an ENI of mine',
    action: attach,
    has: mine,
    allow: 'AttachDetachOnlyAnEniIOwn',
  },
  { name: "11 attach another's ENI", action: attach, has: theirs },
  { name: '12 attach an unclaimed ENI', action: attach, has: pool },
  { name: '13 attach to me', action: attach, on: 'i-me', allow: 'AttachDetachOnlyOnMyself' },
  { name: '14 attach to another', action: attach, on: 'i-other' },
  { name: '15 detach from me', action: detach, on: 'i-me', allow: 'AttachDetachOnlyOnMyself' },
  { name: '16 detach from another', action: detach, on: 'i-other' },
  {
    name: '17 release mine by value',
    action: remove,
    has: mine,
    request: asMe,
    allow: 'ReleaseOnlyMyClaim',
  },
  { name: '18 release mine without value', action: remove, has: mine, keys: owner },
  { name: "19 release another's", action: remove, has: theirs, request: asOther },
  { name: '20 release with no list, which wipes all', action: remove, has: mine },
  {
    name: '21 refresh mine outside the pool',
    action: create,
    has: { 'berth:owner': me },
    request: { 'berth:claim': '2' },
  },
  { name: '22 refresh mine without tags', action: create, has: mine },
  {
    name: '23 refresh mine and another key',
    action: create,
    has: mine,
    request: { 'berth:claim': '2' },
    keys: ['berth:claim', 'Name'],
  },
  { name: '24 attach mine outside the pool', action: attach, has: { 'berth:owner': me } },
  {
    name: '25 release mine outside the pool',
    action: remove,
    has: { 'berth:owner': me },
    request: asMe,
  },
  { name: "26 release another's with my value", action: remove, has: theirs, request: asMe },
  {
    name: '27 release mine and another key',
    action: remove,
    has: mine,
    request: asMe,
    keys: [...owner, 'Name'],
  },
  {
    name: '28 a variable without a value equals nothing, not even an empty owner',
    action: attach,
    has: { ...pool, 'berth:owner': '' },
    noSource: true,
  },
];

function judge(policy: Policy, row: Row) {
  const request = row.request ?? {};
  const context: IamContext = {
    ...(row.noSource === true ? {} : { 'ec2:SourceInstanceARN': me }),
    ...(row.action === remove
      ? deleteTagContext(Object.entries(request).map(([key, value]) => ({ key, value })))
      : tagContext(request)),
    ...(row.keys === undefined ? {} : { 'aws:TagKeys': row.keys }),
  };
  const tags = Object.entries(row.has ?? {});
  const resource = {
    arn: arn(row.on === undefined ? 'network-interface/eni-1' : `instance/${row.on}`),
    context: {
      ...Object.fromEntries(tags.map(([key, value]) => [`aws:ResourceTag/${key}`, value])),
      ...(row.on === undefined ? {} : { 'ec2:InstanceID': row.on }),
    },
  };
  return evaluate([policy], { action: `ec2:${row.action}`, resource, context });
}

describe('base policy', () => {
  test.each(rows)('$name', (row) => {
    const decision =
      row.allow !== undefined
        ? 'allow'
        : row.deny === undefined
          ? 'implicit-deny'
          : 'explicit-deny';
    expect(judge(base, row)).toEqual({ decision, sid: row.allow ?? row.deny });
  });

  test('reading needs no resource', () => {
    for (const action of [
      'DescribeNetworkInterfaces',
      'DescribeInstances',
      'DescribeInstanceTypes',
      'DescribeSubnets',
    ]) {
      const resource = { arn: '*', context: {} };
      expect(evaluate([base], { action: `ec2:${action}`, resource, context: {} }).decision).toBe(
        'allow',
      );
    }
  });

  /** RequestTag already needs a list (iam.md section 8). */
  const redundant = 'ReleaseOnlyMyClaim Null aws:TagKeys';
  const conditions = base.Statement.flatMap((statement) =>
    Object.entries(statement.Condition ?? {}).flatMap(([operator, keys]) =>
      Object.keys(keys).map((key) => ({ statement, operator, key })),
    ),
  ).filter(({ statement, operator, key }) => `${statement.Sid} ${operator} ${key}` !== redundant);

  test.each(conditions)('without $operator $key of $statement.Sid some row changes', (removed) => {
    const { statement, operator, key } = removed;
    const { [key]: _gone, ...rest } = statement.Condition![operator]!;
    const weaker: Statement = {
      ...statement,
      Condition: { ...statement.Condition, [operator]: rest },
    };
    const policy: Policy = {
      ...base,
      Statement: base.Statement.map((other) => (other === statement ? weaker : other)),
    };
    const changed = rows.filter((row) => judge(policy, row).decision !== judge(base, row).decision);
    expect(changed.map((row) => row.name)).not.toEqual([]);
  });
});

const decide = (name: string, action: string, resource: string): string =>
  evaluate([readPolicy(name, words)], {
    action,
    resource: { arn: resource, context: {} },
    context: {},
  }).decision;
const parameter = (name: string): string => `arn:aws:ssm:eu-west-1:111122223333:parameter/${name}`;
const stream = (group: string): string =>
  `arn:aws:logs:eu-west-1:111122223333:log-group:${group}:log-stream:s`;

describe('the other policies', () => {
  test('configuration: parameters below /berth alone', () => {
    expect(decide('config', 'ssm:GetParameter', parameter('berth/config'))).toBe('allow');
    expect(decide('config', 'ssm:GetParameter', parameter('secret'))).toBe('implicit-deny');
    expect(decide('config', 'ssm:PutParameter', parameter('berth/config'))).toBe('implicit-deny');
  });

  test('logs: the named groups alone', () => {
    expect(decide('logs', 'logs:PutLogEvents', stream('/app/a'))).toBe('allow');
    expect(decide('logs', 'logs:PutLogEvents', stream('/other'))).toBe('implicit-deny');
    expect(decide('logs', 'logs:DeleteLogGroup', stream('/app/a'))).toBe('implicit-deny');
  });

  test.each(shippedPolicies)(
    '%s is complete: versioned, named statements, no word left',
    (name) => {
      const policy = readPolicy(name, words);
      expect(policy.Version).toBe('2012-10-17');
      const sids = policy.Statement.map((statement) => statement.Sid);
      expect(new Set(sids).size).toBe(sids.length);
      expect(JSON.stringify(policy)).not.toMatch(/[A-Z]{4}/);
    },
  );
});
