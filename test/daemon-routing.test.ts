// The daemon as a process, with the rights of its unit, and what its configuration says of routing.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createDaemonCloud, instance, isReady, type DaemonCloud } from './fixtures/daemon-cloud.ts';
import { hasProgram, inNamespaces, needsNamespaces } from './lab/environment.ts';
import type { Ran } from './fixtures/berth-command.ts';
import { ipBatch } from './lab/namespace.ts';
import { poolEni } from './lab/small-cloud.ts';
import { systemExec } from '../src/system/exec.ts';

/** Other files may have the VPC for a while. */
const vpcWithinMs = 400_000;
const hasNft = hasProgram('nft');

let cloud: DaemonCloud;

async function inside(...argv: readonly string[]): Promise<string> {
  const [file, ...prefix] = cloud.vpc.exec(instance);
  const input = { argv: [file, ...prefix, ...argv] as const, stdin: undefined, timeoutMs: 5_000 };
  return (await systemExec.run(input, new AbortController().signal)).stdout;
}

describe.skipIf(!inNamespaces)(`routing${needsNamespaces}`, () => {
  beforeAll(async () => {
    cloud = await createDaemonCloud();
  }, vpcWithinMs);
  afterEach(() => cloud.reset());
  afterAll(() => cloud[Symbol.asyncDispose]());

  test.skipIf(!hasNft)(
    `localBridges and connmark: set, shown, and gone with the ENI${hasNft ? '' : ' (skipped: needs nft)'}`,
    async () => {
      const routing = { localBridges: true, connmark: '0x3f00' };
      const daemon = await cloud.startReady({
        config: { pool: 'db', releaseOnStop: true, routing },
      });
      expect(await inside('ip', 'rule')).toMatch(/^9498:.* fwmark 0x100\/0x3f00 lookup 20001/m);
      expect(await inside('ip', 'rule')).toMatch(/^9499:.*from 10\.0\.1\.50 lookup main suppress/m);
      expect(await inside('nft', 'list', 'tables')).toContain('inet berth_20001');
      const { stdout } = await cloud.command('status', '--routes');
      expect(stdout).toMatch(/^routing .*--primary--> main table$/m);
      expect(stdout).toMatch(
        /^ +10\.0\.1\.0\/24 +\[ 10\.0\.1\.50 +\]--eth1-+> table 20001, via 10\.0\.1\.1$/m,
      );
      expect(stdout).toContain('ip rule add priority 9498 fwmark 0x100/0x3f00 lookup 20001');
      daemon.kill('SIGTERM');
      expect(await daemon.ended).toBe(0);
      expect(await inside('ip', 'rule')).not.toMatch(/949\d|9500/);
      expect(await inside('nft', 'list', 'tables')).not.toContain('berth');
    },
  );

  test('berth doctor sees the routes of the running daemon, and a daemon that is stuck', async () => {
    const daemon = await cloud.startReady({ config: { pool: 'db', releaseOnStop: true } });
    const doctor = (): Promise<Ran> =>
      cloud.command('doctor', '--runtime-dir', cloud.runtimeDir, '--state-dir', cloud.stateDir);
    const well = await doctor();
    expect(well.stdout).toMatch(
      /^ok +routes +eni-\w+ on eth1: rules, routes, sysctls and gateway$/m,
    );
    expect(well.stdout).toMatch(
      /^ok +permissions +ec2:DescribeSubnets, ec2:CreateTags, ec2:AttachNetworkInterface/m,
    );
    expect(well.stdout).not.toMatch(/^failure/m);
    expect(well.code).toBe(0);
    daemon.kill('SIGSTOP');
    const ill = await doctor();
    daemon.kill('SIGCONT');
    expect(ill.code).toBe(1);
    expect(ill.stdout).toMatch(
      /^failure +daemon +no answer within 3 s; fix: systemctl restart berth/m,
    );
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
  });

  test('berth doctor names what berth cannot put right: a rule of somebody else comes first', async () => {
    const daemon = await cloud.startReady({ config: { pool: 'db', releaseOnStop: true } });
    await inside(
      'ip',
      'rule',
      'add',
      'priority',
      '100',
      'from',
      poolEni.privateIpv4,
      'lookup',
      'main',
    );
    await cloud.status('no longer ready', ({ ready }) => !ready);
    const ill = await cloud.command('doctor', '--runtime-dir', cloud.runtimeDir);
    expect(ill.code).toBe(1);
    expect(ill.stdout).toMatch(/^failure +routes +.*rule.*100.*; fix: /m);
    await inside('ip', 'rule', 'del', 'priority', '100');
    await cloud.status('ready again', ({ ready }) => ready);
    // Nothing of it is left for the next.
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
  });

  test('mode verify: ready once another tool has set the routes, and nothing is touched', async () => {
    const daemon = cloud.start({ config: { pool: 'db', routing: { mode: 'verify' } } });
    await cloud.status('what is missing', ({ message }) =>
      /eth1 is down\. routing\.mode is "verify"/.test(message),
    );
    expect(existsSync(join(cloud.stateDir, 'claim', poolEni.mac))).toBe(false);
    const ill = await cloud.command('doctor', '--runtime-dir', cloud.runtimeDir);
    expect(ill.stdout).toMatch(
      /^failure +daemon +failed: .* eth1 is down\. .*; fix: do what it says/m,
    );
    await ipBatch(
      [
        'link set dev eth1 mtu 9001 up',
        'addr add 10.0.1.50/24 dev eth1 noprefixroute',
        'route add 10.0.1.0/24 dev eth1 table 10001',
        'route add default via 10.0.1.1 dev eth1 table 10001',
        'rule add priority 10001 from 10.0.1.50 lookup 10001',
      ],
      instance,
    );
    await daemon.line('ready', isReady);
    const rules = await inside('ip', 'rule');
    expect(rules).not.toContain('9500');
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
    expect(await inside('ip', 'rule')).toBe(rules);
  });
});
