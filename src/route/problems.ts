// What is wrong with the routing of a served ENI, for whoever looks after it: not being able to look is a problem too.
import { hasCode, messageOf } from '../errors.ts';
import type { RoutePlan } from '../model.ts';
import { verifyRoutes, type VerifyDeps } from './verify.ts';

/** In words; none: all is well. Throws `device-missing`, and the signal's reason. */
export async function routeProblems(
  deps: VerifyDeps,
  plan: RoutePlan,
  signal: AbortSignal,
): Promise<readonly string[]> {
  try {
    return await verifyRoutes(deps, plan, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (hasCode(error, 'device-missing')) throw error;
    return [messageOf(error)];
  }
}
