// What the IMDS of the lab's instances shows over HTTP while ENIs come and go, and instances boot.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { imdsReader, type ImdsReader } from '../fixtures/imds-reader.ts';
import { allocateAddress, associateAddress } from './ec2-elastic.ts';
import { createManualClock, type ManualClock } from './manual-clock.ts';
import { createTestWorld, one, subnetA, two, vpcId, type TestWorld } from './test-world.ts';

let world: TestWorld;
let clock: ManualClock;
let imds: ImdsReader;
let eni: string;
let mac: string;
let attachment: string;
const dual = 'subnet-0000000000000000d';
const macs = 'meta-data/network/interfaces/macs';

beforeEach(async () => {
  clock = createManualClock();
  world = await createTestWorld({ clock });
  const { ec2 } = world.lab;
  ec2.addSubnet({
    ...ec2.subnet(subnetA)!,
    vpcId,
    subnetId: dual,
    ipv4Cidr: '10.0.8.0/24',
    ipv6Cidr: '2001:db8:0:1::/64',
  });
  const added = ec2.addEni({ subnetId: dual, ipv6: ['2001:db8:0:1::5'] });
  eni = added.eniId;
  mac = added.mac;
  imds = imdsReader((await world.lab.imds.serverFor(one)).endpoint);
});
afterEach(async () => {
  imds.close();
  await world[Symbol.asyncDispose]();
});

const attach = async (deviceIndex = 1): Promise<void> => {
  const input = { eniId: eni, instanceId: one, deviceIndex, networkCardIndex: 0 };
  attachment = world.lab.ec2.attach(input).attachmentId;
  await world.lab.ec2.settled();
};
const detach = async (force = false): Promise<void> => {
  world.lab.ec2.detach(attachment, force);
  await world.lab.ec2.settled();
};
const isListed = async (): Promise<boolean> => (await imds.get(macs)).body.includes(mac);
const key = async (name: string): Promise<string | number> => {
  const { status, body } = await imds.get(`${macs}/${mac}/${name}`);
  return status === 200 ? body : status;
};

describe('after an attach', () => {
  test('nothing is late unless it is asked for', async () => {
    await attach();
    expect(await isListed()).toBe(true);
    expect(await key('device-number')).toBe('1');
    expect(await key('ipv6s')).toBe('2001:db8:0:1::5');
    expect(await key('subnet-ipv6-cidr-blocks')).toBe('2001:db8:0:1::/64');
  });

  test('the MAC, then the keys, then what they say', async () => {
    Object.assign(world.lab.imds.lags, {
      macLateMs: 1000,
      keysLateMs: 1000,
      deviceNumberLateMs: 1000,
      ipv6LateMs: 2000,
    });
    await attach();
    clock.advance(999);
    expect(await isListed()).toBe(false);
    clock.advance(1);
    expect(await isListed()).toBe(true);
    expect([await key(''), await key('subnet-id'), await key('mac')]).toEqual([404, 404, 404]);
    clock.advance(1000);
    expect(await key('subnet-id')).toBe(dual);
    expect([await key('device-number'), await key('ipv6s')]).toEqual(['0', 404]);
    clock.advance(1000);
    expect([await key('device-number'), await key('ipv6s')]).toEqual(['1', 404]);
    clock.advance(1000);
    expect(await key('ipv6s')).toBe('2001:db8:0:1::5');
  });

  test('the network card of another card than the first', async () => {
    const { ec2, imds: lab } = world.lab;
    const { instanceId } = ec2.launch({ subnetId: subnetA, instanceType: 'p4d.24xlarge' });
    lab.lags.networkCardLateMs = 1000;
    ec2.attach({ eniId: eni, instanceId, deviceIndex: 1, networkCardIndex: 2 });
    const cards = () => lab.view(instanceId)!.macs.map(({ networkCard }) => networkCard);
    expect(cards()).toEqual([undefined, undefined]);
    clock.advance(1000);
    expect(cards()).toEqual([undefined, 2]);
  });

  test('the primary is never late', async () => {
    Object.assign(world.lab.imds.lags, { macLateMs: 1000, omittedAfterBootMs: 1000 });
    world.lab.imds.reboot(one);
    const primary = world.lab.ec2.enisOf(one)[0]!.mac;
    expect((await imds.get(macs)).body).toBe(`${primary}/`);
  });

  test('jitter draws each lag anew, from the seed', async () => {
    Object.assign(world.lab.imds.lags, { macLateMs: 1000, jitter: 1 });
    const lateMs: number[] = [];
    for (let round = 0; round < 3; round++) {
      await attach();
      const startMs = clock.monotonicMs();
      while (world.lab.imds.view(one)!.macs.length < 2) clock.advance(1);
      lateMs.push(clock.monotonicMs() - startMs);
      await detach();
    }
    expect(new Set(lateMs).size).toBe(3);
    expect(Math.max(...lateMs)).toBeLessThanOrEqual(1000);
  });
});

