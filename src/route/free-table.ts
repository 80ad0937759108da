// Which table an ENI has: the one of its index, or, where somebody else uses that, the next that nobody does.
import type { RoutePlan } from '../model/routes.ts';
import { families } from './batch.ts';
import { protocolKernel, typeUnreachable, type KernelState } from './kernel-state.ts';
import { firstTable } from './plan.ts';

/** 100 for each network card, and a machine has fewer than ten: 20001, 21001, ... 29001 are for the same index. */
const stride = 1_000;
const choices = 10;

type Own = Pick<RoutePlan, 'table' | 'priority'>;

/**
 * What the rules of this ENI name already is kept, so that the kernel remembers the choice over a restart. `plan.table`
 * where all are taken: the diff then says what is in the way.
 */
export function freeTable(plan: RoutePlan, state: KernelState): number {
  const tables = tablesFor(plan.table);
  const named = families.flatMap((family) =>
    state[family].rules
      .filter(
        ({ priority, from }) => priority === plan.priority && plan[family].sources.includes(from),
      )
      .map(({ table }) => table),
  );
  return (
    tables.find((table) => named.includes(table)) ??
    tables.find((table) => !isTaken(table, plan, state)) ??
    plan.table
  );
}

/** Those of the ENI at this index that hold something of berth's. */
export function ownTables({ table, priority }: Own, state: KernelState): readonly number[] {
  return tablesFor(table).filter((candidate) =>
    families.some(
      (family) =>
        state[family].rules.some(
          (rule) => rule.table === candidate && rule.priority === priority,
        ) ||
        state[family].routes.some(
          ({ table, type, protocol }) =>
            table === candidate && type === typeUnreachable && protocol === protocolKernel,
        ),
    ),
  );
}

function tablesFor(table: number): readonly number[] {
  const home = firstTable + ((table - firstTable) % stride);
  return Array.from({ length: choices }, (_, n) => home + n * stride);
}

/** By a rule of another priority, or a route that is not berth's. */
function isTaken(table: number, plan: RoutePlan, state: KernelState): boolean {
  return families.some(
    (family) =>
      state[family].rules.some((rule) => rule.table === table && rule.priority !== plan.priority) ||
      state[family].routes.some(
        (route) =>
          route.table === table &&
          (route.protocol !== protocolKernel ||
            (route.type !== typeUnreachable && route.dev !== plan.ifname)),
      ),
  );
}
