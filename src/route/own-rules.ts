// Which rules of the kernel are those of one ENI of berth: three priorities, which all of its ENIs share.
import type { RoutePlan } from '../model/routes.ts';
import { ownGroup } from './bridge-group.ts';
import { ownTables } from './free-table.ts';
import type { FamilyState, KernelState, RuleState } from './kernel-state.ts';
import { firstTable, lastTable } from './plan.ts';
import { bridgePriority, markPriority } from './wanted.ts';

/** Told by the table; those for bridges name the main table, and are told by the source that another rule has. */
export function ownRules(
  plan: Pick<RoutePlan, 'table' | 'priority'>,
  { rules }: FamilyState,
): readonly RuleState[] {
  const byTable = rules.filter(
    ({ priority, table }) =>
      table === plan.table && (priority === plan.priority || priority === markPriority(plan)),
  );
  const sources = byTable.map(({ from }) => from).filter((from) => from !== 'all');
  return [
    ...byTable,
    ...rules.filter((rule) => isForBridges(plan, rule) && sources.includes(rule.from)),
  ];
}

/** Tables of berth that this device had at another index. */
export function formerTables(
  plan: Pick<RoutePlan, 'table' | 'priority' | 'ifname'>,
  { rules }: FamilyState,
): number[] {
  return rules
    .filter(({ priority, oif }) => priority === plan.priority && oif === plan.ifname)
    .map(({ table }) => table)
    .filter((table) => table !== plan.table && table >= firstTable && table <= lastTable);
}

export function isForBridges(
  plan: Pick<RoutePlan, 'priority'>,
  { priority, suppressGroup }: RuleState,
): boolean {
  return priority === bridgePriority(plan) && suppressGroup !== undefined;
}

/** Is there an nft table with it, then? */
export function hasMarkRule(
  plan: Pick<RoutePlan, 'table' | 'priority'>,
  { ipv4, ipv6 }: KernelState,
): boolean {
  return [...ipv4.rules, ...ipv6.rules].some(
    ({ priority, table }) => priority === markPriority(plan) && table === plan.table,
  );
}

/** Has no other ENI rules for bridges? Then the primary leaves our link group with these. */
export function isLastOfGroup(
  plan: Pick<RoutePlan, 'table' | 'priority'>,
  state: KernelState,
): boolean {
  const isThere = (rule: RuleState): boolean =>
    isForBridges(plan, rule) && rule.suppressGroup === ownGroup;
  const own = ownTables(plan, state).flatMap((table) => ownRules({ ...plan, table }, state.ipv4));
  const others = state.ipv4.rules.filter((rule) => isThere(rule) && !own.includes(rule));
  return own.some(isThere) && others.length === 0;
}
