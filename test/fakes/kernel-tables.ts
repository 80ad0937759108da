// Links, addresses, rules and routes of the fake kernel, and the words of `ip` that read and change them.
import type { RouteState, RuleState } from '../../src/route/kernel-state.ts';

/** What `ip` says on standard error. */
export class Refusal extends Error {}

export type FakeLink = {
  name: string;
  index: number;
  mac: string;
  mtu: number;
  up: boolean;
  /** Of a link that is up; there is one unless a test says otherwise. */
  carrier?: boolean;
  group?: number;
  /** Answers ARP behind it. */
  neighbours: string[];
};
type Family = 'ipv4' | 'ipv6';
type FakeAddress = { ifname: string; address: string; noPrefixRoute: boolean };
type Tables = { addresses: FakeAddress[]; rules: RuleState[]; routes: RouteState[] };

export type KernelTables = {
  readonly links: FakeLink[];
  readonly ipv4: Tables;
  readonly ipv6: Tables;
  /** Routes go with the device, rules stay. */
  unplug(name: string): void;
  read(line: string, family: Family): unknown;
  change(line: string, family: Family): void;
};

const routeTypes: Readonly<Record<string, string>> = { unreachable: '7', blackhole: '6' };

export function createKernelTables(): KernelTables {
  const links: FakeLink[] = [];
  const state = {
    ipv4: { addresses: [], rules: [], routes: [] } as Tables,
    ipv6: { addresses: [], rules: [], routes: [] } as Tables,
  };
  const linkNamed = (name: string | undefined): FakeLink => {
    const link = links.find((entry) => entry.name === name);
    if (link === undefined) throw new Refusal(`Cannot find device "${name}"`);
    return link;
  };
  const dropRoutes = (drop: (route: RouteState) => boolean): void => {
    for (const tables of [state.ipv4, state.ipv6]) {
      tables.routes = tables.routes.filter((route) => !drop(route));
    }
  };
  const isDetached = (rule: RuleState): boolean =>
    rule.oif !== undefined && !links.some((link) => link.name === rule.oif);

  const changeRule = (verb: string, words: string[], tables: Tables, family: Family): void => {
    const found = pairs(words, ['priority', 'from', 'oif', 'lookup', 'protocol'], []);
    const rule: RuleState = {
      priority: Number(found['priority']),
      from: found['from'] ?? 'all',
      oif: found['oif'],
      detached: false,
      table: Number(found['lookup']),
      protocol: protocolOf(found['protocol']),
      fwmark: undefined,
      suppressGroup: undefined,
      more: [],
    };
    if (rule.from !== 'all' && rule.from.includes(':') !== (family === 'ipv6')) {
      throw new Refusal('Error: Invalid source address.');
    }
    const index = tables.rules.findIndex((entry) => sameRule(entry, rule));
    if (verb === 'add') {
      if (index >= 0) throw new Refusal('RTNETLINK answers: File exists');
      tables.rules.push(rule);
    } else if (verb === 'del') {
      if (index < 0) throw new Refusal('RTNETLINK answers: No such file or directory');
      tables.rules.splice(index, 1);
    } else throw unknownWord(verb);
  };

  const changeRoute = (verb: string, words: string[], tables: Tables, family: Family): void => {
    if (verb === 'flush') {
      const table = Number(pairs(words, ['table'], [])['table']);
      // `ip -6 route flush` spares an unreachable default of the last metric.
      const isSpared = (route: RouteState): boolean => family === 'ipv6' && route.type === '7';
      tables.routes = tables.routes.filter((route) => route.table !== table || isSpared(route));
      return;
    }
    const type = routeTypes[words[0]!] ?? '1';
    if (type !== '1') words.shift();
    const dst = words.shift()!;
    const found = pairs(words, ['via', 'dev', 'src', 'scope', 'metric', 'table', 'proto'], []);
    const route: RouteState = {
      table: Number(found['table'] ?? 254),
      type,
      dst,
      via: found['via'],
      dev: type !== '1' && family === 'ipv6' ? 'lo' : found['dev'],
      src: found['src'],
      scope: found['scope'] === 'link' ? '253' : '0',
      metric: Number(found['metric'] ?? (family === 'ipv6' ? 1024 : 0)),
      protocol: protocolOf(found['proto'] ?? 'boot'),
    };
    const key = (entry: RouteState): boolean =>
      entry.table === route.table && entry.dst === route.dst && entry.metric === route.metric;
    if (verb === 'del') {
      const index = tables.routes.findIndex((entry) => key(entry) && entry.type === route.type);
      if (index < 0) throw new Refusal('RTNETLINK answers: No such process');
      tables.routes.splice(index, 1);
      return;
    }
    if (verb !== 'replace') throw unknownWord(verb);
    if (type === '1') admit(route, tables, linkNamed(route.dev));
    tables.routes = [...tables.routes.filter((entry) => !key(entry)), route];
  };

  const changeAddress = (verb: string, words: string[], tables: Tables, family: Family): void => {
    if (verb === 'flush') {
      const { name } = linkNamed(pairs(words, ['dev'], [])['dev']);
      for (const each of [state.ipv4, state.ipv6]) {
        each.addresses = each.addresses.filter((entry) => entry.ifname !== name);
      }
      return;
    }
    const address = words.shift()!;
    const flags = family === 'ipv6' ? ['nodad', 'noprefixroute'] : ['noprefixroute'];
    const found = pairs(words, ['dev'], flags);
    const { name } = linkNamed(found['dev']);
    const same = (entry: FakeAddress): boolean =>
      entry.ifname === name && entry.address === address;
    const existing = tables.addresses.find(same);
    if (verb === 'replace') {
      // Its flags stay what they were.
      if (existing !== undefined) return;
      const noPrefixRoute = found['noprefixroute'] !== undefined;
      tables.addresses.push({ ifname: name, address, noPrefixRoute });
    } else if (verb === 'del') {
      if (existing === undefined) {
        throw new Refusal('RTNETLINK answers: Cannot assign requested address');
      }
      tables.addresses = tables.addresses.filter((entry) => !same(entry));
      const isLeft = (ip: string | undefined): boolean =>
        tables.addresses.some((entry) => entry.address.split('/')[0] === ip);
      dropRoutes((route) => route.src === address.split('/')[0] && !isLeft(route.src));
    } else throw unknownWord(verb);
  };

  const changeLink = (verb: string, words: string[]): void => {
    if (verb !== 'set') throw unknownWord(verb);
    const found = pairs(words, ['dev', 'mtu', 'group'], ['up', 'down']);
    const link = linkNamed(found['dev']);
    link.mtu = Number(found['mtu'] ?? link.mtu);
    link.group = Number(found['group'] ?? link.group ?? 0);
    if (found['up'] !== undefined) link.up = true;
    if (found['down'] !== undefined) {
      link.up = false;
      dropRoutes((route) => route.dev === link.name);
    }
  };

  return {
    links,
    ...state,
    unplug: (name) => {
      links.splice(links.indexOf(linkNamed(name)), 1);
      dropRoutes((route) => route.dev === name);
      for (const tables of [state.ipv4, state.ipv6]) {
        tables.addresses = tables.addresses.filter((entry) => entry.ifname !== name);
      }
    },
    change: (line, family) => {
      const [object, verb = '', ...words] = line.split(' ');
      if (object === 'rule') changeRule(verb, words, state[family], family);
      else if (object === 'route') changeRoute(verb, words, state[family], family);
      else if (object === 'addr') changeAddress(verb, words, state[family], family);
      else if (object === 'link') changeLink(verb, words);
      else throw new Refusal(`Object "${object}" is unknown, try "ip help".`);
    },
    read: (line, family) => {
      const words = line.split(' ');
      if (line === 'link show') return links.map(renderLink);
      if (line.startsWith('link show dev')) return [renderLink(linkNamed(words[3]))];
      if (line.startsWith('addr show dev')) {
        const link = linkNamed(words[3]);
        const mine = state[family].addresses.filter((entry) => entry.ifname === link.name);
        return mine.length === 0 ? [] : [renderAddresses(link, mine, family)];
      }
      if (line === 'rule show') {
        return state[family].rules.map((rule) => renderRule(rule, isDetached(rule)));
      }
      if (line === 'route show table all') return state[family].routes.map(renderRoute);
      if (line.startsWith('route get')) return [lookup(words.slice(2), state[family])];
      if (line.startsWith('neigh show')) {
        const known = linkNamed(words[4]).neighbours.includes(words[2]!);
        return [{ dst: words[2], state: [known ? 'REACHABLE' : 'FAILED'] }];
      }
      if (line.startsWith('neigh replace')) return undefined;
      throw new Refusal(`Command "${line}" is unknown, try "ip help".`);
    },
  };
}

