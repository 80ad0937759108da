// The daemon on hosts that are set up tightly: nothing can be written to disk; no device gives randomness; OpenSSL in
// FIPS mode.
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isReady } from './fixtures/daemon-cloud.ts';
import { createLoopback, instanceId } from './fixtures/loopback-daemon.ts';
import { temporaryFolder } from './fixtures/temporary-folder.ts';
import { daemonArgv, startProgram, unitRights } from './lab/daemon-process.ts';
import { inNamespaces, needsNamespaces } from './lab/environment.ts';
import type { Lab } from './lab/lab.ts';
import { until } from './lab/progress.ts';
import {
  createSmallCloud,
  endpointAddress,
  instances,
  poolEni,
  type SmallCloud,
} from './lab/small-cloud.ts';
import { createTlsFront, needsOpenssl, type TlsFront } from './lab/tls-front.ts';

const attaches = ({ lab }: SmallCloud): number =>
  lab.front.calls.filter(({ action }) => action === 'AttachNetworkInterface').length;

/** Root and /var, in the mount namespace of this daemon alone. */
const readOnly = [
  'sh',
  '-c',
  'for one in / /var; do mount -o remount,bind,ro "$one" || exit; done; exec "$@"',
  'sh',
] as const;

describe.skipIf(!inNamespaces)(`a read-only root${needsNamespaces}`, () => {
  test('the address is served, the log says what cannot be written, and a restart keeps the ENI', async () => {
    await using cloud = await createSmallCloud({ latency: {}, dials: {} });
    cloud.lab.ssm.put({ name: '/berth/config', value: '{ "pool": "db" }' });
    await cloud.vpc.serve('inst-a', 7000);
    const state = join(cloud.varOf('inst-a'), 'lib', 'berth', instances['inst-a'].instanceId);
    await mkdir(state, { recursive: true });
    const { prefix, env } = cloud.inside('inst-a');
    const argv = [...prefix, ...readOnly, ...unitRights, ...daemonArgv(['run'])];
    for (const round of [1, 2]) {
      await using daemon = startProgram({ argv, env });
      await daemon.line(`ready, round ${round}`, isReady);
      const said = daemon.lines.map(({ err }) => JSON.stringify(err ?? '')).join('\n');
      expect(said).toMatch(/cannot write \/var\/lib\/berth\/.*EROFS/);
      const { ok } = await cloud.vpc.probe('far', poolEni.privateIpv4, 7000, 3_000);
      expect(ok).toBe(true);
      daemon.kill('SIGTERM');
      expect(await daemon.ended).toBe(0);
    }
    expect(attaches(cloud)).toBe(1);
  });
});

/** A /dev with what a process starts with, and nothing else; in the mount namespace of this daemon alone. */
const bareDevices = [
  'sh',
  '-c',
  `mkdir /var/dev && mount -t tmpfs tmpfs /var/dev && for one in null zero; do
    : > "/var/dev/$one" && mount --bind "/dev/$one" "/var/dev/$one" || exit
  done; mount --rbind /var/dev /dev && echo devices: /dev/* && exec "$@"`,
  'sh',
] as const;

describe.skipIf(!inNamespaces)(`a /dev without random and urandom${needsNamespaces}`, () => {
  test('the address is served, and one ENI was attached', async () => {
    await using cloud = await createSmallCloud({ latency: {}, dials: {} });
    cloud.lab.ssm.put({ name: '/berth/config', value: '{ "pool": "db" }' });
    await cloud.vpc.serve('inst-a', 7000);
    const { prefix, env } = cloud.inside('inst-a');
    const argv = [...prefix, ...bareDevices, ...unitRights, ...daemonArgv(['run'])];
    await using daemon = startProgram({ argv, env });
    await daemon.line('ready', isReady);
    expect(daemon.lines[0]).toEqual({ msg: 'devices: /dev/null /dev/zero' });
    const { ok } = await cloud.vpc.probe('far', poolEni.privateIpv4, 7000, 3_000);
    expect(ok).toBe(true);
    expect(attaches(cloud)).toBe(1);
    expect(daemon.stderr()).toBe('');
  });
});

