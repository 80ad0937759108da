// Routing against the real kernel: the plan is reached, kept, repaired and taken away without a trace.
import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { RoutePlan } from '../../src/model/routes.ts';
import { cleanStaleRoutes } from '../../src/route/clean.ts';
import { planRoutes } from '../../src/route/plan.ts';
import { removeRoutes } from '../../src/route/remove.ts';
import { applyRoutes } from '../../src/route/route.ts';
import { isIpv6On } from '../../src/route/sysctls.ts';
import { verifyRoutes } from '../../src/route/verify.ts';
import { systemClock } from '../../src/system/clock.ts';
import { createDevices } from '../../src/system/devices.ts';
import { systemExec } from '../../src/system/exec.ts';
import { claimedEni, plainRouting } from '../fixtures/claimed-eni.ts';
import { inNamespaces, needsNamespaces } from '../lab/environment.ts';
import { createHost, type Host } from '../lab/host.ts';
import { createInside, type Inside } from '../lab/inside.ts';
import { ipBatch } from '../lab/namespace.ts';

const { signal } = new AbortController();
const noCapabilities = ['setpriv', '--inh-caps=-all', '--bounding-set=-all'];
const claimed = claimedEni({
  eni: {
    ipv4: ['10.0.1.20', '10.0.1.21'],
    ipv4Prefixes: ['10.0.1.64/28'],
    ipv6: ['2001:db8::20', '2001:db8::21'],
  },
  subnet: { ipv6Cidrs: ['2001:db8::/64'] },
});
const wanted = planRoutes({ claimed, device: undefined, mtu: 9001, ...plainRouting });
const host = `kernel-${process.pid}`;
const router = `kernel-router-${process.pid}`;

const realDevices = createDevices({ exec: systemExec, clock: systemClock });

let namespaces: readonly Host[];
let inside: Inside;
let plan: RoutePlan;

function ip(...args: readonly string[]): string {
  return execFileSync('ip', ['-n', host, ...args], { encoding: 'utf8' });
}

/** Rules, routes and addresses of everything, as a person would look at them. */
function snapshot(): string {
  const tables = ['-4', '-6'].flatMap((family) => [
    ip(family, '-details', 'rule'),
    ip(family, '-details', 'route', 'show', 'table', 'all'),
  ]);
  const addresses = ip('-oneline', 'addr').replaceAll(/valid_lft.*/g, '');
  return [...tables, addresses].join('\n');
}

async function plugEni(): Promise<void> {
  const { mac } = claimed.eni;
  const port = 'port1';
  await ipBatch(
    [`link add ${port} mtu 9001 type veth peer name eth1 address ${mac} netns ${host}`],
    router,
  );
  // Without IPv6 of its own, so that only berth decides what the snapshots show.
  await ipBatch(
    ['addr add 10.0.1.1/32 dev port1', 'link set dev port1 up', 'route add 10.0.1.20/32 dev port1'],
    router,
  );
}

function withCommands(wrap: readonly string[]): Inside {
  return createInside({ namespace: host, ask: (command) => namespaces[0]!.ask(command), wrap });
}

async function served(): Promise<RoutePlan> {
  const { plan: applied } = await applyRoutes(inside, wanted, signal);
  expect(await verifyRoutes(inside, applied, signal)).toEqual([]);
  return applied;
}

