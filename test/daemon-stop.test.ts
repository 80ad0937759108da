// Stopped or killed in every stage, and started again: the process ends as it should, and EC2 shows one ENI held and
// no claim too many.
import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { DaemonProcess } from './lab/daemon-process.ts';
import { inNamespaces, needsNamespaces } from './lab/environment.ts';
import { poolEni, subnets } from './lab/small-cloud.ts';
import {
  converged,
  createDaemonCloud,
  instance,
  ownArn,
  type DaemonCloud,
} from './fixtures/daemon-cloud.ts';

/** Other files may have the VPC for a while. */
const vpcWithinMs = 400_000;
/** What the unit allows is 20 s; with nothing to give back and nothing to send it is far less. */
const stopWithinMs = 3_000;
const port = 7000;

let cloud: DaemonCloud;

const phase = (daemon: DaemonProcess, name: string) =>
  daemon.line(name, (line) => line['phase'] === name);

type Stage = {
  readonly name: string;
  /** Starts a daemon and resolves when it is in the middle of it. */
  readonly reach: () => Promise<DaemonProcess>;
};

const early: readonly Stage[] = [
  {
    name: 'asking the metadata service',
    reach: async () => {
      cloud.imds.dials.delayMs = 60_000;
      const daemon = cloud.start();
      await phase(daemon, 'identifying');
      return daemon;
    },
  },
  {
    name: 'reading the configuration',
    reach: async () => {
      cloud.lab.ssm.put({ name: '/berth/config', value: '{"pool":"db"}' });
      const held = cloud.gate.hold('GetParameter');
      const daemon = cloud.start({ config: undefined });
      await held;
      return daemon;
    },
  },
  {
    name: 'waiting for a free ENI',
    reach: async () => {
      cloud.lab.ec2.createTags([poolEni.eniId], { 'berth:owner': 'somebody else' });
      const daemon = cloud.start();
      await phase(daemon, 'waiting-for-eni');
      return daemon;
    },
  },
];

/** From here on EC2 knows of it. */
const late: readonly Stage[] = [
  {
    name: 'claiming: tagged, not answered',
    reach: async () => {
      const held = cloud.gate.hold('CreateTags');
      const daemon = cloud.start();
      await held;
      return daemon;
    },
  },
  {
    name: 'attaching: attached, not answered',
    reach: async () => {
      const held = cloud.gate.hold('AttachNetworkInterface');
      const daemon = cloud.start();
      await held;
      return daemon;
    },
  },
  {
    name: 'waiting for the device',
    reach: async () => {
      cloud.lab.ec2.dials.deviceMs = 1_000;
      const daemon = cloud.start();
      await phase(daemon, 'attaching');
      return daemon;
    },
  },
  {
    name: 'setting the routes',
    reach: async () => {
      const daemon = cloud.start();
      await phase(daemon, 'routing');
      return daemon;
    },
  },
];

function rules(): string {
  return execFileSync('ip', ['-n', instance, 'rule'], { encoding: 'utf8' });
}

describe.skipIf(!inNamespaces)(`stop${needsNamespaces}`, () => {
  beforeAll(async () => {
    cloud = await createDaemonCloud();
    await cloud.vpc.serve(instance, port);
  }, vpcWithinMs);
  afterEach(() => cloud.reset());
  afterAll(() => cloud[Symbol.asyncDispose]());

  test.each([...early, ...late])('SIGTERM while $name: exit code 0, soon', async ({ reach }) => {
    const daemon = await reach();
    const killedMs = performance.now();
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
    expect(performance.now() - killedMs).toBeLessThan(stopWithinMs);
    expect(daemon.stderr()).toBe('');
    expect(daemon.lines.map((line) => line.msg)).toContain('stopped by SIGTERM');
  });

  test.each(late)('SIGKILL while $name: the next start is ready', async ({ reach }) => {
    const daemon = await reach();
    daemon.kill('SIGKILL');
    expect(await daemon.ended).toBe('SIGKILL');
    // So that two could be held or claimed.
    cloud.lab.ec2.addEni({ subnetId: subnets.a.subnetId, tags: { 'berth:pool': 'db' } });
    cloud.gate.release();
    expect(await converged(cloud)).toEqual({ stderr: '', held: 1, claimed: 1, agree: true });
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    '%s while ready: the address stays served, and the next start adopts it',
    async (signal) => {
      const daemon = await cloud.startReady();
      const serves = async (): Promise<boolean> =>
        (await cloud.vpc.probe('far', poolEni.privateIpv4, port, 1_000)).ok;
      daemon.kill(signal);
      await daemon.ended;
      expect(await serves()).toBe(true);
      const before = cloud.lab.front.calls.length;
      const again = await cloud.startReady();
      expect(await serves()).toBe(true);
      again.kill('SIGTERM');
      await again.ended;
      const actions = cloud.lab.front.calls.slice(before).map((call) => call.action);
      expect(new Set(actions)).toEqual(new Set(['DescribeNetworkInterfaces']));
    },
  );

  test('killed as soon as it is ready: the fifth start waits before it asks anybody', async () => {
    const calls = (): number => cloud.lab.front.calls.length;
    const perStart: number[] = [];
    for (let start = 1; start <= 4; start++) {
      const before = calls();
      const daemon = await cloud.startReady();
      daemon.kill('SIGKILL');
      await daemon.ended;
      perStart.push(calls() - before);
    }
    // Of these starts src/boot/crash-loop.ts allows about 55 an hour.
    expect(Math.max(...perStart.slice(1))).toBeLessThanOrEqual(2);
    const [before, asked] = [calls(), cloud.imds.requests.length];
    const fifth = cloud.start();
    await fifth.line('waiting', ({ msg }) => msg?.startsWith('berth died 4 times') === true);
    expect({ calls: calls() - before, imds: cloud.imds.requests.length - asked }).toEqual({
      calls: 0,
      imds: 0,
    });
    await fifth.line('ready', (line) => line['phase'] === 'ready');
    fifth.kill('SIGTERM');
    expect(await fifth.ended).toBe(0);
    const told = (await cloud.startReady()).lines.map(({ msg }) => msg);
    expect(told.filter((msg) => msg?.startsWith('berth died'))).toEqual([]);
  });

  describe('with releaseOnStop', () => {
    const config = { pool: 'db', releaseOnStop: true };

    test('removes the routes, then detaches, then gives the claim back', async () => {
      const daemon = await cloud.startReady({ config });
      expect(rules()).toContain('9500:');
      const detached = cloud.gate.hold('DetachNetworkInterface');
      daemon.kill('SIGTERM');
      await detached;
      expect(rules()).not.toContain('9500:');
      expect(cloud.lab.ec2.eni(poolEni.eniId)!.tags['berth:owner']).toBe(ownArn);
      cloud.gate.release();
      expect(await daemon.ended).toBe(0);
      expect(cloud.lab.ec2.eni(poolEni.eniId)).toMatchObject({ status: 'available' });
      expect(cloud.lab.ec2.eni(poolEni.eniId)!.tags['berth:owner']).toBeUndefined();
      expect(daemon.stderr()).toBe('');
    });

    test('a claim that is not served yet goes back too', async () => {
      cloud.lab.ec2.dials.deviceMs = 1_000;
      const daemon = cloud.start({ config });
      await phase(daemon, 'attaching');
      daemon.kill('SIGTERM');
      expect(await daemon.ended).toBe(0);
      expect(cloud.held()).toEqual([]);
      expect(cloud.lab.ec2.eni(poolEni.eniId)!.tags['berth:owner']).toBeUndefined();
    });
  });
});
