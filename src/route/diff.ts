// The steps from what the kernel holds to what the plan wants. Adds come before deletes; nothing where both are equal.
import { isDeepStrictEqual } from 'node:util';
import type { RoutePlan } from '../model/routes.ts';
import type { Batches } from './batch.ts';
import { ownGroup } from './bridge-group.ts';
import type { Family } from './ip-command.ts';
import {
  mainTable,
  protocolKernel,
  type FamilyState,
  type KernelState,
  type RouteState,
  type RuleState,
} from './kernel-state.ts';
import { addressLine, routeLine, ruleLine } from './lines.ts';
import { formerTables, isForBridges, ownRules } from './own-rules.ts';
import { wantedOf, type Wanted } from './wanted.ts';

export function diffRoutes(plan: RoutePlan, state: KernelState): Batches {
  return {
    ipv4: diffFamily(plan, state, 'ipv4', linkLines(plan, state)),
    ipv6: diffFamily(plan, state, 'ipv6', []),
  };
}

/** Safe things first: before the first address works, nothing of it can leave by main. */
function diffFamily(
  plan: RoutePlan,
  state: KernelState,
  family: Family,
  linkUp: readonly string[],
): readonly string[] {
  const wanted = wantedOf(plan, family);
  const addresses = diffAddresses(plan, state[family], family, wanted);
  // Routes go with the address that is their source, so they may be listed in the state and yet be gone by then.
  const routesLost = addresses.first.length > 0;
  const addRoutes = (routes: readonly RouteState[], all: boolean): readonly string[] =>
    routes
      .filter((route) => all || !includes(state[family].routes, route))
      .map((route) => routeLine('replace', route));
  const strays = strayRoutes(plan, state[family], wanted);
  const isOfGone = ({ src }: RouteState): boolean =>
    src !== undefined && addresses.gone.includes(src);
  return [
    ...addRoutes(wanted.lastResort, false),
    ...wanted.rules
      .filter((rule) => !includes(state[family].rules, rule))
      .map((rule) => ruleLine('add', rule)),
    ...linkUp,
    // Those that may go with an address, before it does.
    ...strays.filter(isOfGone).map((route) => routeLine('del', route)),
    ...addresses.first,
    ...addresses.add,
    ...addRoutes(wanted.deviceRoutes, routesLost),
    // Before the addresses, with which they would go.
    ...strays.filter((route) => !isOfGone(route)).map((route) => routeLine('del', route)),
    ...addresses.remove,
    ...strayRules(plan, state[family], wanted),
  ];
}

function linkLines(plan: RoutePlan, { link }: KernelState): readonly string[] {
  const { ifname, mtu, bridgeGroup } = plan;
  const group = link?.group ?? 0;
  const isOver = bridgeGroup === undefined && group === ownGroup;
  return [
    ...(bridgeGroup === undefined || bridgeGroup === group
      ? []
      : [`link set dev ${ifname} group ${bridgeGroup}`]),
    ...(isOver ? [`link set dev ${ifname} group 0`] : []),
    ...(link?.up === true && link.mtu === mtu ? [] : [`link set dev ${ifname} mtu ${mtu} up`]),
  ];
}

function diffAddresses(
  plan: RoutePlan,
  state: FamilyState,
  family: Family,
  wanted: Wanted,
): Readonly<Record<'first' | 'add' | 'remove' | 'gone', readonly string[]>> {
  const line = (verb: 'replace' | 'del', address: string): string =>
    addressLine(verb, { address, ifname: plan.ifname, family });
  const found = (address: string) => state.addresses.find((entry) => entry.address === address);
  const strays = state.addresses
    .map(({ address }) => address)
    .filter((address) => !wanted.addresses.includes(address));
  // Deleting it takes along the other addresses of its subnet, so it cannot wait until they are there.
  const isFirstOfSubnet = (address: string): boolean =>
    family === 'ipv4' && !address.endsWith('/32');
  // `replace` changes lifetimes only: to get its route out of main, the address has to go for a moment.
  const anew = wanted.addresses.filter(
    (address) => found(address)?.noPrefixRoute === false || found(address)?.unusable,
  );
  const leaving = strays.filter(isFirstOfSubnet);
  return {
    first: [
      ...leaving.map((address) => line('del', address)),
      ...anew.flatMap((address) => [line('del', address), line('replace', address)]),
    ],
    gone: [...leaving, ...anew].map((address) => address.split('/')[0]!),
    add: wanted.addresses
      .filter((address) => {
        const entry = found(address);
        return entry === undefined || entry.dynamic || entry.secondary;
      })
      .map((address) => line('replace', address)),
    remove: strays.filter((address) => !isFirstOfSubnet(address)).map((a) => line('del', a)),
  };
}

/**
 * Ours are told by priority and table, since the priority alone is shared by all ENIs of berth; or by what they select,
 * which is this ENI's alone: it had another table when it was attached at another index.
 */
function strayRules(plan: RoutePlan, state: FamilyState, wanted: Wanted): readonly string[] {
  const isSelected = ({ priority, from, oif, more }: RuleState): boolean =>
    more.length === 0 &&
    wanted.rules.some(
      (rule) => rule.priority === priority && rule.from === from && rule.oif === oif,
    );
  const own = [plan.table, ...formerTables(plan, state)].flatMap((table) =>
    ownRules({ ...plan, table }, state),
  );
  return state.rules
    .filter(
      (rule) =>
        own.includes(rule) ||
        ((rule.priority === plan.priority || isForBridges(plan, rule)) && isSelected(rule)),
    )
    .filter((rule) => !includes(wanted.rules, rule))
    .map((rule) => ruleLine('del', rule));
}

/** Everything else in our table, and whatever another manager put into main for our device. */
function strayRoutes(plan: RoutePlan, state: FamilyState, wanted: Wanted): readonly RouteState[] {
  const routes = [...wanted.lastResort, ...wanted.deviceRoutes];
  const tables = [plan.table, ...formerTables(plan, state)];
  const replaced = routes.filter((route) => !includes(state.routes, route));
  return state.routes
    .filter((route) => tables.includes(route.table) || isStrayInMain(route, plan.ifname, state))
    .filter((route) => !includes(routes, route))
    .filter((route) => !replaced.some((other) => sameKey(route, other)));
}

/** Main has nothing of our device but fe80::/64, which the kernel adds by itself. */
function isStrayInMain(route: RouteState, ifname: string, state: FamilyState): boolean {
  if (route.table !== mainTable || route.dev !== ifname) return false;
  if (route.protocol !== protocolKernel) return true;
  // The prefix route of an address goes when the address does.
  return route.dst !== 'fe80::/64' && state.addresses.every((entry) => entry.noPrefixRoute);
}

/** `route replace` of the one overwrites the other. */
function sameKey(one: RouteState, other: RouteState): boolean {
  return one.table === other.table && one.dst === other.dst && one.metric === other.metric;
}

function includes<T>(list: readonly T[], item: T): boolean {
  return list.some((entry) => isDeepStrictEqual(entry, item));
}
