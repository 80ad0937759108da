// End to end in the local VPC: replies leave by the interface that owns the address, from every peer position,
// for every reverse path filter of the host. Without berth's rules the same connections fail, and the VPC counts it.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ClaimedEni } from '../../src/model/eni.ts';
import type { RoutePlan } from '../../src/model/routes.ts';
import { groupOf, joinPrimary } from '../../src/route/bridge-group.ts';
import { cleanStaleRoutes } from '../../src/route/clean.ts';
import { planRoutes, type PlanInput } from '../../src/route/plan.ts';
import { createRouting } from '../../src/route/routing.ts';
import { removeRoutes } from '../../src/route/remove.ts';
import { applyRoutes } from '../../src/route/route.ts';
import { verifyRoutes } from '../../src/route/verify.ts';
import { systemFiles } from '../../src/system/files.ts';
import { createHttp } from '../../src/system/http.ts';
import { claimedEni, plainRouting } from '../fixtures/claimed-eni.ts';
import { identityOf } from '../fixtures/identity.ts';
import { addContainer, nft, publishedPort } from '../lab/container.ts';
import { hasProgram, inNamespaces, needsNamespaces } from '../lab/environment.ts';
import type { ProbeResult } from '../lab/host-agent.ts';
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
const hasNft = hasProgram('nft');
const primary = ['10.0.1.10', '10.0.1.13'];

let vpc: Vpc;
let inside: Inside;
let claimed: ClaimedEni;
let plan: RoutePlan;

/** The instance with its primary in subnet a, and a plugged ENI in `subnet`. */
async function plugEni(subnet: (typeof subnets)[number], ipv4: readonly string[]): Promise<void> {
  claimed = claimedEni({ eni: { ipv4 }, subnet });
  const { eniId, mac } = claimed.eni;
  const eni = { eniId, mac, ipv4, subnetCidr: subnet.ipv4Cidr, deviceIndex: 1 };
  await vpc.actuator(() => 'instance').plug('i-1', eni);
  plan = planRoutes({ claimed, device: undefined, mtu: 9001, ...plainRouting });
}

/** The same, with options. */
function replan(options: Partial<PlanInput>): RoutePlan {
  return planRoutes({ claimed, device: undefined, mtu: 9001, ...plainRouting, ...options });
}

async function said(...command: readonly [string, ...string[]]): Promise<string> {
  const { stdout } = await inside.exec.run(
    { argv: command, stdin: undefined, timeoutMs: 5_000 },
    signal,
  );
  return stdout;
}
const published = (peer: string, address: string): Promise<ProbeResult> =>
  vpc.probe(peer, address, publishedPort, 1_000);
const rules = async (): Promise<string> =>
  (await said('ip', 'rule')).split('\n').toSorted().join('\n');
