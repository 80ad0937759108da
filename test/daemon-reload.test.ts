// A new configuration while the daemon runs: every line once and in order, what is bad is refused, and what is served stays.
import { appendFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createDaemonCloud, isReady, instance, type DaemonCloud } from './fixtures/daemon-cloud.ts';
import { createLoopback, instanceId, type Loopback } from './fixtures/loopback-daemon.ts';
import { inNamespaces, needsNamespaces, scratch } from './lab/environment.ts';
import { poolEni } from './lab/small-cloud.ts';
import { until } from './lab/progress.ts';

/** Other files may have the VPC for a while. */
const vpcWithinMs = 400_000;
const parameter = '/berth/reload';
const fastTime = join(import.meta.dirname, 'lab', 'fast-time.ts');

type Source = { readonly name: string; readonly more?: object };

const logsOf = (at: Pick<Loopback, 'folder'>, ...sources: readonly Source[]): object => ({
  force_flush_interval: 1,
  logs_collected: {
    files: {
      collect_list: sources.map(({ name, more = {} }) => ({
        file_path: join(at.folder, `${name}.log`),
        log_group_name: name,
        ...more,
      })),
    },
  },
});
const arrived = (at: Loopback, group: string): readonly string[] =>
  at.lab.logs.events(group, instanceId).map(({ message }) => message);
const put = (at: Loopback, config: object): number =>
  at.lab.ssm.put({ name: parameter, value: JSON.stringify(config) });
const comesTrue = (what: string, fits: () => boolean): Promise<true> =>
  until(what, 60_000, () => fits() || undefined);
const stored = ['--config', `ssm:${parameter}`] as const;

const hook = (word: string) => ['sh', '-c', `echo ${word} >> /var/log/hooks`];

async function freeTcpPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function emfDocument(name: string): string {
  const metric = { Namespace: 'App', Dimensions: [[]], Metrics: [{ Name: name }] };
  return JSON.stringify({
    _aws: { Timestamp: Date.now(), CloudWatchMetrics: [metric] },
    [name]: 1,
  });
}

/** One document, and the end of the connection. */
async function sendTo(port: number, text: string): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.end(`${text}\n`).resume();
  await once(socket, 'close');
}

