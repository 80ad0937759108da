// Does a line of `ip monitor` concern our routing? Others come and go all the time where containers do.
import type { RoutePlan } from '../model/routes.ts';

/** Rules and default routes always do: they may come before ours, or be main's. Pure. */
export function touches(
  { ifname, mac, table, ipv4, ipv6 }: Pick<RoutePlan, 'ifname' | 'mac' | 'table' | 'ipv4' | 'ipv6'>,
  line: string,
): boolean {
  const words = line.split(/[\s:@/]+/);
  return (
    /^(Deleted )?\d+:\s+(from|not)\b/.test(line) ||
    line.includes(mac) ||
    words.some((word) => word === ifname || word === 'default' || word === String(table)) ||
    [...ipv4.addresses, ...ipv6.addresses].some((address) => line.includes(address.split('/')[0]!))
  );
}
