// End to end in the local VPC: replies leave by the interface that owns the address, from every peer position,
// for every reverse path filter of the host. Without berth's rules the same connections fail, and the VPC counts it.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RoutePlan } from '../../src/model.ts';
import { planRoutes } from '../../src/route/plan.ts';
import { removeRoutes } from '../../src/route/remove.ts';
import { applyRoutes } from '../../src/route/route.ts';
import { claimedEni } from '../fixtures/claimed-eni.ts';
import { inNamespaces, needsNamespaces } from '../lab/environment.ts';
import { createInside, type Inside } from '../lab/inside.ts';
import { ipBatch } from '../lab/namespace.ts';
import { createVpc, type Vpc } from '../lab/vpc.ts';

const { signal } = new AbortController();
const subnets = [
  { subnetId: 'subnet-a', ipv4Cidr: '10.0.1.0/24' },
  { subnetId: 'subnet-b', ipv4Cidr: '10.0.2.0/24' },
  { subnetId: 'subnet-c', ipv4Cidr: '10.0.3.0/24' },
] as const;
/** One in the primary's subnet, one in the other ENI's, one in neither. */
const peers = { near: '10.0.1.11', far: '10.0.2.12', third: '10.0.3.13' };
const primary = ['10.0.1.10', '10.0.1.13'];

let vpc: Vpc;
let inside: Inside;
let plan: RoutePlan;

/** The instance with its primary in subnet a, and a plugged ENI in `subnet`. */
async function plugEni(subnet: (typeof subnets)[number], ipv4: readonly string[]): Promise<void> {
  const claimed = claimedEni({ eni: { ipv4 }, subnet });
  const { eniId, mac } = claimed.eni;
  const eni = { eniId, mac, ipv4, subnetCidr: subnet.ipv4Cidr, deviceIndex: 1 };
  await vpc.actuator(() => 'instance').plug('i-1', eni);
  plan = planRoutes({ claimed, device: undefined, mtu: 9001, hasIpv6: true });
}

async function setRpFilter(value: string): Promise<void> {
  for (const name of ['all', 'default', 'eth0', 'eth1']) {
    await inside.sysctl.write(`net/ipv4/conf/${name}/rp_filter`, value);
  }
}

async function expectAllReachable(addresses: readonly string[]): Promise<void> {
  for (const peer of Object.keys(peers)) {
    for (const address of addresses) {
      const result = await vpc.probe(peer, address, 8080, 3_000);
      expect(result, `${peer} to ${address}`).toMatchObject({ ok: true, error: undefined });
    }
  }
}

describe.skipIf(!inNamespaces)(`traffic in the local VPC${needsNamespaces}`, () => {
  beforeEach(async () => {
    vpc = await createVpc({ subnets, endpointAddress: '10.0.255.10' });
    const [a] = subnets;
    await vpc.addHost('instance', {
      eniId: 'eni-primary',
      mac: '02:00:00:00:01:10',
      ipv4: primary,
      subnetCidr: a.ipv4Cidr,
    });
    for (const [index, [name, address]] of Object.entries(peers).entries()) {
      const subnetCidr = subnets[index]!.ipv4Cidr;
      const mac = `02:00:00:00:09:0${index}`;
      await vpc.addHost(name, { eniId: `eni-${name}`, mac, ipv4: [address], subnetCidr });
      await vpc.serve(name, 8080);
    }
    await vpc.serve('instance', 8080);
    inside = createInside({
      namespace: 'instance',
      ask: (command) => vpc.ask('instance', command),
    });
  });
  afterEach(() => vpc[Symbol.asyncDispose]());

  describe.each([
    ['the same subnet as the primary', subnets[0], ['10.0.1.20', '10.0.1.21']],
    ['another subnet', subnets[1], ['10.0.2.20', '10.0.2.21']],
  ] as const)('an ENI in %s', (_where, subnet, addresses) => {
    test('every address answers every peer, whatever rp_filter the host has', async () => {
      await plugEni(subnet, addresses);
      for (const value of ['0', '1', '2']) {
        await removeRoutes(inside, plan, signal);
        await setRpFilter(value);
        await applyRoutes(inside, plan, signal);
        await expectAllReachable([...primary, ...addresses]);
        // Outwards too: by the primary unless a source is chosen, to hosts of each subnet.
        for (const [peer, ip] of Object.entries(peers)) {
          for (const source of [undefined, primary[0], ...addresses]) {
            const result = await vpc.probe('instance', ip, 8080, 3_000, source);
            expect(result, `rp_filter ${value}, ${source} to ${peer}`).toMatchObject({
              ok: true,
              answer: { remoteAddress: source ?? primary[0] },
            });
          }
        }
        expect(await vpc.wrongSourceDrops()).toBe(0);
      }
    });

    test('without the rules the connection fails and the VPC counts it; the next apply heals it', async () => {
      await plugEni(subnet, addresses);
      await applyRoutes(inside, plan, signal);
      await expectAllReachable([addresses[0]]);
      expect(await vpc.wrongSourceDrops()).toBe(0);
      await ipBatch(
        plan.ipv4.sources.map((source) => `rule del priority 9500 from ${source}`),
        'instance',
      );
      const result = await vpc.probe('third', addresses[0], 8080, 500);
      expect(result).toMatchObject({ ok: false, error: 'timeout' });
      const drops = await vpc.wrongSourceDrops();
      expect(drops).toBeGreaterThan(0);
      await expectAllReachable([primary[0]!]);
      await applyRoutes(inside, plan, signal);
      await expectAllReachable([addresses[0]]);
    });
  });

  test('a half-made set-up fails closed: nothing of the ENI leaves by the primary', async () => {
    await plugEni(subnets[1], ['10.0.2.20']);
    await applyRoutes(inside, plan, signal);
    await ipBatch(
      ['route del default table 20001', 'route del 10.0.2.0/24 table 20001'],
      'instance',
    );
    const result = await vpc.probe('instance', peers.third, 8080, 500, '10.0.2.20');
    expect(result).toMatchObject({ ok: false, error: 'EHOSTUNREACH' });
    expect(await vpc.wrongSourceDrops()).toBe(0);
  });

  test('the ENI moves to another host, which then answers at the same address', async () => {
    await plugEni(subnets[1], ['10.0.2.20']);
    await applyRoutes(inside, plan, signal);
    expect(await vpc.probe('third', '10.0.2.20', 8080, 3_000)).toMatchObject({
      answer: { host: 'instance' },
    });
    await removeRoutes(inside, plan, signal);
    const moving = vpc.actuator((instanceId) => instanceId);
    await moving.unplug('instance', plan.eniId);
    const eni = { eniId: plan.eniId, mac: plan.mac, ipv4: ['10.0.2.20'] };
    await moving.plug('near', { ...eni, subnetCidr: subnets[1].ipv4Cidr, deviceIndex: 1 });
    const near = createInside({ namespace: 'near', ask: (command) => vpc.ask('near', command) });
    await near.devices.wait(plan.mac, signal);
    await applyRoutes(near, plan, signal);
    expect(await vpc.probe('third', '10.0.2.20', 8080, 3_000)).toMatchObject({
      ok: true,
      answer: { host: 'near' },
    });
    expect(await vpc.wrongSourceDrops()).toBe(0);
  });
});
