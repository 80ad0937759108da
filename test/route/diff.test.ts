// From what the kernel holds to what the plan wants, as lines of text.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RoutePlan } from '../../src/model/routes.ts';
import { applyBatches, commandLines } from '../../src/route/batch.ts';
import { diffRoutes } from '../../src/route/diff.ts';
import { loadKernelState } from '../../src/route/kernel-state.ts';
import { planRoutes } from '../../src/route/plan.ts';
import { createFakeRouteDeps, type FakeRouteDeps } from '../fakes/route-deps.ts';
import { plainRouting, claimedEni, type ClaimedInput } from '../fixtures/claimed-eni.ts';

const { signal } = new AbortController();
const addresses = ['10.0.1.20', '10.0.1.21', '10.0.1.22'];

function planOf(input: ClaimedInput = {}, mtu = 9001): RoutePlan {
  const claimed = claimedEni(input);
  return planRoutes({
    claimed,
    device: { name: 'eth1', index: 3, mac: claimed.eni.mac },
    mtu,
    ...plainRouting,
  });
}

async function diff(deps: FakeRouteDeps, plan: RoutePlan): Promise<readonly string[]> {
  return commandLines(diffRoutes(plan, await loadKernelState(deps, plan.ifname, signal)));
}

async function apply(deps: FakeRouteDeps, plan: RoutePlan): Promise<void> {
  await applyBatches(deps, diffRoutes(plan, await loadKernelState(deps, 'eth1', signal)), signal);
}

/** A kernel that holds the plan, and was then changed by these lines. */
async function changed(plan: RoutePlan, ...lines: readonly string[]): Promise<FakeRouteDeps> {
  const deps = createFakeRouteDeps();
  await apply(deps, plan);
  for (const line of lines) deps.kernel.change(line, 'ipv4');
  return deps;
}

