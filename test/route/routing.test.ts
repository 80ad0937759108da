// Routing as the daemon uses it: what of a plan stays, what the configuration changes, and who may touch the kernel.
import { beforeEach, describe, expect, test } from 'vitest';
import type { Claimed } from '../../src/model/eni.ts';
import type { RoutePlan, RoutingConfig } from '../../src/model/routes.ts';
import { createRouting, type Routing } from '../../src/route/routing.ts';
import { systemFiles, type Files } from '../../src/system/files.ts';
import type { Http } from '../../src/system/http.ts';
import { createFakeRouteDeps, type FakeRouteDeps } from '../fakes/route-deps.ts';
import { claimedEni } from '../fixtures/claimed-eni.ts';
import { identityOf } from '../fixtures/identity.ts';

const { signal } = new AbortController();
const netAdmin = '0000000000001000';
const device = { name: 'eth1', index: 3, mac: '02:00:00:00:01:20' };

let fake: FakeRouteDeps;
let capabilities: string;

beforeEach(() => {
  fake = createFakeRouteDeps();
  capabilities = netAdmin;
});

function routingOf(change: Partial<RoutingConfig> = {}): Routing {
  const files: Files = {
    ...systemFiles,
    readText: (path) =>
      Promise.resolve(
        path === '/proc/self/status' ? `Name:\tnode\nCapEff:\t${capabilities}\n` : undefined,
      ),
  };
  const http: Http = { request: () => Promise.resolve({ status: 200, body: Buffer.alloc(0) }) };
  return createRouting(
    { ...fake, files, http },
    {
      identity: identityOf({ primaryMac: '02:00:00:00:01:10' }),
      imdsEndpoint: 'http://169.254.169.254',
      config: { mode: 'own', localBridges: false, connmark: undefined, ...change },
    },
  );
}

const claimedOf = (...ipv4: readonly string[]): Claimed => ({
  claimed: claimedEni({ eni: { ipv4 } }),
  device,
  peers: 1,
});
const claimed = claimedOf('10.0.1.20');

describe('plan', () => {
  test('the next one has the new addresses, on the name and in the table that the kernel has got', async () => {
    const routing = routingOf();
    const first = await routing.plan(claimed, undefined, signal);
    expect(first).toMatchObject({ ifname: 'eth1', table: 20_001 });
    const reached: RoutePlan = { ...first, ifname: 'ens6', table: 21_001 };
    const next = await routing.plan(claimedOf('10.0.1.20', '10.0.1.21'), reached, signal);
    const { ipv4 } = next;
    expect(ipv4.addresses).toEqual(['10.0.1.20/24', '10.0.1.21/32']);
    expect(next).toEqual({ ...reached, ipv4 });
  });

  test("the MTU is the primary's; when nobody can tell it stays", async () => {
    const routing = routingOf();
    const primary = fake.kernel.links[0]!;
    primary.mtu = 1_500;
    const first = await routing.plan(claimed, undefined, signal);
    expect(first.mtu).toBe(1_500);
    fake.kernel.missing = true;
    await fake.clock.sleep(1_000, signal);
    expect((await routing.plan(claimed, first, signal)).mtu).toBe(1_500);
    expect((await routing.plan(claimed, undefined, signal)).mtu).toBe(9_001);
  });

  test('IPv6 that is off for the device is left out, and named', async () => {
    const dual: Claimed = {
      ...claimed,
      claimed: claimedEni({ eni: { ipv6: ['fd00::20'] }, subnet: { ipv6Cidrs: ['fd00::/64'] } }),
    };
    const setting = 'net/ipv6/conf/eth1/disable_ipv6';
    fake.sysctl.values.set(setting, '0');
    const on = await routingOf().plan(dual, undefined, signal);
    expect(on).toMatchObject({ ipv6: { addresses: ['fd00::20/128'] }, unserved: [] });
    fake.sysctl.values.set(setting, '1');
    const off = await routingOf().plan(dual, undefined, signal);
    expect(off).toMatchObject({ ipv6: { addresses: [] }, unserved: ['fd00::20/128'] });
  });

  test('localBridges: the ENI goes into the group that the primary joined before', async () => {
    const routing = routingOf({ localBridges: true });
    await routing.prepare(signal);
    const [primary, own] = fake.kernel.links;
    expect(primary!.group).toBe(9_500);
    const plan = await routing.plan(claimed, undefined, signal);
    expect(plan.bridgeGroup).toBe(9_500);
    expect((await routingOf().plan(claimed, undefined, signal)).bridgeGroup).toBeUndefined();
    expect(own!.group).toBeUndefined();
  });

  test('connmark: the mask of the configuration, with the value of this ENI', async () => {
    const plan = await routingOf({ connmark: 0xff00 }).plan(claimed, undefined, signal);
    expect(plan.mark).toEqual({ mask: 0xff00, value: 0x100 });
    expect((await routingOf().plan(claimed, undefined, signal)).mark).toBeUndefined();
  });
});

