// Does the VPC of namespaces behave like one? Sources are checked on every port, and nothing stays behind.
import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { inNamespaces, needsNamespaces } from './environment.ts';
import { ipBatch } from './namespace.ts';
import { takeRouter } from './router-lock.ts';
import { createVpc, gatewayOf, type Vpc } from './vpc.ts';

const subnetA = '10.0.1.0/24';
const subnetB = '10.0.2.0/24';
const input = {
  subnets: [
    { subnetId: 'subnet-a', ipv4Cidr: subnetA },
    { subnetId: 'subnet-b', ipv4Cidr: subnetB },
  ],
  endpointAddress: '10.0.255.10',
};
const instance = {
  eniId: 'eni-primary',
  mac: '02:00:00:00:01:10',
  ipv4: ['10.0.1.10', '10.0.1.13'],
  subnetCidr: subnetA,
};
const pooled = {
  eniId: 'eni-pool',
  mac: '02:00:00:00:01:20',
  ipv4: ['10.0.1.20', '10.0.1.21'],
  subnetCidr: subnetA,
  deviceIndex: 1,
};

function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8' });
}

/** While no VPC is there. Namespaces of other test files come and go. */
async function idleRouterState(): Promise<string> {
  const release = await takeRouter();
  const conf = ['ipv4/conf', 'ipv6/conf', 'ipv4/ip_forward'].map((name) => `/proc/sys/net/${name}`);
  // grep ends with 2, since some values are write-only.
  const { stdout: sysctls } = spawnSync('grep', ['-r', '.', ...conf], { encoding: 'utf8' });
  const namespaces = ip('netns').match(/^(i-a|near|far)\b/gm) ?? [];
  const state = ip('addr') + ip('route') + namespaces.join(' ') + sysctls;
  await release();
  return state;
}

async function createPopulatedVpc(): Promise<Vpc> {
  const vpc = await createVpc(input);
  await vpc.addHost('i-a', instance);
  await vpc.addHost('near', {
    eniId: 'eni-near',
    mac: '02:00:00:00:01:11',
    ipv4: ['10.0.1.11'],
    subnetCidr: subnetA,
  });
  await vpc.addHost('far', {
    eniId: 'eni-far',
    mac: '02:00:00:00:02:12',
    ipv4: ['10.0.2.12'],
    subnetCidr: subnetB,
  });
  return vpc;
}

test('the router of a subnet is at base + 1', () => {
  expect(gatewayOf('10.0.1.0/24')).toBe('10.0.1.1');
  expect(gatewayOf('172.31.16.128/25')).toBe('172.31.16.129');
});

