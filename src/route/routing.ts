// Routing as the daemon uses it: everything it does to the kernel for one claimed ENI, over the ports it needs.
import type { Claimed } from '../model/eni.ts';
import type { Identity } from '../model/instance.ts';
import type { RoutePlan, RoutingConfig, RoutingDescription } from '../model/routes.ts';
import type { Log } from '../log.ts';
import { routeConcerns, type ConcernDeps } from './concerns.ts';
import { joinPrimary } from './bridge-group.ts';
import { awaitRoutes, observeRoutes } from './observe.ts';
import { describePlan } from './describe.ts';
import { drawRouting } from './picture.ts';
import { planRoutes } from './plan.ts';
import { prepareRouting } from './prepare.ts';
import { primaryMtu } from './primary-mtu.ts';
import { routeProblems } from './problems.ts';
import { removeRoutes } from './remove.ts';
import { applyRoutes, type RouteDeps } from './route.ts';
import { isIpv6On } from './sysctls.ts';
import { touches } from './touches.ts';
import { verifyRoutes } from './verify.ts';
import { watchRouting, type RoutingWatcher } from './watch.ts';

/** Each method throws what the function behind it throws: `not-permitted`, `command-missing`, `routing-failed`. */
export type Routing = {
  /** Before the first claim: may we, and what is left of ENIs that were pulled out? */
  prepare(signal: AbortSignal): Promise<void>;
  /** `before`: the plan until now; its device's name, table and MTU stay where nothing says otherwise. */
  plan(claimed: Claimed, before: RoutePlan | undefined, signal: AbortSignal): Promise<RoutePlan>;
  /** Sets and verifies. Returns the plan with the device's final name. Throws `device-missing` too. */
  apply(plan: RoutePlan, signal: AbortSignal): Promise<RoutePlan>;
  /** What others broke, in words. Throws `device-missing` too. */
  problems(plan: RoutePlan, signal: AbortSignal): Promise<readonly string[]>;
  /** What may go wrong yet, in words; no reason not to serve. Takes 2.5 s at most. */
  concerns(plan: RoutePlan, signal: AbortSignal): Promise<readonly string[]>;
  remove(plan: RoutePlan, signal: AbortSignal): Promise<void>;
  describe(plan: RoutePlan): RoutingDescription;
  /** Hears of changes to the kernel's routing that concern the plan of then. */
  watch(current: () => RoutePlan, signal: AbortSignal): RoutingWatcher;
};

export function createRouting(
  deps: RouteDeps & ConcernDeps & { readonly log: Log },
  input: {
    readonly imdsEndpoint: string;
    readonly config: RoutingConfig;
    readonly identity: Identity;
  },
): Routing {
  const { imdsEndpoint, identity } = input;
  const { primaryMac } = identity;
  const { connmark, localBridges, mode } = input.config;
  const isOwn = mode === 'own';
  let bridgeGroup: number | undefined;
  return {
    prepare: async (signal) => {
      if (!isOwn) return;
      await prepareRouting(deps, signal);
      const primary = localBridges ? await deps.devices.find(primaryMac, signal) : undefined;
      if (primary !== undefined) bridgeGroup = await joinPrimary(deps, primary.name, signal);
    },
    plan: async ({ claimed, device }, before, signal) => {
      const mtu = await primaryMtu(deps, { primaryMac, otherwise: before?.mtu }, signal);
      // The device was named when it was first seen; udev may have renamed it since.
      const ifname = before?.ifname ?? device.name;
      const hasIpv6 = await isIpv6On(deps, ifname);
      const plan = planRoutes({ claimed, device, mtu, hasIpv6, bridgeGroup, connmark });
      return before === undefined ? plan : { ...plan, ifname, table: before.table };
    },
    apply: async (plan, signal) =>
      isOwn ? (await applyRoutes(deps, plan, signal)).plan : awaitRoutes(deps, plan, signal),
    problems: (plan, signal) =>
      routeProblems(() => (isOwn ? verifyRoutes : observeRoutes)(deps, plan, signal), signal),
    concerns: (plan, signal) => routeConcerns(deps, { plan, imdsEndpoint, isOwn }, signal),
    remove: async (plan, signal) => {
      if (isOwn) await removeRoutes(deps, plan, signal);
    },
    describe: (plan) => ({
      picture: drawRouting(plan, identity),
      commands: isOwn ? describePlan(plan) : [],
    }),
    watch: (current, signal) => watchRouting(deps, (line) => touches(current(), line), signal),
  };
}
