// The identity that berth reads out of IMDS, and what it does not believe.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readIdentity } from '../../src/boot/identity.ts';
import { createBootWorld, type BootWorld } from '../fixtures/boot-world.ts';
import { primaryEni } from '../fixtures/imds-view.ts';

let world: BootWorld;

beforeEach(async () => {
  world = await createBootWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

const identity = () => readIdentity(world, world.imds, world.signal);

describe('readIdentity', () => {
  test('reads everything, and of the tags those of berth and AWS', async () => {
    const tags = { Name: 'web 1', 'berth:pool': 'web', 'aws:autoscaling:groupName': 'asg 1' };
    world.change({ tags });
    expect(await identity()).toEqual({
      instanceId: 'i-0123456789abcdef0',
      instanceType: 't3.micro',
      imageId: 'ami-0123456789abcdef0',
      accountId: '123456789012',
      region: 'eu-central-1',
      partition: 'aws',
      availabilityZone: 'eu-central-1a',
      availabilityZoneId: 'euc1-az2',
      architecture: 'x86_64',
      hostname: 'ip-10-0-0-10.eu-central-1.compute.internal',
      privateIpv4: '10.0.0.10',
      primaryMac: '0e:49:61:0f:c3:11',
      macCount: 1,
      primarySubnet: {
        subnetId: 'subnet-0123456789abcdef0',
        ipv4Cidr: '10.0.0.0/24',
        ipv6Cidrs: [],
      },
      vpcId: 'vpc-0123456789abcdef0',
      tags: { 'berth:pool': 'web', 'aws:autoscaling:groupName': 'asg 1' },
    });
    expect(world.server.requests.length).toBeLessThanOrEqual(14);
  });

  test('an IPv6-only instance without tags has less', async () => {
    const eni = { ...primaryEni, subnetIpv4Cidr: undefined, localIpv4s: [] };
    const subnetIpv6Cidrs = ['2001:db8::/64', '2001:db8:0:1::/64'];
    world.change({ localIpv4: undefined, tags: undefined, macs: [{ ...eni, subnetIpv6Cidrs }] });
    expect(await identity()).toMatchObject({
      privateIpv4: undefined,
      primarySubnet: { ipv4Cidr: undefined, ipv6Cidrs: subnetIpv6Cidrs },
      tags: undefined,
    });
  });

  test.each([
    ['cn-north-1', 'aws-cn'],
    ['us-gov-west-1', 'aws-us-gov'],
    ['eu-central-1', 'aws'],
  ])('knows the partition of %s by itself', async (region, partition) => {
    world.change({ region });
    world.server.dials.overrides.set('meta-data/services/partition', { status: 404, body: '' });
    expect(await identity()).toMatchObject({ region, partition });
  });

  test("waits for the primary ENI's keys, which may come late", async () => {
    world.server.dials.omitMacs.add(primaryEni.mac);
    const sleep = async (ms: number, signal: AbortSignal): Promise<void> => {
      world.server.dials.omitMacs.clear();
      return world.clock.sleep(ms, signal);
    };
    const clock = { ...world.clock, sleep };
    const { primarySubnet } = await readIdentity({ clock }, world.imds, world.signal);
    expect(primarySubnet?.subnetId).toBe(primaryEni.subnetId);
  });

  test('but not for ever', async () => {
    world.server.dials.omitMacs.add(primaryEni.mac);
    expect(await identity()).toMatchObject({ primarySubnet: undefined, vpcId: undefined });
    expect(world.clock.monotonicMs()).toBeLessThan(5_000);
  });

  const eniPath = `meta-data/network/interfaces/macs/${primaryEni.mac}`;
  test.each([
    ['dynamic/instance-identity/document', '<html>SECRET</html>'],
    ['dynamic/instance-identity/document', 'null'],
    ['dynamic/instance-identity/document', '{"instanceId":"SECRET"}'],
    ['meta-data/mac', 'SECRET'],
    ['meta-data/hostname', '<html>SECRET</html>'],
    ['meta-data/services/partition', 'SECRET'],
    ['meta-data/placement/availability-zone-id', '<html>SECRET</html>'],
    ['meta-data/tags/instance/berth:pool', 'two\nlines SECRET'],
    [`${eniPath}/subnet-id`, 'SECRET'],
    [`${eniPath}/vpc-id`, 'SECRET'],
    [`${eniPath}/subnet-ipv4-cidr-block`, '10.0.0.0/SECRET'],
    [`${eniPath}/subnet-ipv4-cidr-block`, 'SECRET/24'],
    [`${eniPath}/subnet-ipv6-cidr-blocks`, 'SECRET'],
  ])('garbage in %s is named, not repeated', async (path, body) => {
    world.server.dials.overrides.set(path, { status: 200, body });
    const failed = identity();
    await expect(failed).rejects.toMatchObject({ code: 'imds-garbage', details: { path } });
    await expect(failed).rejects.toThrow(`cannot understand ${path} `);
    await expect(failed).rejects.not.toThrow('SECRET');
  });

  test('a document with several unusable fields names them all', async () => {
    const path = 'dynamic/instance-identity/document';
    const body = '{"instanceId":"i-0123456789abcdef0","accountId":1,"region":"x"}';
    world.server.dials.overrides.set(path, { status: 200, body });
    await expect(identity()).rejects.toThrow(
      'unusable: instanceType, accountId, region, availabilityZone, architecture',
    );
  });
});
