// Where the configuration comes from, and what happens when it cannot be had: real HTTP to IMDS and Parameter Store.
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/boot/load-config.ts';
import type { LoadedConfig } from '../../src/model/config.ts';
import { forgetSecrets, maskSecrets } from '../../src/secrets.ts';
import { diskError, systemFiles, type Files } from '../../src/system/files.ts';
import { createBootWorld, type BootWorld } from '../fixtures/boot-world.ts';
import { entrySource, logsConfig } from '../fixtures/log-source.ts';
import { identityOf } from '../fixtures/identity.ts';
import { createSsmWorld, type SsmWorld } from '../fixtures/ssm-world.ts';
import { scratch } from '../lab/environment.ts';

let boot: BootWorld;
let store: SsmWorld;
let stateDir: string;
let files: Files;
let tags: Readonly<Record<string, string>> | undefined;
let configFlag: string | undefined;

beforeEach(async () => {
  boot = await createBootWorld();
  store = await createSsmWorld();
  stateDir = await mkdtemp(join(scratch, 'berth-test-'));
  files = systemFiles;
  tags = {};
  configFlag = undefined;
});
afterEach(async () => {
  await boot[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  await rm(stateDir, { recursive: true });
});

function load(): Promise<LoadedConfig> {
  const { clock, random, log, imds } = boot;
  const identity = identityOf({ tags });
  const input = { identity, imds, configFlag, stateDir, access: store.access };
  return loadConfig({ files, clock, random, log }, input, boot.signal);
}

const put = (name: string, value: unknown): number =>
  store.ssm.put({ name, value: typeof value === 'string' ? value : JSON.stringify(value) });
const putSecret = (name: string, value: unknown): number =>
  store.ssm.put({
    name,
    value: typeof value === 'string' ? value : JSON.stringify(value),
    type: 'SecureString',
  });
const userData = (text: string): void => boot.change({ userData: Buffer.from(text) });
const lastGoodPath = () => join(stateDir, 'i-0123456789abcdef0', 'last-good-config.json');
const linesOf = (level: string) => boot.log.lines.filter((line) => line['level'] === level);

const cutOff = (): void =>
  store.front.fail({ match: 'ssm:*', times: 1_000, fault: { kind: 'reset-before' } });

describe('the first place that has a configuration wins', () => {
  test('in this order', async () => {
    const file = join(stateDir, 'config.json');
    await writeFile(file, '{"pool":"of the file"}');
    put('/flag', { pool: 'of the flag' });
    put('/pointer', { pool: 'of the pointer' });
    put('/tag', { pool: 'of the tag' });
    put('/berth/config', { pool: 'of the default' });
    tags = { 'berth:config': 'ssm:/tag', 'berth:pool': 'of the pool tag' };
    userData('#cloud-config\nberth: ssm:/pointer\n');

    configFlag = file;
    expect(await load()).toMatchObject({
      config: { pools: [{ name: 'of the file' }] },
      source: { name: `file ${file}`, version: undefined, lastKnownGood: false },
    });
    configFlag = 'ssm:/flag';
    expect(await load()).toMatchObject({
      config: { pools: [{ name: 'of the flag' }] },
      source: { name: 'parameter /flag', version: 1, lastKnownGood: false },
    });
    configFlag = undefined;
    expect(await load()).toMatchObject({ source: { name: 'parameter /pointer' } });
    userData('#cloud-config\nberth: {pool: of user data}\n');
    expect(await load()).toMatchObject({
      config: { pools: [{ name: 'of user data' }] },
      source: { name: 'user data' },
    });
    userData('#!/bin/sh\n');
    expect(await load()).toMatchObject({ config: { pools: [{ name: 'of the tag' }] } });
    tags = { 'berth:pool': 'of the pool tag' };
    expect(await load()).toMatchObject({ config: { pools: [{ name: 'of the default' }] } });
  });

  test('a tag may name the parameter without ssm:, and with a label', async () => {
    put('/tag', { pool: 'one' });
    put('/tag', { pool: 'two' });
    store.ssm.label('/tag', 'prod', 1);
    tags = { 'berth:config': '/tag:prod' };
    expect(await load()).toMatchObject({
      config: { pools: [{ name: 'one' }] },
      source: { name: 'parameter /tag:prod', version: 1 },
    });
  });

  test('the pool tag alone is enough, even without the right to the default parameter', async () => {
    tags = { 'berth:pool': 'web', 'berth:config': '' };
    const expected = {
      config: {
        pools: [{ name: 'web', pin: undefined, waitMs: undefined }],
        releaseOnStop: false,
        takeOverStale: false,
        standby: undefined,
        routing: { mode: 'own', localBridges: false, connmark: undefined },
        hooks: { environment: {}, timeoutMs: 30_000 },
        logs: logsConfig({ compression: 'auto' }),
        metrics: undefined,
        emf: undefined,
        monitoring: undefined,
        notices: undefined,
        signals: undefined,
        reload: { everyMs: 600_000 },
        files: [],
      },
      source: { name: 'instance tag berth:pool', version: undefined, lastKnownGood: false },
      value: {},
      isStored: false,
      rejected: undefined,
    };
    expect(await load()).toEqual(expected);
    store.mayRead = false;
    expect(await load()).toEqual(expected);
    expect(linesOf('warn')).toEqual([]);
  });

  test('the pool tag names the pool where a configuration leaves it open', async () => {
    put('/berth/config', { releaseOnStop: true });
    expect((await load()).config.pools).toEqual([]);
    tags = { 'berth:pool': 'web' };
    expect((await load()).config).toMatchObject({
      pools: [{ name: 'web' }],
      releaseOnStop: true,
    });
  });

  test('placeholders are filled in', async () => {
    const collect_list = [{ file_path: '/a', log_group_name: '/{aws_region}/a' }];
    put('/berth/config', { logs: { logs_collected: { files: { collect_list } } } });
    expect((await load()).config.logs.sources).toEqual([
      entrySource({
        filePath: '/a',
        logGroupName: '/eu-central-1/a',
        logStreamName: 'i-0123456789abcdef0',
      }),
    ]);
  });
});

describe('without a configuration', () => {
  test('all the places are named', async () => {
    await expect(load()).rejects.toMatchObject({
      code: 'config-missing',
      message: expect.stringMatching(
        /--config.*user data.*berth:config and berth:pool.*\/berth\/config/,
      ),
    });
  });

  test('tags that are not enabled are named as such', async () => {
    tags = undefined;
    await expect(load()).rejects.toThrow('InstanceMetadataTags');
  });

  test('and without the right to look, that is said', async () => {
    store.mayRead = false;
    await expect(load()).rejects.toMatchObject({
      code: 'config-denied',
      message: expect.stringContaining('ssm:GetParameter'),
    });
  });
});

describe('what is named has to be there', () => {
  test.each([
    ['--config', () => (configFlag = 'ssm:/x')],
    ['the key berth: of user data', () => userData('#cloud-config\nberth: /x\n')],
    ['the instance tag berth:config', () => (tags = { 'berth:config': '/x', 'berth:pool': 'web' })],
  ])('a parameter named by %s', async (namedBy, name) => {
    name();
    await expect(load()).rejects.toMatchObject({
      code: 'config-missing',
      message: expect.stringContaining(`the parameter /x, which ${namedBy} names, in eu-central-1`),
    });
    store.mayRead = false;
    await expect(load()).rejects.toMatchObject({ code: 'config-denied' });
  });

  test('a file', async () => {
    configFlag = join(stateDir, 'nope.json');
    await expect(load()).rejects.toMatchObject({
      code: 'config-missing',
      message: expect.stringMatching(/^cannot find the configuration file .*nope.json: create it/),
    });
  });
});

describe('a bad configuration', () => {
  test('every problem at once, with the source and its version', async () => {
    put('/berth/config', {});
    put('/berth/config', { pooll: 'web', releaseOnStop: 1, logs: { force_flush_interval: 0 } });
    tags = { 'berth:pool': 'web' };
    await expect(load()).rejects.toMatchObject({
      code: 'config-invalid',
      retryable: false,
      message:
        'cannot use the configuration from parameter /berth/config (version 2): unknown key pooll: did you mean pool?; releaseOnStop: must be a boolean; logs.force_flush_interval: must be at least 1',
      details: { source: 'parameter /berth/config', version: 2 },
    });
  });

  const spoilt: readonly (readonly [string, () => unknown, RegExp])[] = [
    ['no JSON', () => put('/berth/config', '{"pool": "web",}'), /line 1, column 16/],
    ['a key that there is not', () => put('/berth/config', { pooll: 'web' }), /unknown key pooll/],
    ['nothing', () => store.ssm.remove('/berth/config'), /cannot find a configuration/],
    ['no permission', () => (store.mayRead = false), /ssm:GetParameter/],
    [
      'a reference to nothing',
      () => put('/berth/config', { pool: '{{ssm:/none}}' }),
      /no parameter \/none/,
    ],
  ];
  test.each(spoilt)('the last good one goes on, and why is said: %s', async (_, spoil, reason) => {
    put('/berth/config', { pool: 'web' });
    expect((await load()).rejected).toBeUndefined();
    spoil();
    const loaded = await load();
    expect(loaded).toMatchObject({
      config: { pools: [{ name: 'web' }] },
      source: { name: 'parameter /berth/config', version: 1, lastKnownGood: true },
      isStored: true,
      rejected: { reason: expect.stringMatching(reason) },
    });
    expect(linesOf('error')).toMatchObject([{ msg: expect.stringMatching(reason) }]);
    // What cannot be used is not kept.
    expect(JSON.parse(await readFile(lastGoodPath(), 'utf8'))).toMatchObject({ version: 1 });
  });

  test('a permission that is lost is no reason to go by the tag; a parameter that is deleted is one', async () => {
    tags = { 'berth:pool': 'by-tag' };
    put('/berth/config', { pool: 'web', releaseOnStop: true });
    await load();
    store.mayRead = false;
    expect(await load()).toMatchObject({
      config: { pools: [{ name: 'web' }], releaseOnStop: true },
      source: { lastKnownGood: true },
      rejected: { reason: expect.stringContaining('ssm:GetParameter') },
    });
    store.mayRead = true;
    store.ssm.remove('/berth/config');
    const byTag = { config: { pools: [{ name: 'by-tag' }], releaseOnStop: false } };
    expect(await load()).toMatchObject(byTag);
    // Nor is the old one used ever after.
    store.mayRead = false;
    expect(await load()).toMatchObject({ ...byTag, rejected: undefined });
  });

  test('a metadata service that fails meanwhile is waited for, not the end', async () => {
    put('/berth/config', { pool: '{{imds:placement/availability-zone}}' });
    await load();
    put('/berth/config', { pooll: 'web' });
    const path = 'meta-data/placement/availability-zone';
    boot.server.dials.overrides.set(path, { status: 503, body: '' });
    await expect(load()).rejects.toMatchObject({ retryable: true });
  });

  test('which version it is, is said', async () => {
    put('/berth/config', { pool: 'web' });
    await load();
    put('/berth/config', { pooll: 'web' });
    expect((await load()).rejected?.version).toBe(2);
  });

  test('the last good one goes on with what its references stood for', async () => {
    put('/wait', '30');
    put('/berth/config', { pools: [{ name: 'web', waitSeconds: '{{ssm:/wait}}' }] });
    await load();
    put('/wait', 'soon');
    expect(await load()).toMatchObject({
      config: { pools: [{ waitMs: 30_000 }] },
      rejected: { version: 1, reason: expect.stringContaining('pools[0].waitSeconds: ') },
    });
  });

  test('the last good one that is no good any more: what is wrong with the new one is said', async () => {
    put('/berth/config', { pool: 'web' });
    await load();
    const kept = { parameter: '/berth/config', version: 1, value: '{"old":1}' };
    await writeFile(lastGoodPath(), JSON.stringify(kept));
    put('/berth/config', { pooll: 'web' });
    await expect(load()).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('pooll'),
    });
  });

  test('in user data: not a word of it', async () => {
    userData('#cloud-config\nberth: "hunter2 {"\n');
    await expect(load()).rejects.toMatchObject({ code: 'config-invalid' });
    await expect(load()).rejects.not.toThrow('hunter2');
    userData('#cloud-config\nberth: {hunter2\n');
    await expect(load()).rejects.toMatchObject({ code: 'config-missing' });
    expect(linesOf('warn')).toHaveLength(1);
    expect(JSON.stringify(boot.log.lines)).not.toContain('hunter2');
  });

  test('keys that are not done are warnings in the log', async () => {
    put('/berth/config', { pool: 'web', traces: {} });
    await load();
    expect(linesOf('warn')).toMatchObject([
      { msg: 'traces: accepted, not done by this version of berth' },
    ]);
  });
});

