// Runs a command in namespaces of its own (user if not root, network, mount, process), which the kernel clears away
// with the last process: `node test/lab/enter.ts [--optional] COMMAND ...`. /run is a private tmpfs there.
// --optional: where the host forbids it, run the command as it is; the tests that need it are then skipped by name.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const unshare = [
  ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
  '--net',
  '--mount',
  '--pid',
  '--fork',
  '--kill-child',
  '--mount-proc',
];
/** Process 1 inside: a shell, since it reaps orphans. Nothing is interpolated into it. */
const prepare =
  'mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/netns && ip link set lo up && { "$@"; exit $?; }';

function whyNot(): string | undefined {
  const tried = spawnSync('unshare', [...unshare, 'sh', '-c', prepare, 'sh', 'true'], {
    encoding: 'utf8',
  });
  if (tried.status === 0) return undefined;
  const settings = [
    ['kernel.apparmor_restrict_unprivileged_userns', '1', '0'],
    ['kernel.unprivileged_userns_clone', '0', '1'],
    ['user.max_user_namespaces', '0', '10000'],
  ] as const;
  const found = settings.find(([name, bad]) => {
    try {
      return readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8').trim() === bad;
    } catch {
      return false;
    }
  });
  return found === undefined
    ? `this host does not let you make namespaces (${(tried.stderr || String(tried.error)).trim()}): run it as root`
    : `this host forbids namespaces to users: sysctl -w ${found[0]}=${found[2]}, or run it as root`;
}

const optional = process.argv[2] === '--optional';
const command = process.argv.slice(optional ? 3 : 2);
const reason = whyNot();
if (reason !== undefined && !optional) {
  console.error(`cannot build the local VPC: ${reason}`);
  process.exit(1);
}
if (reason !== undefined) console.error(`Tests in network namespaces are skipped: ${reason}`);

const inside = ['unshare', ...unshare, 'sh', '-c', prepare, 'sh', ...command];
// Should this process be killed, unshare gets SIGKILL, and with it everything inside.
const argv = reason === undefined ? ['setpriv', '--pdeathsig', 'KILL', ...inside] : command;
const child = spawn(argv[0]!, argv.slice(1), {
  stdio: 'inherit',
  env: reason === undefined ? { ...process.env, BERTH_LAB_NAMESPACES: '1' } : process.env,
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    child.kill('SIGKILL');
    process.exitCode = 130;
  });
}
child.on('exit', (code) => {
  process.exitCode ??= code ?? 1;
});
