// Gives back what a claim has come to that was stopped before it was done.
import type { Identity } from '../model.ts';
import { describe, lagMs, type HoldDeps } from './calls.ts';
import type { ClaimRecord } from './record.ts';
import { detachAndDrop } from './release.ts';

/** The record names the ENI from before the first call on. Throws what detachAndDrop throws. */
export async function releaseRecorded(
  deps: HoldDeps & { readonly record: ClaimRecord },
  identity: Identity,
  signal: AbortSignal,
): Promise<void> {
  const eniId = await deps.record.load();
  let eni = eniId === undefined ? undefined : await describe(deps, eniId, signal);
  if (eniId !== undefined && eni === undefined) {
    // One read may be a bad one, and nobody but the record knows what we hold.
    await deps.clock.sleep(lagMs, signal);
    eni = await describe(deps, eniId, signal);
  }
  if (eni !== undefined) await detachAndDrop(deps, { eni, identity }, signal);
  await deps.record.clear();
}