/** `key value` pairs and flags; any other word is refused. */
function pairs(
  words: readonly string[],
  keys: readonly string[],
  flags: readonly string[],
): Record<string, string | undefined> {
  const found: Record<string, string | undefined> = {};
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    if (flags.includes(word)) found[word] = word;
    else if (keys.includes(word) && words[index + 1] !== undefined) found[word] = words[++index];
    else throw unknownWord(word);
  }
  return found;
}

function unknownWord(word: string): Refusal {
  return new Refusal(`Error: either "to" is duplicate, or "${word}" is a garbage.`);
}

function protocolOf(name: string | undefined): string {
  const number = { kernel: '2', boot: '3', static: '4' }[name ?? ''];
  return number ?? name ?? '0';
}

/** Two rules that differ only in the protocol are both accepted. */
function sameRule(one: RuleState, other: RuleState): boolean {
  return (['priority', 'from', 'oif', 'table', 'protocol'] as const).every(
    (key) => one[key] === other[key],
  );
}

function admit(route: RouteState, tables: Tables, link: FakeLink): void {
  if (!link.up) throw new Refusal('Error: Device for nexthop is not up.');
  const isOurs = tables.addresses.some((entry) => entry.address.split('/')[0] === route.src);
  if (route.src !== undefined && !isOurs) throw new Refusal('Error: Invalid prefsrc address.');
  const isKnown = tables.routes.some(
    (entry) => entry.table === route.table && entry.dev === route.dev && entry.via === undefined,
  );
  if (route.via !== undefined && !isKnown) throw new Refusal('Error: Nexthop has invalid gateway.');
}

