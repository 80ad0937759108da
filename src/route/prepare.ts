// Before the claim: may this process set routes, and what is left of an ENI that was pulled out while it was away?
import type { Exec } from '../system/exec.ts';
import type { Files } from '../system/files.ts';
import type { Log } from '../log.ts';
import { cleanStaleRoutes } from './clean.ts';
import { checkRouting } from './preflight.ts';

/** Throws `not-permitted`, `command-missing`, `routing-failed`. */
export async function prepareRouting(
  deps: { readonly exec: Exec; readonly files: Files; readonly log: Log },
  signal: AbortSignal,
): Promise<void> {
  await checkRouting(deps);
  // This runs `ip`, and so says where it is not installed.
  const commands = await cleanStaleRoutes(deps, signal);
  if (commands.length > 0) deps.log.info({ commands }, 'removed the routes of an ENI that is gone');
}
