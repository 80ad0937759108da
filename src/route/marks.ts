// Marks on the connections that came in by a claimed ENI, so that replies of what is behind this host (DNAT to containers)
// leave by it too (routing.md section 3, connmark): un-DNAT comes after the routing decision, so that no `from` rule fits.
import { BerthError } from '../errors.ts';
import type { RoutePlan } from '../model/routes.ts';
import { runNft } from '../system/nft.ts';
import type { IpDeps } from './ip-command.ts';

/** Before conntrack's own users: mangle. */
const hookPriority = -150;

type Marked = Pick<RoutePlan, 'table' | 'ifname' | 'mark'>;

export function tableName({ table }: Pick<RoutePlan, 'table'>): string {
  return `berth_${table}`;
}

/** As a person would give it to `nft -f -`; replaces the whole table at once. */
export function markScript({ table, ifname, mark }: Marked): string {
  if (mark === undefined) return '';
  const { value, mask } = mark;
  const name = tableName({ table });
  const set = (key: string): string => `${key} set ${key} and ${hex(~mask)} or ${hex(value)}`;
  return [
    `table inet ${name}`,
    `delete table inet ${name}`,
    `table inet ${name} {`,
    '  chain prerouting {',
    `    type filter hook prerouting priority ${hookPriority}; policy accept;`,
    `    iifname "${ifname}" ct direction original ${set('ct mark')}`,
    `    iifname != "${ifname}" ct direction reply ct mark and ${hex(mask)} == ${hex(value)} ${set('meta mark')}`,
    '  }',
    '}',
    '',
  ].join('\n');
}

/** Throws `command-missing`, `not-permitted`, `routing-failed`. */
export async function applyMarks(deps: IpDeps, plan: Marked, signal: AbortSignal): Promise<void> {
  const stdin = markScript(plan);
  if (stdin === '') return;
  const { code, stderr } = await runNft(deps, { args: ['-f', '-'], stdin }, signal);
  if (code !== 0) throw refused('nft -f -', stderr);
}

/** Problems, in words. None where nothing is marked. */
export async function verifyMarks(
  deps: IpDeps,
  plan: Marked,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (plan.mark === undefined) return [];
  const name = tableName(plan);
  const args = ['-j', 'list', 'table', 'inet', name];
  const { code, stdout } = await runNft(deps, { args, stdin: undefined }, signal);
  if (code !== 0) return [`the nft table inet ${name} is gone`];
  return isWhole(stdout, plan) ? [] : [`the nft table inet ${name} is not as berth made it`];
}

/** By what every version of nft prints: one chain at its hook, and two rules with the device and the mark. */
function isWhole(stdout: string, { ifname, mark }: Marked): boolean {
  const { nftables } = JSON.parse(stdout) as { nftables: Readonly<Record<string, unknown>>[] };
  const [chain, ...chains] = nftables.flatMap(
    ({ chain }) => (chain as { prio: number } | undefined) ?? [],
  );
  const rules = nftables.flatMap(({ rule }) => (rule === undefined ? [] : [JSON.stringify(rule)]));
  const isOurs = (rule: string): boolean =>
    rule.includes(`"right":"${ifname}"`) && rule.includes(String(mark!.value));
  return (
    chain?.prio === hookPriority && chains.length === 0 && rules.length === 2 && rules.every(isOurs)
  );
}

/** What is there of it; an nft that is missing has made none. Throws `not-permitted`, `routing-failed`. */
export async function removeMarks(
  deps: IpDeps,
  plan: Pick<RoutePlan, 'table'>,
  signal: AbortSignal,
): Promise<void> {
  const name = tableName(plan);
  // Deleting what is not there is an error, and `destroy` is too young.
  const stdin = `table inet ${name}\ndelete table inet ${name}\n`;
  const { code, stderr } = await runNft(deps, { args: ['-f', '-'], stdin }, signal);
  if (code !== 0) throw refused(`nft delete table inet ${name}`, stderr);
}

function refused(command: string, stderr: string): BerthError {
  const said = stderr.trim().split('\n')[0] ?? '';
  const code = /not permitted|Permission denied/.test(said) ? 'not-permitted' : 'routing-failed';
  return new BerthError(code, `cannot run "${command}": ${said}`, {
    retryable: true,
    details: { command, stderr: said },
  });
}

function hex(number: number): string {
  return `0x${(number >>> 0).toString(16)}`;
}
