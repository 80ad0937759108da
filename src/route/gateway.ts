// Does the VPC's router answer on the claimed device? Asks it by ARP (routing.md section 4, check 7).
import type { RoutePlan } from '../model/routes.ts';
import { readIp, type IpDeps, type Json } from './ip-command.ts';

/** The kernel has its link-layer address, fresh or not. */
const known = ['REACHABLE', 'DELAY', 'STALE', 'PROBE', 'PERMANENT', 'NOARP'];

type Question = { readonly ask: string; readonly show: string };

/** Lines of a batch. undefined: there is no gateway. IPv4: GW6 is not confirmed in every subnet. */
export function gatewayQuestion({ ipv4, ifname }: RoutePlan): Question | undefined {
  const { gateway } = ipv4;
  if (gateway === undefined) return undefined;
  return {
    // `use` is what a packet would do: the kernel asks, and keeps the answer like any other. It stores nothing of ours.
    ask: `neigh replace ${gateway} dev ${ifname} nud none use`,
    show: `neigh show ${gateway} dev ${ifname}`,
  };
}

/** By the answer to `show`. */
export function isKnown(neighbours: readonly Json[]): boolean {
  return statesOf(neighbours).some((state) => known.includes(state));
}

/** Problems, in words; the first time it may just not have answered yet. */
export async function verifyGateway(
  deps: IpDeps,
  plan: RoutePlan,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const question = gatewayQuestion(plan);
  if (question === undefined) return [];
  const lines = [question.ask, question.show];
  const { answers, failure } = await readIp(deps, { family: 'ipv4', lines }, signal);
  if (failure !== undefined) throw failure;
  const neighbours = answers.flat();
  if (isKnown(neighbours)) return [];
  const state = statesOf(neighbours)[0] ?? 'none';
  return [
    `the gateway ${plan.ipv4.gateway} does not answer ARP on ${plan.ifname} (neighbour ${state})`,
  ];
}

function statesOf(neighbours: readonly Json[]): readonly string[] {
  return neighbours.flatMap((entry) => (entry['state'] ?? []) as readonly string[]);
}