/** Only what the tests ask for: rules by source, then the default of a table. */
function lookup(words: readonly string[], tables: Tables): Record<string, unknown> {
  const [dst, ...rest] = words;
  const { from, iif } = pairs(rest, ['from', 'iif'], []);
  const answer = from === undefined ? { dst } : { dst, from };
  if (iif !== undefined) return { ...answer, type: '2', dev: 'lo', table: '255', iif };
  const rule = tables.rules
    .toSorted((a, b) => a.priority - b.priority)
    .find((entry) => entry.oif === undefined && entry.from.startsWith(`${from}/`));
  const table = rule?.table ?? 254;
  const route = tables.routes
    .filter((entry) => entry.table === table && entry.dst === 'default')
    .toSorted((a, b) => a.metric - b.metric)
    .at(0);
  if (route === undefined || route.type !== '1') {
    throw new Refusal('RTNETLINK answers: Network is unreachable');
  }
  return { ...answer, dev: route.dev, gateway: route.via, table: String(table) };
}

function flagsOf({ up, carrier = true }: FakeLink): readonly string[] {
  if (!up) return ['BROADCAST'];
  return carrier ? ['BROADCAST', 'UP', 'LOWER_UP'] : ['NO-CARRIER', 'BROADCAST', 'UP'];
}

function renderLink(link: FakeLink): unknown {
  return {
    ifindex: link.index,
    ifname: link.name,
    address: link.mac,
    mtu: link.mtu,
    group: String(link.group ?? 0),
    flags: flagsOf(link),
  };
}

function renderAddresses(link: FakeLink, found: readonly FakeAddress[], family: Family): unknown {
  const entries = found.map(({ address, noPrefixRoute }) => ({
    family: family === 'ipv4' ? 'inet' : 'inet6',
    local: address.split('/')[0],
    prefixlen: Number(address.split('/')[1]),
    scope: '0',
    ...(noPrefixRoute ? { noprefixroute: true } : {}),
  }));
  return { ...(renderLink(link) as object), addr_info: entries };
}

function renderRule(rule: RuleState, detached: boolean): unknown {
  const [src, length] = rule.from.split('/');
  const isHost = length === undefined || length === (src!.includes(':') ? '128' : '32');
  return {
    priority: rule.priority,
    src,
    ...(isHost ? {} : { srclen: Number(length) }),
    ...(rule.oif === undefined ? {} : { oif: rule.oif }),
    ...(detached ? { oif_detached: null } : {}),
    table: String(rule.table),
    protocol: rule.protocol,
  };
}

function renderRoute(route: RouteState): unknown {
  return {
    type: route.type,
    dst: route.dst,
    gateway: route.via,
    dev: route.dev,
    ...(route.table === 254 ? {} : { table: String(route.table) }),
    protocol: route.protocol,
    scope: route.scope,
    prefsrc: route.src,
    metric: route.metric,
  };
}