describe.skipIf(!inNamespaces)(`vpc${needsNamespaces}`, () => {
  test('peers of the same and another subnet reach each address of a host', async () => {
    await using vpc = await createPopulatedVpc();
    await vpc.serve('i-a', 8080);
    for (const peer of ['near', 'far']) {
      for (const address of instance.ipv4) {
        expect(await vpc.probe(peer, address, 8080, 3000)).toMatchObject({
          ok: true,
          answer: { host: 'i-a', localAddress: address },
        });
      }
    }
    expect(await vpc.wrongSourceDrops()).toBe(0);
  });

  test('same-subnet traffic goes through the router, which asks as base + 1', async () => {
    await using vpc = await createPopulatedVpc();
    await vpc.serve('i-a', 8080);
    await vpc.probe('near', '10.0.1.10', 8080, 3000);
    const router = /ether (\S+)/.exec(ip('link', 'show', 'port1'))![1]!;
    const neighbours = ip('-n', 'i-a', 'neigh');
    expect(neighbours).toContain(`10.0.1.11 dev eth0 lladdr ${router}`);
    expect(neighbours).not.toContain('02:00:00:00:01:11');
    expect(neighbours).not.toContain('10.0.2.1 ');
  });

  test.each([
    ['an address that nobody owns', '10.0.1.99'],
    ['the address of another ENI in the subnet', '10.0.1.11'],
    ['the address of an ENI in another subnet', '10.0.2.12'],
  ])('drops and counts what is sent from %s', async (_what, stolen) => {
    await using vpc = await createPopulatedVpc();
    await vpc.serve('far', 8080);
    await vpc.serve('near', 8080);
    await ipBatch([`addr add ${stolen}/32 dev eth0`], 'i-a');
    const target = stolen === '10.0.2.12' ? '10.0.1.11' : '10.0.2.12';
    expect(await vpc.probe('i-a', target, 8080, 3000)).toMatchObject({ ok: true });
    expect(await vpc.wrongSourceDrops()).toBe(0);
    const result = await vpc.probe('i-a', target, 8080, 300, stolen);
    expect(result).toMatchObject({ ok: false, error: 'timeout' });
    expect(await vpc.wrongSourceDrops()).toBeGreaterThan(0);
  });

  test('IPv6: peers reach each other, and what comes from another source is dropped and counted', async () => {
    await using vpc = await createVpc(input);
    const hosts = [
      ['i-a', 1, subnetA, '10'],
      ['near', 1, subnetA, '11'],
      ['far', 2, subnetB, '12'],
    ] as const;
    for (const [name, subnet, subnetCidr, id] of hosts) {
      await vpc.addHost(name, {
        eniId: `eni-${name}`,
        mac: `02:00:00:00:00:${id}`,
        ipv4: [`10.0.${subnet}.${id}`],
        subnetCidr,
        ipv6: {
          addresses: [`2001:db8:${subnet}::${id}`],
          subnetCidr: `2001:db8:${subnet}::/64`,
        },
      });
    }
    await vpc.serve('i-a', 8080);
    for (const peer of ['near', 'far']) {
      expect(await vpc.probe(peer, '2001:db8:1::10', 8080, 3000)).toMatchObject({ ok: true });
    }
    expect(await vpc.wrongSourceDrops()).toBe(0);
    await ipBatch(['addr add 2001:db8:1::11/128 dev eth0 nodad'], 'far', ['-6']);
    const stolen = await vpc.probe('far', '2001:db8:1::10', 8080, 300, '2001:db8:1::11');
    expect(stolen).toMatchObject({ ok: false, error: 'timeout' });
    expect(await vpc.wrongSourceDrops()).toBeGreaterThan(0);
  });

  test('an ENI is plugged as a bare NIC, and its addresses reach it', async () => {
    await using vpc = await createPopulatedVpc();
    const actuator = vpc.actuator(() => 'i-a');
    await actuator.plug('i-1', pooled);
    const nic = ip('-n', 'i-a', 'addr', 'show', 'dev', 'eth1');
    expect(nic).toContain(pooled.mac);
    expect(nic).toContain('mtu 1500');
    expect(nic).toContain('state DOWN');
    expect(nic).not.toContain('inet');
    expect(ip('route')).toContain('10.0.1.21 dev port4');
    await actuator.unplug('i-1', pooled.eniId);
    expect(ip('-n', 'i-a', 'link')).not.toContain('eth1');
    expect(ip('route')).not.toContain('10.0.1.20');
    await expect(actuator.unplug('i-1', pooled.eniId)).resolves.toBeUndefined();
  });

  test('the naive set-up of a second NIC answers by the wrong one, and the VPC drops it', async () => {
    await using vpc = await createPopulatedVpc();
    await vpc.actuator(() => 'i-a').plug('i-1', pooled);
    await vpc.ask('i-a', {
      kind: 'write',
      path: '/proc/sys/net/ipv4/conf/eth1/rp_filter',
      text: '0',
    });
    await ipBatch(['addr add 10.0.1.20/24 dev eth1', 'link set dev eth1 up'], 'i-a');
    await vpc.serve('i-a', 8080);
    const result = await vpc.probe('far', '10.0.1.20', 8080, 500);
    expect(result).toMatchObject({ ok: false, error: 'timeout' });
    expect(await vpc.wrongSourceDrops()).toBeGreaterThan(0);
  });

  test('a host can be removed with its ENIs, and another takes them', async () => {
    await using vpc = await createPopulatedVpc();
    const actuator = vpc.actuator((instanceId) => instanceId);
    await actuator.plug('i-a', pooled);
    await vpc.removeHost('i-a');
    expect(ip('netns')).not.toContain('i-a');
    await actuator.plug('near', pooled);
    expect(ip('-n', 'near', 'link', 'show', 'eth1')).toContain(pooled.mac);
  });

  test('programs run inside a host; IMDS and the endpoint are at the router', async () => {
    await using vpc = await createPopulatedVpc();
    const [file, ...prefix] = vpc.exec('near');
    const run = (...argv: string[]): string =>
      execFileSync(file, [...prefix, ...argv], { encoding: 'utf8' });
    expect(run('ip', '-brief', 'addr')).toContain('10.0.1.11/24');
    for (const address of ['169.254.169.254', '10.0.255.10', '10.0.1.1']) {
      // Refused by the router's TCP, since nothing listens: the packet went there and back.
      expect(await vpc.probe('far', address, 9, 3000)).toMatchObject({ error: 'ECONNREFUSED' });
    }
  });

  test('nothing stays behind', async () => {
    const before = await idleRouterState();
    // Nor from the tests before.
    expect(before).toContain('/proc/sys/net/ipv4/conf/default/proxy_arp:0');
    {
      await using vpc = await createPopulatedVpc();
      await vpc.actuator(() => 'i-a').plug('i-1', pooled);
      expect(ip('route')).not.toBe('');
    }
    expect(await idleRouterState()).toBe(before);
  });
});
