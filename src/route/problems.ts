// What is wrong with the routing of a served ENI, for whoever looks after it: not being able to look is a problem too.
import { hasCode, messageOf } from '../errors.ts';

/** In words; none: all is well. Throws `device-missing`, and the signal's reason. */
export async function routeProblems(
  look: () => Promise<readonly string[]>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  try {
    return await look();
  } catch (error) {
    signal.throwIfAborted();
    if (hasCode(error, 'device-missing')) throw error;
    return [messageOf(error)];
  }
}
