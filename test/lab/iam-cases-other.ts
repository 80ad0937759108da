// Cases of config.json, logs.json, assume-role.json, retention.json, keep.json and reaper.json.
import {
  asOther,
  bothKeys,
  logsRole,
  me,
  mine,
  ownerKey,
  theirs,
  pool,
  type Row,
} from './iam-cases.ts';

const parameter = (name: string): string => `arn:aws:ssm:eu-west-1:111122223333:parameter/${name}`;
const stream = (group: string): string =>
  `arn:aws:logs:eu-west-1:111122223333:log-group:${group}:log-stream:s`;

export const configRows: readonly Row[] = [
  {
    name: 'C1 read a parameter below /berth',
    action: 'ssm:GetParameter',
    on: parameter('berth/config'),
    allow: 'ReadConfiguration',
  },
  {
    name: 'C1 read several below /berth',
    action: 'ssm:GetParameters',
    on: parameter('berth/token'),
    allow: 'ReadConfiguration',
  },
  { name: 'C2 read several elsewhere', action: 'ssm:GetParameters', on: parameter('secret') },
  {
    name: 'C1 read the parameters below a path below /berth',
    action: 'ssm:GetParametersByPath',
    on: parameter('berth/web/'),
    allow: 'ReadConfiguration',
  },
  { name: 'C2 read another tree', action: 'ssm:GetParametersByPath', on: parameter('secrets/') },
  { name: 'C2 read another', action: 'ssm:GetParameter', on: parameter('secret') },
  { name: 'C3 write one', action: 'ssm:PutParameter', on: parameter('berth/config') },
];

export const logsRows: readonly Row[] = [
  ...['PutLogEvents', 'CreateLogStream', 'CreateLogGroup'].map((action): Row => ({
    name: `L1 ${action} in a named group`,
    action: `logs:${action}`,
    on: stream('/app/a'),
    allow: 'ShipLogs',
  })),
  { name: 'L2 send to another group', action: 'logs:PutLogEvents', on: stream('/other') },
  { name: 'L3 delete a group', action: 'logs:DeleteLogGroup', on: stream('/app/a') },
];

export const assumeRows: readonly Row[] = [
  {
    name: 'A1 the role of the logs',
    action: 'sts:AssumeRole',
    on: logsRole,
    allow: 'AssumeLogsRole',
  },
  { name: 'A2 another role', action: 'sts:AssumeRole', on: logsRole.replace('logs', 'admin') },
  {
    name: 'A3 a role of this name elsewhere',
    action: 'sts:AssumeRole',
    on: logsRole.replace('999988887777', '111122223333'),
  },
  { name: 'A4 with tags of its own', action: 'sts:TagSession', on: logsRole },
];

export const retentionRows: readonly Row[] = [
  ...['PutRetentionPolicy', 'DescribeLogGroups', 'TagResource'].map((action): Row => ({
    name: `R1 ${action} of a named group`,
    action: `logs:${action}`,
    on: stream('/app/a'),
    allow: 'SetUpLogGroups',
  })),
  { name: 'R2 another group', action: 'logs:PutRetentionPolicy', on: stream('/other') },
  { name: 'R3 delete the retention', action: 'logs:DeleteRetentionPolicy', on: stream('/app/a') },
];

const modify = 'ModifyNetworkInterfaceAttribute';

export const keepRows: readonly Row[] = [
  { name: 'K1 change my own', action: modify, has: mine, allow: 'KeepMyEniOnTermination' },
  { name: "K2 another's", action: modify, has: theirs },
  { name: 'K3 one that nobody claimed', action: modify, has: pool },
  { name: 'K4 my own outside the pool', action: modify, has: { 'berth:owner': me } },
  { name: 'K5 without a source instance', action: modify, has: mine, noSource: true },
  { name: 'K6 an instance that bears its tags', action: modify, on: 'i-me', has: mine },
  { name: 'K7 detach my own', action: 'DetachNetworkInterface', has: mine },
];

/** The role of the state machine, hence without a source instance. */
export const reaperRows: readonly Row[] = (
  [
    {
      name: 'P1 find the claim',
      action: 'DescribeNetworkInterfaces',
      on: '*',
      allow: 'FindClaims',
    },
    {
      name: 'P2 delete a claim by value',
      action: 'DeleteTags',
      has: theirs,
      request: asOther,
      allow: 'DeleteClaimByValue',
    },
    { name: 'P3 whatever its value', action: 'DeleteTags', has: theirs, keys: ownerKey },
    { name: 'P4 all tags', action: 'DeleteTags', has: theirs },
    {
      name: 'P5 the epoch too',
      action: 'DeleteTags',
      has: theirs,
      request: asOther,
      keys: bothKeys,
    },
    {
      name: 'P6 what is no claim',
      action: 'DeleteTags',
      has: theirs,
      request: { 'berth:owner': 'Bob' },
    },
    {
      name: 'P7 of an ENI in no pool',
      action: 'DeleteTags',
      has: { 'berth:owner': me },
      request: asOther,
    },
    {
      name: 'P8 of an instance',
      action: 'DeleteTags',
      on: 'i-other',
      has: theirs,
      request: asOther,
    },
    { name: 'P9 claim', action: 'CreateTags', has: pool, request: asOther },
    { name: 'P10 detach', action: 'DetachNetworkInterface', has: theirs },
  ] as const satisfies readonly Row[]
).map((row) => ({ ...row, noSource: true }));
