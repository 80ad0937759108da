// berth beside the network managers of the distributions, the real ones: whatever they do to their own devices, what berth
// set stays as it is; and whatever berth does, theirs stays as it was. Compared as text.
import { accessSync, constants } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { planRoutes } from '../src/route/plan.ts';
import { removeRoutes } from '../src/route/remove.ts';
import { applyRoutes } from '../src/route/route.ts';
import { createUnmanaged } from '../src/route/unmanaged.ts';
import { verifyRoutes } from '../src/route/verify.ts';
import { systemFiles } from '../src/system/files.ts';
import { createMemoryLog } from './fakes/log.ts';
import { claimedEni, plainRouting } from './fixtures/claimed-eni.ts';
import { whyNoBoot } from './lab/booted-instance.ts';
import {
  bus,
  createManagedHost,
  dhcp,
  networkd,
  udevd,
  type ManagedHost,
  type Program,
} from './lab/managed-host.ts';
import { until } from './lab/progress.ts';

const { signal } = new AbortController();
const ours = claimedEni({
  eni: { ipv4: ['10.0.2.20', '10.0.2.21'], ipv6: ['2001:db8:2::20'] },
  subnet: { ipv4Cidr: '10.0.2.0/24', ipv6Cidrs: ['2001:db8:2::/64'] },
});
const wanted = planRoutes({ claimed: ours, device: undefined, mtu: 1500, ...plainRouting });
const plan = { ...wanted, ifname: 'eni1' };

type Manager = {
  readonly name: string;
  readonly program: Program;
  /** Writes its configuration: `prim` has an address and a default route, `other` DHCP. */
  readonly setUp: string;
  /** What it says of a device: `managed` once it has configured it, `unmanaged`. */
  readonly stateOf: (host: ManagedHost, device: string) => Promise<string>;
  /** What people and agents make it do. */
  readonly events: Readonly<Record<string, (host: ManagedHost) => Promise<unknown>>>;
};

const networkManager: Program = {
  argv: [
    '/usr/sbin/NetworkManager',
    '--no-daemon',
    '--config=/run/nm.conf',
    '--config-dir=/run/none',
    '--intern-config=/run/none.conf',
  ],
  ready: '/run/NetworkManager/devices',
};

async function restart(host: ManagedHost, program: Program): Promise<void> {
  await host.stop(program);
  await host.start(program);
}

const managers: readonly Manager[] = [
  {
    name: 'systemd-networkd',
    program: networkd,
    setUp: `
cat > /run/systemd/network/10-prim.network <<END
[Match]
Name=prim
[Network]
Address=10.0.1.10/24
Gateway=10.0.1.1
END
cat > /run/systemd/network/20-others.network <<END
[Match]
Type=ether
[Network]
DHCP=ipv4
END`,
    stateOf: async (host, device) => {
      const index = (await host.run('cat', `/sys/class/net/${device}/ifindex`)).trim();
      const text = await host.run('cat', `/run/systemd/netif/links/${index}`).catch(() => '');
      const state = /^ADMIN_STATE=(.*)$/m.exec(text)?.[1] ?? 'unknown';
      return state === 'configured' ? 'managed' : state;
    },
    events: {
      'reload, nothing changed': (host) => host.run('networkctl', 'reload'),
      "reload, the primary's file changed": async (host) => {
        await host.run(
          'sed',
          '-i',
          's/^Gateway.*/&\\nDomains=example.org/',
          '/run/systemd/network/10-prim.network',
        );
        await host.run('networkctl', 'reload');
      },
      'reconfigure of the primary': (host) => host.run('networkctl', 'reconfigure', 'prim'),
      restart: (host) => restart(host, networkd),
    },
  },
  {
    name: 'NetworkManager',
    program: networkManager,
    setUp: `
cat > /run/nm.conf <<END
[main]
plugins=keyfile
auth-polkit=false
dhcp=internal
[keyfile]
path=/run/nm-connections
[logging]
level=WARN
END
mkdir -p /run/nm-connections /var/lib/NetworkManager
cat > /run/nm-connections/prim.nmconnection <<END
[connection]
id=prim
type=ethernet
interface-name=prim
[ipv4]
method=manual
address1=10.0.1.10/24,10.0.1.1
[ipv6]
method=disabled
END
chmod 600 /run/nm-connections/*
# Debian's rules leave every veth alone. Ours has another driver by then (81-berth.rules).
cat > /run/udev/rules.d/99-manage-veth.rules <<END
SUBSYSTEM=="net", ENV{ID_NET_DRIVER}=="veth", ENV{NM_UNMANAGED}="0"
END`,
    stateOf: async (host, device) => {
      // It is not there for a moment while it is restarted.
      const line = await host.run('nmcli', '-t', '-f', 'DEVICE,STATE', 'device').catch(() => '');
      const state = new RegExp(`^${device}:(.*)$`, 'm').exec(line)?.[1] ?? 'unknown';
      return state.startsWith('connected') ? 'managed' : state;
    },
    events: {
      'general reload': (host) => host.run('nmcli', 'general', 'reload'),
      'reapply to the primary': (host) => host.run('nmcli', 'device', 'reapply', 'prim'),
      'down and up of the primary': (host) => host.run('nmcli', 'connection', 'up', 'prim'),
      restart: (host) => restart(host, networkManager),
    },
  },
];

