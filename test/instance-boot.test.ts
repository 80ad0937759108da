// An image baked on one instance and launched as another, by real systemd and cloud-init, against the local AWS.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMachines, type Machine, type Machines } from './fixtures/machines.ts';
import { whyNoCheckout } from './lab/booted-instance.ts';
import { hasCloudInit, needsCloudInit } from './lab/cloud-init.ts';
import type { MachineImage } from './lab/machine-image.ts';
import { newerDeb } from './lab/package-hosts.ts';
import { hostDeb } from './lab/package-tools.ts';
import { until } from './lab/progress.ts';
import { instances, poolEni, subnets } from './lab/small-cloud.ts';

const reason = whyNoCheckout === undefined ? needsCloudInit : ` (skipped: ${whyNoCheckout})`;
const [a, b] = [instances['inst-a'].instanceId, instances['inst-b'].instanceId];

/** What somebody would put there who knows nothing of deadlocks. */
const careless = `Content-Type: multipart/mixed; boundary="part"
MIME-Version: 1.0

--part
Content-Type: text/cloud-config

#cloud-config
berth:
  pool: db
  logs:
    force_flush_interval: 1
    logs_collected:
      files:
        collect_list: [{file_path: /var/log/app.log, log_group_name: app}]
      journald:
        collect_list: [{log_group_name: journal, units: [berth.service]}]
bootcmd:
  - systemctl enable --now --no-block berth
--part
Content-Type: text/x-shellscript

#!/bin/sh
set -eux
systemctl start berth
systemctl enable --now --no-block berth
systemctl start berth-ready.target
berth wait
echo "from user data" >>/var/log/app.log
touch /var/log/user-data-ran
--part--
`;

