// Asks the kernel which way packets would go, without sending any (routing.md section 4, checks 4 to 6).
import type { RoutePlan } from '../model/routes.ts';
import { runIp } from '../system/iproute.ts';
import { familyFlag, type Family, type IpDeps, type Json } from './ip-command.ts';
import { mainTable, scopeLink, typeLocal, typeUnicast, type KernelState } from './kernel-state.ts';

export type Lookup = {
  /** Arguments of `ip route get`. */
  readonly query: string;
  readonly dst: string;
  readonly from: string | undefined;
  /** `out`: by our device and table; `in`: to this host; `elsewhere`: not by our device. */
  readonly expect: 'out' | 'in' | 'elsewhere';
  /** Of `out`; undefined: whatever the table says. */
  readonly via: string | undefined;
};

export type LookupAnswer = {
  readonly dst: string;
  readonly from: string | undefined;
  readonly type: string;
  readonly dev: string | undefined;
  readonly via: string | undefined;
  readonly table: number;
};

/** Documentation addresses (RFC 5737, RFC 3849): nobody is there, and nothing is sent. */
const somewhere: Readonly<Record<Family, string>> = { ipv4: '192.0.2.1', ipv6: '2001:db8:ffff::1' };

export function planLookups(
  plan: RoutePlan,
  state: KernelState,
  family: Family,
): readonly Lookup[] {
  const { addresses, gateway } = plan[family];
  if (addresses.length === 0) return [];
  const external = somewhere[family];
  const neighbour = family === 'ipv4' ? hostOfPrimarySubnet(plan, state) : undefined;
  const get = (lookup: Omit<Lookup, 'query'>, more = ''): Lookup => ({
    ...lookup,
    query: `${lookup.dst}${lookup.from === undefined ? '' : ` from ${lookup.from}`}${more}`,
  });
  return [
    get({ dst: external, from: undefined, expect: 'elsewhere', via: undefined }),
    ...addresses.flatMap((address) => {
      const ip = address.split('/')[0]!;
      return [
        get({ dst: external, from: ip, expect: 'out', via: gateway }),
        ...(neighbour === undefined
          ? []
          : [get({ dst: neighbour, from: ip, expect: 'out', via: undefined })]),
        get({ dst: ip, from: external, expect: 'in', via: undefined }, ` iif ${plan.ifname}`),
      ];
    }),
  ];
}

/** The gateway of main's default route is one; undefined where main has none. */
function hostOfPrimarySubnet(plan: RoutePlan, { ipv4 }: KernelState): string | undefined {
  const main = ipv4.routes.filter(
    (route) => route.table === mainTable && route.dev !== plan.ifname && route.type === typeUnicast,
  );
  const isOnLink = (dev: string | undefined): boolean =>
    main.some((route) => route.dev === dev && route.scope === scopeLink);
  return main.find((route) => route.dst === 'default' && isOnLink(route.dev))?.via;
}

/** Answers in the order of the questions; one that the kernel refuses has none. */
export async function askLookups(
  deps: IpDeps,
  input: { readonly family: Family; readonly lookups: readonly Lookup[] },
  signal: AbortSignal,
): Promise<readonly LookupAnswer[]> {
  if (input.lookups.length === 0) return [];
  const stdin = `${input.lookups.map(({ query }) => `route get ${query}`).join('\n')}\n`;
  // -force: go on after a refusal, which is an answer here.
  const args = [familyFlag(input.family), '-json', '-N', '-force', '-batch', '-'];
  const { stdout } = await runIp(deps, { args, stdin }, signal);
  return parseLookups(stdout);
}

export function parseLookups(stdout: string): readonly LookupAnswer[] {
  return stdout.split('\n').flatMap((line) => {
    const list = /\[\{.*\}\]/.exec(line)?.[0];
    return list === undefined ? [] : parseAnswers(JSON.parse(list) as readonly Json[]);
  });
}

export function parseAnswers(entries: readonly Json[]): readonly LookupAnswer[] {
  return (entries as readonly Readonly<Record<string, string>>[]).map((entry) => ({
    dst: entry['dst']!,
    from: entry['from'],
    type: entry['type'] ?? typeUnicast,
    dev: entry['dev'],
    via: entry['gateway'],
    table: Number(entry['table'] ?? mainTable),
  }));
}

/** Problems, in words. `table` undefined: whichever leads there. */
export function judgeLookups(
  plan: Pick<RoutePlan, 'ifname'> & { readonly table: number | undefined },
  lookups: readonly Lookup[],
  answers: readonly LookupAnswer[],
): readonly string[] {
  return lookups.flatMap((lookup) => {
    const answer = answers.find(({ dst, from }) => dst === lookup.dst && from === lookup.from);
    const fault = faultOf(plan, lookup, answer);
    return fault === undefined ? [] : [`"ip route get ${lookup.query}" ${fault}`];
  });
}

function faultOf(
  { ifname, table }: Parameters<typeof judgeLookups>[0],
  { expect, via }: Lookup,
  answer: LookupAnswer | undefined,
): string | undefined {
  if (expect === 'elsewhere') {
    return answer?.dev === ifname ? `leaves by ${ifname}: main is not left alone` : undefined;
  }
  if (expect === 'in') {
    return answer?.type === typeLocal ? undefined : 'is refused: what comes in would be dropped';
  }
  if (answer === undefined) return 'finds no route';
  if (answer.dev !== ifname || (table !== undefined && answer.table !== table)) {
    const wanted = table === undefined ? '' : ` (table ${table})`;
    return `leaves by ${answer.dev ?? 'nothing'} (table ${answer.table}), not by ${ifname}${wanted}`;
  }
  return via === undefined || answer.via === via
    ? undefined
    : `goes via ${answer.via ?? 'nobody'}, not ${via}`;
}