describe('when Parameter Store is out of reach', () => {
  test('the last good configuration is used after a few tries', async () => {
    put('/berth/config', { pool: 'web' });
    await load();
    cutOff();
    expect(await load()).toMatchObject({
      config: { pools: [{ name: 'web' }] },
      source: { name: 'parameter /berth/config', version: 1, lastKnownGood: true },
    });
    expect(boot.clock.monotonicMs()).toBeGreaterThan(500);
    expect(boot.clock.monotonicMs()).toBeLessThanOrEqual(2_000);
    expect(linesOf('warn')).toMatchObject([
      { msg: 'Parameter Store is out of reach: using the last good configuration' },
    ]);
  });

  test('a short outage is waited out', async () => {
    put('/berth/config', { pool: 'web' });
    store.front.fail({ match: 'ssm:*', times: 3, fault: { kind: 'reset-before' } });
    expect((await load()).source.lastKnownGood).toBe(false);
  });

  test.each([
    ['there is none', async () => undefined],
    ['it is damaged', () => writeFile(lastGoodPath(), '{"parameter"')],
    ['it has another form', () => writeFile(lastGoodPath(), '{"parameter":"/berth/config"}')],
  ])('without a last good one an error: %s', async (what, prepare) => {
    put('/berth/config', { pool: 'web' });
    await load();
    if (what === 'there is none') await rm(lastGoodPath());
    await prepare();
    cutOff();
    tags = { 'berth:pool': 'web' };
    await expect(load()).rejects.toMatchObject({ code: 'config-unavailable', retryable: true });
    expect(boot.clock.monotonicMs()).toBeGreaterThan(5_000);
    expect(boot.clock.monotonicMs()).toBeLessThanOrEqual(10_000);
  });

  test('the copy of another parameter is not used', async () => {
    put('/berth/config', { pool: 'web' });
    await load();
    cutOff();
    configFlag = 'ssm:/other';
    await expect(load()).rejects.toMatchObject({ code: 'config-unavailable' });
  });
});

