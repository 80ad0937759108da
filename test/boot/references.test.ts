// References in the values of a configuration: which there are, which are refused, and what is put in their place.
import { describe, expect, test } from 'vitest';
import { leafOf } from '../../src/boot/merge-config.ts';
import {
  fillReferences,
  findReferences,
  hasReferences,
  textOf,
  type Filling,
} from '../../src/boot/references.ts';

const problems = (value: unknown) => findReferences(value).issues.map(({ message }) => message);
const secretAt = (path: string) => ({ hooks: { environment: { [path]: '{{ssm-secure:/y}}' } } });

describe('findReferences', () => {
  test('each with its path', () => {
    const value = {
      pool: '{{tag:Role}}-{{imds:placement/availability-zone}}',
      pools: [{ name: '{{ssm:/x:7}}' }, { name: '{{ssm:/x:stable}}' }],
      hooks: { environment: { T: '{{ssm-secure:/y}}' } },
      timeout: 7,
      none: null,
    };
    expect(findReferences(value)).toEqual({
      issues: [],
      references: [
        { scheme: 'tag', name: 'Role', path: 'pool' },
        { scheme: 'imds', name: 'placement/availability-zone', path: 'pool' },
        { scheme: 'ssm', name: '/x:7', path: 'pools[0].name' },
        { scheme: 'ssm', name: '/x:stable', path: 'pools[1].name' },
        { scheme: 'ssm-secure', name: '/y', path: 'hooks.environment.T' },
      ],
    });
  });

  test.each([
    '{{ssm:name}}',
    '{{ssm:/a..b/c_d.e-f:prod}}',
    '{{ssm:arn:aws:ssm:eu-west-1:111122223333:parameter/shared/x:7}}',
    '{{ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64}}',
    '{{imds:network/interfaces/macs/0e:49:61:0f:c3:11/subnet-id}}',
    '{{tag:Cost Center/Größe}}',
  ])('%s is one', (text) => {
    expect(findReferences({ a: text })).toMatchObject({ issues: [], references: [{ path: 'a' }] });
  });

  test.each(['{{.Names}}', '{{json .Config}}', '{instance_id}', '{{}}', 'a{{b}}c', '{{ssm:'])(
    '%s is none',
    (text) => {
      expect(hasReferences(text)).toBe(false);
      expect(findReferences({ a: text })).toEqual({ references: [], issues: [] });
    },
  );

  test.each([
    ['{{env:HOME}}', 'there is no such reference'],
    ['{{SSM:/x}}', 'there is no such reference'],
    ['{{ssm:}}', '{{ssm:...}} names nothing that there can be'],
    ['{{ssm:/a b}}', '{{ssm:...}} names nothing that there can be'],
    ['{{ssm:/x:7:8}}', '{{ssm:...}} names nothing that there can be'],
    ['{{imds:../user-data}}', '{{imds:...}} names nothing that there can be'],
    ['{{imds:placement/../../user-data}}', '{{imds:...}} names nothing that there can be'],
    ['{{imds:/mac}}', '{{imds:...}} names nothing that there can be'],
    ['{{tag:}}', '{{tag:...}} names nothing that there can be'],
    ['{{imds:iam/security-credentials/berth}}', 'keys of a role are no part of a configuration'],
    ['{{imds:identity-credentials/ec2/info}}', 'keys of a role are no part of a configuration'],
    ['{{ssm-secure:/y}}', 'a secret can stand in hooks.environment and files[].content alone'],
    [
      '{{ssm:/aws/reference/secretsmanager/db}}',
      'a secret can stand in hooks.environment and files[].content alone',
    ],
  ])('%s is refused, by its path alone', (text, why) => {
    expect(problems({ logs: [`x${text}`] })).toEqual([expect.stringContaining(`logs[0]: ${why}`)]);
  });

  test('a secret in another place is refused wherever that is', () => {
    expect(problems(secretAt('TOKEN'))).toEqual([]);
    expect(problems({ hooks: { onReady: ['curl', '{{ssm-secure:/y}}'] } })).toHaveLength(1);
    expect(problems({ x: secretAt('TOKEN') })).toHaveLength(1);
  });
});

const fill = (value: unknown, fillings: Readonly<Record<string, Filling>>) =>
  fillReferences(value, (one) => fillings[textOf(one)]!, leafOf);

describe('fillReferences', () => {
  test('what is one reference to a parameter is what it would be in a tree', () => {
    const fillings = {
      '{{ssm:/n}}': '30',
      '{{ssm:/t}}': '"30"',
      '{{ssm:/l}}': ['a', 'b'],
      '{{ssm:/o}}': '{"pool":"db"}',
      '{{ssm:/s}}': 'plain',
    };
    const value = {
      n: '{{ssm:/n}}',
      t: '{{ssm:/t}}',
      l: '{{ssm:/l}}',
      o: '{{ssm:/o}}',
      s: '{{ssm:/s}}',
    };
    expect(fill(value, fillings)).toEqual({
      n: 30,
      t: '30',
      l: ['a', 'b'],
      o: { pool: 'db' },
      s: 'plain',
    });
  });

  test('in a text, and of all others, it is a text', () => {
    const fillings = {
      '{{ssm:/n}}': '30',
      '{{ssm:/l}}': ['a', 'b'],
      '{{tag:N}}': '7',
      '{{ssm-secure:/y}}': '12345678',
    };
    expect(
      fill(['{{ssm:/n}}s', 'x{{ssm:/l}}{{ssm:/n}}', '{{tag:N}}', '{{ssm-secure:/y}}'], fillings),
    ).toEqual(['30s', 'xa,b30', '7', '12345678']);
  });

  test('what was filled in is not looked at again, and is no pattern', () => {
    expect(fill(['{{tag:A}}'], { '{{tag:A}}': '{{tag:B}}$&$1' })).toEqual(['{{tag:B}}$&$1']);
    expect(fill(['-{{tag:A}}-'], { '{{tag:A}}': '{{tag:B}}$&$1' })).toEqual(['-{{tag:B}}$&$1-']);
  });
});
