// The configuration names other pools than it did: what was claimed of those goes back before anything new is claimed.
import type { Identity } from '../model/instance.ts';
import { describeSurely, type HoldDeps } from './calls.ts';
import { letGo } from './let-go.ts';
import type { ClaimRecords } from './record.ts';

/** The record names them; a claim that it does not know is found by the first reconcile. Never throws but for `signal`. */
export async function leaveOtherPools(
  deps: HoldDeps,
  input: {
    readonly records: ClaimRecords;
    readonly names: readonly string[];
    readonly identity: Identity;
  },
  signal: AbortSignal,
): Promise<void> {
  const { records, names, identity } = input;
  for (const [pool, eniId] of Object.entries(await records.all())) {
    if (names.includes(pool)) continue;
    deps.log.warn(
      { eni: eniId, pool },
      `pool ${pool} is not configured any more: ${eniId} goes back`,
    );
    const eni = await describeSurely(deps, eniId, signal);
    if (eni === undefined || (await letGo(deps, { eni, identity }, signal))) {
      await records.of(pool).clear();
    }
  }
}
