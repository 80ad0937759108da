// Does the VPC's router answer on the claimed device? Asks it by ARP (routing.md section 4, check 7).
import type { RoutePlan } from '../model/routes.ts';
import { readIp, type IpDeps, type Json } from './ip-command.ts';

/** The kernel has its link-layer address, fresh or not. */
const known = ['REACHABLE', 'DELAY', 'STALE', 'PROBE', 'PERMANENT', 'NOARP'];

type Question = {
  readonly ask: string;
  readonly show: string;
  /** What was asked counts as not answered; a question can be asked again then. */
  readonly giveUp: string;
};

/** Lines of a batch. undefined: there is no gateway. IPv4: GW6 is not confirmed in every subnet. */
export function gatewayQuestion({ ipv4, ifname }: RoutePlan): Question | undefined {
  const { gateway } = ipv4;
  if (gateway === undefined) return undefined;
  return {
    // `use` is what a packet would do: the kernel asks, and keeps the answer like any other. It stores nothing of ours.
    ask: `neigh replace ${gateway} dev ${ifname} nud none use`,
    show: `neigh show ${gateway} dev ${ifname}`,
    giveUp: `neigh replace ${gateway} dev ${ifname} nud failed`,
  };
}

/** By the answer to `show`. */
export function isKnown(neighbours: readonly Json[]): boolean {
  return statesOf(neighbours).some((state) => known.includes(state));
}

/**
 * Problems, in words; the first time it may just not have answered yet. `isNew`: the link of the device may only just have
 * come up, which loses the first question, and the kernel itself asks anew after a whole second. What was asked before is
 * given up then, and asked at once; whoever waits for that answer hears that nobody is there, so not while it is served.
 */
export async function verifyGateway(
  deps: IpDeps,
  { plan, isNew }: { readonly plan: RoutePlan; readonly isNew: boolean },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const question = gatewayQuestion(plan);
  if (question === undefined) return [];
  const answersTo = async (lines: readonly string[]): Promise<readonly Json[]> => {
    const { answers, failure } = await readIp(deps, { family: 'ipv4', lines }, signal);
    if (failure !== undefined) throw failure;
    return answers.flat();
  };
  if (isNew && isKnown(await answersTo([question.show]))) return [];
  const again = isNew ? [question.giveUp] : [];
  const neighbours = await answersTo([...again, question.ask, question.show]);
  if (isKnown(neighbours)) return [];
  const state = statesOf(neighbours)[0] ?? 'none';
  return [
    `the gateway ${plan.ipv4.gateway} does not answer ARP on ${plan.ifname} (neighbour ${state})`,
  ];
}

function statesOf(neighbours: readonly Json[]): readonly string[] {
  return neighbours.flatMap((entry) => (entry['state'] ?? []) as readonly string[]);
}
