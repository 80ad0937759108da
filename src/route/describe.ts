// The plan as commands that a person could type.
import type { RoutePlan } from '../model/routes.ts';
import { commandLines } from './batch.ts';
import { diffRoutes } from './diff.ts';
import { markScript } from './marks.ts';
import { sysctlsOf } from './sysctls.ts';

/** For a device that is down and bare. */
export function describePlan(plan: RoutePlan): readonly string[] {
  const empty = { addresses: [], rules: [], routes: [] };
  return [
    ...sysctlsOf(plan.ifname).map(({ name, value }) => `sysctl -w ${name}=${value}`),
    ...commandLines(diffRoutes(plan, { link: undefined, ipv4: empty, ipv6: empty })),
    ...(plan.mark === undefined ? [] : [`nft -f - <<'END'\n${markScript(plan)}END`]),
  ];
}
