// Several pools on one instance, pins, hooks, and a pool that stays empty: the real daemon, real traffic.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Policy } from './lab/iam-evaluate.ts';
import { inNamespaces, needsNamespaces } from './lab/environment.ts';
import { until } from './lab/progress.ts';
import { poolEni, subnets } from './lab/small-cloud.ts';
import {
  createDaemonCloud,
  instance,
  instanceId,
  type DaemonCloud,
} from './fixtures/daemon-cloud.ts';
import { rolePolicies } from './fixtures/role.ts';

/** Other files may have the VPC for a while. */
const vpcWithinMs = 400_000;
const port = 7000;

let cloud: DaemonCloud;

/** As packaging/iam/README.md has it. */
const forBothPools = (): readonly Policy[] =>
  rolePolicies().map(
    (policy) => JSON.parse(JSON.stringify(policy).replaceAll('"db"', '["db","web"]')) as Policy,
  );

const addWeb = (privateIpv4: string, tags: Readonly<Record<string, string>> = {}) =>
  cloud.lab.ec2.addEni({
    subnetId: subnets.a.subnetId,
    privateIpv4,
    tags: { 'berth:pool': 'web', ...tags },
  });

const answers = async (address: string): Promise<boolean> =>
  (await cloud.vpc.probe('far', address, port, 1_000)).ok;

describe.skipIf(!inNamespaces)(`pools${needsNamespaces}`, () => {
  beforeAll(async () => {
    cloud = await createDaemonCloud();
    await cloud.vpc.serve(instance, port);
  }, vpcWithinMs);
  beforeEach(() => cloud.lab.setPolicies(instanceId, forBothPools()));
  afterEach(() => cloud.reset());
  afterAll(() => cloud[Symbol.asyncDispose]());

  test('two of them are served at once, each by its own interface and table', async () => {
    const web = addWeb('10.0.1.60');
    await cloud.startReady({ config: { pools: [{ name: 'db' }, { name: 'web' }] } });
    const status = await cloud.status('both', ({ ready }) => ready);
    expect(status.pools).toMatchObject([
      { pool: 'db', ready: true, eni: { eniId: poolEni.eniId, device: 'eth1', table: 20001 } },
      { pool: 'web', ready: true, eni: { eniId: web.eniId, device: 'eth2', table: 20002 } },
    ]);
    expect(await answers(poolEni.privateIpv4)).toBe(true);
    expect(await answers('10.0.1.60')).toBe(true);
    expect((await cloud.command('status')).stdout).toMatch(/^pool +db$[\s\S]*^pool +web$/m);
    const released = await cloud.command('release');
    expect(released.code).toBe(64);
    expect(released.stderr).toContain('name one of db, web with --pool');
    expect((await cloud.command('release', '--pool', 'web')).code).toBe(0);
    expect(await answers(poolEni.privateIpv4)).toBe(true);
    expect(cloud.held().map(({ eniId }) => eniId)).toEqual([poolEni.eniId]);
  });

  test('one that is empty keeps the whole from ready, by name, and not the other from being served', async () => {
    cloud.start({ config: { pools: [{ name: 'db' }, { name: 'web' }] } });
    const status = await cloud.status('half', ({ pools }) => pools[0]?.ready === true);
    expect(status.ready).toBe(false);
    const waiting = await cloud.status('why', ({ phase }) => phase === 'waiting-for-eni');
    expect(waiting.message).toMatch(/^web: no ENI carries the tag berth:pool=web/);
    expect(await answers(poolEni.privateIpv4)).toBe(true);
    addWeb('10.0.1.61');
    await cloud.status('both', ({ ready }) => ready);
    expect(await answers('10.0.1.61')).toBe(true);
  });

  test('a pin by the tag of the instance', async () => {
    for (const ordinal of ['1', '2', '3']) addWeb(`10.0.1.6${ordinal}`, { ordinal });
    cloud.lab.ec2.createTags([instanceId], { ordinal: '2' });
    await cloud.startReady({ config: { pools: [{ name: 'web', pin: { tag: 'ordinal' } }] } });
    expect(await answers('10.0.1.62')).toBe(true);
    expect(cloud.held()).toMatchObject([{ tags: { ordinal: '2' } }]);
  });

  test('hooks run, and services find an environment file while the address is served', async () => {
    const note = ['sh', '-c', 'echo "$BERTH_HOOK $BERTH_IPV4 $BERTH_DEVICE" >> /var/log/hooks'];
    const hooks = { onClaimed: note, onReady: note, onLost: note, onReleased: note };
    const daemon = await cloud.startReady({
      config: { pool: 'db', hooks, releaseOnStop: true },
    });
    const environment = readFileSync(join(cloud.runtimeDir, 'db.env'), 'utf8');
    expect(environment).toContain('BERTH_IPV4="10.0.1.50"');
    expect(environment).toContain('BERTH_EPOCH="1"');
    const hooked = (): string => readFileSync(join(cloud.varOf(instance), 'log', 'hooks'), 'utf8');
    await until('both hooks', 5_000, () => hooked().split('\n').length > 2 || undefined);
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
    expect(hooked()).toBe(
      ['onClaimed', 'onReady', 'onLost', 'onReleased']
        .map((name) => `${name} 10.0.1.50 eth1\n`)
        .join(''),
    );
    expect(() => readFileSync(join(cloud.runtimeDir, 'db.env'))).toThrow('ENOENT');
  });

  test('a pool that stays empty has failed: berth wait says so, and berth stays', async () => {
    const daemon = cloud.start({ config: { pools: [{ name: 'web', waitSeconds: 1 }] } });
    const wait = await cloud.command('wait', '--timeout', '30');
    expect(wait.code).toBe(1);
    expect(wait.stderr).toMatch(/cannot claim an ENI of pool web within 1 s: no ENI carries/);
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
  });

  test('another pool in the configuration: the old ENI goes back before the new one is claimed', async () => {
    const web = addWeb('10.0.1.63');
    const daemon = await cloud.startReady();
    daemon.kill('SIGKILL');
    await daemon.ended;
    const before = cloud.lab.front.calls.length;
    await cloud.startReady({ config: { pool: 'web' } });
    expect(cloud.held().map(({ eniId }) => eniId)).toEqual([web.eniId]);
    expect(cloud.lab.ec2.eni(poolEni.eniId)).toMatchObject({ status: 'available' });
    expect(cloud.lab.ec2.eni(poolEni.eniId)!.tags['berth:owner']).toBeUndefined();
    const done = cloud.lab.front.calls.slice(before).map(({ action }) => action);
    expect(done.indexOf('DetachNetworkInterface')).toBeLessThan(done.indexOf('CreateTags'));
    expect(await answers('10.0.1.63')).toBe(true);
  });
});
