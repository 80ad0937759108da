// Routing that another tool sets (routing.mode `verify`): berth changes nothing, and says whether packets would go right.
import { BerthError } from '../errors.ts';
import type { RoutePlan } from '../model/routes.ts';
import { families } from './batch.ts';
import { verifyGateway } from './gateway.ts';
import { loadKernelState, type KernelState } from './kernel-state.ts';
import { askLookups, judgeLookups, planLookups } from './lookups.ts';
import { findDevice, type RouteDeps } from './route.ts';
import { settle } from './settle.ts';

/** Throws `device-missing`; `routing-failed` with everything that is wrong. */
export async function awaitRoutes(
  deps: RouteDeps,
  wanted: RoutePlan,
  signal: AbortSignal,
): Promise<RoutePlan> {
  const { name } = await findDevice(deps, wanted, signal);
  const plan = { ...wanted, ifname: name };
  const problems = await settle(deps, () => observeRoutes(deps, plan, signal), signal);
  if (problems.length === 0) return plan;
  throw new BerthError(
    'routing-failed',
    `cannot serve ${plan.eniId} on ${plan.ifname}: ${problems.join('; ')}. routing.mode is "verify", so that the tool that manages ${plan.ifname} has to set that`,
    { retryable: true, details: { eniId: plan.eniId, device: plan.ifname, problems } },
  );
}

/** Checks 1 and 5 to 7 of routing.md section 4, against whichever table leads there. In words. Throws `device-missing`. */
export async function observeRoutes(
  deps: RouteDeps,
  plan: RoutePlan,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const state = await loadKernelState(deps, plan.ifname, signal);
  if (state.link === undefined) return [`the device ${plan.ifname} is gone`];
  if (!state.link.up) return [`${plan.ifname} is down`];
  const missing = missingAddresses(plan, state);
  if (missing.length > 0) return missing;
  const ways = families.map(async (family) => {
    const lookups = planLookups(plan, state, family);
    const answers = await askLookups(deps, { family, lookups }, signal);
    return judgeLookups({ ifname: plan.ifname, table: undefined }, lookups, answers);
  });
  return (await Promise.all([...ways, verifyGateway(deps, { plan, isNew: false }, signal)])).flat();
}

function missingAddresses(plan: RoutePlan, state: KernelState): readonly string[] {
  return families.flatMap((family) => {
    const found = state[family].addresses.map(({ address }) => bare(address));
    return plan[family].addresses
      .map(bare)
      .filter((address) => !found.includes(address))
      .map((address) => `${plan.ifname} does not have ${address}`);
  });
}

function bare(address: string): string {
  return address.split('/')[0]!;
}