describe('after a detach', () => {
  test('the MAC stays, without keys, for as long as the dial says', async () => {
    world.lab.imds.lags.staleMacMs = 300_000;
    await attach();
    await detach();
    clock.advance(299_999);
    expect(await isListed()).toBe(true);
    expect([await key(''), await key('interface-id')]).toEqual([404, 404]);
    clock.advance(1);
    expect(await isListed()).toBe(false);
  });

  test('an ENI that comes back is whole', async () => {
    world.lab.imds.lags.staleMacMs = 300_000;
    await attach();
    await detach();
    await attach(2);
    expect(await key('device-number')).toBe('2');
    expect((await imds.get(macs)).body.split('\n')).toHaveLength(2);
  });

  test('a forced one leaves all as it was, wherever the ENI goes, until stop and start', async () => {
    const { ec2 } = world.lab;
    world.lab.imds.lags.staleForced = 1;
    await attach();
    await detach(true);
    ec2.attach({ eniId: eni, instanceId: two, deviceIndex: 1, networkCardIndex: 0 });
    await ec2.settled();
    clock.advance(3_600_000);
    world.lab.imds.reboot(one);
    expect([await isListed(), await key('interface-id')]).toEqual([true, eni]);
    expect([await key('device-number'), await key('local-ipv4s')]).toEqual(['1', '10.0.8.4']);
    expect(world.lab.imds.view(two)!.macs.map((view) => view.mac)).toContain(mac);
    ec2.stop(one);
    await ec2.settled();
    ec2.start(one);
    await ec2.settled();
    expect(await isListed()).toBe(false);
  });

  test('the dial of forced ones leaves the others alone', async () => {
    world.lab.imds.lags.staleForced = 1;
    await attach();
    await detach();
    expect(await isListed()).toBe(false);
    await attach();
    world.lab.imds.lags.staleForced = 0;
    await detach(true);
    expect(await isListed()).toBe(false);
  });

  test('a boot clears what was left', async () => {
    world.lab.imds.lags.staleMacMs = 300_000;
    await attach();
    await detach();
    world.lab.imds.reboot(one);
    expect(await isListed()).toBe(false);
  });
});

describe('over time', () => {
  test('a boot omits live secondaries for a while; so does stop and start', async () => {
    await attach();
    world.lab.imds.lags.omittedAfterBootMs = 5000;
    world.lab.imds.reboot(one);
    expect(await isListed()).toBe(false);
    clock.advance(5000);
    expect(await isListed()).toBe(true);
    world.lab.ec2.stop(one);
    await world.lab.ec2.settled();
    world.lab.ec2.start(one);
    await world.lab.ec2.settled();
    expect(await isListed()).toBe(false);
    clock.advance(5000);
    expect(await isListed()).toBe(true);
  });

  test('a change of the addresses shows later', async () => {
    await attach();
    world.lab.imds.lags.addressesLateMs = 2000;
    clock.advance(2000);
    world.lab.ec2.assignAddresses(eni, {
      addresses: ['10.0.8.50'],
      count: 0,
      allowReassignment: false,
    });
    clock.advance(1999);
    expect(await key('local-ipv4s')).toBe('10.0.8.4');
    clock.advance(1);
    expect(await key('local-ipv4s')).toBe('10.0.8.4\n10.0.8.50');
  });

  test('Elastic IPs and prefixes have keys', async () => {
    await attach();
    expect([await key('public-ipv4s'), await key('ipv4-prefix')]).toEqual([404, 404]);
    expect((await imds.get('meta-data/public-ipv4')).status).toBe(404);
    const { ec2 } = world.lab;
    const primary = ec2.enisOf(one)[0]!.eniId;
    for (const eniId of [eni, primary]) {
      const address = allocateAddress(ec2.world, {});
      const target = { eniId, instanceId: undefined, privateIp: undefined };
      associateAddress(ec2.world, address, { ...target, allowReassociation: true });
    }
    ec2.assignAddresses(eni, {
      addresses: [],
      count: 0,
      allowReassignment: false,
      prefixes: ['10.0.8.16/28'],
    });
    expect(await key('public-ipv4s')).toBe('203.0.113.1');
    expect(await key('ipv4-associations')).toBe('203.0.113.1');
    expect(await key('ipv4-associations/203.0.113.1')).toBe('10.0.8.4');
    expect(await key('ipv4-prefix')).toBe('10.0.8.16/28');
    expect((await imds.get('meta-data/public-ipv4')).body).toBe('203.0.113.2');
  });
});
