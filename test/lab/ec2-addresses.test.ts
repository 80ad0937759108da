// IPv6 addresses and prefixes of ENIs in the local EC2 over HTTP, by the real SDK.
import * as sdk from '@aws-sdk/client-ec2';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createTestWorld, errorOf, one, subnetA, vpcId, type TestWorld } from './test-world.ts';

let world: TestWorld;
let eni: string;
const dual = 'subnet-0000000000000000d';

beforeEach(async () => {
  world = await createTestWorld();
  world.lab.ec2.addSubnet({
    vpcId,
    subnetId: dual,
    availabilityZone: 'eu-west-1a',
    availabilityZoneId: 'euw1-az1',
    ipv4Cidr: '10.0.8.0/26',
    ipv6Cidr: '2001:db8:0:1::/64',
  });
  eni = world.lab.ec2.addEni({ subnetId: dual }).eniId;
});
afterEach(() => world[Symbol.asyncDispose]());

const assign6 = (input: Partial<sdk.AssignIpv6AddressesCommandInput>, id = eni) =>
  world.ec2.send(new sdk.AssignIpv6AddressesCommand({ NetworkInterfaceId: id, ...input }));
const unassign6 = (input: Partial<sdk.UnassignIpv6AddressesCommandInput>) =>
  world.ec2.send(new sdk.UnassignIpv6AddressesCommand({ NetworkInterfaceId: eni, ...input }));
const assign4 = (input: Partial<sdk.AssignPrivateIpAddressesCommandInput>, id = eni) =>
  world.ec2.send(new sdk.AssignPrivateIpAddressesCommand({ NetworkInterfaceId: id, ...input }));
const described = async () => {
  const command = new sdk.DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [eni] });
  return (await world.ec2.send(command)).NetworkInterfaces![0]!;
};
const attach = () =>
  world.lab.ec2.attach({ eniId: eni, instanceId: one, deviceIndex: 1, networkCardIndex: 0 });

describe('IPv6', () => {
  test('addresses come by name, in any spelling, and by number', async () => {
    const named = await assign6({ Ipv6Addresses: ['2001:DB8:0:1:0:0:0:5'] });
    expect(named).toMatchObject({
      NetworkInterfaceId: eni,
      AssignedIpv6Addresses: ['2001:db8:0:1::5'],
    });
    const { AssignedIpv6Addresses } = await assign6({ Ipv6AddressCount: 2 });
    expect(AssignedIpv6Addresses).toHaveLength(2);
    expect((await described()).Ipv6Addresses).toEqual(
      ['2001:db8:0:1::5', ...AssignedIpv6Addresses!].map((Ipv6Address) => ({ Ipv6Address })),
    );
    await unassign6({ Ipv6Addresses: ['2001:db8:0:1:0::5'] });
    expect((await described()).Ipv6Addresses).toHaveLength(2);
    expect(await errorOf(unassign6({ Ipv6Addresses: ['2001:db8:0:1::5'] }))).toMatch(
      /^InvalidParameterValue/,
    );
  });

  test('prefixes are of 80 bits', async () => {
    await assign6({ Ipv6Prefixes: ['2001:db8:0:1:a::/80'] });
    const { AssignedIpv6Prefixes } = await assign6({ Ipv6PrefixCount: 1 });
    expect(AssignedIpv6Prefixes).toEqual([
      expect.stringMatching(/^2001:db8:0:1:[0-9a-f]{4}::\/80$/),
    ]);
    expect((await described()).Ipv6Prefixes).toHaveLength(2);
    expect(await errorOf(assign6({ Ipv6Prefixes: ['2001:db8:0:1:b::/64'] }))).toMatch(/prefix/);
    await unassign6({ Ipv6Prefixes: ['2001:db8:0:1:a::/80'] });
    expect((await described()).Ipv6Prefixes).toEqual([{ Ipv6Prefix: AssignedIpv6Prefixes![0] }]);
  });

  test('what is refused', async () => {
    const other = world.lab.ec2.addEni({ subnetId: dual, ipv6: ['2001:db8:0:1::7'] }).eniId;
    expect(world.lab.ec2.eni(other)!.ipv6).toEqual(['2001:db8:0:1::7']);
    expect(await errorOf(assign6({ Ipv6Addresses: ['2001:db8:0:1::7'] }))).toMatch(
      /^InvalidIPAddress.InUse/,
    );
    expect(await errorOf(assign6({ Ipv6Addresses: ['2001:db8:0:2::7'] }))).toMatch(
      /subnet's address range/,
    );
    expect(await errorOf(assign6({ Ipv6Addresses: ['::x'] }))).toMatch(/^InvalidParameterValue/);
    expect(await errorOf(assign6({}))).toMatch(/^InvalidParameterCombination/);
    const without = world.lab.ec2.addEni({ subnetId: subnetA }).eniId;
    expect(await errorOf(assign6({ Ipv6AddressCount: 1 }, without))).toMatch(/no IPv6 CIDR/);
    attach();
    expect(await errorOf(assign6({ Ipv6AddressCount: 7 }))).toMatch(
      /^PrivateIpAddressLimitExceeded/,
    );
    await assign6({ Ipv6AddressCount: 6 });
  });

  test('a new ENI may have some, and its subnet says so', async () => {
    const { NetworkInterface } = await world.ec2.send(
      new sdk.CreateNetworkInterfaceCommand({ SubnetId: dual, Ipv6AddressCount: 1 }),
    );
    expect(NetworkInterface!.Ipv6Addresses).toHaveLength(1);
    const { Subnets } = await world.ec2.send(new sdk.DescribeSubnetsCommand({ SubnetIds: [dual] }));
    expect(Subnets![0]!.Ipv6CidrBlockAssociationSet).toMatchObject([
      { Ipv6CidrBlock: '2001:db8:0:1::/64', Ipv6CidrBlockState: { State: 'associated' } },
    ]);
  });
});

