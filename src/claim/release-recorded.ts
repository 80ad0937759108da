// Gives back what a claim has come to that was stopped before it was done.
import type { Identity } from '../model/instance.ts';
import { describeSurely, type HoldDeps } from './calls.ts';
import type { ClaimRecord } from './record.ts';
import { detachAndDrop } from './release.ts';

/** The record names the ENI from before the first call on. Throws what detachAndDrop throws. */
export async function releaseRecorded(
  deps: HoldDeps & { readonly record: ClaimRecord },
  identity: Identity,
  signal: AbortSignal,
): Promise<void> {
  const eniId = await deps.record.load();
  const eni = eniId === undefined ? undefined : await describeSurely(deps, eniId, signal);
  if (eni !== undefined) await detachAndDrop(deps, { eni, identity }, signal);
  await deps.record.clear();
}