/** Appends numbered lines to `NAME.log`, some at a time, until it is disposed. */
function startWriter(at: Loopback, name: string) {
  const lines: string[] = [];
  const timer = setInterval(() => {
    const fresh = Array.from({ length: 20 }, (_, i) => `line ${lines.length + i}`);
    lines.push(...fresh);
    appendFileSync(join(at.folder, `${name}.log`), `${fresh.join('\n')}\n`);
  }, 5);
  return {
    lines,
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

describe.concurrent('while it ships', () => {
  test('sources are added, changed and removed; every line comes once, in order', async () => {
    await using at = await createLoopback();
    put(at, { logs: logsOf(at, { name: 'stays' }, { name: 'goes' }) });
    using stays = startWriter(at, 'stays');
    using goes = startWriter(at, 'goes');
    using comes = startWriter(at, 'comes');
    const daemon = at.start(stored);
    await daemon.line('ready', isReady);
    await comesTrue(
      'some lines',
      () => arrived(at, 'stays').length > 100 && arrived(at, 'goes').length > 100,
    );

    put(at, { logs: logsOf(at, { name: 'stays' }, { name: 'goes' }, { name: 'comes' }) });
    expect(await at.command('reload')).toMatchObject({ code: 0, stderr: '' });
    await comesTrue('the new one', () => arrived(at, 'comes').length > 100);
    const kept = { retention_in_days: 7, filters: [{ type: 'include', expression: '^line' }] };
    put(at, {
      logs: logsOf(at, { name: 'stays', more: kept }, { name: 'goes' }, { name: 'comes' }),
    });
    expect(await at.command('reload')).toMatchObject({ code: 0 });

    goes[Symbol.dispose]();
    put(at, { logs: logsOf(at, { name: 'stays', more: kept }, { name: 'comes' }) });
    const reloaded = await at.command('reload');
    expect(reloaded.stdout).toBe(
      `the configuration from parameter ${parameter}, version 4 is in force\n`,
    );
    expect(arrived(at, 'goes')).toEqual(goes.lines);
    appendFileSync(join(at.folder, 'goes.log'), 'nobody sends this\n');
    const before = arrived(at, 'stays').length;
    await comesTrue('more of them', () => arrived(at, 'stays').length > before + 100);
    for (const writer of [stays, comes]) writer[Symbol.dispose]();
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
    expect(arrived(at, 'stays')).toEqual(stays.lines);
    expect(arrived(at, 'comes')).toEqual(comes.lines);
    expect(arrived(at, 'goes')).toEqual(goes.lines);
    const { changes } = await daemon.line(
      'the difference',
      ({ msg, version }) => msg === 'a new configuration' && version === 4,
    );
    expect(changes).toContain(
      `logs.logs_collected.files.collect_list[1].log_group_name: "goes" -> "comes"`,
    );
  });

  test('metrics go to another namespace, and the EMF listener to another port; what it took before arrives', async () => {
    await using at = await createLoopback();
    const ports = [await freeTcpPort(), await freeTcpPort()] as const;
    const configOf = (n: 0 | 1): object => ({
      metrics: {
        namespace: `Space${n}`,
        metrics_collected: {
          mem: { measurement: ['used_percent'], metrics_collection_interval: 1 },
        },
      },
      logs: {
        force_flush_interval: 1,
        metrics_collected: { emf: { service_address: `tcp://127.0.0.1:${ports[n]}` } },
      },
    });
    const came = (group: string, what: string): boolean =>
      arrived(at, group).some((message) => message.includes(what));
    const metrics = (): readonly string[] => arrived(at, '/berth/metrics');
    put(at, configOf(0));
    const daemon = at.start(stored);
    await daemon.line('ready', isReady);
    await comesTrue('the first metrics', () => came('/berth/metrics', '"Space0"'));
    await sendTo(ports[0], emfDocument('before'));
    put(at, configOf(1));
    expect(await at.command('reload')).toMatchObject({ code: 0, stderr: '' });
    await sendTo(ports[1], emfDocument('after'));
    await comesTrue('the other namespace', () => came('/berth/metrics', '"Space1"'));
    await comesTrue('both', () =>
      ['before', 'after'].every((name) => came('emf/logs/default', `"${name}"`)),
    );
    await expect(sendTo(ports[0], 'x')).rejects.toThrow('ECONNREFUSED');
    const last = metrics().length;
    await comesTrue('more of them', () => metrics().length > last + 1);
    const after = metrics().slice(last);
    expect(after.filter((message) => message.includes('"Space0"'))).toEqual([]);
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
  });

  test('a bad version is refused and the old one goes on; then a good one is taken', async () => {
    await using at = await createLoopback();
    put(at, { logs: logsOf(at, { name: 'app' }) });
    const daemon = at.start(stored);
    await daemon.line('ready', isReady);
    put(at, { pol: 'db', logs: logsOf(at) });
    const refused = await at.command('reload');
    expect(refused.code).toBe(78);
    expect(refused.stderr).toMatch(/cannot use the configuration from .* \(version 2\): .*pol/);
    const status = await at.status('refused', ({ config }) => config?.rejected !== undefined);
    expect(status.config).toMatchObject({ version: 1, rejected: { version: 2 } });
    expect((await at.command('status')).stdout).toMatch(/^refused +version 2: cannot use/m);
    appendFileSync(join(at.folder, 'app.log'), 'as before\n');
    await comesTrue('the old one', () => arrived(at, 'app').length === 1);

    put(at, { logs: logsOf(at, { name: 'other' }) });
    appendFileSync(join(at.folder, 'other.log'), 'the new one\n');
    expect(await at.command('reload')).toMatchObject({ code: 0 });
    await comesTrue('the new one', () => arrived(at, 'other').length === 1);
    const after = await at.status('version 3', ({ config }) => config?.version === 3);
    expect(after.config).toMatchObject({ restartNeeded: [] });
    expect(after.config?.rejected).toBeUndefined();
  });

  test('a bad version that is there at a start: the old one goes on, until a good one is there', async () => {
    await using at = await createLoopback();
    const reload = { everySeconds: 60 };
    put(at, { reload, logs: logsOf(at, { name: 'app' }) });
    const first = at.start(stored);
    await first.line('ready', isReady);
    first.kill('SIGTERM');
    await first.ended;
    put(at, { pol: 'db' });
    const env = { NODE_OPTIONS: `--import=${fastTime}`, TIME_FACTOR: '20' };
    const second = at.start(stored, env);
    await second.line('ready', isReady);
    const status = await at.status('refused', ({ config }) => config?.rejected !== undefined);
    expect(status.config).toMatchObject({
      version: 1,
      lastKnownGood: true,
      rejected: { version: 2, reason: expect.stringContaining('pol') },
    });
    const shown = (await at.command('status')).stdout;
    expect(shown).toMatch(/^refused +version 2: cannot use/m);
    expect(shown).toContain('version 1 (last good copy)');
    appendFileSync(join(at.folder, 'app.log'), 'as before\n');
    await comesTrue('the old one', () => arrived(at, 'app').length === 1);

    put(at, { reload, logs: logsOf(at, { name: 'other' }) });
    const after = await at.status('version 3', ({ config }) => config?.version === 3);
    expect(after.config).toMatchObject({ lastKnownGood: false });
    expect(after.config?.rejected).toBeUndefined();
  });

  test('a parameter: by itself, in a while', async () => {
    await using at = await createLoopback();
    const reload = { everySeconds: 60 };
    put(at, { reload });
    const env = { NODE_OPTIONS: `--import=${fastTime}`, TIME_FACTOR: '60' };
    const daemon = at.start(stored, env);
    await daemon.line('ready', isReady);
    put(at, { reload, monitoring: {} });
    await daemon.line('taken', ({ msg }) => msg?.endsWith('version 2 is in force') === true);
    const status = await at.status('version 2', ({ config }) => config?.version === 2);
    expect(status.config).toMatchObject({ restartNeeded: [] });
    expect(statSync(join(at.runtimeDir, 'http.sock')).isSocket()).toBe(true);
  });

  test('a file: by SIGHUP, many of them too, and not by itself', async () => {
    await using at = await createLoopback();
    const file = at.file('berth.json', JSON.stringify({ logs: logsOf(at, { name: 'a' }) }));
    const daemon = at.start(['--config', file]);
    await daemon.line('ready', isReady);
    writeFileSync(file, JSON.stringify({ logs: logsOf(at, { name: 'b' }), monitoring: {} }));
    appendFileSync(join(at.folder, 'b.log'), 'line\n');
    for (let i = 0; i < 20; i++) daemon.kill('SIGHUP');
    await comesTrue('the new source', () => arrived(at, 'b').length === 1);
    const same = await at.command('reload');
    expect(same.stdout).toBe(`the configuration from file ${file} is what berth runs with\n`);
    expect(daemon.lines.filter(({ msg }) => msg === 'a new configuration')).toHaveLength(1);
  });

  test('killed in the middle of it: the next one has the newest, and every line once', async () => {
    await using at = await createLoopback();
    put(at, { logs: logsOf(at, { name: 'app' }) });
    appendFileSync(join(at.folder, 'app.log'), 'one\n');
    const daemon = at.start(stored);
    await comesTrue('the first', () => arrived(at, 'app').length === 1);
    put(at, { logs: logsOf(at, { name: 'app' }, { name: 'new' }) });
    appendFileSync(join(at.folder, 'new.log'), 'line\n');
    const reloading = at.command('reload');
    await daemon.line('in the middle', ({ msg }) => msg === 'a new configuration');
    daemon.kill('SIGKILL');
    await daemon.ended;
    await reloading;
    at.start(stored);
    await comesTrue('the new source', () => arrived(at, 'new').length >= 1);
    const status = await at.status('up', ({ config }) => config !== undefined);
    expect(status.config).toMatchObject({ version: 2, lastKnownGood: false });
    expect(arrived(at, 'app')).toEqual(['one']);
  });

  test('before there is a configuration: said', async () => {
    await using at = await createLoopback();
    at.imds.dials.mode = 'disabled';
    const daemon = at.start(stored);
    await at.status('trying', ({ phase }) => phase === 'failed');
    daemon.kill('SIGHUP');
    const told = await at.command('reload');
    expect(told.code).toBe(64);
    expect(told.stderr).toContain('cannot reload: berth has not got as far as its configuration');
  });
});

describe.skipIf(!inNamespaces)(`a pool${needsNamespaces}`, () => {
  let cloud: DaemonCloud;
  beforeAll(async () => {
    cloud = await createDaemonCloud();
  }, vpcWithinMs);
  afterEach(() => cloud.reset());
  afterAll(() => cloud[Symbol.asyncDispose]());

  test('that changes needs a restart, and its address is served until then', async () => {
    const daemon = await cloud.startReady({
      config: { pool: 'db', hooks: { onLost: hook('old') } },
    });
    const next = { pool: 'web', hooks: { onLost: hook('new') }, releaseOnStop: true };
    writeFileSync(join(scratch, 'daemon-cloud.json'), JSON.stringify(next));
    const checked = await cloud.command('reload', '--check');
    expect(checked.code).toBe(0);
    expect(checked.stdout).toMatch(
      /would be taken\n[^]*pool: "db" -> "web"\n[^]*\nrestart .*: pool\n$/,
    );
    const before = await cloud.status('as before', ({ config }) => config !== undefined);
    expect(before.config?.restartNeeded).toEqual([]);
    const reloaded = await cloud.command('reload');
    expect(reloaded).toMatchObject({ code: 0 });
    expect(reloaded.stdout).toContain('is in force; restart needed for: pool');
    expect(
      daemon.lines.some(({ msg, level }) => level === 'warn' && msg === 'restart needed for: pool'),
    ).toBe(true);
    const status = await cloud.status('said', ({ config }) => config?.restartNeeded.length === 1);
    expect(status).toMatchObject({ ready: true, pools: [{ pool: 'db', ready: true }] });
    expect((await cloud.command('status')).stdout).toMatch(/^restart for +pool$/m);
    expect(cloud.lab.ec2.eni(poolEni.eniId)).toMatchObject({ status: 'in-use' });

    writeFileSync(join(scratch, 'daemon-cloud.json'), JSON.stringify({ ...next, pool: 'db' }));
    expect((await cloud.command('reload')).stdout).not.toContain('restart');
    // What needs none is in force: the hook, and that the ENI is given back.
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
    expect(readHooks()).toBe('new\n');
    expect(cloud.lab.ec2.eni(poolEni.eniId)).toMatchObject({ status: 'available' });
  });

  const readHooks = (): string => readFileSync(join(cloud.varOf(instance), 'log', 'hooks'), 'utf8');
});
