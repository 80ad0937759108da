// The plan in the words of the kernel: the rules, addresses and routes of one family (routing.md section 3.3).
import type { AddressFamilyPlan, Mark, RoutePlan } from '../model/routes.ts';
import type { Family } from './ip-command.ts';
import {
  mainTable,
  protocolKernel,
  scopeLink,
  scopeUniverse,
  typeUnicast,
  typeUnreachable,
  type RouteState,
  type RuleState,
} from './kernel-state.ts';

export type Wanted = {
  readonly rules: readonly RuleState[];
  readonly addresses: readonly string[];
  /** Those that need the device, in order: a subnet before the gateway in it. */
  readonly deviceRoutes: readonly RouteState[];
  /** Catches what finds no other route in the table; without it that would leave by main, with a wrong source. */
  readonly lastResort: readonly RouteState[];
};

/** The largest there is: any other default comes first. */
const lastMetric = 4_294_967_295;

/** Nothing at all for a family in which the ENI has no address. */
export function wantedOf(plan: RoutePlan, family: Family): Wanted {
  const wanted = plan[family];
  if (wanted.sources.length === 0) {
    return { rules: [], addresses: [], deviceRoutes: [], lastResort: [] };
  }
  return {
    rules: wantedRules(plan, wanted),
    addresses: wanted.addresses,
    deviceRoutes: family === 'ipv4' ? deviceRoutes4(plan) : deviceRoutes6(plan),
    lastResort: [
      {
        ...routeIn(plan),
        type: typeUnreachable,
        dst: 'default',
        // The kernel shows it so for IPv6.
        dev: family === 'ipv4' ? undefined : 'lo',
        metric: lastMetric,
      },
    ],
  };
}

function wantedRules(plan: RoutePlan, wanted: AddressFamilyPlan): readonly RuleState[] {
  const rule = {
    priority: plan.priority,
    from: 'all',
    oif: undefined,
    detached: false,
    table: plan.table,
    // Of any other protocol, networkd deletes it when it configures another link.
    protocol: protocolKernel,
    fwmark: undefined,
    suppressGroup: undefined,
    more: [],
  };
  const { bridgeGroup, mark } = plan;
  return [
    ...(mark === undefined
      ? []
      : [{ ...rule, priority: markPriority(plan), fwmark: markText(mark) }]),
    ...(bridgeGroup === undefined
      ? []
      : wanted.sources.map((from) => ({
          ...rule,
          priority: bridgePriority(plan),
          from,
          table: mainTable,
          suppressGroup: bridgeGroup,
        }))),
    ...wanted.sources.map((from) => ({ ...rule, from })),
    // A socket bound to the device has no source yet when its route is chosen.
    { ...rule, oif: plan.ifname },
  ];
}

function deviceRoutes4(plan: RoutePlan): readonly RouteState[] {
  const { addresses, subnets, gateway } = plan.ipv4;
  const src = withoutLength(addresses[0]);
  return [
    ...subnets.map((dst) => ({ ...onDevice(plan), dst, src, scope: scopeLink })),
    ...(gateway === undefined ? [] : [{ ...onDevice(plan), dst: 'default', via: gateway, src }]),
  ];
}

function deviceRoutes6(plan: RoutePlan): readonly RouteState[] {
  const { addresses, subnets, gateway } = plan.ipv6;
  const src = withoutLength(addresses[0]);
  // The kernel's default for IPv6.
  const route = { ...onDevice(plan), metric: 1024 };
  return [
    { ...route, dst: 'fe80::/64' },
    ...subnets.map((dst) => ({ ...route, dst, src })),
    ...(gateway === undefined ? [] : [{ ...route, dst: 'default', via: gateway, src }]),
  ];
}

function onDevice(plan: RoutePlan): Omit<RouteState, 'dst'> {
  return { ...routeIn(plan), dev: plan.ifname };
}

function routeIn(plan: RoutePlan): Omit<RouteState, 'dst'> {
  return {
    table: plan.table,
    type: typeUnicast,
    via: undefined,
    dev: undefined,
    src: undefined,
    scope: scopeUniverse,
    metric: 0,
    protocol: protocolKernel,
  };
}

function withoutLength(address: string | undefined): string | undefined {
  return address?.split('/')[0];
}

/** Before the rules for our sources: what came in by the ENI, whatever its source is now. */
export function markPriority({ priority }: Pick<RoutePlan, 'priority'>): number {
  return priority - 2;
}

/** Before the rules for our sources: containers on this host. */
export function bridgePriority({ priority }: Pick<RoutePlan, 'priority'>): number {
  return priority - 1;
}

function markText({ value, mask }: Mark): string {
  return `0x${value.toString(16)}/0x${mask.toString(16)}`;
}
