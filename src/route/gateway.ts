// Does the VPC's router answer on the claimed device? Asks it by ARP (routing.md section 4, check 7).
import type { RoutePlan } from '../model.ts';
import type { Clock } from '../system/clock.ts';
import { readIp, type IpDeps } from './ip-command.ts';

const answerWithinMs = 3_000;
const pollMs = [5, 10, 20, 50, 100] as const;
/** The kernel has its link-layer address, fresh or not. */
const known = ['REACHABLE', 'DELAY', 'STALE', 'PROBE', 'PERMANENT', 'NOARP'];

/** Problems, in words. Waits up to 3 s for the carrier and the answer. IPv4: GW6 is not confirmed in every subnet. */
export async function verifyGateway(
  deps: IpDeps & { readonly clock: Clock },
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
  const untilMs = deps.clock.monotonicMs() + answerWithinMs;
  for (let poll = 0; ; poll++) {
    const { answers, failure } = await readIp(deps, { family: 'ipv4', lines }, signal);
    if (failure !== undefined) throw failure;
    const states = answers.flat().flatMap((entry) => entry['state'] as readonly string[]);
    if (states.some((state) => known.includes(state))) return [];
    if (deps.clock.monotonicMs() >= untilMs) {
      const state = states[0] ?? 'none';
      return [`the gateway ${gateway} does not answer ARP on ${ifname} (neighbour ${state})`];
    }
    await deps.clock.sleep(pollMs[Math.min(poll, pollMs.length - 1)]!, signal);
  }
}
