// Network namespaces for the lab: iproute2 in one batch, sysctls of the router, and the prefix that runs a program inside.
import { readFile, writeFile } from 'node:fs/promises';
import { systemExec } from '../../src/system/exec.ts';
import { inNamespaces } from './environment.ts';

const timeoutMs = 10_000;

/** Without the private namespaces of enter.ts the lab would change the network of this host. */
export function requireNamespaces(): void {
  if (!inNamespaces) {
    throw new Error('cannot build the local VPC here: start it with "node test/lab/enter.ts ..."');
  }
}

/** Runs lines of iproute2 in the router, or in `namespace`. Throws with the line that failed; earlier lines stay. */
export async function ipBatch(
  lines: readonly string[],
  namespace?: string,
  flags: readonly string[] = [],
): Promise<void> {
  const inside = namespace === undefined ? [] : ['-n', namespace];
  const argv = ['ip', ...inside, ...flags, '-batch', '-'];
  const { code, stderr } = await systemExec.run(
    { argv: argv as [string, ...string[]], stdin: `${lines.join('\n')}\n`, timeoutMs },
    new AbortController().signal,
  );
  if (code === 0) return;
  const line = /Command failed -:(\d+)/.exec(stderr)?.[1];
  const failed = line === undefined ? lines.join('; ') : lines[Number(line) - 1];
  throw new Error(
    `cannot run "ip ${failed}" in ${namespace ?? 'the router'}: ${stderr.split('\n')[0]}`,
  );
}

/**
 * Argv prefix of a program in `namespace`. It replaces itself by the program, so signals and IPC reach that.
 * Unlike `ip netns exec` it mounts no new /sys, which not every container allows.
 */
export function execPrefix(namespace: string): readonly [string, ...string[]] {
  return ['nsenter', `--net=/run/netns/${namespace}`, '--'];
}

/** Sets a value of the router's namespace and says what it was. */
export async function routerSysctl(name: string, value: string): Promise<string> {
  const path = `/proc/sys/net/${name}`;
  const before = (await readFile(path, 'utf8')).trim();
  await writeFile(path, value);
  return before;
}

/** `TcpExt` counter of the router's namespace. */
export async function routerCounter(name: string): Promise<number> {
  const text = await readFile('/proc/net/netstat', 'utf8');
  const [names, values] = text
    .split('\n')
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' '));
  const index = names?.indexOf(name) ?? -1;
  if (index < 0) throw new Error(`cannot read the counter ${name} of this kernel`);
  return Number(values![index]);
}
