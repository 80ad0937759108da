// The packaged files against the real udevd and networkd: what carries a marker is left alone, from plug-in to reboot.
import { accessSync, constants } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createUnmanaged } from '../src/route/unmanaged.ts';
import { systemFiles } from '../src/system/files.ts';
import { createMemoryLog } from './fakes/log.ts';
import { whyNoBoot } from './lab/booted-instance.ts';
import { createManagedHost, networkd, udevd, type ManagedHost } from './lab/managed-host.ts';
import { until } from './lab/progress.ts';

const reason = ((): string | undefined => {
  if (whyNoBoot !== undefined) return whyNoBoot;
  for (const { argv } of [udevd, networkd]) {
    try {
      accessSync(argv[0], constants.X_OK);
    } catch {
      return `${argv[0]} is missing: apt-get install udev systemd`;
    }
  }
  return undefined;
})();

/** A networkd that configures every veth. */
const setUp = `
# NetworkManager's package leaves every veth alone, which would hide what ours does.
ln -s /dev/null /run/udev/rules.d/85-nm-unmanaged.rules
cat > /run/systemd/network/10-others.network <<END
[Match]
Name=veth*
[Network]
ConfigureWithoutCarrier=yes
Address=192.0.2.9/24
END`;

const ours = { name: 'veth7', mac: '02:00:00:00:00:77' };
const other = { name: 'veth8', mac: '02:00:00:00:00:88' };

describe.skipIf(reason !== undefined)(
  `udevd and networkd${reason === undefined ? '' : ` (skipped: ${reason})`}`,
  () => {
    let host: ManagedHost;
    const run: ManagedHost['run'] = (...argv) => host.run(...argv);
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
      createUnmanaged({ files: systemFiles, log: createMemoryLog() }, { stateDir: host.stateDir });

    beforeAll(async () => {
      host = await createManagedHost(setUp);
      await host.start(udevd);
      await host.start(networkd);
    }, 30_000);
    afterAll(() => host[Symbol.asyncDispose]());

    test('a device with a marker is left alone, one without is configured', async () => {
      await marker().mark(ours.mac);
      await plugIn(ours);
      await plugIn(other);
      expect(await stateOf(other)).toEqual(managed);
      expect(await stateOf(ours)).toEqual(leftAlone);
    });

    test('still so after a reboot, and the address that berth set stays', async () => {
      await host.stop(networkd);
      await host.stop(udevd);
      await run('rm', '-rf', '/run/udev/data');
      await run('ip', 'address', 'add', '10.0.1.50/24', 'dev', ours.name, 'noprefixroute');
      await host.start(udevd);
      await host.start(networkd);
      await run('udevadm', 'trigger', '--action=add', '--settle', `/sys/class/net/${ours.name}`);
      expect(await stateOf(ours)).toEqual(leftAlone);
      expect(await run('ip', '-4', 'address', 'show', 'dev', ours.name)).toContain('10.0.1.50/24');
    });

    test('a marker that comes late counts after "udevadm trigger" and a restart of networkd', async () => {
      await run('udevadm', 'trigger', '--action=add', '--settle', `/sys/class/net/${other.name}`);
      expect(await stateOf(other)).toEqual(managed);
      await marker().mark(other.mac);
      await run('udevadm', 'trigger', '--settle', `/sys/class/net/${other.name}`);
      await host.stop(networkd);
      await run('ip', 'address', 'flush', 'dev', other.name);
      await host.start(networkd);
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
