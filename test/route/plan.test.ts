// The numbers and addresses of a plan, from what EC2 says.
import { describe, expect, test } from 'vitest';
import { planRoutes, tableOf, unknownDevice } from '../../src/route/plan.ts';
import { claimedEni, plainRouting } from '../fixtures/claimed-eni.ts';

describe('planRoutes', () => {
  test('an ENI with secondary addresses and a delegated prefix', () => {
    const claimed = claimedEni({
      eni: { ipv4: ['10.0.1.20', '10.0.1.21'], ipv4Prefixes: ['10.0.1.64/28'] },
      deviceIndex: 2,
      networkCardIndex: 1,
    });
    const device = { name: 'ens6', index: 4, mac: claimed.eni.mac };
    expect(planRoutes({ claimed, device, mtu: 9001, ...plainRouting })).toEqual({
      eniId: 'eni-0123456789abcdef0',
      mac: '02:00:00:00:01:20',
      ifname: 'ens6',
      table: 20102,
      priority: 9500,
      mtu: 9001,
      ipv4: {
        addresses: ['10.0.1.20/24', '10.0.1.21/32'],
        sources: ['10.0.1.20/32', '10.0.1.21/32', '10.0.1.64/28'],
        subnets: ['10.0.1.0/24'],
        gateway: '10.0.1.1',
      },
      ipv6: { addresses: [], sources: [], subnets: [], gateway: undefined },
      unserved: [],
      bridgeGroup: undefined,
      mark: undefined,
    });
  });

  test('IPv6 is spelled as the kernel spells it', () => {
    const claimed = claimedEni({
      eni: {
        ipv6: ['2001:DB8:0:0:1:0:0:20'],
        ipv6Prefixes: ['2001:db8:1:0:1:0::/96'],
      },
      subnet: { ipv6Cidrs: ['2001:0db8:0000::/64'] },
    });
    const { ipv6 } = planRoutes({ claimed, device: undefined, mtu: 9001, ...plainRouting });
    expect(ipv6).toMatchObject({
      addresses: ['2001:db8::1:0:0:20/128'],
      sources: ['2001:db8::1:0:0:20/128', '2001:db8:1:0:1::/96'],
      subnets: ['2001:db8::/64'],
    });
  });

  test('an ENI with IPv6', () => {
    const claimed = claimedEni({
      eni: { ipv6: ['2001:db8::20'], ipv6Prefixes: ['2001:db8:0:1::/80'] },
      subnet: { ipv6Cidrs: ['2001:db8::/64'] },
    });
    expect(planRoutes({ claimed, device: undefined, mtu: 9001, ...plainRouting })).toMatchObject({
      ifname: unknownDevice,
      ipv6: {
        addresses: ['2001:db8::20/128'],
        sources: ['2001:db8::20/128', '2001:db8:0:1::/80'],
        subnets: ['2001:db8::/64'],
        gateway: 'fe80:ec2::1',
      },
    });
  });

  test.each([
    ['10.0.1.0/24', '10.0.1.1'],
    ['172.31.16.128/25', '172.31.16.129'],
    ['10.0.0.240/28', '10.0.0.241'],
  ])('the gateway of %s is %s', (ipv4Cidr, gateway) => {
    const claimed = claimedEni({ subnet: { ipv4Cidr } });
    expect(
      planRoutes({ claimed, device: undefined, mtu: 9001, ...plainRouting }).ipv4.gateway,
    ).toBe(gateway);
  });

  test('IPv4 addresses in a subnet without IPv4 are refused', () => {
    const claimed = claimedEni({ subnet: { ipv4Cidr: undefined } });
    expect(() => planRoutes({ claimed, device: undefined, mtu: 9001, ...plainRouting })).toThrow(
      /cannot route eni-0123456789abcdef0: .*subnet-a has no IPv4 CIDR/,
    );
  });

  test('tables of different cards and indexes differ', () => {
    expect([tableOf(0, 1), tableOf(0, 15), tableOf(1, 1)]).toEqual([20001, 20015, 20101]);
  });
});
