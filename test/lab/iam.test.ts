// The shipped policies against their cases: each alone, and the ones for failover together with the base policy.
import { describe, expect, test } from 'vitest';
import { rowsOf } from './iam-case-tables.ts';
import { baseRows } from './iam-cases-base.ts';
import { expected, judge, shippedPolicy, type Row } from './iam-cases.ts';
import type { Policy } from './iam-evaluate.ts';
import { policiesOfRole, shippedPolicies } from './iam.ts';

test('every shipped policy has cases', () => {
  expect(Object.keys(rowsOf).toSorted()).toEqual(shippedPolicies);
});

describe.each(Object.entries(rowsOf))('%s alone', (name, rows) => {
  test.each(rows)('$name', (row) => {
    expect(judge([shippedPolicy(name)], row)).toEqual(expected(row));
  });
});

/** The rows of the base policy that a statement for failover is there to change. */
const liftedBy: Readonly<Record<string, readonly string[]>> = {
  standby: [],
  takeover: ['3 claim one already owned'],
};

describe.each(['standby', 'takeover'])('base and %s', (name) => {
  const policies = ['base', name].map(shippedPolicy);

  test.each(rowsOf[name]!)('$name', (row) => {
    expect(judge(policies, row)).toEqual(expected(row));
  });

  test.each(baseRows)('$name', (row) => {
    const isLifted = liftedBy[name]!.includes(row.name);
    expect(judge(policies, row).decision).toBe(isLifted ? 'allow' : expected(row).decision);
  });

  test.each(['berth:pool', 'berth:ha-group'])('nobody takes over and smuggles %s', (key) => {
    const row: Row = {
      name: key,
      action: 'CreateTags',
      has: {
        'berth:pool': 'db',
        'berth:ha-group': 'db-a',
        'berth:owner': 'arn:aws:ec2:eu-west-1:111122223333:instance/i-peer',
      },
      request: { 'berth:owner': 'arn:aws:ec2:eu-west-1:111122223333:instance/i-me', [key]: 'x' },
    };
    expect(judge(policies, row).decision).toBe('explicit-deny');
    expect(judge([shippedPolicy(name)], row).decision).toBe('implicit-deny');
  });
});

/** The same rows, with the pool of each ENI renamed. */
const inPool = (rows: readonly Row[], name: string): readonly Row[] =>
  rows.map((row) =>
    row.has?.['berth:pool'] === undefined
      ? row
      : { ...row, has: { ...row.has, 'berth:pool': name } },
  );

const replacing = (name: string, from: string, to: string): Policy => {
  const text = JSON.stringify(shippedPolicy(name));
  expect(text).toContain(from);
  return JSON.parse(text.replaceAll(from, to)) as Policy;
};

describe('base for several pools', () => {
  const policy = replacing('base', '"db"', '["db","web"]');

  test.each([...baseRows, ...inPool(baseRows, 'web')])('$name', (row) => {
    expect(judge([policy], row)).toEqual(expected(row));
  });

  test.each(inPool(baseRows, 'other').filter(({ has }) => has?.['berth:pool'] !== undefined))(
    'not in a third one: $name',
    (row) => {
      expect(judge([policy], row).decision).not.toBe('allow');
    },
  );
});

test('base for the pool that the role is tagged with', () => {
  const policy = replacing('base', '"db"', '"${aws:PrincipalTag/berth:pool}"');
  const tagged = (pool: string | undefined, row: Row) =>
    judge([policy], { ...row, ...(pool === undefined ? {} : { principalPool: pool }) }).decision;
  for (const row of baseRows) {
    expect([row.name, tagged('db', row)]).toEqual([row.name, expected(row).decision]);
    if (row.has?.['berth:pool'] === undefined) continue;
    expect([row.name, tagged('web', row)]).not.toEqual([row.name, 'allow']);
    expect([row.name, tagged(undefined, row)]).not.toEqual([row.name, 'allow']);
  }
});

test('a member of a failover group has standby.json, nobody takeover.json unasked', () => {
  expect(policiesOfRole({ 'berth:pool': 'db' })).toEqual(['base', 'config', 'logs']);
  expect(policiesOfRole({ 'berth:ha-group': 'db-a' })).toEqual([
    'base',
    'config',
    'logs',
    'standby',
  ]);
});

test.each(shippedPolicies)('%s is complete: versioned, named statements, no word left', (name) => {
  const policy = shippedPolicy(name);
  expect(policy.Version).toBe('2012-10-17');
  const sids = policy.Statement.map((statement) => statement.Sid);
  expect(new Set(sids).size).toBe(sids.length);
  expect(JSON.stringify(policy)).not.toMatch(/[A-Z]{4}/);
});