describe('mode own', () => {
  test('without the right to set routes nothing is prepared', async () => {
    capabilities = '0000000000000004';
    await expect(routingOf().prepare(signal)).rejects.toMatchObject({ code: 'not-permitted' });
  });

  test('applies, names what others break, puts it right, and takes all of it away', async () => {
    const routing = routingOf();
    const plan = await routing.plan(claimed, undefined, signal);
    expect(await routing.problems(plan, signal)).not.toEqual([]);
    const applied = await routing.apply(plan, signal);
    expect(await routing.problems(applied, signal)).toEqual([]);
    const rule = 'rule del priority 9500 from 10.0.1.20/32 lookup 20001 protocol kernel';
    fake.kernel.change(rule, 'ipv4');
    expect((await routing.problems(applied, signal)).join()).toContain('rule add priority 9500');
    await routing.apply(applied, signal);
    expect(await routing.problems(applied, signal)).toEqual([]);
    await routing.remove(applied, signal);
    expect(fake.kernel.ipv4.rules).toEqual([]);
    expect(fake.kernel.ipv4.routes.filter(({ table }) => table === applied.table)).toEqual([]);
    expect(fake.kernel.ipv4.addresses.map(({ ifname }) => ifname)).toEqual(['eth0']);
  });

  test('a device under another name is applied to, and said', async () => {
    const routing = routingOf();
    const plan = await routing.plan(claimed, undefined, signal);
    fake.kernel.links[1]!.name = 'ens6';
    expect(await routing.apply(plan, signal)).toEqual({ ...plan, ifname: 'ens6' });
  });

  test('says the commands of the plan', async () => {
    const routing = routingOf();
    const plan = await routing.plan(claimed, undefined, signal);
    expect(routing.describe(plan).commands.join('\n')).toContain('from 10.0.1.20/32 lookup 20001');
  });
});

describe('mode verify', () => {
  test('changes nothing, with or without the right to', async () => {
    capabilities = '0000000000000000';
    const routing = routingOf({ mode: 'verify', localBridges: true });
    await routing.prepare(signal);
    const plan = await routing.plan(claimed, undefined, signal);
    expect(await routing.problems(plan, signal)).toEqual(['eth1 is down']);
    await expect(routing.apply(plan, signal)).rejects.toMatchObject({ code: 'routing-failed' });
    await routing.remove(plan, signal);
    expect(fake.kernel.lines).toEqual([]);
    expect(routing.describe(plan).commands).toEqual([]);
  });

  test('what another tool has set is served, whatever its table, and stays', async () => {
    const theirs = routingOf();
    const plan = await theirs.plan(claimed, undefined, signal);
    await theirs.apply({ ...plan, table: 10_101 }, signal);
    const lines = fake.kernel.lines.length;
    const routing = routingOf({ mode: 'verify' });
    expect(await routing.apply(plan, signal)).toEqual(plan);
    expect(await routing.problems(plan, signal)).toEqual([]);
    await routing.remove(plan, signal);
    expect(fake.kernel.lines).toHaveLength(lines);
  });
});
