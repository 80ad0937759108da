// Taking the routing away: with the device, without it, and never what belongs to others.
import { beforeEach, expect, test } from 'vitest';
import type { RoutePlan } from '../../src/model/routes.ts';
import { cleanStaleRoutes } from '../../src/route/clean.ts';
import { loadKernelState, type KernelState } from '../../src/route/kernel-state.ts';
import { planRoutes } from '../../src/route/plan.ts';
import { removeRoutes } from '../../src/route/remove.ts';
import { applyRoutes } from '../../src/route/route.ts';
import { createFakeRouteDeps, type FakeRouteDeps } from '../fakes/route-deps.ts';
import { claimedEni, plainRouting } from '../fixtures/claimed-eni.ts';

const { signal } = new AbortController();
const eni = { ipv4: ['10.0.1.20', '10.0.1.21'], ipv6: ['2001:db8::20'] };
const subnet = { ipv6Cidrs: ['2001:db8::/64'] };

let deps: FakeRouteDeps;
let plan: RoutePlan;
let before: KernelState;
const state = (): Promise<KernelState> => loadKernelState(deps, undefined, signal);

beforeEach(async () => {
  deps = createFakeRouteDeps();
  deps.kernel.change(
    'rule add priority 9500 from 10.0.2.30/32 lookup 20002 protocol kernel',
    'ipv4',
  );
  deps.kernel.change('rule add priority 9500 oif eth0 lookup 20002 protocol kernel', 'ipv4');
  before = await state();
  plan = planRoutes({
    claimed: claimedEni({ eni, subnet }),
    device: undefined,
    mtu: 9001,
    ...plainRouting,
  });
  await applyRoutes(deps, plan, signal);
});

test('the state is as it was before, and the link goes down first', async () => {
  const lines = await removeRoutes(deps, plan, signal);
  expect(lines.slice(0, 2)).toEqual(['ip link set dev eth1 down', 'ip addr flush dev eth1']);
  expect(await state()).toEqual(before);
  expect(deps.kernel.ipv4.addresses.map(({ ifname }) => ifname)).toEqual(['eth0']);
  expect(deps.kernel.ipv6.addresses).toEqual([]);
});

test('without the device', async () => {
  deps.kernel.unplug('eth1');
  const lines = await removeRoutes(deps, plan, signal);
  expect(lines.some((line) => line.includes('dev eth1'))).toBe(false);
  expect(await state()).toEqual(before);
});

test('the device goes just then', async () => {
  deps.kernel.before = (line) => {
    deps.kernel.before = () => undefined;
    if (line.includes('link set')) deps.kernel.unplug('eth1');
  };
  await removeRoutes(deps, plan, signal);
  expect(await state()).toEqual(before);
});

test('twice', async () => {
  await removeRoutes(deps, plan, signal);
  deps.kernel.unplug('eth1');
  expect(await removeRoutes(deps, plan, signal)).toEqual([]);
});

test('at the start, tables without a device are cleared, and those with one are not', async () => {
  expect(await cleanStaleRoutes(deps, signal)).toEqual([]);
  deps.kernel.unplug('eth1');
  expect(await cleanStaleRoutes(deps, signal)).not.toEqual([]);
  expect(await state()).toEqual(before);
});

test('a device that is down keeps its table, and so does what others made', async () => {
  deps.kernel.change('link set dev eth1 down', 'ipv4');
  deps.kernel.change('route replace blackhole 10.9.0.0/16 table 20500 proto static', 'ipv4');
  deps.kernel.change('route replace unreachable default table 19999 proto kernel', 'ipv4');
  expect(await cleanStaleRoutes(deps, signal)).toEqual([]);
});

test('the ENI comes back at another index, under the same name: its old rules go', async () => {
  deps.kernel.unplug('eth1');
  const neighbours = ['10.0.1.1'];
  const link = { name: 'eth1', index: 4, mac: plan.mac, mtu: 1500, up: false, neighbours };
  deps.kernel.links.push(link);
  const claimed = claimedEni({ eni, subnet, deviceIndex: 3 });
  await applyRoutes(
    deps,
    planRoutes({ claimed, device: undefined, mtu: 9001, ...plainRouting }),
    signal,
  );
  const { ipv4, ipv6 } = await state();
  const tables = [...ipv4.rules, ...ipv6.rules].map(({ table }) => table);
  expect(tables).toContain(20003);
  expect(tables).not.toContain(20001);
  // Those of another ENI.
  expect(tables).toContain(20002);
});
