// What the kernel holds now: device, addresses, rules and routes, read with `ip -json -N`.
import type { BerthError } from '../errors.ts';
import { readIp, type Family, type IpDeps, type Json } from './ip-command.ts';

export type KernelState = {
  readonly link: LinkState | undefined;
  readonly ipv4: FamilyState;
  readonly ipv6: FamilyState;
};

export type LinkState = {
  readonly ifname: string;
  readonly index: number;
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly carrier: boolean;
  /** 0: none. */
  readonly group: number;
};

export type FamilyState = {
  /** Of the device; without the link-local ones of IPv6, which are the kernel's. */
  readonly addresses: readonly AddressState[];
  /** Of all owners. */
  readonly rules: readonly RuleState[];
  /** Of all tables. */
  readonly routes: readonly RouteState[];
};

export type AddressState = {
  /** With length. */
  readonly address: string;
  /** Has no route of its own in main. */
  readonly noPrefixRoute: boolean;
  /** Came with a lifetime, from DHCP or a router. */
  readonly dynamic: boolean;
  /** IPv4: goes when the first address of its subnet and length goes. */
  readonly secondary: boolean;
  /** IPv6 duplicate detection has not finished, or found one. */
  readonly unusable: boolean;
};

export type RuleState = {
  readonly priority: number;
  /** With length, or `all`. */
  readonly from: string;
  readonly oif: string | undefined;
  /** Its device is gone. */
  readonly detached: boolean;
  readonly table: number;
  readonly protocol: string;
  /** `0x100/0x3f00` */
  readonly fwmark: string | undefined;
  /** Its table is taken for routes of devices outside this link group, but for the default. */
  readonly suppressGroup: number | undefined;
  /** Names of further selectors and actions: `fwmark`, `iif`, `dst`, ... */
  readonly more: readonly string[];
};

export type RouteState = {
  readonly table: number;
  /** Number: 1 unicast, 2 local, 7 unreachable. */
  readonly type: string;
  /** With length, or `default`. */
  readonly dst: string;
  readonly via: string | undefined;
  readonly dev: string | undefined;
  readonly src: string | undefined;
  /** Number: 0 universe, 253 link. */
  readonly scope: string;
  readonly metric: number;
  readonly protocol: string;
};

/** Numbers that `ip -N` prints. */
export const protocolKernel = '2';
export const typeUnicast = '1';
export const typeLocal = '2';
export const typeUnreachable = '7';
export const scopeUniverse = '0';
export const scopeLink = '253';
export const mainTable = 254;

/**
 * `ifname` undefined: only rules and routes. A device that does not exist has a `link` of undefined.
 * Throws `not-permitted`, `command-missing`, `routing-failed`.
 */
export async function loadKernelState(
  deps: IpDeps,
  ifname: string | undefined,
  signal: AbortSignal,
): Promise<KernelState> {
  const [ipv4, ipv6] = await Promise.all([
    loadFamily(deps, { family: 'ipv4', ifname }, signal),
    loadFamily(deps, { family: 'ipv6', ifname }, signal),
  ]);
  return { link: ipv4.link, ipv4: ipv4.state, ipv6: ipv6.state };
}

async function loadFamily(
  deps: IpDeps,
  input: { readonly family: Family; readonly ifname: string | undefined },
  signal: AbortSignal,
): Promise<{ readonly link: LinkState | undefined; readonly state: FamilyState }> {
  const { family, ifname } = input;
  const lines = stateLines(ifname);
  const { answers, failure } = await readIp(deps, { family, lines }, signal);
  if (failure !== undefined && !isExpected(failure, family)) throw failure;
  const [rules = [], routes = [], addresses = [], links = []] = answers;
  const [link] = links;
  return {
    link: link === undefined ? undefined : parseLink(link),
    state: parseFamily(family, { rules, routes, addresses }),
  };
}

export function stateLines(ifname: string | undefined): readonly string[] {
  return [
    'rule show',
    // A table without routes is an error to `show table 20001` and absent from `show table all`.
    'route show table all',
    // Behind those, since a missing device ends the batch. `addr` is silent on a device without addresses of the
    // family, hence `link`; and that comes last, since `addr` after `link` in a batch shows no addresses (6.1).
    ...(ifname === undefined ? [] : [`addr show dev ${ifname}`, `link show dev ${ifname}`]),
  ];
}

