// What of `ip monitor` makes the daemon look: as iproute2 6.1 prints it.
import { expect, test } from 'vitest';
import { planRoutes } from '../../src/route/plan.ts';
import { touches } from '../../src/route/touches.ts';
import { claimedEni, plainRouting } from '../fixtures/claimed-eni.ts';

const claimed = claimedEni({
  eni: { ipv6: ['2001:db8::20'] },
  subnet: { ipv6Cidrs: ['2001:db8::/64'] },
});
const device = { name: 'eth1', index: 3, mac: claimed.eni.mac };
const plan = planRoutes({ claimed, device, mtu: 9001, ...plainRouting });

test.each([
  'Deleted 9500:\tfrom 10.0.1.20 lookup 20001 proto kernel ',
  '80:\tfrom all lookup 99 ',
  '80:\tnot from all fwmark 0x1 lookup 99 ',
  'Deleted default via 10.0.1.1 dev eth1 table 20001 proto kernel src 10.0.1.20 ',
  'Deleted default via 10.0.1.1 dev eth0 ',
  'unreachable default table 20001 proto kernel metric 4294967295 ',
  'Deleted 10.0.1.0/24 dev eth1 table 20001 proto kernel scope link src 10.0.1.20 ',
  '3: eth1: <BROADCAST,MULTICAST> mtu 9001 qdisc noqueue state DOWN group default ',
  '3: eth1@if7: <BROADCAST,MULTICAST> mtu 9001 qdisc noqueue state DOWN group default ',
  'Deleted 3: eth1    inet 10.0.1.20/24 scope global noprefixroute eth1',
  '    link/ether 02:00:00:00:01:20 brd ff:ff:ff:ff:ff:ff',
  '7: br0    inet 10.0.1.20/32 scope global br0',
  '7: br0    inet6 2001:db8::20/128 scope global ',
])('%s', (line) => {
  expect(touches(plan, line)).toBe(true);
});

test.each([
  // Renamed: the next line has the MAC.
  '4: ens6: <BROADCAST,MULTICAST> mtu 1500',
  '12: veth3@if11: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master docker0 state UP',
  '    link/ether 02:42:ac:11:00:02 brd ff:ff:ff:ff:ff:ff',
  '172.18.0.0/16 dev br-4 proto kernel scope link src 172.18.0.1 ',
  'local 172.18.0.1 dev br-4 table local proto kernel scope host src 172.18.0.1 ',
  '13: eth10    inet 172.31.0.1/24 scope global eth10',
])('not: %s', (line) => {
  expect(touches(plan, line)).toBe(false);
});