/** Of Debian 13's openssl-provider-fips: OpenSSL 3.5, as in Node 26. */
const modules = join(
  import.meta.dirname,
  '..',
  '.cache',
  'fips',
  'usr/lib/x86_64-linux-gnu/ossl-modules',
);
const noProvider = existsSync(join(modules, 'fips.so'))
  ? needsOpenssl
  : ` (skipped: no fips.so in ${modules}, see .ci/run)`;

describe.skipIf(noProvider !== '')(`OpenSSL in FIPS mode${noProvider}`, () => {
  test('the configuration comes from Parameter Store, and logs reach CloudWatch, signed and over TLS', async () => {
    await using loopback = await createLoopback();
    const { folder, lab } = loopback;
    const fips = fipsEnvironment(folder);
    await using tls = await createTlsFront(lab.endpoint, folder);
    const logs = logsOf(loopback.file('app.log', 'approved\n'));
    lab.ssm.put({ name: '/berth/app', value: JSON.stringify({ logs }) });
    loopback.start(['--config', 'ssm:/berth/app'], { ...fips, ...over(tls) });
    expect(await arrived(lab, instanceId)).toBe(true);
  });

  test.skipIf(!inNamespaces)(`an ENI is claimed and served${needsNamespaces}`, async () => {
    using folder = temporaryFolder();
    const fips = fipsEnvironment(folder.path);
    await using cloud = await createSmallCloud({ latency: {}, dials: {} });
    const { lab, vpc } = cloud;
    const host = endpointAddress;
    await using tls = await createTlsFront(lab.endpoint, folder.path, { host });
    await writeFile(join(cloud.varOf('inst-a'), 'log', 'app.log'), 'approved\n');
    const config = { pool: 'db', logs: logsOf('/var/log/app.log') };
    lab.ssm.put({ name: '/berth/config', value: JSON.stringify(config) });
    await vpc.serve('inst-a', 7000);
    const { prefix } = cloud.inside('inst-a');
    const argv = [...prefix, ...unitRights, ...daemonArgv(['run'])];
    await using daemon = startProgram({ argv, env: { ...fips, ...over(tls) } });
    await daemon.line('ready', isReady);
    expect((await vpc.probe('far', poolEni.privateIpv4, 7000, 3_000)).ok).toBe(true);
    expect(attaches(cloud)).toBe(1);
    expect(await arrived(lab, instances['inst-a'].instanceId)).toBe(true);
    expect(daemon.stderr()).toBe('');
  });
});

const over = ({ endpoint, caFile }: TlsFront) => ({
  AWS_ENDPOINT_URL: endpoint,
  NODE_EXTRA_CA_CERTS: caFile,
});

const logsOf = (file: string) => ({
  force_flush_interval: 1,
  logs_collected: { files: { collect_list: [{ file_path: file, log_group_name: 'app' }] } },
});

async function arrived(lab: Lab, stream: string): Promise<boolean> {
  return until('the line in CloudWatch', 60_000, () => {
    const events = lab.logs.events('app', stream).map(({ message }) => message);
    return events.includes('approved') || undefined;
  });
}

/** For a process whose OpenSSL takes what is approved, and nothing else; tried with Node. `folder` keeps its files. */
function fipsEnvironment(folder: string): Readonly<Record<string, string>> {
  const installed = join(folder, 'fipsmodule.cnf');
  const module = ['-module', join(modules, 'fips.so'), '-out', installed];
  execFileSync('openssl', ['fipsinstall', '-quiet', ...module]);
  const settings = join(folder, 'openssl.cnf');
  writeFileSync(settings, configuration(installed));
  const env = { OPENSSL_CONF: settings, OPENSSL_MODULES: modules };
  // MD5 is gone: the provider is in use.
  const probe = 'try { crypto.createHash("md5") } catch { console.log(crypto.getFips()) }';
  expect(execFileSync(process.execPath, ['-e', probe], { env, encoding: 'utf8' })).toBe('1\n');
  return env;
}

/** Node reads its own section; `fips_sect` is in the included file. */
function configuration(installed: string): string {
  return [
    'nodejs_conf = nodejs_init',
    `.include ${installed}`,
    '[nodejs_init]',
    'providers = provider_sect',
    'alg_section = algorithm_sect',
    '[provider_sect]',
    'fips = fips_sect',
    'base = base_sect',
    '[base_sect]',
    'activate = 1',
    '[algorithm_sect]',
    'default_properties = fips=yes',
    '',
  ].join('\n');
}
