// The local Parameter Store over HTTP, by the real SDK.
import * as sdk from '@aws-sdk/client-ssm';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createTestWorld, errorOf, one, type TestWorld } from './test-world.ts';

let world: TestWorld;
beforeEach(async () => {
  world = await createTestWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

const get = async (Name: string, WithDecryption?: boolean) => {
  const answer = await world.ssm.send(new sdk.GetParameterCommand({ Name, WithDecryption }));
  return answer.Parameter!;
};
const put = (input: Partial<sdk.PutParameterCommandInput>) =>
  world.ssm.send(
    new sdk.PutParameterCommand({ Name: '/berth/config', Value: 'v', Type: 'String', ...input }),
  );

describe('versions and labels', () => {
  test('the latest, one by number, one by label', async () => {
    await put({ Value: 'first' });
    expect((await put({ Value: 'second', Overwrite: true })).Version).toBe(2);
    await world.ssm.send(
      new sdk.LabelParameterVersionCommand({
        Name: '/berth/config',
        ParameterVersion: 1,
        Labels: ['prod', '1bad'],
      }),
    );
    const latest = await get('/berth/config');
    expect(latest).toMatchObject({
      Name: '/berth/config',
      Type: 'String',
      Value: 'second',
      Version: 2,
      DataType: 'text',
      ARN: 'arn:aws:ssm:eu-west-1:111122223333:parameter/berth/config',
    });
    expect(latest.Selector).toBeUndefined();
    expect(Math.abs(latest.LastModifiedDate!.getTime() - Date.now())).toBeLessThan(60_000);
    expect(await get('/berth/config:1')).toMatchObject({ Value: 'first', Selector: ':1' });
    expect(await get('/berth/config:prod')).toMatchObject({ Value: 'first', Selector: ':prod' });
    expect(await get(latest.ARN!)).toMatchObject({ Value: 'second' });
    world.lab.ssm.label('/berth/config', 'prod');
    expect(await get('/berth/config:prod')).toMatchObject({ Value: 'second' });
  });

  test('what is not there', async () => {
    expect(await errorOf(get('/berth/none'))).toMatch(/^ParameterNotFound/);
    await put({});
    expect(await errorOf(get('/berth/config:9'))).toMatch(/^ParameterVersionNotFound/);
    expect(await errorOf(get('/berth/config:prod'))).toMatch(/^ParameterVersionNotFound/);
  });

  test('a hundred versions are kept, unless the oldest has a label', async () => {
    for (let version = 1; version <= 101; version++) {
      world.lab.ssm.put({ name: '/berth/config', value: `${version}` });
    }
    expect(await errorOf(get('/berth/config:1'))).toMatch(/^ParameterVersionNotFound/);
    world.lab.ssm.label('/berth/config', 'prod', 2);
    expect(await errorOf(put({ Overwrite: true }))).toMatch(/^ParameterMaxVersionLimitExceeded/);
  });
});

describe('put', () => {
  test('not over an existing one unless asked', async () => {
    await put({});
    expect(await errorOf(put({}))).toMatch(/^ParameterAlreadyExists/);
  });

  test('4 KB, or 8 KB in the advanced tier', async () => {
    await put({ Name: '/a', Value: 'x'.repeat(4096) });
    expect(await errorOf(put({ Name: '/b', Value: 'x'.repeat(4097) }))).toMatch(
      /^ValidationException: .*4096/,
    );
    await put({ Name: '/b', Value: 'x'.repeat(8192), Tier: 'Advanced' });
    expect(await errorOf(put({ Name: '/c', Value: 'x'.repeat(8193), Tier: 'Advanced' }))).toMatch(
      /^ValidationException/,
    );
    expect(await errorOf(put({ Name: 'a b' }))).toMatch(/^ValidationException/);
  });
});

describe('secure strings', () => {
  beforeEach(() => {
    world.lab.ssm.put({ name: '/berth/secret', value: 'hush', type: 'SecureString' });
  });

  test('come as ciphertext unless decryption is asked for', async () => {
    const closed = await get('/berth/secret');
    expect(closed.Type).toBe('SecureString');
    expect(closed.Value).not.toContain('hush');
    expect(await get('/berth/secret', true)).toMatchObject({ Value: 'hush' });
  });

  test('cannot be decrypted without the right to the key', async () => {
    world.lab.ssm.dials.mayDecrypt = false;
    expect(await errorOf(get('/berth/secret', true))).toMatch(
      /^AccessDeniedException: The ciphertext/,
    );
    await get('/berth/secret');
  });
});

describe('several', () => {
  beforeEach(() => {
    for (const name of ['/berth/a', '/berth/b', '/berth/c', '/berth/deep/d', '/berthed']) {
      world.lab.ssm.put({ name, value: name });
    }
  });

  test('by name: the rest is named as invalid', async () => {
    const answer = await world.ssm.send(
      new sdk.GetParametersCommand({ Names: ['/berth/a', '/none'] }),
    );
    expect(answer.Parameters).toMatchObject([{ Name: '/berth/a' }]);
    expect(answer.InvalidParameters).toEqual(['/none']);
  });

  test('by path, in pages', async () => {
    const names = async (input: Partial<sdk.GetParametersByPathCommandInput>) => {
      const found: (string | undefined)[] = [];
      const pages = sdk.paginateGetParametersByPath(
        { client: world.ssm },
        { Path: '/berth', ...input },
      );
      let count = 0;
      for await (const page of pages) {
        count++;
        found.push(...page.Parameters!.map((parameter) => parameter.Name));
      }
      return { found, count };
    };
    expect(await names({})).toEqual({ found: ['/berth/a', '/berth/b', '/berth/c'], count: 1 });
    expect(await names({ Recursive: true, MaxResults: 2 })).toEqual({
      found: ['/berth/a', '/berth/b', '/berth/c', '/berth/deep/d'],
      count: 2,
    });
    const bad = new sdk.GetParametersByPathCommand({ Path: '/berth', NextToken: 'x' });
    expect(await errorOf(world.ssm.send(bad))).toMatch(/^InvalidNextToken/);
  });
});

test('the role of an instance reads below /berth, and nothing else', async () => {
  await put({});
  await put({ Name: '/other/secret' });
  const { ssm } = world.clientsOf(one);
  const read = (Name: string) => ssm.send(new sdk.GetParameterCommand({ Name }));
  expect((await read('/berth/config:1')).Parameter!.Value).toBe('v');
  expect(await errorOf(read('/other/secret'))).toMatch(
    /^AccessDeniedException: User: .* is not authorized to perform: ssm:GetParameter on resource: arn:aws:ssm:eu-west-1:111122223333:parameter\/other\/secret because/,
  );
  expect(
    await errorOf(
      ssm.send(
        new sdk.PutParameterCommand({ Name: '/berth/config', Value: 'mine', Overwrite: true }),
      ),
    ),
  ).toMatch(/^AccessDeniedException/);
});
