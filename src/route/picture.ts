// The routing of one ENI as a small picture: which subnet, which address, which device it leaves by, and on to where. Pure.
import type { Identity } from '../model/instance.ts';
import type { RoutePlan } from '../model/routes.ts';

type Row = readonly [subnet: string, addresses: string, device: string, way: string];

/** The primary's own addresses, which berth leaves to main, are the first line. */
export function drawRouting(
  plan: RoutePlan,
  { privateIpv4, primarySubnet }: Pick<Identity, 'privateIpv4' | 'primarySubnet'>,
): readonly string[] {
  const rows: readonly Row[] = [
    [primarySubnet?.ipv4Cidr ?? 'the subnet', privateIpv4 ?? 'all else', 'primary', 'main table'],
    ...(['ipv4', 'ipv6'] as const).flatMap((family) => rowsOf(plan, family)),
  ];
  const width = (column: 0 | 1 | 2): number => Math.max(...rows.map((row) => row[column].length));
  return rows.map(
    ([subnet, addresses, device, way]) =>
      `${subnet.padEnd(width(0))}  [ ${addresses.padEnd(width(1))} ]--${device.padEnd(width(2), '-')}--> ${way}`,
  );
}

function rowsOf(plan: RoutePlan, family: 'ipv4' | 'ipv6'): readonly Row[] {
  const { addresses, sources, subnets, gateway } = plan[family];
  if (sources.length === 0) return [];
  const own = addresses.map((address) => address.split('/')[0]!);
  // Of sources, addresses come first; what follows is delegated.
  const shown = [...own, ...sources.slice(addresses.length)];
  return [[subnets.join(' '), shown.join(' '), plan.ifname, `table ${plan.table}, via ${gateway}`]];
}