describe.skipIf(whyNoCheckout !== undefined || !hasCloudInit)(`an image${reason}`, () => {
  let machines: Machines;
  let machine: Machine;
  let disk: MachineImage;
  const stack = new AsyncDisposableStack();
  const calls = (action: string): number =>
    machines.cloud.lab.front.calls.filter((call) => call.action === action).length;
  /** What changes something at EC2; the daemon that serves looks and ships all the while. */
  const changes = (): number =>
    machines.cloud.lab.front.calls.filter(
      ({ service, action }) => service === 'ec2' && !action.startsWith('Describe'),
    ).length;
  const delivered = (group: string): readonly string[] =>
    machines.cloud.lab.logs.events(group, a).map(({ message }) => message);
  const isEnabled = (): Promise<string> => machine.said('systemctl', 'is-enabled', 'berth');
  const owner = (): string | undefined =>
    machines.cloud.lab.ec2.eni(poolEni.eniId)!.attachment?.instanceId;

  beforeAll(async () => {
    machines = stack.use(await createMachines());
    machine = await machines.launch('inst-b', machines.image, '#cloud-config\nberth: {pool: db}\n');
  }, 400_000);
  afterAll(() => stack.disposeAsync());

  describe('on its builder', () => {
    test('installed is neither enabled nor started, also where presets are applied', async () => {
      expect(await isEnabled()).toBe('disabled');
      await machine.succeed('systemctl', 'preset', 'berth');
      expect(await isEnabled()).toBe('disabled');
      expect(await machine.said('systemctl', 'is-active', 'berth')).toBe('inactive');
      await machine.succeed('systemctl', 'preset', 'berth-files.socket');
      expect(await machine.said('systemctl', 'is-enabled', 'berth-files.socket')).toBe('disabled');
      expect(machines.cloud.lab.front.calls).toEqual([]);
    });

    test('systemd finds nothing to say about the units', async () => {
      const units = [
        'berth.service',
        'berth-wait.service',
        'berth-held.service',
        'berth-files.socket',
        'berth-files@test.service',
      ];
      const argv = ['systemd-analyze', 'verify', '--man=no', ...units, 'berth-ready.target'];
      expect(await machine.run(...argv)).toEqual({ code: 0, out: '' });
    });

    test('berth bake refuses while berth runs, and names what is wrong with the configuration', async () => {
      await machine.succeed('systemctl', 'start', 'berth');
      await machine.ready();
      expect(await machine.run('berth', 'bake')).toMatchObject({
        code: 64,
        out: expect.stringMatching(
          /cannot bake: berth is running here \(.* is served on .*"berth release"/,
        ),
      });
      await machine.succeed('berth', 'release');
      await machine.succeed('systemctl', 'stop', 'berth');
      await machine.write('/etc/default/berth', 'BERTH_FLAGS="--config /etc/berth.json"\n');
      await machine.write('/etc/berth.json', '{"pooll": "db"}');
      expect(await machine.run('berth', 'bake')).toMatchObject({
        code: 78,
        out: expect.stringMatching(/cannot bake: \/etc\/berth\.json: .*did you mean pool\?/),
      });
      await machine.succeed('rm', '/etc/berth.json');
      expect(await machine.run('berth', 'bake')).toMatchObject({
        code: 78,
        out: expect.stringContaining('names /etc/berth.json: no such file'),
      });
      await machine.write('/etc/default/berth', 'BERTH_FLAGS="--confg /etc/berth.json"\n');
      expect(await machine.run('berth', 'bake')).toMatchObject({
        code: 78,
        out: expect.stringMatching(/cannot bake: BERTH_FLAGS of \/etc\/default\/berth: .*--confg/),
      });
      await machine.succeed('rm', '/etc/default/berth');
      expect(await isEnabled()).toBe('disabled');
      expect(await machine.said('ls', '/var/lib/berth')).toContain(b);
    }, 200_000);

    test('berth bake removes its state and nothing else, and enables the unit', async () => {
      // What a reference stands for is known at boot.
      await machine.write('/etc/default/berth', 'BERTH_FLAGS="--config /etc/berth.json"\n');
      await machine.write('/etc/berth.json', '{"pool": "db", "waitSeconds": "{{ssm:/wait}}"}');
      await machine.write('/var/lib/berth/mine', 'kept');
      const out = await machine.succeed('berth', 'bake');
      expect(out).toContain('\nconfiguration: /etc/berth.json\n');
      await machine.succeed('rm', '/etc/berth.json', '/etc/default/berth');
      expect(out).toContain(`\nstate: none; claim, ${b} removed\n`);
      expect(out).toContain('\nunit: berth.service is enabled\n');
      expect(await machine.said('ls', '-A', '/var/lib/berth')).toBe('mine');
      expect(await machine.said('systemctl', 'is-active', 'berth')).toBe('inactive');
      // As at the first boot of an image without a machine-id.
      await machine.succeed('systemctl', 'preset', 'berth');
      expect(await isEnabled()).toBe('enabled');
      expect(out).not.toContain('berth-files');
      // Who says what may be written wants somebody who writes.
      const policy = await machine.said('cat', '/usr/share/berth/examples/files.json');
      await machine.succeed('mkdir', '-p', '/etc/berth');
      await machine.write('/etc/berth/files.json', policy);
      const again = await machine.succeed('berth', 'bake');
      expect(again).toContain('\nstate: none\n');
      expect(again).toContain('\nunit: berth-files.socket is enabled\n');
      await machine.succeed('systemctl', 'disable', 'berth-files.socket');
      await machine.succeed('rm', '/etc/berth/files.json');
      expect(await machine.succeed('berth', 'bake')).not.toContain('berth-files');
      await machine.powerOff();
      expect(owner()).toBeUndefined();
    }, 60_000);
  });

  describe('launched', () => {
    beforeAll(async () => {
      disk = stack.use(await machines.image.copy());
      machine = await machines.launch('inst-a', disk, careless);
    }, 200_000);

    test('serves its address, and user data that waits for it ends', async () => {
      const ended = await machine.cloudInitEnds();
      const log = await machine.said('cat', '/var/log/cloud-init-output.log');
      expect({ ended, log }).toMatchObject({ ended: 'done' });
      await machine.succeed('test', '-e', '/var/log/user-data-ran');
      expect(owner()).toBe(a);
      expect(await machines.isServed()).toBe(true);
      expect(await machine.succeed('berth', 'status')).toContain('user data');
      expect(await machine.said('systemctl', 'list-jobs', '--no-legend')).toBe('');
      const cycles = ['journalctl', '--boot', '--no-pager', '--grep=ordering cycle'];
      expect(await machine.said(...cycles)).toContain('No entries');
    }, 200_000);

    test('delivers its logs', async () => {
      const journal = await until('both logs', 60_000, () =>
        delivered('app').includes('from user data')
          ? delivered('journal').find((message) => message.includes('is served'))
          : undefined,
      );
      expect(journal).toContain(poolEni.privateIpv4);
    }, 80_000);

    test('stop, start, kill -9 and an upgrade: the address is served throughout', async () => {
      const attached = calls('AttachNetworkInterface');
      const watch = await machines.watchServed();
      await machine.succeed('systemctl', 'stop', 'berth');
      await machine.succeed('systemctl', 'start', 'berth');
      await machine.ready();
      const before = await machine.mainPid();
      await machine.succeed('systemctl', 'kill', '--signal=KILL', 'berth');
      // A container with cgroup v1 is not told when a group is empty: systemd then waits for TimeoutStopSec, 20 s.
      await until('another process', 90_000, async () =>
        [before, '0'].includes(await machine.mainPid()) ? undefined : true,
      );
      await machine.ready();
      const newer = await newerDeb(`/opt/${hostDeb}`, (...argv) => machine.succeed(...argv));
      await machine.succeed('dpkg', '--install', newer);
      await machine.ready();
      const { ok, ...gaps } = await watch.end();
      expect(gaps).toEqual({ failed: [], unanswered: 0 });
      expect(ok).toBeGreaterThan(10);
      expect(calls('AttachNetworkInterface')).toBe(attached);
    }, 300_000);

    test('a second one by hand says so, and touches nothing', async () => {
      const [asked, pid] = [changes(), await machine.mainPid()];
      const state = await machine.succeed('ls', '-lR', '--time-style=full-iso', '/run/berth');
      const second = await machine.run('berth', 'run');
      expect(second).toMatchObject({
        code: 1,
        out: expect.stringContaining(
          'cannot start: another berth listens on /run/berth/status.sock',
        ),
      });
      expect(changes()).toBe(asked);
      expect(await machine.succeed('ls', '-lR', '--time-style=full-iso', '/run/berth')).toBe(state);
      expect(await machine.mainPid()).toBe(pid);
      expect(await machine.succeed('berth', 'status')).toContain('is served');
    });

    test('nor does the unit while one runs by hand, after which it goes on', async () => {
      await machine.succeed('systemctl', 'stop', 'berth');
      const environment = `--setenv=AWS_ENDPOINT_URL=${machines.cloud.lab.endpoint}`;
      await machine.succeed('systemd-run', '--unit=by-hand', environment, 'berth', 'run');
      await machine.ready();
      const asked = changes();
      await machine.run('systemctl', 'start', 'berth');
      await until('the unit says so', 60_000, async () =>
        (await machine.said('journalctl', '--unit=berth', '--lines=5', '--no-pager')).includes(
          'another berth listens',
        )
          ? true
          : undefined,
      );
      expect(await machine.said('systemctl', 'is-active', 'by-hand')).toBe('active');
      expect(changes()).toBe(asked);
      await machine.succeed('systemctl', 'stop', 'by-hand');
      await machine.ready();
      expect(await machine.said('systemctl', 'is-active', 'berth')).toBe('active');
    }, 120_000);

    const reboots: readonly (readonly [string, () => Promise<void>])[] = [
      ['a reboot', () => machine.powerOff()],
      ['a power cut', async () => machine[Symbol.asyncDispose]()],
    ];
    test.each(reboots)(
      'after %s it serves the same ENI again',
      async (_what, goDown) => {
        const [attached, tagged] = [calls('AttachNetworkInterface'), calls('CreateTags')];
        await goDown();
        machine = await machines.bootAgain('inst-a', disk);
        await machine.ready();
        expect(await machines.isServed()).toBe(true);
        expect([calls('AttachNetworkInterface'), calls('CreateTags')]).toEqual([attached, tagged]);
      },
      200_000,
    );
  });

  test('an image of a running instance, not baked at all: its copy claims an ENI of its own', async () => {
    const { ec2 } = machines.cloud.lab;
    await machine[Symbol.asyncDispose]();
    await using copy = await disk.copy();
    const other = ec2.addEni({ subnetId: subnets.a.subnetId, tags: { 'berth:pool': 'db' } });
    const before = ec2.eni(poolEni.eniId);
    machine = await machines.launch('inst-b', copy, careless);
    expect(await machine.ready()).toContain(other.eniId);
    expect(machines.held('inst-b').map(({ eniId }) => eniId)).toEqual([other.eniId]);
    expect(ec2.eni(poolEni.eniId)).toEqual(before);
    expect(await machine.succeed('ls', '/var/lib/berth')).toMatch(new RegExp(`${a}[^]*${b}`));
    await machine[Symbol.asyncDispose]();
  }, 200_000);
});
