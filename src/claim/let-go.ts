// Gets rid of an ENI that we should not have, without letting that stop what goes on beside it.
import { messageOf } from '../errors.ts';
import type { HoldDeps } from './calls.ts';
import { detachAndDrop, type ReleaseInput } from './release.ts';

/** Detach takes 2 to 3 s as a rule (claim.md section 4). */
export const letGoWithinMs = 60_000;

/** Did it work? Never throws but for `signal`; what is left stays for the next sweep. */
export async function letGo(
  deps: HoldDeps,
  input: ReleaseInput,
  signal: AbortSignal,
): Promise<boolean> {
  using deadline = deps.clock.deadline(letGoWithinMs, signal);
  const { eniId } = input.eni;
  try {
    await detachAndDrop(deps, input, deadline.signal);
    return true;
  } catch (error) {
    signal.throwIfAborted();
    deps.log.error({ eni: eniId }, `cannot give ${eniId} back: ${messageOf(error)}`);
    return false;
  }
}
