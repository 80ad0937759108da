// History and descriptions of parameters, and pages that are empty, over HTTP, by the real SDK.
import * as sdk from '@aws-sdk/client-ssm';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createTestWorld, errorOf, type TestWorld } from './test-world.ts';

let world: TestWorld;
beforeEach(async () => {
  world = await createTestWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

const history = (input: Partial<sdk.GetParameterHistoryCommandInput> = {}) =>
  world.ssm.send(new sdk.GetParameterHistoryCommand({ Name: '/berth/a', ...input }));

async function described(input: sdk.DescribeParametersCommandInput = {}) {
  const names: (string | undefined)[] = [];
  for await (const page of sdk.paginateDescribeParameters({ client: world.ssm }, input)) {
    names.push(...page.Parameters!.map(({ Name }) => Name));
  }
  return names;
}

describe('history', () => {
  beforeEach(() => {
    const { ssm } = world.lab;
    ssm.put({ name: '/berth/a', value: 'one' });
    ssm.put({ name: '/berth/a', value: 'two', type: 'SecureString', tier: 'Advanced' });
    ssm.put({ name: '/berth/a', value: 'three' });
    ssm.label('/berth/a', 'prod', 2);
  });

  test('holds each version, the oldest first, with its labels', async () => {
    const { Parameters, NextToken } = await history();
    expect(Parameters).toMatchObject([
      { Name: '/berth/a', Version: 1, Value: 'one', Type: 'String', Tier: 'Standard' },
      { Version: 2, Type: 'SecureString', Labels: ['prod'], Tier: 'Advanced' },
      { Version: 3, Value: 'three' },
    ]);
    expect(NextToken).toBeUndefined();
    expect(Parameters![1]!.Value).not.toContain('two');
    const open = await history({ WithDecryption: true });
    expect(open.Parameters![1]!.Value).toBe('two');
  });

  test('comes in pages, and of what exists', async () => {
    const first = await history({ MaxResults: 2 });
    expect(first.Parameters).toHaveLength(2);
    const second = await history({ MaxResults: 2, NextToken: first.NextToken });
    expect(second.Parameters).toMatchObject([{ Version: 3 }]);
    expect(await errorOf(history({ NextToken: 'x' }))).toMatch(/^InvalidNextToken/);
    expect(await errorOf(history({ Name: '/berth/none' }))).toMatch(/^ParameterNotFound/);
  });
});

const filtered = (filter: sdk.ParameterStringFilter) =>
  errorOf(described({ ParameterFilters: [filter] }));

describe('descriptions', () => {
  beforeEach(() => {
    const { ssm } = world.lab;
    for (const name of ['/berth/b', '/berth/a', '/berth/deep/c', '/other']) {
      ssm.put({ name, value: 'secret' });
    }
    ssm.put({ name: '/berth/b', value: 'x', type: 'StringList', tier: 'Advanced' });
    ssm.label('/berth/a', 'prod');
  });

  test('have no values', async () => {
    const command = new sdk.DescribeParametersCommand({ MaxResults: 1 });
    const { Parameters, NextToken } = await world.ssm.send(command);
    expect(Parameters).toEqual([
      {
        Name: '/berth/a',
        ARN: 'arn:aws:ssm:eu-west-1:111122223333:parameter/berth/a',
        Type: 'String',
        LastModifiedDate: expect.any(Date),
        Version: 1,
        Tier: 'Standard',
        Policies: [],
        DataType: 'text',
      },
    ]);
    expect(NextToken).toBeDefined();
    expect(await described({ MaxResults: 1 })).toEqual([
      '/berth/a',
      '/berth/b',
      '/berth/deep/c',
      '/other',
    ]);
  });

  test.each([
    [{ Key: 'Name', Values: ['/berth/a', '/other'] }, ['/berth/a', '/other']],
    [{ Key: 'Name', Option: 'Contains', Values: ['the'] }, ['/other']],
    [
      { Key: 'Name', Option: 'BeginsWith', Values: ['/berth/'] },
      ['/berth/a', '/berth/b', '/berth/deep/c'],
    ],
    [{ Key: 'Path', Values: ['/berth'] }, ['/berth/a', '/berth/b']],
    [
      { Key: 'Path', Option: 'Recursive', Values: ['/berth'] },
      ['/berth/a', '/berth/b', '/berth/deep/c'],
    ],
    [{ Key: 'Type', Values: ['StringList'] }, ['/berth/b']],
    [{ Key: 'Tier', Values: ['Advanced'] }, ['/berth/b']],
    [{ Key: 'Label', Values: ['prod'] }, ['/berth/a']],
  ])('%o', async (filter, names) => {
    expect(await described({ ParameterFilters: [filter] })).toEqual(names);
  });

  test('filters that are none', async () => {
    const Values = ['x'];
    expect(await filtered({ Key: 'KeyId', Values })).toMatch(/^InvalidFilterKey/);
    expect(await filtered({ Key: 'Path', Option: 'Equals', Values })).toMatch(
      /^InvalidFilterOption/,
    );
    expect(await filtered({ Key: 'Type' })).toMatch(/^InvalidFilterValue/);
  });
});

test('a page may be empty though more follow', async () => {
  for (const name of ['/berth/a', '/berth/b', '/berth/c']) {
    world.lab.ssm.put({ name, value: name });
  }
  world.lab.ssm.dials.emptyPages = 2;
  const command = new sdk.GetParametersByPathCommand({ Path: '/berth', MaxResults: 2 });
  expect(await world.ssm.send(command)).toMatchObject({
    Parameters: [],
    NextToken: expect.any(String),
  });
  const names: (string | undefined)[] = [];
  const pages = sdk.paginateGetParametersByPath({ client: world.ssm }, command.input);
  for await (const page of pages) names.push(...page.Parameters!.map(({ Name }) => Name));
  expect(names).toEqual(['/berth/a', '/berth/b', '/berth/c']);
});
