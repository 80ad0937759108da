// Who has set what has to go? The kernel does not say which process; it says by which protocol, and whether there is a lease.
import type { FamilyState } from './kernel-state.ts';

/** /etc/iproute2/rt_protos, of kernel and iproute2. */
const setters: Readonly<Record<string, string>> = {
  '0': 'a program that does not say',
  '3': 'somebody with "ip"',
  '4': 'a static configuration',
  '9': 'router advertisements',
  '16': 'a DHCP client',
};

/** For a line of `ip -batch` that deletes; empty where nobody knows. */
export function culpritOf(line: string, { addresses }: FamilyState): string {
  const protocol = /^(?:route|rule) del .*\bproto(?:col)? (\d+)$/.exec(line)?.[1];
  const address = /^addr del (\S+) dev/.exec(line)?.[1];
  const isLeased = addresses.some((entry) => entry.address === address && entry.dynamic);
  const who = isLeased ? 'a DHCP client' : setters[protocol ?? ''];
  return who === undefined ? '' : ` (set by ${who})`;
}