describe('several parameters', () => {
  test('later ones win, key by key; a tree of parameters is a tree of configuration', async () => {
    put('/base', { pool: 'base', releaseOnStop: true, hooks: { timeoutSeconds: 7 } });
    put('/fleet/pools/0/name', 'db');
    put('/fleet/pools/1/name', 'web');
    put('/fleet/pools/1/waitSeconds', '30');
    store.ssm.put({ name: '/fleet/hooks/onReady', value: 'announce,db', type: 'StringList' });
    configFlag = 'ssm:/base, ssm:/fleet/';
    await expect(load()).rejects.toThrow(/pool and pools exclude each other/);
    put('/base', { releaseOnStop: true, hooks: { timeoutSeconds: 7 } });
    expect(await load()).toMatchObject({
      config: {
        pools: [
          { name: 'db', waitMs: undefined },
          { name: 'web', waitMs: 30_000 },
        ],
        releaseOnStop: true,
        hooks: { onReady: ['announce', 'db'], timeoutMs: 7_000 },
      },
      source: { name: 'parameter /base, /fleet/', lastKnownGood: false },
    });
  });

  test('have a version that changes with each of them', async () => {
    put('/a', { pool: 'one' });
    put('/t/takeOverStale', 'true');
    configFlag = 'ssm:/a,/t/';
    const versions = [(await load()).source.version, (await load()).source.version];
    expect(versions[0]).toMatch(/^[0-9a-f]{8}$/);
    expect(versions[1]).toBe(versions[0]);
    for (const change of [
      () => put('/a', { pool: 'two' }),
      () => put('/t/takeOverStale', 'true'),
      () => put('/t/releaseOnStop', 'true'),
      () => store.ssm.remove('/t/releaseOnStop'),
    ]) {
      change();
      versions.push((await load()).source.version);
    }
    // What came and went is what it was before.
    expect(new Set(versions).size).toBe(4);
    expect(versions[5]).toBe(versions[3]);
    configFlag = 'ssm:/t/';
    expect((await load()).source.version).toMatch(/^[0-9a-f]{8}$/);
  });

  test('user data and the tag may name them too', async () => {
    put('/a', { pool: 'one' });
    put('/b/pool', 'two');
    userData('#cloud-config\nberth: [ssm:/a, ssm:/b/]\n');
    expect((await load()).config.pools).toMatchObject([{ name: 'two' }]);
    userData('');
    tags = { 'berth:config': '/b/ /a' };
    expect((await load()).config.pools).toMatchObject([{ name: 'one' }]);
  });

  test('one that is missing is an error, and named', async () => {
    put('/a', { pool: 'one' });
    configFlag = 'ssm:/a,/b/,/c';
    await expect(load()).rejects.toMatchObject({
      code: 'config-missing',
      message: expect.stringMatching(/^cannot find the parameter \/b\/, \/c: create it/),
    });
  });

  test('what is no JSON is told without a piece of it', async () => {
    put('/a', '{"pool": hunter2}');
    put('/b', {});
    configFlag = 'ssm:/a,/b';
    await expect(load()).rejects.toMatchObject({
      code: 'config-invalid',
      message: 'cannot use the parameter /a: line 1, column 10: this is not JSON from here on',
    });
  });

  test('a StringList is no configuration', async () => {
    store.ssm.put({ name: '/a', value: 'one,two', type: 'StringList' });
    for (configFlag of ['ssm:/a', 'ssm:/a,/a']) {
      await expect(load()).rejects.toThrow(
        /^cannot use the parameter \/a: it is a StringList; make/,
      );
    }
  });

  test('out of reach: the last good ones, as they were merged', async () => {
    put('/a', { releaseOnStop: true });
    put('/b/pool', 'two');
    configFlag = 'ssm:/a,/b/';
    await load();
    cutOff();
    expect(await load()).toMatchObject({
      config: { pools: [{ name: 'two' }], releaseOnStop: true },
      source: { name: 'parameter /a, /b/', lastKnownGood: true },
    });
  });
});

