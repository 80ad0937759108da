// A host that enforces SELinux, as far as its policy can be asked without one: Debian's build of the reference policy says
// which label the package gets, into which domain systemd starts it, and what that domain may do.
import { execFileSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { expect, test } from 'vitest';

const labels = '/etc/selinux/default/contexts/files/file_contexts';
const [policy] = globSync('/etc/selinux/default/policy/policy.*');
const hasPolicy = policy !== undefined && existsSync(labels) && existsSync('/usr/bin/sesearch');
const needsPolicy = hasPolicy
  ? ''
  : ' (skipped: the Debian packages setools, selinux-utils and selinux-policy-default are not installed)';

const lines = (program: string, ...args: readonly string[]): readonly string[] =>
  execFileSync(program, args, { encoding: 'utf8' }).split('\n').filter(Boolean);
const rules = (...args: readonly string[]) => lines('sesearch', ...args, policy!);
const typeOf = (path: string) => lines('matchpathcon', '-n', '-f', labels, path)[0]?.split(':')[2];

test.skipIf(!hasPolicy)(`SELinux: labels are those of programs and of state${needsPolicy}`, () => {
  for (const path of ['/usr/libexec/berth/node', '/usr/libexec/berth/main.cjs', '/usr/bin/berth']) {
    expect([path, typeOf(path)]).toEqual([path, 'bin_t']);
  }
  expect(typeOf('/var/lib/berth/i-0/claim.json')).toBe('var_lib_t');
  expect(typeOf('/etc/berth/files.json')).toBe('etc_t');
});

test.skipIf(!hasPolicy)(
  `SELinux: systemd starts it in a domain of its own, NoNewPrivileges and all${needsPolicy}`,
  () => {
    expect(rules('-T', '-s', 'init_t', '-t', 'bin_t', '-c', 'process')).toEqual([
      'type_transition init_t bin_t:process initrc_t;',
    ]);
    const mayGo = ['-s', 'init_t', '-t', 'initrc_t', '-c', 'process2', '-p', 'nnp_transition'];
    expect(rules('-A', ...mayGo)).toHaveLength(1);
  },
);

const needed: readonly (readonly [string, string, string, string])[] = [
  ['the code that V8 makes', 'initrc_t', 'process', 'execmem'],
  ['addresses and routes', 'initrc_t', 'capability', 'net_admin'],
  ['logs of root', 'initrc_t', 'capability', 'dac_read_search'],
  ['netlink', 'initrc_t', 'netlink_route_socket', 'nlmsg_write'],
  ['AWS', 'http_port_t', 'tcp_socket', 'name_connect'],
  ['its state', 'var_lib_t', 'file', 'create'],
  ['logs', 'var_log_t', 'file', 'read'],
  ['ip, journalctl', 'bin_t', 'file', 'execute_no_trans'],
  ['rp_filter', 'sysctl_net_t', 'file', 'write'],
];

test.skipIf(!hasPolicy).each(needed)(
  `SELinux: the domain may do what berth does: %s${needsPolicy}`,
  (_what, target, kind, right) => {
    const found = rules('-A', '-s', 'initrc_t', '-t', target, '-c', kind, '-p', right);
    expect(found.length).toBeGreaterThan(0);
  },
);