describe('diffRoutes', () => {
  test('nothing where the kernel holds the plan', async () => {
    const plan = planOf({
      eni: { ipv4: addresses, ipv4Prefixes: ['10.0.1.64/28'], ipv6: ['2001:db8::20'] },
      subnet: { ipv6Cidrs: ['2001:db8::/64'] },
    });
    expect(await diff(await changed(plan), plan)).toEqual([]);
  });

  test('an address more: its rule comes before it, and nothing else is touched', async () => {
    const deps = await changed(planOf());
    expect(await diff(deps, planOf({ eni: { ipv4: addresses.slice(0, 2) } }))).toEqual([
      'ip rule add priority 9500 from 10.0.1.21/32 lookup 20001 protocol kernel',
      'ip addr replace 10.0.1.21/32 dev eth1 noprefixroute',
    ]);
  });

  test('an address less: it goes before its rule', async () => {
    const deps = await changed(planOf({ eni: { ipv4: addresses.slice(0, 2) } }));
    expect(await diff(deps, planOf())).toEqual([
      'ip addr del 10.0.1.21/32 dev eth1',
      'ip rule del priority 9500 from 10.0.1.21/32 lookup 20001 protocol kernel',
    ]);
  });

  test('after link down: the link, and the routes that went with it', async () => {
    const plan = planOf();
    expect(await diff(await changed(plan, 'link set dev eth1 down'), plan)).toEqual([
      'ip link set dev eth1 mtu 9001 up',
      'ip route replace 10.0.1.0/24 dev eth1 src 10.0.1.20 scope link table 20001 proto kernel',
      'ip route replace default via 10.0.1.1 dev eth1 src 10.0.1.20 table 20001 proto kernel',
    ]);
  });

  test.each<[string, string, readonly string[]]>([
    [
      'a rule deleted by someone else',
      'rule del priority 9500 from 10.0.1.20/32 lookup 20001 protocol kernel',
      ['ip rule add priority 9500 from 10.0.1.20/32 lookup 20001 protocol kernel'],
    ],
    [
      'our rule twice, the second with another protocol',
      'rule add priority 9500 from 10.0.1.20/32 lookup 20001 protocol 3',
      ['ip rule del priority 9500 from 10.0.1.20/32 lookup 20001 protocol 3'],
    ],
    [
      'a rule for the device under its former name',
      'rule add priority 9500 oif eth7 lookup 20001 protocol kernel',
      ['ip rule del priority 9500 oif eth7 lookup 20001 protocol kernel'],
    ],
    [
      'a rule of another ENI of berth',
      'rule add priority 9500 from 10.0.2.30/32 lookup 20002 protocol kernel',
      [],
    ],
    ['a rule of somebody else', 'rule add priority 100 from 10.9.9.9/32 lookup 100', []],
    ['another MTU', 'link set dev eth1 mtu 1500', ['ip link set dev eth1 mtu 9001 up']],
    [
      'a default via another gateway is replaced, not deleted',
      'route replace default via 10.0.1.9 dev eth1 src 10.0.1.20 table 20001 proto kernel',
      ['ip route replace default via 10.0.1.1 dev eth1 src 10.0.1.20 table 20001 proto kernel'],
    ],
    [
      'a foreign route in our table',
      'route replace 10.9.0.0/16 dev eth1 table 20001 proto static',
      ['ip route del 10.9.0.0/16 dev eth1 metric 0 table 20001 proto 4'],
    ],
    [
      'a default of DHCP in main by our device',
      'route replace default via 10.0.1.1 dev eth1 metric 512 proto 16',
      // The fake kernel knows gateways per table.
      ['ip route del default via 10.0.1.1 dev eth1 metric 512 proto 16'],
    ],
    [
      'a stray address',
      'addr replace 10.0.1.77/32 dev eth1 noprefixroute',
      ['ip addr del 10.0.1.77/32 dev eth1'],
    ],
    [
      'a stray address with a subnet: others may go with it, and with those the routes',
      'addr replace 10.0.1.77/24 dev eth1 noprefixroute',
      [
        'ip addr del 10.0.1.77/24 dev eth1',
        'ip route replace 10.0.1.0/24 dev eth1 src 10.0.1.20 scope link table 20001 proto kernel',
        'ip route replace default via 10.0.1.1 dev eth1 src 10.0.1.20 table 20001 proto kernel',
      ],
    ],
  ])('%s', async (_what, line, expected) => {
    const plan = planOf();
    const deps = await changed(plan, 'route replace 10.0.1.0/24 dev eth1 scope link', line);
    deps.kernel.change('route del 10.0.1.0/24 metric 0', 'ipv4');
    expect(await diff(deps, plan)).toEqual(expected);
  });

  test('an address with a route of its own in main is made anew, and the routes it takes along too', async () => {
    const deps = createFakeRouteDeps();
    deps.kernel.change('addr replace 10.0.1.20/24 dev eth1', 'ipv4');
    const lines = await diff(deps, planOf());
    expect(lines.slice(-4)).toEqual([
      'ip addr del 10.0.1.20/24 dev eth1',
      'ip addr replace 10.0.1.20/24 dev eth1 noprefixroute',
      'ip route replace 10.0.1.0/24 dev eth1 src 10.0.1.20 scope link table 20001 proto kernel',
      'ip route replace default via 10.0.1.1 dev eth1 src 10.0.1.20 table 20001 proto kernel',
    ]);
  });

  test('without IPv6 addresses nothing of IPv6, and what was there goes', async () => {
    const deps = await changed(
      planOf({ eni: { ipv6: ['2001:db8::20'] }, subnet: { ipv6Cidrs: ['2001:db8::/64'] } }),
    );
    const lines = await diff(deps, planOf());
    expect(lines.filter((line) => !line.startsWith('ip -6 '))).toEqual([]);
    expect(lines.every((line) => / del /.test(line))).toBe(true);
    await apply(deps, planOf());
    expect(await diff(deps, planOf())).toEqual([]);
  });

  test('from any plan to any other in one batch, adds before deletes', async () => {
    const anyPlan = fc
      .record({
        ipv4: fc.shuffledSubarray(addresses, { minLength: 1 }),
        prefixes: fc.subarray(['10.0.1.64/28', '10.0.1.80/28']),
        ipv6: fc.subarray(['2001:db8::20', '2001:db8::21']),
        mtu: fc.constantFrom(1500, 9001),
      })
      .map(({ ipv4, prefixes, ipv6, mtu }) =>
        planOf(
          { eni: { ipv4, ipv4Prefixes: prefixes, ipv6 }, subnet: { ipv6Cidrs: ['2001:db8::/64'] } },
          mtu,
        ),
      );
    await fc.assert(
      fc.asyncProperty(anyPlan, anyPlan, async (from, to) => {
        const deps = await changed(from);
        const before = deps.kernel.lines.length;
        await apply(deps, to);
        expect(await diff(deps, to)).toEqual([]);
        const rules = deps.kernel.lines.slice(before).filter((line) => / rule /.test(line));
        expect(rules).toEqual([
          ...rules.filter((line) => line.startsWith('ip rule add')),
          ...rules.filter((line) => line.startsWith('ip rule del')),
          ...rules.filter((line) => line.startsWith('ip -6 rule add')),
          ...rules.filter((line) => line.startsWith('ip -6 rule del')),
        ]);
      }),
      { seed: 1, numRuns: 200 },
    );
  });
});