describe('the last good configuration', () => {
  test('is readable by berth alone, and replaced by each new version', async () => {
    put('/berth/config', { pool: 'one' });
    await load();
    expect((await stat(lastGoodPath())).mode & 0o777).toBe(0o600);
    put('/berth/config', { pool: 'two' });
    await load();
    expect(JSON.parse(await readFile(lastGoodPath(), 'utf8'))).toEqual({
      parameter: '/berth/config',
      version: 2,
      value: '{"pool":"two"}',
      secrets: [],
    });
  });

  test('is not written again while it stays the same', async () => {
    put('/berth/config', { pool: 'one' });
    let writes = 0;
    files = {
      ...systemFiles,
      writeAtomic: async (...args) => {
        writes++;
        return systemFiles.writeAtomic(...args);
      },
    };
    await load();
    await load();
    expect(writes).toBe(1);
  });

  test('a full disk is a warning', async () => {
    put('/berth/config', { pool: 'web' });
    const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    files = {
      ...systemFiles,
      writeAtomic: async (path) => Promise.reject(diskError('write', path, full)),
    };
    expect((await load()).config.pools).toMatchObject([{ name: 'web' }]);
    expect(linesOf('warn')).toMatchObject([{ err: { code: 'disk' } }]);
  });

  test('is kept for parameters alone', async () => {
    configFlag = join(stateDir, 'config.json');
    await writeFile(configFlag, '{}');
    await load();
    expect(await systemFiles.readText(lastGoodPath())).toBeUndefined();
  });
});

