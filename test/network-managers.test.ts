// The packaged files against the real udevd and networkd: what carries a marker is left alone, from plug-in to reboot.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { whyNoBoot } from './lab/booted-instance.ts';
import { until } from './lab/progress.ts';
import { createUnmanaged } from '../src/route/unmanaged.ts';
import { systemFiles } from '../src/system/files.ts';
import { createMemoryLog } from './fakes/log.ts';

const exec = promisify(execFile);
const packaged = join(import.meta.dirname, '..', 'systemd');

/** `ready`: is there when it listens. */
type Daemon = { readonly file: string; readonly ready: string };
const udevd = { file: '/usr/lib/systemd/systemd-udevd', ready: '/run/udev/control' };
const networkd = {
  file: '/usr/lib/systemd/systemd-networkd',
  ready: '/run/systemd/netif/links/1',
};

const reason = ((): string | undefined => {
  if (whyNoBoot !== undefined) return whyNoBoot;
  for (const { file } of [udevd, networkd]) {
    try {
      accessSync(file, constants.X_OK);
    } catch {
      return `${file} is missing: apt-get install udev systemd`;
    }
  }
  return undefined;
})();

/** A host of its own: network, sysfs, /run and /var/lib; a networkd that configures every veth. */
const setUp = `
set -e
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mkdir -p /run/udev/rules.d /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases
cp ${packaged}/81-berth.rules /run/udev/rules.d/
cp ${packaged}/01-berth.network /run/systemd/network/
# NetworkManager's package leaves every veth alone, which would hide what ours does.
ln -s /dev/null /run/udev/rules.d/85-nm-unmanaged.rules
cat > /run/systemd/network/10-others.network <<END
[Match]
Name=veth*
[Network]
ConfigureWithoutCarrier=yes
Address=192.0.2.9/24
END
chown -R systemd-network /run/systemd/netif
echo up
exec sleep infinity
`;

const ours = { name: 'veth7', mac: '02:00:00:00:00:77' };
const other = { name: 'veth8', mac: '02:00:00:00:00:88' };

describe.skipIf(reason !== undefined)(
  `udevd and networkd${reason === undefined ? '' : ` (skipped: ${reason})`}`,
  () => {
    let host: ChildProcess;
    const running = new Map<string, ChildProcess>();

    const inside = (...argv: readonly string[]): string[] => [
      '-t',
      String(host.pid),
      '-m',
      '-n',
      ...argv,
    ];
    const run = async (...argv: readonly string[]): Promise<string> =>
      (await exec('nsenter', inside(...argv))).stdout;
    const start = async ({ file, ready }: Daemon): Promise<void> => {
      running.set(file, spawn('nsenter', inside(file), { stdio: 'ignore' }));
      await until(`${file} is up`, 10_000, async () =>
        run('test', '-e', ready).then(
          () => true,
          () => undefined,
        ),
      );
    };
    const stop = async ({ file, ready }: Daemon): Promise<void> => {
      await endOf(running.get(file)!, 'SIGTERM');
      await run('rm', '-f', ready);
    };
    const plugIn = async ({ name, mac }: typeof ours): Promise<void> => {
      await run('ip', 'link', 'add', name, 'address', mac, 'type', 'veth', 'peer', `peer-${name}`);
    };
    const stateOf = async ({ name }: typeof ours): Promise<unknown> => {
      const index = (await run('cat', `/sys/class/net/${name}/ifindex`)).trim();
      const admin = await until(`networkd has decided about ${name}`, 10_000, async () => {
        const text = await run('cat', `/run/systemd/netif/links/${index}`).catch(() => '');
        return /^ADMIN_STATE=(unmanaged|configured)$/m.exec(text)?.[1];
      });
      const addresses = await run('ip', '-4', '-brief', 'address', 'show', 'dev', name);
      const udev = await run('cat', `/run/udev/data/n${index}`);
      return {
        admin,
        configured: addresses.includes('192.0.2.9'),
        managedBy: /^E:ID_NET_MANAGED_BY=(.*)$/m.exec(udev)?.[1],
        nmUnmanaged: /^E:NM_UNMANAGED=(.*)$/m.exec(udev)?.[1],
        driver: /^E:ID_NET_DRIVER=(.*)$/m.exec(udev)?.[1],
      };
    };
    const leftAlone = {
      admin: 'unmanaged',
      configured: false,
      managedBy: 'berth',
      nmUnmanaged: '1',
      driver: 'berth',
    };
    const managed = {
      admin: 'configured',
      configured: true,
      managedBy: undefined,
      nmUnmanaged: undefined,
      driver: 'veth',
    };
    const marker = (): ReturnType<typeof createUnmanaged> =>
      createUnmanaged(
        { files: systemFiles, log: createMemoryLog() },
        { stateDir: `/proc/${host.pid}/root/var/lib/berth` },
      );

    beforeAll(async () => {
      host = spawn('unshare', ['--net', '--mount', 'bash', '-c', setUp], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await new Promise((resolve) => createInterface(host.stdout!).once('line', resolve));
      await start(udevd);
      await start(networkd);
    }, 30_000);
    afterAll(async () => {
      for (const child of running.values()) await endOf(child, 'SIGKILL');
      await endOf(host, 'SIGKILL');
    });

    test('a device with a marker is left alone, one without is configured', async () => {
      await marker().mark(ours.mac);
      await plugIn(ours);
      await plugIn(other);
      expect(await stateOf(other)).toEqual(managed);
      expect(await stateOf(ours)).toEqual(leftAlone);
    });

    test('still so after a reboot, and the address that berth set stays', async () => {
      await stop(networkd);
      await stop(udevd);
      await run('rm', '-rf', '/run/udev/data');
      await run('ip', 'address', 'add', '10.0.1.50/24', 'dev', ours.name, 'noprefixroute');
      await start(udevd);
      await start(networkd);
      await run('udevadm', 'trigger', '--action=add', '--settle', `/sys/class/net/${ours.name}`);
      expect(await stateOf(ours)).toEqual(leftAlone);
      expect(await run('ip', '-4', 'address', 'show', 'dev', ours.name)).toContain('10.0.1.50/24');
    });

    test('a marker that comes late counts after "udevadm trigger" and a restart of networkd', async () => {
      await run('udevadm', 'trigger', '--action=add', '--settle', `/sys/class/net/${other.name}`);
      expect(await stateOf(other)).toEqual(managed);
      await marker().mark(other.mac);
      await run('udevadm', 'trigger', '--settle', `/sys/class/net/${other.name}`);
      await stop(networkd);
      await run('ip', 'address', 'flush', 'dev', other.name);
      await start(networkd);
      expect(await stateOf(other)).toEqual(leftAlone);
    });

    test('without its marker it is configured like any other when it is plugged in again', async () => {
      await marker().unmark(ours.mac);
      await run('ip', 'link', 'del', ours.name);
      await plugIn(ours);
      expect(await stateOf(ours)).toEqual(managed);
    });
  },
);

async function endOf(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await ended;
}