const ruleset = (): Promise<string> => said('nft', 'list', 'ruleset');

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

  describe.skipIf(!hasNft)(`containers on the host${hasNft ? '' : ' (needs nft)'}`, () => {
    test('connmark: a published port answers at the address of the ENI, and at the primary', async () => {
      await plugEni(subnets[1], ['10.0.2.20']);
      await using _box = await addContainer(vpc, 'instance');
      const marked = replan({ connmark: 0x3f00 });
      await applyRoutes(inside, marked, signal);
      expect((await applyRoutes(inside, marked, signal)).changes).toEqual([]);
      for (const address of ['10.0.2.20', primary[0]!]) {
        for (const peer of Object.keys(peers)) {
          const { answer } = await published(peer, address);
          expect(answer, `${peer} to ${address}`).toMatchObject({ host: 'box' });
        }
      }
      await expectAllReachable(['10.0.2.20', primary[0]!]);
      expect(await vpc.wrongSourceDrops()).toBe(0);

      // Somebody flushes the firewall: noticed, and put right.
      await nft('instance', 'delete table inet berth_20001');
      expect(await verifyRoutes(inside, { ...marked, ifname: 'eth1' }, signal)).toEqual([
        'the nft table inet berth_20001 is gone',
      ]);
      await applyRoutes(inside, marked, signal);
      expect((await published('third', '10.0.2.20')).answer).toMatchObject({ host: 'box' });
      // Without it the reply leaves by the primary, and the VPC drops it.
      await applyRoutes(inside, plan, signal);
      expect(await published('third', '10.0.2.20')).toMatchObject({ error: 'timeout' });
      expect(await vpc.wrongSourceDrops()).toBeGreaterThan(0);
      // And nothing of it stays.
      await applyRoutes(inside, marked, signal);
      await removeRoutes(inside, marked, signal);
      expect(await ruleset()).not.toContain('berth');
      expect(await rules()).not.toMatch(/949\d|9500/);
    });

    test('the ENI is pulled out while berth is away: the next start leaves nothing of both', async () => {
      await plugEni(subnets[1], ['10.0.2.20']);
      await using _box = await addContainer(vpc, 'instance');
      const bridgeGroup = await joinPrimary(inside, 'eth0', signal);
      await applyRoutes(inside, replan({ connmark: 0x3f00, bridgeGroup }), signal);
      // Nothing stale as long as it is there.
      expect(await cleanStaleRoutes(inside, signal)).toEqual([]);
      await vpc.actuator(() => 'instance').unplug('i-1', plan.eniId);
      expect(await rules()).toMatch(/9498|9499/);
      const commands = await cleanStaleRoutes(inside, signal);
      expect(commands).toContain('nft delete table inet berth_20001');
      expect(await rules()).not.toMatch(/949\d|9500/);
      expect(await ruleset()).not.toContain('berth');
      expect(await groupOf(inside, 'eth0', signal)).toBe(0);
    });

    test('localBridges: a container reaches the address of the ENI, and peers do as before', async () => {
      await plugEni(subnets[1], ['10.0.2.20', '10.0.2.21']);
      await using box = await addContainer(vpc, 'instance');
      await applyRoutes(inside, plan, signal);
      const ask = async (ip: string): Promise<ProbeResult> => {
        const probe = { kind: 'probe', ip, port: 8080, timeoutMs: 1_000 } as const;
        return (await box.ask({ ...probe, localAddress: undefined })) as ProbeResult;
      };
      expect(await ask('10.0.2.20')).toMatchObject({ ok: false });
      expect(await ask(primary[0]!)).toMatchObject({ ok: true });

      const before = await rules();
      const bridged = replan({ bridgeGroup: await joinPrimary(inside, 'eth0', signal) });
      await applyRoutes(inside, bridged, signal);
      expect((await applyRoutes(inside, bridged, signal)).changes).toEqual([]);
      for (const address of ['10.0.2.20', '10.0.2.21', primary[0]!])
        expect({ address, ...(await ask(address)) }).toMatchObject({ ok: true });
      await expectAllReachable(['10.0.2.20', '10.0.2.21', primary[0]!]);
      // An address that left the ENI takes its rule along.
      await applyRoutes(
        inside,
        {
          ...bridged,
          ipv4: { ...plan.ipv4, addresses: ['10.0.2.20/24'], sources: ['10.0.2.20/32'] },
        },
        signal,
      );
      expect(await rules()).not.toContain('10.0.2.21');
      await applyRoutes(inside, plan, signal);
      expect(await rules()).toBe(before);
      expect(await groupOf(inside, 'eth0', signal)).toBe(0);
      await joinPrimary(inside, 'eth0', signal);
      await applyRoutes(inside, bridged, signal);
      await removeRoutes(inside, bridged, signal);
      expect(await rules()).not.toMatch(/949\d|9500/);
      expect(await groupOf(inside, 'eth0', signal)).toBe(0);
    });
  });

  test('mode verify: says what is missing until another tool has set it, and changes nothing', async () => {
    await plugEni(subnets[1], ['10.0.2.20']);
    using http = createHttp(1);
    const deps = { ...inside, files: systemFiles, http };
    const routing = createRouting(deps, {
      identity: identityOf({ primaryMac: '02:00:00:00:01:10' }),
      imdsEndpoint: 'http://169.254.169.254',
      config: { mode: 'verify', localBridges: false, connmark: undefined },
    });
    await routing.prepare(signal);
    const before = (await rules()) + (await said('ip', '-4', 'addr'));
    await expect(routing.apply(plan, signal)).rejects.toThrow(
      'cannot serve eni-0123456789abcdef0 on eth1: eth1 is down. routing.mode is "verify"',
    );
    expect((await rules()) + (await said('ip', '-4', 'addr'))).toBe(before);
    // As amazon-ec2-net-utils does it.
    await ipBatch(
      [
        'link set dev eth1 mtu 9001 up',
        'addr add 10.0.2.20/24 dev eth1 noprefixroute',
        'route add 10.0.2.0/24 dev eth1 table 10001',
        'route add default via 10.0.2.1 dev eth1 table 10001',
        'rule add priority 10001 from 10.0.2.20 lookup 10001',
      ],
      'instance',
    );
    const served = await routing.apply(plan, signal);
    expect(served.ifname).toBe('eth1');
    expect(await routing.problems(served, signal)).toEqual([]);
    await ipBatch(['rule del priority 10001'], 'instance');
    expect(await routing.problems(served, signal)).toEqual([
      expect.stringMatching(
        /^"ip route get 192\.0\.2\.1 from 10\.0\.2\.20" leaves by eth0 \(table 254\), not by eth1$/,
      ),
      expect.stringContaining('10.0.1.1 from 10.0.2.20'),
    ]);
    await routing.remove(served, signal);
    expect(await said('ip', '-4', 'addr')).toContain('10.0.2.20/24');
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
