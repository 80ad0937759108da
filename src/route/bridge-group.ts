// The link group in which this host's ENIs are (routing.md section 3, localBridges): the primary too, so that a rule can
// tell bridges of containers from them.
import { applyBatches } from './batch.ts';
import { readIp, type IpDeps } from './ip-command.ts';

/** Where the primary is in none yet. */
export const ownGroup = 9_500;

/** Throws `not-permitted`, `device-missing`, `routing-failed`. */
export async function groupOf(deps: IpDeps, ifname: string, signal: AbortSignal): Promise<number> {
  const lines = [`link show dev ${ifname}`];
  const { answers, failure } = await readIp(deps, { family: 'ipv4', lines }, signal);
  if (failure !== undefined) throw failure;
  return Number(answers[0]?.[0]?.['group'] ?? 0);
}

/** The primary's own group where it has one, which is somebody's choice; else ours, which it gets. */
export async function joinPrimary(
  deps: IpDeps,
  primary: string,
  signal: AbortSignal,
): Promise<number> {
  const group = await groupOf(deps, primary, signal);
  if (group !== 0) return group;
  const ipv4 = [`link set dev ${primary} group ${ownGroup}`];
  await applyBatches(deps, { ipv4, ipv6: [] }, signal);
  return ownGroup;
}

/** Every device that is in our group: the primary, and what else was. */
export async function leaveGroup(deps: IpDeps, signal: AbortSignal): Promise<void> {
  const lines = [`link show group ${ownGroup}`];
  const { answers } = await readIp(deps, { family: 'ipv4', lines }, signal);
  const ipv4 = answers.flat().map((link) => `link set dev ${link['ifname'] as string} group 0`);
  await applyBatches(deps, { ipv4, ipv6: [] }, signal);
}
