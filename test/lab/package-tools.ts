// What building packages needs of a host, and packages for the tests, which have no network.
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import packageJson from '../../package.json' with { type: 'json' };
import { buildPackages, type BuildInput } from '../../packaging/package.ts';
import { arches, type Arch } from '../../packaging/runtime.ts';
import { hasProgram } from './environment.ts';

const project = join(import.meta.dirname, '..', '..');

export const hostArch = process.arch === 'arm64' ? 'arm64' : 'amd64';

/** undefined: packages of these architectures can be built here. */
export function whyNoPackages(
  names: BuildInput['arches'],
  formats: BuildInput['formats'],
): string | undefined {
  const missing = [
    ...(hasProgram('dpkg-deb') ? [] : ['dpkg']),
    ...(formats.includes('rpm') && !hasProgram('rpmbuild') ? ['rpm'] : []),
    ...names.flatMap((name) => missingFor(arches[name])),
  ];
  if (missing.length > 0) return `apt-get install ${missing.join(' ')}`;
  const absent = names.find((name) => !isCached(arches[name].npmPackage));
  return absent && `npm has not fetched the Node of ${absent} yet: npm run package`;
}

function missingFor(arch: Arch): readonly string[] {
  const [emulator, , root] = arch.emulator;
  const libraries = ['libatomic.so.1', 'libstdc++.so.6'].map((name) => join(root!, 'lib', name));
  return [
    ...(hasProgram(arch.strip) ? [] : [`binutils-${arch.rpm.replace('_', '-')}-linux-gnu`]),
    ...(arch.node === process.arch || hasProgram(emulator!) ? [] : ['qemu-user-static']),
    ...(arch.node === process.arch || libraries.every((file) => existsSync(file))
      ? []
      : [`libatomic1-${arch.deb}-cross`, `libstdc++6-${arch.deb}-cross`]),
  ];
}

/** npm keeps what it fetched under its hash. */
function isCached(npmPackage: string): boolean {
  const cache = execFileSync('npm', ['config', 'get', 'cache'], { encoding: 'utf8' }).trim();
  const lockfile = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly integrity: string }>>;
  };
  const { integrity } = lockfile.packages[`node_modules/${npmPackage}`]!;
  const hash = Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex');
  const path = [
    '_cacache',
    'content-v2',
    'sha512',
    hash.slice(0, 2),
    hash.slice(2, 4),
    hash.slice(4),
  ];
  return existsSync(join(cache, ...path));
}

/** The time of packages for tests. */
export const packageEpoch = 1_790_000_000;

/** From npm's cache. */
export async function buildTestPackages(
  input: Omit<BuildInput, 'epochSeconds'>,
): Promise<readonly string[]> {
  // Without it npm would try a network that is not there, for minutes.
  process.env['npm_config_offline'] = 'true';
  return buildPackages({ ...input, epochSeconds: packageEpoch });
}

/** What packages are made of. */
const sources = [
  '{src,packaging,systemd,docs}/**/*',
  '{CHANGELOG.md,LICENSE,package.json,package-lock.json,rolldown.config.ts}',
];

/** Their names. */
export const hostPackages = {
  deb: `berth_${packageJson.version}_${hostArch}.deb`,
  rpm: `berth-${packageJson.version}-1.${arches[hostArch].rpm}.rpm`,
} as const;

export const hostDeb = hostPackages.deb;

/**
 * The package for this host into a folder: that of `npm run package` where it is newer than its sources, else another.
 * Resolves with its path.
 */
export async function copyHostPackage(
  format: keyof typeof hostPackages,
  into: string,
): Promise<string> {
  await mkdir(into, { recursive: true });
  const name = hostPackages[format];
  const [build, target] = [join(project, 'build'), join(into, name)];
  const ready = join(build, 'packages', name);
  const times = globSync(sources, { cwd: project }).map((file) => statSync(join(project, file)));
  if (existsSync(ready) && times.every(({ mtimeMs }) => mtimeMs < statSync(ready).mtimeMs)) {
    await cp(ready, target);
    return target;
  }
  await mkdir(build, { recursive: true });
  const folder = await mkdtemp(join(build, 'host-'));
  try {
    await buildTestPackages({ arches: [hostArch], formats: [format], folder });
    await cp(join(folder, 'packages', name), target);
    return target;
  } finally {
    await rm(folder, { recursive: true });
  }
}