/** Answers to the first three of `stateLines`. */
export function parseFamily(
  family: Family,
  answers: { readonly [question in 'rules' | 'routes' | 'addresses']: readonly Json[] },
): FamilyState {
  return {
    addresses: answers.addresses.flatMap((entry) => parseAddresses(entry, family)),
    rules: answers.rules.map((rule) => parseRule(rule, family)),
    routes: answers.routes.map((route) => parseRoute(route, family)),
  };
}

/** No such device; or a kernel without IPv6 (ipv6.disable=1), which holds nothing of it. */
function isExpected(failure: BerthError, family: Family): boolean {
  if (failure.code === 'device-missing') return true;
  return family === 'ipv6' && /not supported/.test(String(failure.details['stderr']));
}

/** An entry of `ip -json link`. */
export function parseLink(json: Json): LinkState {
  const flags = json['flags'] as readonly string[];
  return {
    ifname: json['ifname'] as string,
    index: Number(json['ifindex'] ?? 0),
    mac: ((json['address'] ?? '') as string).toLowerCase(),
    mtu: json['mtu'] as number,
    up: flags.includes('UP'),
    carrier: flags.includes('LOWER_UP'),
    group: Number(json['group'] ?? 0),
  };
}

/** An entry of `ip -json -N addr`. */
export function parseAddresses(link: Json, family: Family): readonly AddressState[] {
  const wanted = family === 'ipv4' ? 'inet' : 'inet6';
  return ((link['addr_info'] ?? []) as readonly Json[])
    .filter(
      (entry) =>
        entry['family'] === wanted && !(wanted === 'inet6' && entry['scope'] === scopeLink),
    )
    .map((entry) => ({
      address: `${entry['local'] as string}/${entry['prefixlen'] as number}`,
      noPrefixRoute: entry['noprefixroute'] === true,
      dynamic: entry['dynamic'] === true,
      secondary: entry['secondary'] === true,
      unusable: entry['tentative'] === true || entry['dadfailed'] === true,
    }));
}

const ruleKeys = ['priority', 'src', 'srclen', 'oif', 'oif_detached', 'table', 'protocol'];
const markKeys = ['fwmark', 'fwmask'];
const suppressKeys = ['suppress_prefixlen', 'suppress_ifgroup'];

/** An entry of `ip -json -N -details rule`. */
export function parseRule(json: Json, family: Family): RuleState {
  const src = (json['src'] ?? 'all') as string;
  const suppresses = json['suppress_prefixlen'] === 0 && 'suppress_ifgroup' in json;
  const known = [...ruleKeys, ...markKeys, ...(suppresses ? suppressKeys : [])];
  return {
    priority: (json['priority'] ?? 0) as number,
    from: src === 'all' ? src : `${src}/${(json['srclen'] ?? hostLength(family)) as number}`,
    oif: json['oif'] as string | undefined,
    detached: 'oif_detached' in json,
    table: Number(json['table'] ?? 0),
    protocol: (json['protocol'] ?? '0') as string,
    fwmark:
      json['fwmark'] === undefined
        ? undefined
        : `${json['fwmark'] as string}/${(json['fwmask'] ?? '0xffffffff') as string}`,
    suppressGroup: suppresses ? Number(json['suppress_ifgroup']) : undefined,
    more: Object.keys(json).filter((key) => !known.includes(key)),
  };
}

/** An entry of `ip -json -N -details route show table all`. */
function parseRoute(json: Json, family: Family): RouteState {
  const dst = json['dst'] as string;
  return {
    table: Number(json['table'] ?? mainTable),
    type: (json['type'] ?? typeUnicast) as string,
    dst: dst === 'default' || dst.includes('/') ? dst : `${dst}/${hostLength(family)}`,
    via: json['gateway'] as string | undefined,
    dev: json['dev'] as string | undefined,
    src: json['prefsrc'] as string | undefined,
    scope: (json['scope'] ?? scopeUniverse) as string,
    metric: (json['metric'] ?? 0) as number,
    protocol: (json['protocol'] ?? '3') as string,
  };
}

function hostLength(family: Family): number {
  return family === 'ipv4' ? 32 : 128;
}
