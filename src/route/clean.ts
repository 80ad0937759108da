// At the start: removes what is left of ENIs that were pulled out while berth did not run.
import { families } from './batch.ts';
import type { IpDeps } from './ip-command.ts';
import {
  loadKernelState,
  protocolKernel,
  typeUnreachable,
  type KernelState,
} from './kernel-state.ts';
import { firstTable, lastTable, rulePriority } from './plan.ts';
import { removeFrom } from './remove.ts';

/** Says which commands that took. Throws `not-permitted`, `command-missing`, `routing-failed`. */
export async function cleanStaleRoutes(
  deps: IpDeps,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const state = await loadKernelState(deps, undefined, signal);
  const commands: string[] = [];
  for (const table of staleTables(state)) {
    const of = { table, priority: rulePriority };
    commands.push(...(await removeFrom(deps, { of, state, ifname: undefined }, signal)));
  }
  return commands;
}

/** Tables of berth that no device uses any more. A device that is down has no routes, but its rule is attached. */
function staleTables(state: KernelState): readonly number[] {
  const found = new Set<number>();
  const live = new Set<number>();
  for (const family of families) {
    for (const { table, priority, oif, detached } of state[family].rules) {
      if (priority !== rulePriority) continue;
      found.add(table);
      if (oif !== undefined && !detached) live.add(table);
    }
    for (const { table, type, protocol } of state[family].routes) {
      if (type === typeUnreachable && protocol === protocolKernel) found.add(table);
      // Of another owner, or of a device.
      else live.add(table);
    }
  }
  return [...found]
    .filter((table) => table >= firstTable && table <= lastTable && !live.has(table))
    .toSorted((a, b) => a - b);
}
