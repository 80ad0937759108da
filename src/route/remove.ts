// Takes berth's routing away again, with or without the device (routing.md section 4).
import { hasCode } from '../errors.ts';
import type { RoutePlan } from '../model/routes.ts';
import type { Devices } from '../system/devices.ts';
import { applyBatches, commandLines, type Batches } from './batch.ts';
import { ownTables } from './free-table.ts';
import type { Family, IpDeps } from './ip-command.ts';
import { leaveGroup } from './bridge-group.ts';
import {
  loadKernelState,
  typeUnreachable,
  type FamilyState,
  type KernelState,
} from './kernel-state.ts';
import { routeLine, ruleLine } from './lines.ts';
import { removeMarks, tableName } from './marks.ts';
import { hasMarkRule, isLastOfGroup, ownRules } from './own-rules.ts';

export type RemoveInput = Pick<RoutePlan, 'mac' | 'table' | 'priority'>;

/**
 * Afterwards the kernel is as it was before. Says which commands that took.
 * Throws `not-permitted`, `command-missing`, `routing-failed`.
 */
export async function removeRoutes(
  deps: IpDeps & { readonly devices: Devices },
  input: RemoveInput,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const attempt = async (): Promise<readonly string[]> => {
    const [device, state] = await Promise.all([
      deps.devices.find(input.mac, signal),
      loadKernelState(deps, undefined, signal),
    ]);
    return removeFrom(deps, { of: input, state, ifname: device?.name }, signal);
  };
  try {
    return await attempt();
  } catch (error) {
    // The device went, or a rule did, between looking and removing.
    if (!hasCode(error, 'device-missing', 'routing-failed')) throw error;
    return await attempt();
  }
}

/** Says which commands that took. */
export async function removeFrom(
  deps: IpDeps,
  {
    of,
    state,
    ifname,
  }: {
    readonly of: Pick<RemoveInput, 'table' | 'priority'>;
    readonly state: KernelState;
    readonly ifname: string | undefined;
  },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const marked = ownTables(of, state).filter((table) => hasMarkRule({ ...of, table }, state));
  const batches = planRemoval(of, state, ifname);
  // First: their rules are what remembers them.
  for (const table of marked) await removeMarks(deps, { table }, signal);
  if (isLastOfGroup(of, state)) await leaveGroup(deps, signal);
  await applyBatches(deps, batches, signal);
  return [
    ...commandLines(batches),
    ...marked.map((table) => `nft delete table inet ${tableName({ table })}`),
  ];
}

/** Link down first: its routes vanish, and the unreachable default catches what still comes. */
export function planRemoval(
  input: Pick<RemoveInput, 'table' | 'priority'>,
  state: KernelState,
  ifname: string | undefined,
): Batches {
  const device =
    ifname === undefined ? [] : [`link set dev ${ifname} down`, `addr flush dev ${ifname}`];
  const tables = ownTables(input, state);
  const lines = (family: Family): readonly string[] =>
    tables.flatMap((table) => familyLines({ ...input, table }, state[family]));
  return { ipv4: [...device, ...lines('ipv4')], ipv6: lines('ipv6') };
}

/** Rules are found by table: other ENIs of berth share the priority. */
function familyLines(
  { table, priority }: Pick<RemoveInput, 'table' | 'priority'>,
  state: FamilyState,
): readonly string[] {
  const rules = ownRules({ table, priority }, state);
  const routes = state.routes.filter((route) => route.table === table);
  return [
    ...rules.map((rule) => ruleLine('del', rule)),
    // `flush` leaves the last resort of IPv6, which looks to it like one that kernels make by themselves.
    ...routes
      .filter((route) => route.type === typeUnreachable)
      .map((route) => routeLine('del', route)),
    ...(routes.some((route) => route.type !== typeUnreachable)
      ? [`route flush table ${table}`]
      : []),
  ];
}
