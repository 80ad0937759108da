// This host's own root to install packages into: an overlay takes all writes, and it goes with the namespace. Nothing in
// it is started: no systemd runs there.
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);

export type Ran = { readonly code: number; readonly out: string };

export type OverlayRoot = AsyncDisposable & {
  readonly path: string;
  /** Runs a program in it, as root; resolves with what it said, whatever its exit code. */
  run(...argv: readonly string[]): Promise<Ran>;
};

/** `folder`: empty, of this namespace. Only root may. */
export async function createOverlayRoot(folder: string): Promise<OverlayRoot> {
  const [upper, work, path] = ['upper', 'work', 'root'].map((name) => join(folder, name));
  for (const one of [upper!, work!, path!]) await mkdir(one, { recursive: true });
  await using stack = new AsyncDisposableStack();
  const mount = async (target: string, ...args: readonly string[]): Promise<void> => {
    await exec('mount', [...args, target]);
    stack.defer(() => exec('umount', ['--recursive', target]).then(() => undefined));
  };
  const layers = `lowerdir=/,upperdir=${upper},workdir=${work}`;
  await mount(path!, '-t', 'overlay', 'overlay', '-o', layers);
  await mount(join(path!, 'dev'), '--rbind', '/dev');
  await mount(join(path!, 'proc'), '--bind', '/proc');
  const mounted = stack.move();
  return {
    path: path!,
    run: (...argv) => runIn(['chroot', path!, ...argv]),
    [Symbol.asyncDispose]: () => mounted.disposeAsync(),
  };
}

/** The environment is that of a new machine. */
export async function runIn([program, ...args]: readonly string[]): Promise<Ran> {
  const env = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    LC_ALL: 'C.UTF-8',
    DEBIAN_FRONTEND: 'noninteractive',
  };
  try {
    const { stdout, stderr } = await exec(program!, args, { env, maxBuffer: 64 << 20 });
    return { code: 0, out: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout + stderr };
  }
}