describe('what is encrypted', () => {
  const secret = 'hunter22-of-all';
  const withSecrets = {
    pool: 'web-frontend',
    hooks: { environment: { TOKEN: secret } },
    files: [{ path: '/etc/app', content: `a\nkey ${secret}2\n` }],
  };
  afterEach(forgetSecrets);

  test.each<[string, string, () => void]>([
    ['the configuration', 'ssm:/c', () => putSecret('/c', withSecrets)],
    [
      'one of several',
      'ssm:/a,/c',
      () => {
        put('/a', { hooks: { environment: { MODE: 'production' } } });
        putSecret('/c', withSecrets);
      },
    ],
    [
      'pieces of a tree',
      'ssm:/t/',
      () => {
        put('/t/pool', 'web-frontend');
        put('/t/hooks/environment/MODE', 'production');
        putSecret('/t/hooks/environment/TOKEN', secret);
        put('/t/files/0/path', '/etc/a');
        put('/t/files/0/content', 'nothing to see');
        putSecret('/t/files/1', withSecrets.files[0]);
      },
    ],
  ])('is masked where secrets may stand: %s', async (_, flag, prepare) => {
    configFlag = flag;
    prepare();
    for (const boots of ['with Parameter Store', 'without']) {
      if (boots === 'without') cutOff();
      const { config } = await load();
      expect(config.hooks.environment['TOKEN']).toBe(secret);
      expect(maskSecrets(`x ${secret} key ${secret}2`)).toBe('x *** ***');
      expect(maskSecrets('web-frontend production nothing to see')).toBe(
        'web-frontend production nothing to see',
      );
      forgetSecrets();
    }
    expect((await stat(lastGoodPath())).mode & 0o777).toBe(0o600);
  });
});
