// cloud-init's own Ec2 data source takes the lab's IMDS for EC2's, and finds nothing to warn of.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemExec } from '../../src/system/exec.ts';
import { crawlByCloudInit, hasCloudInit, needsCloudInit } from './cloud-init.ts';
import { inNamespaces, needsNamespaces } from './environment.ts';
import { createSmallCloud, instances, poolEni, subnets } from './small-cloud.ts';
import { createTestWorld, one, subnetA, subnetA2, type TestWorld } from './test-world.ts';

vi.setConfig({ testTimeout: 120_000 });

const userData = '#cloud-config\nhostname: berth\n';
const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGxhYg berth';

/** No server answers for names there, and this way it is known at once. */
const withoutNames = [
  'unshare',
  '--mount',
  'sh',
  '-c',
  'mount --bind /dev/null /etc/resolv.conf && exec "$@"',
  'sh',
];

describe.skipIf(!hasCloudInit)(`cloud-init${needsCloudInit}`, () => {
  let world: TestWorld;
  beforeEach(async () => {
    world = await createTestWorld();
  });
  afterEach(() => world[Symbol.asyncDispose]());

  /** Of the first instance, with NICs named by their device index. */
  const crawl = async () => {
    const enis = world.lab.ec2.enisOf(one);
    return crawlByCloudInit({
      endpoint: await world.lab.imdsFor(one),
      nics: Object.fromEntries(
        enis.map(({ mac, attachment }) => [mac, `eth${attachment?.deviceIndex}`]),
      ),
      prefix: [],
    });
  };

  test('reads all that IMDS says of an instance with two ENIs', async () => {
    const { ec2, imds } = world.lab;
    const eni = ec2.addEni({
      subnetId: subnetA2,
      privateIpv4: '10.0.2.50',
      secondaryIpv4: ['10.0.2.51'],
    });
    ec2.attach({ eniId: eni.eniId, instanceId: one, deviceIndex: 1, networkCardIndex: 0 });
    imds.change(one, { userData: Buffer.from(userData), publicKeys: { 'my-key': key } });
    const [primary] = ec2.enisOf(one);
    const crawled = await crawl();

    const hostname = 'ip-10-0-1-4.eu-west-1.compute.internal';
    const common = {
      'owner-id': world.lab.accountId,
      'security-group-ids': expect.stringMatching(/^sg-/),
      'security-groups': 'default',
      'vpc-id': primary!.vpcId,
      'vpc-ipv4-cidr-block': '10.0.0.0/16',
      'vpc-ipv4-cidr-blocks': '10.0.0.0/16',
    };
    const macs = {
      [primary!.mac]: {
        ...common,
        'device-number': '0',
        'interface-id': primary!.eniId,
        'local-hostname': hostname,
        'local-ipv4s': '10.0.1.4',
        mac: primary!.mac,
        'subnet-id': subnetA,
        'subnet-ipv4-cidr-block': '10.0.1.0/24',
      },
      [eni.mac]: {
        ...common,
        'device-number': '1',
        'interface-id': eni.eniId,
        'local-hostname': 'ip-10-0-2-50.eu-west-1.compute.internal',
        'local-ipv4s': ['10.0.2.50', '10.0.2.51'],
        mac: eni.mac,
        'subnet-id': subnetA2,
        'subnet-ipv4-cidr-block': '10.0.2.0/24',
      },
    };
    expect(crawled).toEqual({
      found: true,
      warnings: [],
      cloud: 'aws',
      metadataAddress: await imds.serverFor(one).then(({ endpoint }) => endpoint),
      apiVersion: '2021-03-23',
      instanceId: one,
      region: 'eu-west-1',
      availabilityZone: 'eu-west-1a',
      hostname: 'ip-10-0-1-4',
      launchIndex: '0',
      rootDevice: '/dev/xvda',
      publicKeys: [key],
      userData,
      networkConfig: {
        version: 2,
        ethernets: {
          eth0: {
            match: { macaddress: primary!.mac },
            'set-name': 'eth0',
            dhcp4: true,
            'dhcp4-overrides': { 'route-metric': 100 },
            dhcp6: false,
          },
          eth1: {
            match: { macaddress: eni.mac },
            'set-name': 'eth1',
            dhcp4: true,
            'dhcp4-overrides': { 'route-metric': 200 },
            dhcp6: false,
            addresses: ['10.0.2.51/24'],
          },
        },
      },
      identity: expect.objectContaining({ instanceId: one, accountId: world.lab.accountId }),
      metaData: {
        'ami-id': expect.stringMatching(/^ami-/),
        'ami-launch-index': '0',
        'ami-manifest-path': '(unknown)',
        'block-device-mapping': { ami: '/dev/xvda', root: '/dev/xvda' },
        events: { maintenance: { history: '[]', scheduled: '[]' } },
        hostname,
        // It never asks for the credentials.
        iam: { info: expect.objectContaining({ Code: 'Success' }) },
        'instance-action': 'none',
        'instance-id': one,
        'instance-life-cycle': 'on-demand',
        'instance-type': 't3.medium',
        'local-hostname': hostname,
        'local-ipv4': '10.0.1.4',
        mac: primary!.mac,
        metrics: { vhostmd: '<?xml version="1.0" encoding="UTF-8"?>' },
        network: { interfaces: { macs } },
        placement: {
          'availability-zone': 'eu-west-1a',
          'availability-zone-id': 'euw1-az1',
          region: 'eu-west-1',
        },
        profile: 'default-hvm',
        'public-keys': { 'my-key': key },
        'reservation-id': expect.stringMatching(/^r-/),
        'security-groups': 'default',
        services: { domain: 'amazonaws.com', partition: 'aws' },
        system: 'nitro',
        tags: { instance: { 'berth:pool': 'db' } },
      },
    });
    const { requests } = await imds.serverFor(one);
    expect(requests.filter(({ status }) => status !== 200)).toEqual([]);
  });

  test('misses nothing where there is no user data, key, tag or role', async () => {
    world.lab.imds.change(one, { tags: undefined, roleName: undefined, userData: undefined });
    const crawled = await crawl();
    expect(crawled).toMatchObject({ found: true, warnings: [], instanceId: one, userData: '' });
    const absent = ['tags', 'iam', 'public-keys'];
    expect(absent.filter((name) => name in crawled.metaData)).toEqual([]);
  });

  test('would have warned: of a connection that comes to nothing', async () => {
    const server = await world.lab.imds.serverFor(one);
    server.dials.resetConnections = 1;
    const crawled = await crawl();
    expect(crawled).toMatchObject({ found: true, instanceId: one });
    expect(crawled.warnings.join('\n')).toContain('Connection reset by peer');
  });

  test.skipIf(!inNamespaces)(
    `finds IMDS at 169.254.169.254 in the network of an instance${needsNamespaces}`,
    async () => {
      await using cloud = await createSmallCloud({ dials: {}, latency: {} });
      const { instanceId, privateIpv4 } = instances['inst-a'];
      cloud.lab.ec2.attach({
        eniId: poolEni.eniId,
        instanceId,
        deviceIndex: 1,
        networkCardIndex: 0,
      });
      await cloud.lab.ec2.settled();
      const prefix = cloud.vpc.exec('inst-a');
      const links = await systemExec.run(
        {
          argv: [...prefix, 'ip', '-json', 'link'] as [string, ...string[]],
          stdin: undefined,
          timeoutMs: 10_000,
        },
        new AbortController().signal,
      );
      const nics = (JSON.parse(links.stdout) as { ifname: string; address: string }[])
        .filter(({ ifname }) => ifname !== 'lo')
        .map(({ ifname, address }) => [address, ifname] as const);
      const crawled = await crawlByCloudInit({
        endpoint: undefined,
        nics: Object.fromEntries(nics),
        prefix: [...prefix, ...withoutNames],
      });
      expect(crawled).toMatchObject({
        found: true,
        warnings: [],
        metadataAddress: 'http://169.254.169.254',
        instanceId,
        metaData: {
          'local-ipv4': privateIpv4,
          placement: { 'availability-zone': subnets.a.availabilityZone },
        },
        networkConfig: { ethernets: { eth0: {}, eth1: { match: { macaddress: poolEni.mac } } } },
      });
    },
  );
});
