// The whole plan as text: this is the specification of routing.md section 3, line by line.
import { expect, test } from 'vitest';
import { describePlan } from '../../src/route/describe.ts';
import { planRoutes } from '../../src/route/plan.ts';
import { claimedEni, plainRouting } from '../fixtures/claimed-eni.ts';

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
  expect(describePlan(planRoutes({ claimed, device, mtu: 9001, ...plainRouting })).join('\n')).toBe(
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

test('bridges and marks: their rules come before ours, and the nft table is printed whole', () => {
  const claimed = claimedEni();
  const device = { name: 'eth1', index: 3, mac: claimed.eni.mac };
  const plan = planRoutes({
    claimed,
    device,
    mtu: 9001,
    hasIpv6: true,
    bridgeGroup: 9500,
    connmark: 0x3f00,
  });
  const text = describePlan(plan).join('\n');
  expect(text.match(/^ip (rule|link).*/gm)).toEqual([
    'ip rule add priority 9498 fwmark 0x100/0x3f00 lookup 20001 protocol kernel',
    'ip rule add priority 9499 from 10.0.1.20/32 lookup 254 suppress_prefixlength 0 suppress_ifgroup 9500 protocol kernel',
    'ip rule add priority 9500 from 10.0.1.20/32 lookup 20001 protocol kernel',
    'ip rule add priority 9500 oif eth1 lookup 20001 protocol kernel',
    'ip link set dev eth1 group 9500',
    'ip link set dev eth1 mtu 9001 up',
  ]);
  expect(text.slice(text.indexOf('nft'))).toBe(
    `
nft -f - <<'END'
table inet berth_20001
delete table inet berth_20001
table inet berth_20001 {
  chain prerouting {
    type filter hook prerouting priority -150; policy accept;
    iifname "eth1" ct direction original ct mark set ct mark and 0xffffc0ff or 0x100
    iifname != "eth1" ct direction reply ct mark and 0x3f00 == 0x100 meta mark set meta mark and 0xffffc0ff or 0x100
  }
}
END
`.trim(),
  );
  const third = { ...claimed, deviceIndex: 3 };
  const few = { claimed: third, device, mtu: 9001, ...plainRouting, connmark: 0x2000 };
  expect(() => planRoutes(few)).toThrow(
    'the mask 0x2000 of routing.connmark has no bits for device index 3',
  );
});
