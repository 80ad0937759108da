// The settings of the claimed device (routing.md section 3.2); never those of `all`, `default` or another device.
import { hasCode, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Sysctl } from '../system/sysctl.ts';

export type SysctlDeps = { readonly sysctl: Sysctl; readonly log: Log };

type Setting = {
  readonly name: string;
  readonly value: string;
  /** Without it a router's advertisement would put a second default route into main. */
  readonly required: boolean;
};

const settings: readonly Setting[] = [
  // The larger of `all` and this one counts, so 2 also wins over a strict `all`, which would break DNAT.
  { name: 'ipv4/conf/*/rp_filter', value: '2', required: false },
  // An ARP request would else carry the primary's address as its sender.
  { name: 'ipv4/conf/*/arp_announce', value: '2', required: false },
  { name: 'ipv6/conf/*/accept_ra', value: '0', required: true },
  { name: 'ipv6/conf/*/autoconf', value: '0', required: false },
  { name: 'ipv6/conf/*/use_tempaddr', value: '0', required: false },
  { name: 'ipv6/conf/*/accept_dad', value: '0', required: false },
  // Link down would else lose the addresses of IPv6.
  { name: 'ipv6/conf/*/keep_addr_on_down', value: '1', required: false },
];

export function sysctlsOf(ifname: string): readonly Setting[] {
  return settings.map((setting) => ({
    ...setting,
    name: `net/${setting.name.replace('*', ifname)}`,
  }));
}

/**
 * Writes what differs. A setting that the kernel does not have is none (no IPv6); one that may not be written is a
 * warning, or `not-permitted` where routing would suffer.
 */
export async function applySysctls(deps: SysctlDeps, ifname: string): Promise<void> {
  for (const { name, value, required } of await differing(deps, ifname)) {
    try {
      await deps.sysctl.write(name, value);
    } catch (error) {
      if (required || !hasCode(error, 'not-permitted')) throw error;
      deps.log.warn({ sysctl: name, value, reason: messageOf(error) }, 'kernel setting left as is');
    }
  }
}

/** Problems, in words. A setting that berth may not change, and does not need, is none. */
export async function verifySysctls(deps: SysctlDeps, ifname: string): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const { name, value, required, found } of await differing(deps, ifname)) {
    if (required || (await deps.sysctl.isWritable(name))) {
      problems.push(`${name} is ${found}, not ${value}`);
    }
  }
  return problems;
}

async function differing(
  deps: SysctlDeps,
  ifname: string,
): Promise<readonly (Setting & { readonly found: string })[]> {
  const found = await Promise.all(
    sysctlsOf(ifname).map(async (setting) => ({
      ...setting,
      found: await deps.sysctl.read(setting.name),
    })),
  );
  return found.flatMap((entry) =>
    entry.found === undefined || entry.found === entry.value
      ? []
      : [{ ...entry, found: entry.found }],
  );
}

/** false: the kernel has none, or it is off for this device (STIG hosts). That is the host's choice, not ours. */
export async function isIpv6On(
  { sysctl }: Pick<SysctlDeps, 'sysctl'>,
  ifname: string,
): Promise<boolean> {
  const read = (name: string): Promise<string | undefined> =>
    sysctl.read(`net/ipv6/conf/${name}/disable_ipv6`);
  return ((await read(ifname)) ?? (await read('all'))) === '0';
}