describe.skipIf(!inNamespaces)(`routing on the real kernel${needsNamespaces}`, () => {
  beforeAll(async () => {
    namespaces = [await createHost(host), await createHost(router)];
    await ipBatch(
      [
        `link add port0 mtu 9001 type veth peer name eth0 mtu 9001 netns ${host}`,
        'addr add 10.0.1.1/32 dev port0',
        'link set dev port0 up',
      ],
      router,
    );
    await ipBatch(
      [
        'link set dev eth0 addrgenmode none',
        'link set dev eth0 up',
        'addr add 10.0.1.10/24 dev eth0',
        'route add default via 10.0.1.1',
      ],
      host,
    );
  });
  afterAll(async () => {
    for (const namespace of namespaces) await namespace[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    inside = withCommands([]);
    await plugEni();
    plan = { ...wanted, ifname: 'eth1' };
  });
  afterEach(async () => {
    await removeRoutes(inside, wanted, signal);
    await ipBatch(['link del dev port1'], router).catch(() => undefined);
  });

  test('reaches the plan for both families, and a second apply has nothing to do', async () => {
    const main = ip('route', 'show');
    const first = await applyRoutes(inside, wanted, signal);
    expect(first.changes).toHaveLength(19);
    expect(await verifyRoutes(inside, plan, signal)).toEqual([]);
    expect(ip('route', 'show', 'table', '20001').replaceAll(/ +$/gm, '')).toBe(
      'default via 10.0.1.1 dev eth1 proto kernel src 10.0.1.20\n' +
        'unreachable default proto kernel metric 4294967295\n' +
        '10.0.1.0/24 dev eth1 proto kernel scope link src 10.0.1.20\n',
    );
    expect(ip('route', 'show')).toBe(main);
    expect(ip('link', 'show', 'eth1')).toMatch(/mtu 9001 .*state UP/);
    const settings = [
      'ipv4/conf/eth1/rp_filter',
      'ipv4/conf/eth1/arp_announce',
      'ipv6/conf/eth1/accept_ra',
    ];
    const values = await Promise.all(settings.map((name) => inside.sysctl.read(`net/${name}`)));
    expect(values).toEqual(['2', '2', '0']);
    const second = await applyRoutes(inside, wanted, signal);
    expect(second.changes).toEqual([]);
    expect(inside.log.lines).toEqual([]);
  });

  test('remove returns the exact state before', async () => {
    const before = snapshot();
    await applyRoutes(inside, wanted, signal);
    expect(snapshot()).not.toBe(before);
    await removeRoutes(inside, wanted, signal);
    expect(snapshot()).toBe(before);
    expect(await removeRoutes(inside, wanted, signal)).toHaveLength(2);
  });

  test.each<[string, readonly string[]]>([
    ['a deleted rule', ['rule del priority 9500 from 10.0.1.21/32 lookup 20001']],
    ['a flushed table', ['route flush table 20001']],
    ['a link that was down', ['link set dev eth1 down']],
    ['a wrong MTU', ['link set dev eth1 mtu 1500']],
    [
      'a rule of another protocol beside ours',
      ['rule add priority 9500 from 10.0.1.20/32 lookup 20001 protocol static'],
    ],
    [
      'an address without noprefixroute, and its route in main',
      ['addr del 10.0.1.20/24 dev eth1', 'addr add 10.0.1.20/24 dev eth1'],
    ],
    [
      'what DHCP leaves: address, subnet and default in main',
      [
        'addr add 10.0.1.77/24 dev eth1',
        'route add default via 10.0.1.1 dev eth1 metric 512 proto dhcp',
      ],
    ],
    [
      'an address of DHCP that came first: ours goes with it',
      [
        'addr del 10.0.1.20/24 dev eth1',
        'addr add 10.0.1.77/24 dev eth1 noprefixroute',
        'addr add 10.0.1.20/24 dev eth1 noprefixroute',
      ],
    ],
    [
      'another gateway',
      ['route replace default via 10.0.1.9 dev eth1 src 10.0.1.20 table 20001 proto kernel'],
    ],
    ['a foreign route in our table', ['route add 10.9.0.0/16 dev eth1 table 20001']],
  ])('repairs %s', async (_what, damage) => {
    await applyRoutes(inside, wanted, signal);
    const good = snapshot();
    await ipBatch(damage, host);
    expect(await verifyRoutes(inside, plan, signal)).not.toEqual([]);
    const { changes } = await applyRoutes(inside, wanted, signal);
    expect(changes).not.toEqual([]);
    expect(inside.log.lines).toEqual([]);
    expect(snapshot().split('\n').toSorted()).toEqual(good.split('\n').toSorted());
  });

  test('what others set is named with who it was, as far as the kernel knows', async () => {
    await applyRoutes(inside, wanted, signal);
    await ipBatch(
      [
        'addr add 10.0.1.77/24 dev eth1 valid_lft 60 preferred_lft 60',
        'route add default via 10.0.1.1 dev eth1 metric 512 proto dhcp',
        'route add 10.9.0.0/16 dev eth1 table 20001',
        'rule add priority 9500 from 10.0.1.20/32 lookup 20001 protocol static',
      ],
      host,
    );
    const problems = (await verifyRoutes(inside, plan, signal)).join('\n');
    expect(problems).toContain('"ip addr del 10.0.1.77/24 dev eth1" (set by a DHCP client)');
    expect(problems).toMatch(/route del default .* proto 16" \(set by a DHCP client\)/);
    expect(problems).toMatch(/route del 10.9.0.0\/16 .* \(set by somebody with "ip"\)/);
    expect(problems).toMatch(/rule del .* protocol 4" \(set by a static configuration\)/);
  });

  test('the primary and a secondary address change places', async () => {
    await applyRoutes(inside, wanted, signal);
    const swapped = { ...claimed, eni: { ...claimed.eni, ipv4: ['10.0.1.21', '10.0.1.20'] } };
    const next = planRoutes({ claimed: swapped, device: undefined, mtu: 9001, ...plainRouting });
    await applyRoutes(inside, next, signal);
    expect(ip('-brief', '-4', 'addr', 'show', 'eth1')).toContain('10.0.1.21/24');
    expect(ip('route', 'get', '8.8.8.8', 'oif', 'eth1')).toContain('src 10.0.1.21');
    expect(inside.log.lines).toEqual([]);
  });

  test('fails in the middle of a batch: the line is named, and the next apply goes on from there', async () => {
    let failures = 2;
    const broken: Inside = {
      ...inside,
      exec: {
        ...inside.exec,
        run: (input, abort) => {
          const isWrite =
            input.stdin !== undefined && /default via/.test(input.stdin) && failures-- > 0;
          // A gateway that no subnet leads to.
          const stdin = isWrite
            ? input.stdin?.replace('via 10.0.1.1', 'via 10.9.9.9')
            : input.stdin;
          return inside.exec.run({ ...input, stdin }, abort);
        },
      },
    };
    await expect(applyRoutes(broken, wanted, signal)).rejects.toMatchObject({
      code: 'routing-failed',
      message: expect.stringMatching(
        /cannot run "ip route replace default via 10\.0\.1\.1 .*invalid gateway/,
      ) as unknown,
    });
    expect(ip('rule')).toContain('from 10.0.1.20 lookup 20001');
    const { changes } = await applyRoutes(inside, wanted, signal);
    expect(changes[0]).toBe(
      'ip route replace default via 10.0.1.1 dev eth1 src 10.0.1.20 table 20001 proto kernel',
    );
  });

  describe('what else is on the host', () => {
    const undo: (readonly string[])[] = [];
    afterEach(async () => {
      for (const lines of undo.splice(0)) await ipBatch(lines, host);
    });
    const foreign = async (lines: readonly string[], undone: readonly string[]): Promise<void> => {
      await ipBatch(lines, host);
      undo.unshift(undone);
    };

    test('a bridge whose subnet holds the ENI, and one of its addresses: served, and theirs is left alone', async () => {
      await foreign(
        [
          'link add br0 type bridge',
          'link set dev br0 up',
          'addr add 10.0.0.1/16 dev br0',
          'addr add 10.0.1.21/32 dev br0',
        ],
        ['link del br0'],
      );
      const main = ip('route', 'show');
      await served();
      expect(ip('route', 'show')).toBe(main);
      expect(ip('route', 'get', '10.0.1.99', 'from', '10.0.1.20')).toContain(
        'dev eth1 table 20001',
      );
      expect(ip('route', 'get', '10.0.7.7')).toContain('dev br0');
    });

    test('table 20001 is used by others: the next free one, kept over a restart and taken away again', async () => {
      const routes = [
        'route add 192.0.2.0/24 dev eth0 table 20001',
        'rule add priority 99 from 192.0.2.0/24 lookup 20001',
      ];
      const gone = ['route flush table 20001', 'rule del priority 99 lookup 20001'];
      await foreign(routes, gone);
      const before = snapshot();
      const { table } = await served();
      expect(table).toBe(21_001);
      expect(inside.log.lines[0]!['msg']).toMatch(
        /^table 20001 is in use by others .*; using 21001$/,
      );
      expect((await applyRoutes(inside, wanted, signal)).plan.table).toBe(21_001);
      expect((await applyRoutes(inside, wanted, signal)).changes).toEqual([]);
      await ipBatch(gone, host);
      expect((await applyRoutes(inside, wanted, signal)).plan.table).toBe(21_001);
      await ipBatch(routes, host);
      await removeRoutes(inside, wanted, signal);
      expect(snapshot().split('\n').toSorted()).toEqual(before.split('\n').toSorted());
    });

    test('a foreign rule at our priority is left alone, one that comes first is named', async () => {
      await foreign(
        ['rule add priority 9500 from 192.0.2.7 lookup 99'],
        ['rule del priority 9500 from 192.0.2.7 lookup 99'],
      );
      await served();
      expect(ip('rule')).toContain('from 192.0.2.7 lookup 99');
      await removeRoutes(inside, wanted, signal);
      expect(ip('rule')).toContain('from 192.0.2.7 lookup 99');
      await foreign(
        ['rule add priority 80 from 10.0.1.20 lookup main'],
        ['rule del priority 80 from 10.0.1.20 lookup main'],
      );
      await expect(applyRoutes(inside, wanted, signal)).rejects.toThrow(
        'another rule comes first: priority 80 from 10.0.1.20/32 lookup 254',
      );
    });

    test('the device is renamed while it is served: found by its MAC, and the rule of the old name goes', async () => {
      await served();
      await ipBatch(
        ['link set dev eth1 down', 'link set dev eth1 name ens6', 'link set dev ens6 up'],
        host,
      );
      expect(await verifyRoutes(inside, plan, signal)).toEqual(['the device eth1 is gone']);
      expect((await served()).ifname).toBe('ens6');
      expect(ip('rule')).not.toContain('eth1');
      expect(ip('rule')).toContain('oif ens6');
    });

    test('IPv6 is off: IPv4 is served, and what is not is said', async () => {
      await inside.sysctl.write('net/ipv6/conf/eth1/disable_ipv6', '1');
      expect(await isIpv6On(inside, 'eth1')).toBe(false);
      const off = planRoutes({
        claimed,
        device: undefined,
        mtu: 9001,
        ...plainRouting,
        hasIpv6: false,
      });
      expect(off.unserved).toEqual(['2001:db8::20/128', '2001:db8::21/128']);
      const { plan: applied } = await applyRoutes(inside, off, signal);
      expect(await verifyRoutes(inside, applied, signal)).toEqual([]);
      expect(ip('-6', 'rule')).not.toContain('20001');
    });

    test('fifty addresses, in one batch', async () => {
      const ipv4 = Array.from({ length: 50 }, (_, n) => `10.0.1.${n + 100}`);
      const many = { ...claimed, eni: { ...claimed.eni, ipv4, ipv4Prefixes: [] } };
      await ipBatch(['route add 10.0.1.100/32 dev port1'], router);
      const { changes } = await applyRoutes(
        inside,
        planRoutes({ claimed: many, device: undefined, mtu: 9001, ...plainRouting }),
        signal,
      );
      expect(changes.filter((line) => line.startsWith('ip addr'))).toHaveLength(50);
      expect(ip('-brief', '-4', 'addr', 'show', 'eth1').match(/10\.0\.1\./g)).toHaveLength(50);
    });

    test('a second ENI in the same subnet: each answers by its own device', async () => {
      const other = claimedEni({
        eni: { eniId: 'eni-0b', mac: '02:00:00:00:01:30', ipv4: ['10.0.1.30'] },
        deviceIndex: 2,
      });
      await ipBatch(
        [
          `link add port2 mtu 9001 type veth peer name eth2 address ${other.eni.mac} netns ${host}`,
          'addr add 10.0.1.1/32 dev port2',
          'link set dev port2 up',
          'route add 10.0.1.30/32 dev port2',
        ],
        router,
      );
      const second = planRoutes({ claimed: other, device: undefined, mtu: 9001, ...plainRouting });
      try {
        const before = snapshot();
        await applyRoutes(inside, second, signal);
        await served();
        expect(ip('route', 'get', '10.0.1.99', 'from', '10.0.1.30')).toContain(
          'dev eth2 table 20002',
        );
        expect(ip('route', 'get', '10.0.1.99', 'from', '10.0.1.20')).toContain(
          'dev eth1 table 20001',
        );
        await removeRoutes(inside, wanted, signal);
        expect(await verifyRoutes(inside, { ...second, ifname: 'eth2' }, signal)).toEqual([]);
        await removeRoutes(inside, second, signal);
        expect(snapshot()).toBe(before);
      } finally {
        await ipBatch(['link del dev port2'], router);
      }
    });
  });

  test('a cable that is pulled is no carrier', async () => {
    await applyRoutes(inside, wanted, signal);
    await ipBatch(['link set dev port1 down'], router);
    expect(await verifyRoutes(inside, plan, signal)).toContain('eth1 is up, but has no carrier');
  });

  test('the device is pulled out before remove, and cleaning at the start finds the rest', async () => {
    await applyRoutes(inside, wanted, signal);
    expect(await cleanStaleRoutes(inside, signal)).toEqual([]);
    await ipBatch(['link del dev port1'], router);
    const bare = snapshot();
    expect(bare).toContain('[detached]');
    await cleanStaleRoutes(inside, signal);
    expect(snapshot()).not.toContain('20001');
    expect(await removeRoutes(inside, wanted, signal)).toEqual([]);
    await expect(applyRoutes(inside, wanted, signal)).rejects.toMatchObject({
      code: 'device-missing',
    });
    expect(await verifyRoutes(inside, plan, signal)).toEqual(['the device eth1 is gone']);
  });

  test('remove without the device', async () => {
    const before = ip('rule') + ip('-6', 'rule');
    await applyRoutes(inside, wanted, signal);
    await ipBatch(['link del dev port1'], router);
    await removeRoutes(inside, wanted, signal);
    expect(ip('rule') + ip('-6', 'rule')).toBe(before);
    expect(snapshot()).not.toContain('20001');
  });

  test('without CAP_NET_ADMIN it says what to give', async () => {
    const before = ip('rule');
    const weak = withCommands(noCapabilities);
    await expect(applyRoutes(weak, wanted, signal)).rejects.toMatchObject({
      code: 'not-permitted',
      message: expect.stringContaining('CAP_NET_ADMIN') as unknown,
    });
    expect(ip('rule')).toBe(before);
  });

  test('without iproute2 it says what to install', async () => {
    vi.stubEnv('PATH', '/nowhere');
    const applied = applyRoutes(
      { ...inside, exec: systemExec, devices: realDevices },
      wanted,
      signal,
    );
    await expect(applied).rejects.toMatchObject({
      code: 'command-missing',
      message: 'cannot run "ip": install iproute2',
    });
    vi.unstubAllEnvs();
  });

  test('the first question for the gateway is lost: it is asked again before the kernel would', async () => {
    const setting = 'net.ipv4.neigh.eth1.retrans_time_ms=60000';
    execFileSync('ip', ['netns', 'exec', host, 'sysctl', '-q', '-w', setting]);
    await ipBatch(['addr del 10.0.1.1/32 dev port1', 'addr del 10.0.1.1/32 dev port0'], router);
    let questions = 0;
    const late: Inside = {
      ...inside,
      exec: {
        ...inside.exec,
        run: async (input, within) => {
          const ran = await inside.exec.run(input, within);
          if (input.stdin?.includes('nud none use') === true && ++questions === 1)
            await ipBatch(['addr add 10.0.1.1/32 dev port0'], router);
          return ran;
        },
      },
    };
    const { plan: applied } = await applyRoutes(late, wanted, signal);
    expect(questions).toBeGreaterThan(1);
    expect(await verifyRoutes(inside, applied, signal)).toEqual([]);
  });

  test('a gateway that does not answer', async () => {
    await ipBatch(['addr del 10.0.1.1/32 dev port1', 'addr del 10.0.1.1/32 dev port0'], router);
    const problems = await (async () => {
      try {
        await applyRoutes(inside, wanted, signal);
        return [];
      } catch (error) {
        return (error as { details: { problems: string[] } }).details.problems;
      } finally {
        await ipBatch(['addr add 10.0.1.1/32 dev port0'], router);
      }
    })();
    expect(problems).toEqual([
      expect.stringMatching(/^the gateway 10\.0\.1\.1 does not answer ARP on eth1 \(neighbour/),
    ]);
  });
});
