// The whole plan as text: this is the specification of routing.md section 3, line by line.
import { expect, test } from 'vitest';
import { describePlan } from '../../src/route/describe.ts';
import { planRoutes } from '../../src/route/plan.ts';
import { claimedEni } from '../fixtures/claimed-eni.ts';

test('every command for an ENI with both families, two addresses and a prefix', () => {
  const claimed = claimedEni({
    eni: {
      ipv4: ['10.0.1.20', '10.0.1.21'],
      ipv4Prefixes: ['10.0.1.64/28'],
      ipv6: ['2001:db8::20'],
    },
    subnet: { ipv6Cidrs: ['2001:db8::/64'] },
  });
  const device = { name: 'eth1', index: 3, mac: claimed.eni.mac };
  expect(describePlan(planRoutes({ claimed, device, mtu: 9001, hasIpv6: true })).join('\n')).toBe(
    `
sysctl -w net/ipv4/conf/eth1/rp_filter=2
sysctl -w net/ipv4/conf/eth1/arp_announce=2
sysctl -w net/ipv6/conf/eth1/accept_ra=0
sysctl -w net/ipv6/conf/eth1/autoconf=0
sysctl -w net/ipv6/conf/eth1/use_tempaddr=0
sysctl -w net/ipv6/conf/eth1/accept_dad=0
sysctl -w net/ipv6/conf/eth1/keep_addr_on_down=1
ip route replace unreachable default metric 4294967295 table 20001 proto kernel
ip rule add priority 9500 from 10.0.1.20/32 lookup 20001 protocol kernel
ip rule add priority 9500 from 10.0.1.21/32 lookup 20001 protocol kernel
ip rule add priority 9500 from 10.0.1.64/28 lookup 20001 protocol kernel
ip rule add priority 9500 oif eth1 lookup 20001 protocol kernel
ip link set dev eth1 mtu 9001 up
ip addr replace 10.0.1.20/24 dev eth1 noprefixroute
ip addr replace 10.0.1.21/32 dev eth1 noprefixroute
ip route replace 10.0.1.0/24 dev eth1 src 10.0.1.20 scope link table 20001 proto kernel
ip route replace default via 10.0.1.1 dev eth1 src 10.0.1.20 table 20001 proto kernel
ip -6 route replace unreachable default metric 4294967295 table 20001 proto kernel
ip -6 rule add priority 9500 from 2001:db8::20/128 lookup 20001 protocol kernel
ip -6 rule add priority 9500 oif eth1 lookup 20001 protocol kernel
ip -6 addr replace 2001:db8::20/128 dev eth1 nodad noprefixroute
ip -6 route replace fe80::/64 dev eth1 table 20001 proto kernel
ip -6 route replace 2001:db8::/64 dev eth1 src 2001:db8::20 table 20001 proto kernel
ip -6 route replace default via fe80:ec2::1 dev eth1 src 2001:db8::20 table 20001 proto kernel
`.trim(),
  );
});
