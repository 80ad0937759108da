// Does the kernel hold the plan, and would packets go by it? (routing.md section 4: checks 1 to 7 but for what main has
// lost, main-table.ts; of 9, the sysctls. The rest is in concerns.ts.)
import { hasCode } from '../errors.ts';
import type { RoutePlan } from '../model/routes.ts';
import type { Clock } from '../system/clock.ts';
import { commandLine, families } from './batch.ts';
import { verifyCarrier } from './carrier.ts';
import { culpritOf } from './culprit.ts';
import { diffRoutes } from './diff.ts';
import { verifyGateway } from './gateway.ts';
import type { IpDeps } from './ip-command.ts';
import { loadKernelState, type KernelState, type RuleState } from './kernel-state.ts';
import { askLookups, judgeLookups, planLookups } from './lookups.ts';
import { verifyMarks } from './marks.ts';
import { settle } from './settle.ts';
import { verifySysctls, type SysctlDeps } from './sysctls.ts';
import { nothingConfirmed, type Confirmed } from './write.ts';

export type VerifyDeps = IpDeps & SysctlDeps & { readonly clock: Clock };

/** Problems in words; none: all is well. Throws `not-permitted`, `command-missing`, `routing-failed`. */
export async function verifyRoutes(
  deps: VerifyDeps,
  plan: RoutePlan,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const state = await loadKernelState(deps, plan.ifname, signal);
  return verifyState(deps, { plan, state, confirmed: nothingConfirmed, isNew: false }, signal);
}

/** For a state that was just read. */
export async function verifyState(
  deps: VerifyDeps,
  input: {
    readonly plan: RoutePlan;
    readonly state: KernelState;
    /** What was right when it was asked with the state. */
    readonly confirmed: Confirmed;
    /** The routing was just set. */
    readonly isNew: boolean;
  },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { plan, state, confirmed, isNew } = input;
  if (state.link === undefined) return [`the device ${plan.ifname} is gone`];
  const wrong = [
    ...judgeState(plan, state),
    ...(await verifySysctls(deps, plan.ifname)),
    ...(await verifyMarks(deps, plan, signal)),
  ];
  if (wrong.length > 0) return wrong;
  try {
    // The driver needs a moment for the carrier, the gateway to answer, and IPv6 to use a new address.
    const checks = [
      ...families
        .filter((family) => !confirmed.ways.includes(family))
        .map((family) => () => verifyWays(deps, { plan, state, family }, signal)),
      ...(state.link.carrier ? [] : [() => verifyCarrier(deps, plan, signal)]),
      ...(confirmed.gateway ? [] : [() => verifyGateway(deps, { plan, isNew }, signal)]),
    ];
    return (await Promise.all(checks.map((check) => settle(deps, check, signal)))).flat();
  } catch (error) {
    if (!hasCode(error, 'device-missing')) throw error;
    return [`the device ${plan.ifname} is gone`];
  }
}

/** What is missing, too much, or in the way. */
function judgeState(plan: RoutePlan, state: KernelState): readonly string[] {
  const batches = diffRoutes(plan, state);
  return [
    ...families.flatMap((family) =>
      batches[family].map(
        (line) =>
          `the kernel still needs "${commandLine(family, line)}"${culpritOf(line, state[family])}`,
      ),
    ),
    ...families.flatMap((family) =>
      state[family].rules
        .filter((rule) => isInTheWay(plan, rule, plan[family].sources))
        .map(
          (rule) =>
            `another rule comes first: priority ${rule.priority} from ${rule.from} lookup ${rule.table}`,
        ),
    ),
  ];
}

/** A rule for one of our sources before ours. Those for any source are judged by where packets go. */
function isInTheWay(plan: RoutePlan, rule: RuleState, sources: readonly string[]): boolean {
  return (
    rule.priority < plan.priority &&
    rule.table !== plan.table &&
    rule.more.length === 0 &&
    rule.fwmark === undefined &&
    rule.suppressGroup === undefined &&
    rule.oif === undefined &&
    sources.includes(rule.from)
  );
}

async function verifyWays(
  deps: IpDeps,
  input: {
    readonly plan: RoutePlan;
    readonly state: KernelState;
    readonly family: (typeof families)[number];
  },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { plan, state, family } = input;
  const lookups = planLookups(plan, state, family);
  return judgeLookups(plan, lookups, await askLookups(deps, { family, lookups }, signal));
}
