// Does the VPC's router answer on the claimed device? Asks it by ARP (routing.md section 4, check 7).
import type { RoutePlan } from '../model.ts';
import { readIp, type IpDeps } from './ip-command.ts';

/** The kernel has its link-layer address, fresh or not. */
const known = ['REACHABLE', 'DELAY', 'STALE', 'PROBE', 'PERMANENT', 'NOARP'];

/** Problems, in words; the first time it may just not have answered yet. IPv4: GW6 is not confirmed in every subnet. */
export async function verifyGateway(
  deps: IpDeps,
  plan: RoutePlan,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { gateway } = plan.ipv4;
  if (gateway === undefined) return [];
  const { ifname } = plan;
  const lines = [
    // `use` is what a packet would do: the kernel asks, and keeps the answer like any other. It stores nothing of ours.
    `neigh replace ${gateway} dev ${ifname} nud none use`,
    `neigh show ${gateway} dev ${ifname}`,
  ];
  const { answers, failure } = await readIp(deps, { family: 'ipv4', lines }, signal);
  if (failure !== undefined) throw failure;
  const states = answers.flat().flatMap((entry) => entry['state'] as readonly string[]);
  if (states.some((state) => known.includes(state))) return [];
  const state = states[0] ?? 'none';
  return [`the gateway ${gateway} does not answer ARP on ${ifname} (neighbour ${state})`];
}