describe('IPv4 prefixes', () => {
  test('are blocks of 16 that nobody uses, and count as one address', async () => {
    const { AssignedIpv4Prefixes } = await assign4({ Ipv4PrefixCount: 1 });
    expect(AssignedIpv4Prefixes).toEqual([{ Ipv4Prefix: '10.0.8.16/28' }]);
    const other = world.lab.ec2.addEni({ subnetId: dual }).eniId;
    expect(await errorOf(assign4({ Ipv4Prefixes: ['10.0.8.16/28'] }, other))).toMatch(
      /^InvalidIPAddress.InUse/,
    );
    expect(await errorOf(assign4({ Ipv4Prefixes: ['10.0.8.20/28'] }, other))).toMatch(
      /^InvalidParameterValue/,
    );
    expect(await errorOf(assign4({ Ipv4PrefixCount: 2 }, other))).toMatch(
      /^InsufficientCidrBlocks/,
    );
    expect(world.lab.ec2.eni(other)!.ipv4Prefixes).toEqual([]);
    await assign4({ Ipv4Prefixes: ['10.0.8.32/28'] }, other);
    attach();
    expect(await errorOf(assign4({ SecondaryPrivateIpAddressCount: 5 }))).toMatch(
      /^PrivateIpAddressLimitExceeded/,
    );
    const before = world.lab.ec2.eni(eni)!;
    expect([before.ipv4, before.ipv4Prefixes]).toEqual([['10.0.8.4'], ['10.0.8.16/28']]);
    await world.ec2.send(
      new sdk.UnassignPrivateIpAddressesCommand({
        NetworkInterfaceId: eni,
        Ipv4Prefixes: ['10.0.8.16/28'],
      }),
    );
    expect((await described()).Ipv4Prefixes).toEqual([]);
  });

  test('leave no address of theirs to others', async () => {
    await assign4({ Ipv4PrefixCount: 1 });
    const taken = world.lab.ec2.addEni({ subnetId: dual, secondaryIpv4Count: 11 }).ipv4;
    expect(taken.at(0)).toBe('10.0.8.5');
    expect(taken.at(-1)).toBe('10.0.8.32');
  });
});
