// The daemon on hosts that are set up tightly: nothing can be written to disk; no device gives randomness; OpenSSL in
// FIPS mode.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isReady } from './fixtures/daemon-cloud.ts';
import { createLoopback, instanceId } from './fixtures/loopback-daemon.ts';
import { daemonArgv, startProgram, unitRights } from './lab/daemon-process.ts';
import { inNamespaces, needsNamespaces } from './lab/environment.ts';
import { until } from './lab/progress.ts';
import { createSmallCloud, instances, poolEni, type SmallCloud } from './lab/small-cloud.ts';
import { createTlsFront, needsOpenssl } from './lab/tls-front.ts';

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
  test('logs reach CloudWatch over TLS, signed', async () => {
    await using loopback = await createLoopback();
    const { folder, lab } = loopback;
    const installed = join(folder, 'fipsmodule.cnf');
    const module = ['-module', join(modules, 'fips.so'), '-out', installed];
    execFileSync('openssl', ['fipsinstall', '-quiet', ...module]);
    const settings = loopback.file('openssl.cnf', configuration(installed));
    const fips = { OPENSSL_CONF: settings, OPENSSL_MODULES: modules };
    // MD5 is gone: the provider is in use.
    const probe = 'try { crypto.createHash("md5") } catch { console.log(crypto.getFips()) }';
    const probed = execFileSync(process.execPath, ['-e', probe], { env: fips, encoding: 'utf8' });
    expect(probed).toBe('1\n');

    await using tls = await createTlsFront(lab.endpoint, folder);
    const app = loopback.file('app.log', 'approved\n');
    const collect_list = [{ file_path: app, log_group_name: 'app' }];
    const logs = { force_flush_interval: 1, logs_collected: { files: { collect_list } } };
    const config = loopback.file('config.json', JSON.stringify({ logs }));
    loopback.start(['--config', config], {
      ...fips,
      AWS_ENDPOINT_URL: tls.endpoint,
      NODE_EXTRA_CA_CERTS: tls.caFile,
    });
    await until('the line in CloudWatch', 60_000, async () => {
      const events = lab.logs.events('app', instanceId).map(({ message }) => message);
      return events.includes('approved') || undefined;
    });
  });
});

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
