// Writes a plan's batches, and asks in the same process of `ip` what the checks will want to know: each costs a fork.
import type { RoutePlan } from '../model/routes.ts';
import { families, type Batches } from './batch.ts';
import { gatewayQuestion, isKnown } from './gateway.ts';
import { readIp, type Family, type IpDeps } from './ip-command.ts';
import {
  loadKernelState,
  parseFamily,
  parseLink,
  stateLines,
  type KernelState,
} from './kernel-state.ts';
import { judgeLookups, parseAnswers, planLookups } from './lookups.ts';

/** What was answered well right behind the writes, and need not be asked again. */
export type Confirmed = { readonly ways: readonly Family[]; readonly gateway: boolean };

export type Written = {
  readonly state: KernelState;
  readonly confirmed: Confirmed;
};

type Input = {
  readonly plan: RoutePlan;
  /** Just before. */
  readonly state: KernelState;
  readonly batches: Batches;
};

export const nothingConfirmed: Confirmed = { ways: [], gateway: false };

/**
 * A family without lines stays as it was read. A batch stops at the first error and the lines before it stay applied: read
 * the state again before the next try. Throws `not-permitted`, `device-missing`, `routing-failed` with the line that failed,
 * and like `runIp`.
 */
export async function writeBatches(
  deps: IpDeps,
  input: Input,
  signal: AbortSignal,
): Promise<Written> {
  let written: Written = { state: input.state, confirmed: nothingConfirmed };
  // IPv4 first, since it brings the link up.
  for (const family of families) {
    if (input.batches[family].length === 0) continue;
    const next = await writeFamily(deps, { ...input, state: written.state, family }, signal);
    // What cannot be told from these answers is asked for itself.
    if (next === undefined) {
      const state = await loadKernelState(deps, input.plan.ifname, signal);
      written = { state, confirmed: nothingConfirmed };
      continue;
    }
    const ways = [...written.confirmed.ways, ...next.confirmed.ways];
    const gateway = written.confirmed.gateway || next.confirmed.gateway;
    written = { state: next.state, confirmed: { ways, gateway } };
  }
  return written;
}

/** undefined: written, but the state could not be read whole. */
async function writeFamily(
  deps: IpDeps,
  { plan, state, batches, family }: Input & { readonly family: Family },
  signal: AbortSignal,
): Promise<Written | undefined> {
  const gateway = family === 'ipv4' ? gatewayQuestion(plan) : undefined;
  const lookups = planLookups(plan, state, family);
  const lines = [
    ...batches[family],
    // First, so that the answer is there when it is asked for.
    ...(gateway === undefined ? [] : [gateway.ask]),
    // No `link show`: behind it `ip` knows no addresses (6.1).
    ...stateLines(plan.ifname).slice(0, -1),
    ...(gateway === undefined ? [] : [gateway.show]),
    // Last, since one that is refused ends the batch.
    ...lookups.map(({ query }) => `route get ${query}`),
  ];
  const { answers, failure } = await readIp(deps, { family, lines }, signal);
  const [rules, routes, addresses, ...more] = answers;
  if (failure !== undefined && answers.length === 0) throw failure;
  const link = addresses?.[0];
  if (
    rules === undefined ||
    routes === undefined ||
    addresses === undefined ||
    link === undefined
  ) {
    return undefined;
  }
  const neighbours = gateway === undefined ? [] : more.shift();
  const found = more.flatMap(parseAnswers);
  const right = judgeLookups(plan, lookups, found).length === 0;
  return {
    state: {
      ...state,
      link: parseLink(link),
      [family]: parseFamily(family, { rules, routes, addresses }),
    },
    confirmed: {
      ways: failure === undefined && right ? [family] : [],
      gateway: gateway !== undefined && isKnown(neighbours ?? []),
    },
  };
}
