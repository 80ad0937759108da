// `berth release`, with the daemon and without it: the ENI is free, its claim is gone, the kernel is as it was before.
import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { inNamespaces, needsNamespaces } from './lab/environment.ts';
import { poolEni } from './lab/small-cloud.ts';
import {
  createDaemonCloud,
  instance,
  instanceId,
  type DaemonCloud,
} from './fixtures/daemon-cloud.ts';

/** Other files may have the VPC for a while. */
const vpcWithinMs = 400_000;

let cloud: DaemonCloud;

const left = () => {
  const { status, tags } = cloud.lab.ec2.eni(poolEni.eniId)!;
  const rules = execFileSync('ip', ['-n', instance, 'rule'], { encoding: 'utf8' });
  return { status, owner: tags['berth:owner'], routed: rules.includes('9500:') };
};
const nothing = { status: 'available', owner: undefined, routed: false };

describe.skipIf(!inNamespaces)(`release${needsNamespaces}`, () => {
  beforeAll(async () => {
    cloud = await createDaemonCloud();
  }, vpcWithinMs);
  afterEach(() => cloud.reset());
  afterAll(() => cloud[Symbol.asyncDispose]());

  test('the daemon gives it back, and claims it only after a restart', async () => {
    const hooks = {
      onLost: ['sh', '-c', 'echo "$BERTH_HOOK" >> /var/log/hooks'],
      onReleased: ['sh', '-c', 'echo "$BERTH_HOOK" >> /var/log/hooks'],
    };
    const daemon = await cloud.startReady({ config: { pool: 'db', hooks } });
    const released = await cloud.command('release');
    expect(released).toMatchObject({ code: 0, stderr: '' });
    expect(released.stdout).toContain(`${poolEni.eniId} was given back; berth claims none`);
    expect(left()).toEqual(nothing);
    const hooked = execFileSync('cat', [`${cloud.varOf(instance)}/log/hooks`]).toString();
    expect(hooked).toBe('onLost\nonReleased\n');

    const status = await cloud.status('released', ({ phase }) => phase === 'released');
    expect(status).toMatchObject({ ready: false, pools: [{ pool: 'db' }] });
    const wait = await cloud.command('wait', '--timeout', '20');
    expect(wait.code).toBe(1);
    expect(wait.stderr).toContain('restart berth to claim again');
    // Once more is no harm.
    expect((await cloud.command('release', '--pool', 'db')).code).toBe(0);
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
    await cloud.startReady();
    expect(cloud.held()).toHaveLength(1);
  });

  test('a Spot notice: the hook, then it is given back', async () => {
    const script =
      'echo "$BERTH_HOOK $BERTH_NOTICE $BERTH_IPV4 $BERTH_NOTICE_AT" >> /var/log/hooks';
    const hooks = { onNotice: ['sh', '-c', script] };
    await cloud.startReady({ config: { pool: 'db', hooks, notices: { drainSeconds: 1 } } });
    const time = new Date('2099-01-15T08:00:00.000Z');
    cloud.lab.imds.change(instanceId, { spotInstanceAction: { action: 'terminate', time } });
    const status = await cloud.status('released', ({ pools }) =>
      /was given back/.test(pools[0]!.message),
    );
    expect(status.notices).toMatchObject([{ kind: 'spot', at: time.toISOString() }]);
    expect(left()).toEqual(nothing);
    const hooked = execFileSync('cat', [`${cloud.varOf(instance)}/log/hooks`]).toString();
    expect(hooked).toBe(`onNotice spot 10.0.1.50 ${time.toISOString()}\n`);
    expect((await cloud.command('status')).stdout).toMatch(
      /^notice +EC2 is going to terminate this Spot instance at 2099/m,
    );
    cloud.lab.imds.change(instanceId, { spotInstanceAction: undefined });
    await cloud.status('its end', ({ notices }) => notices.length === 0);
  });

  test('while it is claiming', async () => {
    const held = cloud.gate.hold('AttachNetworkInterface');
    cloud.start();
    await held;
    const releasing = cloud.command('release');
    await cloud.status('released', ({ phase }) => phase === 'released');
    cloud.gate.release();
    expect(await releasing).toMatchObject({ code: 0 });
    expect(left()).toEqual(nothing);
  });

  test('a pool that is not here, and a daemon that has got nowhere yet', async () => {
    await cloud.startReady();
    const unknown = await cloud.command('release', '--pool', 'web');
    expect(unknown.code).toBe(64);
    expect(unknown.stderr).toContain('cannot release pool web: name one of db with --pool');
    expect(left()).toMatchObject({ status: 'in-use', routed: true });
  });

  test('without a daemon, by what it remembered', async () => {
    const daemon = await cloud.startReady();
    daemon.kill('SIGKILL');
    await daemon.ended;
    const released = await cloud.command('release');
    expect(released).toMatchObject({ code: 0, stderr: '' });
    expect(released.stdout).toBe(`${poolEni.eniId} of pool db was given back\n`);
    expect(left()).toEqual(nothing);
    const again = await cloud.command('release');
    expect(again.code).toBe(64);
    expect(again.stderr).toContain('there is nothing to release on this instance');
  });

  test('the daemon dies in the middle: said, and the next one finishes it', async () => {
    const daemon = await cloud.startReady();
    const detached = cloud.gate.hold('DetachNetworkInterface');
    const releasing = cloud.command('release');
    await detached;
    daemon.kill('SIGKILL');
    const cut = await releasing;
    expect(cut.code).toBe(1);
    expect(cut.stderr).toContain('berth ended meanwhile; run "berth release" again');
    cloud.gate.release();
    expect(await cloud.command('release')).toMatchObject({ code: 0 });
    expect(left()).toEqual(nothing);
  });
});