function missing(program: Program): string | undefined {
  if (whyNoBoot !== undefined) return whyNoBoot;
  for (const file of [program.argv[0], udevd.argv[0], bus.argv[0], dhcp.argv[0]]) {
    try {
      accessSync(file, constants.X_OK);
    } catch {
      return `${file} is missing: apt-get install udev systemd network-manager dbus dnsmasq-base`;
    }
  }
  return undefined;
}

describe.each(managers)('beside $name', (manager) => {
  const { name, program, setUp, stateOf, events } = manager;
  const reason = missing(program);
  let host: ManagedHost;

  /** Rules, table, addresses and settings of berth's device. */
  const ownState = async (): Promise<string> => {
    const parts = [
      await host.run('ip', '-details', 'rule', 'show', 'priority', '9500'),
      await host.run('ip', '-6', '-details', 'rule', 'show', 'priority', '9500'),
      await host.run('ip', '-details', 'route', 'show', 'table', '20001'),
      await host.run('ip', '-6', '-details', 'route', 'show', 'table', '20001'),
      await host.run('ip', '-brief', 'addr', 'show', 'eni1'),
    ];
    return parts.join('\n');
  };
  /** All that is not berth's. Lifetimes run. */
  const othersState = async (): Promise<string> => {
    const rules = await host.run('ip', 'rule');
    const routes = await host.run('ip', 'route', 'show', 'table', 'all');
    const addresses = await host.run('ip', '-4', '-oneline', 'addr');
    return [rules, routes, addresses.replaceAll(/valid_lft.*/g, '')]
      .join('\n')
      .split('\n')
      .filter((line) => !/\b(eni1|20001)\b/.test(line))
      .toSorted()
      .join('\n');
  };
  const leftAlone = (): Promise<true> =>
    until(`${name} leaves eni1 alone`, 20_000, async () =>
      (await stateOf(host, 'eni1')) === 'unmanaged' ? true : undefined,
    );
  const managed = (device: string): Promise<true> =>
    until(`${name} has configured ${device}`, 20_000, async () =>
      (await stateOf(host, device)) === 'managed' ? true : undefined,
    );

  describe.skipIf(reason !== undefined)(
    `for real${reason === undefined ? '' : ` (skipped: ${reason})`}`,
    () => {
      beforeAll(async () => {
        host = await createManagedHost(setUp);
        await host.start(udevd);
        await host.start(bus);
        await host.start(program);
        await host.plug('prim', '02:00:00:00:00:10', 1);
        await host.run('ip', 'link', 'set', 'prim', 'up');
        await managed('prim');
        const markers = createUnmanaged(
          { files: systemFiles, log: createMemoryLog() },
          { stateDir: host.stateDir },
        );
        await markers.mark(ours.eni.mac);
        await host.plug('eni1', ours.eni.mac, 2);
        await leftAlone();
      }, 60_000);
      afterAll(() => host[Symbol.asyncDispose]());

      test('the machine that the test runs on keeps its /etc', async () => {
        await expect(host.run('touch', '/etc/resolv.conf')).rejects.toThrow(
          'Read-only file system',
        );
      });

      test('what berth sets touches nothing of the others', async () => {
        const before = await othersState();
        await applyRoutes(host.inside, wanted, signal);
        expect(await verifyRoutes(host.inside, plan, signal)).toEqual([]);
        expect(await othersState()).toBe(before);
      });

      test.each(Object.entries(events))('%s', { timeout: 60_000 }, async (_what, work) => {
        const own = await ownState();
        await work(host);
        await managed('prim');
        await leftAlone();
        expect(await ownState()).toBe(own);
        expect(await verifyRoutes(host.inside, plan, signal)).toEqual([]);
      });

      test(
        'another NIC appears, is configured by DHCP, and goes again',
        { timeout: 60_000 },
        async () => {
          const own = await ownState();
          await host.plug('other', '02:00:00:00:00:88', 8);
          await host.start(dhcp);
          await host.run('ip', 'link', 'set', 'other', 'up');
          await managed('other');
          expect(await host.run('ip', '-4', 'addr', 'show', 'other')).toMatch(
            /inet 10\.0\.8\.\d+\/24/,
          );
          expect(await ownState()).toBe(own);
          const others = await othersState();
          await applyRoutes(host.inside, wanted, signal);
          expect(await othersState()).toBe(others);
          await host.unplug('other');
          expect(await verifyRoutes(host.inside, plan, signal)).toEqual([]);
          expect(await ownState()).toBe(own);
        },
      );

      test('removed, nothing of it stays, and nothing else has changed', async () => {
        const others = await othersState();
        await removeRoutes(host.inside, wanted, signal);
        expect(await othersState()).toBe(others);
        expect(await host.run('ip', 'rule')).not.toContain('9500');
        expect(await host.run('ip', '-4', 'addr', 'show', 'eni1')).not.toContain('inet');
      });
    },
  );
});
