// Rules, addresses and routes as lines of `ip -batch`.
import type { Family } from './ip-command.ts';
import {
  mainTable,
  protocolKernel,
  scopeLink,
  typeUnicast,
  type RouteState,
  type RuleState,
} from './kernel-state.ts';

export function ruleLine(verb: 'add' | 'del', rule: RuleState): string {
  return words(
    `rule ${verb} priority ${rule.priority}`,
    rule.from === 'all' ? undefined : `from ${rule.from}`,
    rule.oif === undefined ? undefined : `oif ${rule.oif}`,
    rule.fwmark === undefined ? undefined : `fwmark ${rule.fwmark}`,
    `lookup ${rule.table}`,
    rule.suppressGroup === undefined
      ? undefined
      : `suppress_prefixlength 0 suppress_ifgroup ${rule.suppressGroup}`,
    `protocol ${protocolName(rule.protocol)}`,
  );
}

export function addressLine(
  verb: 'replace' | 'del',
  input: { readonly address: string; readonly ifname: string; readonly family: Family },
): string {
  const line = `addr ${verb} ${input.address} dev ${input.ifname}`;
  if (verb === 'del') return line;
  // EC2 gives an address to one interface only: duplicate detection would just delay it.
  return words(line, input.family === 'ipv6' ? 'nodad' : undefined, 'noprefixroute');
}

export function routeLine(verb: 'replace' | 'del', route: RouteState): string {
  const unicast = route.type === typeUnicast;
  return words(
    `route ${verb}`,
    unicast ? undefined : (typeNames[route.type] ?? route.type),
    route.dst,
    route.via === undefined ? undefined : `via ${route.via}`,
    unicast && route.dev !== undefined ? `dev ${route.dev}` : undefined,
    verb === 'del' || route.src === undefined ? undefined : `src ${route.src}`,
    route.scope === scopeLink ? 'scope link' : undefined,
    // 0 and 1024 are what the kernel takes by itself, but a delete has to say which.
    verb === 'del' || !unicast ? `metric ${route.metric}` : undefined,
    route.table === mainTable ? undefined : `table ${route.table}`,
    `proto ${protocolName(route.protocol)}`,
  );
}

const typeNames: Readonly<Record<string, string>> = {
  '2': 'local',
  '6': 'blackhole',
  '7': 'unreachable',
  '8': 'prohibit',
  '9': 'throw',
};

/** `ip` takes numbers too, but knows `kernel` by name everywhere. */
function protocolName(protocol: string): string {
  return protocol === protocolKernel ? 'kernel' : protocol;
}

function words(...parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined).join(' ');
}
