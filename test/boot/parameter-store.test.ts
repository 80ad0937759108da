// Reading a parameter through the real SDK, and what its errors mean for the operator.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createParameterStore, type ParameterStore } from '../../src/boot/parameter-store.ts';
import { BerthError } from '../../src/errors.ts';
import { createSsmWorld, type SsmWorld } from '../fixtures/ssm-world.ts';

const { signal } = new AbortController();
const plain = { isList: false, isSecret: false };

let world: SsmWorld;
let store: ParameterStore;

beforeEach(async () => {
  world = await createSsmWorld();
  store = createParameterStore(world.access);
});
afterEach(async () => {
  store[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
});

const putTree = (count: number): void => {
  for (let i = 0; i < count; i++) world.ssm.put({ name: `/t/x/${i}`, value: `v${i}` });
};

describe('tree', () => {
  test('all below a path, page after page, decrypted', async () => {
    putTree(23);
    world.ssm.put({ name: '/t/secret', value: 's', type: 'SecureString' });
    world.ssm.put({ name: '/t/list', value: 'a,b', type: 'StringList' });
    world.ssm.put({ name: '/tea', value: 'no' });
    world.ssm.dials.emptyPages = 1;
    const found = await store.tree('/t/', signal);
    expect(found.size).toBe(25);
    expect(found.get('/t/x/22')).toEqual({ value: 'v22', version: 1, ...plain });
    expect(found.get('/t/secret')).toMatchObject({ value: 's', isSecret: true });
    expect(found.get('/t/list')).toMatchObject({ value: 'a,b', isList: true });
  });

  test('nothing there', async () => {
    expect(await store.tree('/t/', signal)).toEqual(new Map());
  });

  test('without the permission', async () => {
    world.mayRead = false;
    await expect(store.tree('/t/', signal)).rejects.toMatchObject({
      code: 'config-denied',
      message: expect.stringContaining('lacks ssm:GetParametersByPath;'),
    });
  });

  test('a page that is cut may be asked for again', async () => {
    putTree(12);
    world.front.fail({ match: 'ssm:*', times: 1, fault: { kind: 'truncated' } });
    await expect(store.tree('/t/', signal)).rejects.toMatchObject({ code: 'config-unavailable' });
    expect((await store.tree('/t/', signal)).size).toBe(12);
  });
});

describe('get', () => {
  test('the latest, a version and a label', async () => {
    world.ssm.put({ name: '/a', value: 'one' });
    world.ssm.put({ name: '/a', value: 'two' });
    world.ssm.label('/a', 'prod', 1);
    expect(await store.get('/a', signal)).toEqual({ value: 'two', version: 2, ...plain });
    expect(await store.get('/a:1', signal)).toEqual({ value: 'one', version: 1, ...plain });
    expect(await store.get('/a:prod', signal)).toEqual({ value: 'one', version: 1, ...plain });
  });

  test('decrypted', async () => {
    world.ssm.put({ name: '/a', value: 'one', type: 'SecureString' });
    const secret = { value: 'one', version: 1, ...plain, isSecret: true };
    expect(await store.get('/a', signal)).toEqual(secret);
  });

  test('no such parameter, version or label', async () => {
    world.ssm.put({ name: '/a', value: 'one' });
    expect(await store.get('/b', signal)).toBeUndefined();
    expect(await store.get('/a:7', signal)).toBeUndefined();
    expect(await store.get('/a:prod', signal)).toBeUndefined();
  });

  test('a list says that it is one', async () => {
    world.ssm.put({ name: '/a', value: 'one,two', type: 'StringList' });
    expect(await store.get('/a', signal)).toEqual({
      value: 'one,two',
      version: 1,
      ...plain,
      isList: true,
    });
  });

  test('without the permission', async () => {
    world.ssm.put({ name: '/a', value: 'one', type: 'SecureString' });
    world.mayRead = false;
    await expect(store.get('/a', signal)).rejects.toMatchObject({
      code: 'config-denied',
      retryable: false,
      message: expect.stringContaining('lacks ssm:GetParameter;'),
    });
  });

  test('without the right to the key', async () => {
    world.ssm.put({ name: '/a', value: 'one', type: 'SecureString' });
    world.ssm.dials.mayDecrypt = false;
    await expect(store.get('/a', signal)).rejects.toMatchObject({
      code: 'config-denied',
      message: expect.stringContaining('lacks kms:Decrypt on the key'),
    });
  });

  test('the key is gone', async () => {
    world.front.fail({
      match: 'ssm:GetParameter',
      times: 1,
      fault: { kind: 'error', status: 400, code: 'InvalidKeyId' },
    });
    await expect(store.get('/a', signal)).rejects.toMatchObject({
      code: 'config-denied',
      message: expect.stringContaining('KMS key is disabled'),
    });
  });

  test('an impossible name', async () => {
    world.front.fail({
      match: 'ssm:GetParameter',
      times: 1,
      fault: { kind: 'error', status: 400, code: 'ValidationException' },
    });
    await expect(store.get('/a', signal)).rejects.toMatchObject({ code: 'config-invalid' });
  });

  const passing = [
    { kind: 'error', status: 400, code: 'ThrottlingException' },
    { kind: 'error', status: 500, code: 'InternalServerError' },
    { kind: 'error', status: 400, code: 'ExpiredTokenException' },
    { kind: 'reset-before' },
    { kind: 'truncated' },
    { kind: 'html', status: 503 },
  ] as const;
  test.each(passing)('%j passes', async (fault) => {
    world.ssm.put({ name: '/a', value: 'one' });
    world.front.fail({ match: 'ssm:GetParameter', times: 1, fault });
    await expect(store.get('/a', signal)).rejects.toMatchObject({
      code: 'config-unavailable',
      retryable: true,
    });
    expect(await store.get('/a', signal)).toEqual({ value: 'one', version: 1, ...plain });
  });

  test.each(['get', 'several', 'tree'] as const)(
    '%s: credentials that AWS refuses are read anew, once',
    async (how) => {
      world.ssm.put({ name: '/t/a', value: 'one' });
      const asked: boolean[] = [];
      using store = createParameterStore({
        region: 'eu-central-1',
        credentials: (fresh) => {
          asked.push(fresh);
          return world.access.credentials(fresh);
        },
      });
      const ways = {
        get: () => store.get('/t/a', signal),
        several: () => store.several(new Set(['/t/a']), false, signal),
        tree: () => store.tree('/t/', signal),
      };
      const fault = { kind: 'error', status: 400, code: 'ExpiredTokenException' } as const;
      world.front.fail({ match: 'ssm:*', times: 1, fault });
      await expect(ways[how]()).rejects.toMatchObject({
        code: 'config-unavailable',
        message: expect.stringContaining('AWS refuses the credentials or the clock'),
      });
      await ways[how]();
      await ways[how]();
      expect(asked.indexOf(true)).toBeGreaterThan(0);
      expect(asked.filter((fresh) => fresh)).toHaveLength(1);
    },
  );

  test('what is wrong with the credentials is said by them', async () => {
    const error = new BerthError('credentials-missing', 'cannot get credentials: no role');
    using store = createParameterStore({
      region: 'eu-central-1',
      credentials: () => Promise.reject(error),
    });
    await expect(store.get('/a', signal)).rejects.toBe(error);
  });

  test('the caller stops', async () => {
    const controller = new AbortController();
    world.front.fail({
      match: 'ssm:GetParameter',
      times: 1,
      fault: { kind: 'slow', ms: 10_000 },
    });
    const asked = Promise.withResolvers<void>();
    using store = createParameterStore({
      region: 'eu-central-1',
      credentials: async (fresh) => {
        asked.resolve();
        return world.access.credentials(fresh);
      },
    });
    const failed = store.get('/a', controller.signal);
    await asked.promise;
    const reason = new Error('stopped');
    controller.abort(reason);
    await expect(failed).rejects.toBe(reason);
  });
});
