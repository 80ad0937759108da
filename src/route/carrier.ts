// Has the device a carrier, the other half of "up"? (routing.md section 4, check 1: LOWER_UP.)
import type { RoutePlan } from '../model/routes.ts';
import { readIp, type IpDeps } from './ip-command.ts';
import { parseLink } from './kernel-state.ts';

/** Problems, in words; after the link was set up it may just not be there yet. */
export async function verifyCarrier(
  deps: IpDeps,
  { ifname }: RoutePlan,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const lines = [`link show dev ${ifname}`];
  const { answers, failure } = await readIp(deps, { family: 'ipv4', lines }, signal);
  if (failure !== undefined) throw failure;
  const hasCarrier = answers.flat().some((link) => parseLink(link).carrier);
  return hasCarrier ? [] : [`${ifname} is up, but has no carrier`];
}
