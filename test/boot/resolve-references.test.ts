// References resolved over HTTP: the SDK's SSM client, the metadata service, and a real disk for the copy.
import { mkdtemp, rm, stat, readFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/boot/load-config.ts';
import type { LoadedConfig } from '../../src/model/config.ts';
import { forgetSecrets, maskSecrets } from '../../src/secrets.ts';
import { systemFiles } from '../../src/system/files.ts';
import { createBootWorld, type BootWorld } from '../fixtures/boot-world.ts';
import { identityOf } from '../fixtures/identity.ts';
import { createSsmWorld, type SsmWorld } from '../fixtures/ssm-world.ts';

const canary = 'canary-4f1e"9c\\7d';

let boot: BootWorld;
let store: SsmWorld;
let stateDir: string;
let config: unknown;
beforeEach(async () => {
  boot = await createBootWorld();
  store = await createSsmWorld();
  stateDir = await mkdtemp(join(tmpdir(), 'berth-references-'));
  config = {};
});
afterEach(async () => {
  forgetSecrets();
  await boot[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  await rm(stateDir, { recursive: true });
});

async function load(): Promise<LoadedConfig> {
  const { clock, random, log, imds } = boot;
  const configFlag = join(stateDir, 'config.json');
  await writeFile(configFlag, JSON.stringify(config));
  const input = { identity: identityOf(), imds, configFlag, stateDir, access: store.access };
  return loadConfig({ files: systemFiles, clock, random, log }, input, boot.signal);
}
const put = (name: string, value: string): number => store.ssm.put({ name, value });
const putSecret = (name: string, value: string): number =>
  store.ssm.put({ name, value, type: 'SecureString' });
const calls = () =>
  store.front.calls.map(({ action, input }) => [action, input['Names'], input['WithDecryption']]);
const cutOff = (): void =>
  store.front.fail({ match: 'ssm:*', times: 1_000, fault: { kind: 'reset-before' } });
const copy = () => join(stateDir, 'i-0123456789abcdef0', 'references.json');
const environment = (TOKEN: string) => ({ hooks: { environment: { TOKEN } } });

describe('references', () => {
  test('of every kind', async () => {
    put('/x', 'one');
    put('/x', 'two');
    store.ssm.label('/x', 'stable', 1);
    put('/wait', '30');
    store.ssm.put({ name: '/argv', value: 'announce,db', type: 'StringList' });
    putSecret('/token', canary);
    store.ssm.reserve({
      name: '/aws/reference/secretsmanager/db',
      value: 'from-secrets-manager',
      type: 'SecureString',
    });
    store.ssm.reserve({ name: '/aws/service/ami', value: 'ami-1' });
    boot.change({ tags: { Role: 'web' } });
    config = {
      pools: [
        { name: '{{tag:Role}}-{{ssm:/x}}', waitSeconds: '{{ssm:/wait}}' },
        { name: '{{ssm:/x:1}}.{{ssm:/x:stable}}.{{imds:placement/availability-zone}}' },
      ],
      hooks: {
        onReady: '{{ssm:/argv}}',
        environment: {
          TOKEN: '{{ssm-secure:/token}}',
          DB: 'pw={{ssm:/aws/reference/secretsmanager/db}}',
          AMI: '{{ssm:/aws/service/ami}}',
        },
      },
    };
    expect(await load()).toMatchObject({
      config: {
        pools: [{ name: 'web-two', waitMs: 30_000 }, { name: 'one.one.eu-central-1a' }],
        hooks: {
          onReady: ['announce', 'db'],
          environment: { TOKEN: canary, DB: 'pw=from-secrets-manager', AMI: 'ami-1' },
        },
      },
      source: { lastKnownGood: false },
      // The file stays as it is; what its references stand for may change.
      isStored: true,
    });
    // One name in two versions is in two calls; secrets are decrypted, and nothing else is.
    expect(calls()).toEqual([
      ['GetParameters', ['/x', '/wait', '/argv', '/aws/service/ami'], false],
      ['GetParameters', ['/x:1'], false],
      ['GetParameters', ['/x:stable'], false],
      ['GetParameters', ['/token', '/aws/reference/secretsmanager/db'], true],
    ]);
  });

  test('by ARN, and by a name without a path', async () => {
    put('plain', 'one');
    put('/x', 'two');
    const arn = 'arn:aws:ssm:eu-central-1:123456789012:parameter/x';
    config = { pool: `{{ssm:plain}}-{{ssm:${arn}}}-{{ssm:/x}}` };
    expect((await load()).config.pools).toMatchObject([{ name: 'one-two-two' }]);
  });

  test('ten names a call, each once, however often it stands there', async () => {
    const names = Array.from({ length: 21 }, (_, i) => `/p/${i}`);
    for (const name of names) put(name, 'v');
    const all = names.map((name) => `{{ssm:${name}}}`).join('');
    config = { hooks: { onReady: [all, all] } };
    expect((await load()).config.hooks.onReady).toEqual(['v'.repeat(21), 'v'.repeat(21)]);
    expect(store.front.calls.map(({ input }) => (input['Names'] as string[]).length)).toEqual([
      10, 10, 1,
    ]);
  });

  test('none: no call, and no copy', async () => {
    config = { pool: '{{.Names}}' };
    expect((await load()).config.pools).toMatchObject([{ name: '{{.Names}}' }]);
    expect(calls()).toEqual([]);
    await expect(stat(copy())).rejects.toThrow('ENOENT');
  });

  test('inside parameters too, once they are merged', async () => {
    put('/base', '{"pool":"{{ssm:/name}}","hooks":{"timeoutSeconds":"{{ssm:/t}}"}}');
    put('/over/hooks/timeoutSeconds', '7');
    put('/name', 'db');
    const { clock, random, log, imds } = boot;
    const input = { identity: identityOf(), imds, stateDir, access: store.access };
    const loaded = await loadConfig(
      { files: systemFiles, clock, random, log },
      { ...input, configFlag: 'ssm:/base,/over/' },
      boot.signal,
    );
    expect(loaded.config).toMatchObject({ pools: [{ name: 'db' }], hooks: { timeoutMs: 7_000 } });
  });
});

describe('what is wrong is said with its path, all of it', () => {
  test('missing ones', async () => {
    put('/x', 'v');
    config = {
      pool: '{{ssm:/x:9}}{{tag:Nothing}}',
      hooks: { onReady: ['{{ssm:/none}}', '{{imds:nothing}}', '{{imds:placement}}'] },
    };
    const error = await load().then(
      () => undefined,
      (reason: unknown) => reason as Error,
    );
    expect(error).toMatchObject({ code: 'config-invalid' });
    expect(error?.message.replace(/^.*?json: /, '').split('; ')).toEqual([
      'pool: there is no parameter /x:9 in eu-central-1',
      'pool: this instance has no tag Nothing in its metadata',
      'set it, and allow tags in instance metadata',
      'hooks.onReady[0]: there is no parameter /none in eu-central-1',
      'hooks.onReady[1]: the metadata service has no value nothing',
      'hooks.onReady[2]: the metadata service has no value placement',
    ]);
  });

  test('a secret that is not called one', async () => {
    putSecret('/token', canary);
    config = environment('{{ssm:/token}}');
    await expect(load()).rejects.toThrow(
      'cannot use {{ssm:/token}}: it is a SecureString; write {{ssm-secure:/token}}',
    );
  });

  test('a secret that cannot be told from other texts', async () => {
    putSecret('/token', 'short');
    config = environment('{{ssm-secure:/token}}');
    await expect(load()).rejects.toThrow(
      /hooks\.environment\.TOKEN: .* has fewer than 6 characters/,
    );
  });

  test('no right to read it, or to decrypt it', async () => {
    putSecret('/token', canary);
    config = environment('{{ssm-secure:/token}}');
    store.mayRead = false;
    await expect(load()).rejects.toMatchObject({
      code: 'config-denied',
      message: expect.stringMatching(
        /\/token: the instance role lacks ssm:GetParameters .*kms:Decrypt/,
      ),
    });
    store.mayRead = true;
    store.ssm.dials.mayDecrypt = false;
    await expect(load()).rejects.toMatchObject({ code: 'config-denied' });
  });

  test('a value that the schema refuses is not in the message', async () => {
    putSecret('/token', `${canary}\0`);
    config = { hooks: { environment: { TOKEN: '{{ssm-secure:/token}}' } } };
    const error = (await load().catch((reason: unknown) => reason)) as Error & { details: object };
    expect(error.message).toContain('hooks.environment.TOKEN: must have no NUL in it');
    expect(`${error.message}${error.stack}${JSON.stringify(error.details)}`).not.toContain(
      'canary',
    );
  });
});

describe('without Parameter Store', () => {
  beforeEach(async () => {
    putSecret('/token', canary);
    config = environment('{{ssm-secure:/token}}');
    await load();
  });

  test('they stand for what they stood for, which only berth can read', async () => {
    expect((await stat(copy())).mode & 0o777).toBe(0o600);
    expect(await readFile(copy(), 'utf8')).toContain('canary');
    forgetSecrets();
    cutOff();
    const { config: loaded, source } = await load();
    expect(loaded.hooks.environment).toEqual({ TOKEN: canary });
    expect(source.lastKnownGood).toBe(true);
    expect(maskSecrets(`x${canary}`)).toBe('x***');
  });

  test('nor is the copy lost in it', async () => {
    cutOff();
    await load();
    await load();
    expect(await readFile(copy(), 'utf8')).toContain('canary');
  });

  test('another reference has no copy', async () => {
    cutOff();
    config = environment('{{ssm-secure:/other}}');
    await expect(load()).rejects.toMatchObject({ code: 'config-unavailable' });
  });

  test.each(['{"{{ssm-sec', '{"a":1}', '[]'])('a damaged copy is none: %s', async (text) => {
    await writeFile(copy(), text);
    cutOff();
    await expect(load()).rejects.toMatchObject({ code: 'config-unavailable' });
    expect(JSON.stringify(boot.log.lines)).not.toContain('canary');
  });

  test('a rotated secret takes the place of the old one, and the last takes the file with it', async () => {
    putSecret('/token', 'another-secret');
    await load();
    expect(await readFile(copy(), 'utf8')).toBe('{"{{ssm-secure:/token}}":"another-secret"}\n');
    config = {};
    await load();
    expect(await readdir(join(stateDir, 'i-0123456789abcdef0'))).toEqual([]);
  });

  test('a configuration that is refused changes nothing', async () => {
    putSecret('/token', 'another-secret');
    config = { ...environment('{{ssm-secure:/token}}'), pool: 7 };
    await expect(load()).rejects.toMatchObject({ code: 'config-invalid' });
    expect(await readFile(copy(), 'utf8')).toContain('canary');
  });
});
