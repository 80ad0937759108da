// A .deb, by dpkg-deb: the tree, its control file, and the maintainer scripts of deb/.
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Entry } from './contents.ts';
import { maintainer } from './debian-changelog.ts';
import type { PackageInput } from './package-input.ts';
import { runProgram } from './run-program.ts';
import { settle, stage } from './stage.ts';

const scripts = join(import.meta.dirname, 'deb');

/** Node's own needs, by its dynamic section and its versioned symbols, and what berth runs. */
const depends = [
  'libc6 (>= 2.28)',
  'libgcc-s1 | libgcc1',
  'libstdc++6 (>= 8)',
  // Node has needed it since 25, and a stock Debian or Ubuntu lacks it.
  'libatomic1',
  'iproute2',
];

/** Resolves with its path. */
export async function buildDeb(input: PackageInput): Promise<string> {
  const { arch, version, work, out, epochSeconds, entries } = input;
  const tree = join(work, `deb-${arch.deb}`);
  await rm(tree, { recursive: true, force: true });
  await stage(tree, entries);
  const control = join(tree, 'DEBIAN');
  await mkdir(control);
  const sizes = await Promise.all(
    entries.map(async ({ path }) => (await stat(join(tree, path))).size),
  );
  const kib = sizes.reduce((sum, size) => sum + Math.ceil(size / 1024), 0);
  await writeFile(join(control, 'control'), controlOf(version, arch.deb, kib));
  await writeFile(join(control, 'conffiles'), conffilesOf(entries));
  await writeFile(join(control, 'md5sums'), await sumsOf(tree, entries));
  for (const name of await readdir(scripts)) {
    if (name === 'lintian-overrides') continue;
    await copyFile(join(scripts, name), join(control, name));
    await chmod(join(control, name), 0o755);
  }
  await settle(tree, epochSeconds);
  const file = join(out, `berth_${version}_${arch.deb}.deb`);
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(epochSeconds) };
  // One thread: with more, what comes out would depend on there being more.
  const compression = ['-Zzstd', '-z6', '--threads-max=1'];
  await runProgram('dpkg-deb', ['--root-owner-group', ...compression, '--build', tree, file], {
    env,
  });
  return file;
}

function controlOf(version: string, arch: string, installedKib: number): string {
  return [
    'Package: berth',
    `Version: ${version}`,
    `Architecture: ${arch}`,
    `Maintainer: ${maintainer}`,
    `Installed-Size: ${installedKib}`,
    `Depends: ${depends.join(', ')}`,
    'Suggests: nftables',
    'Section: admin',
    'Priority: optional',
    'Description: network interface of a pool for an EC2 instance',
    ' berth claims one network interface (ENI) out of a tagged pool, so that a fixed',
    ' private address outlives the instances that serve behind it. It attaches the',
    ' interface, routes it, ships logs and metrics to CloudWatch, and says when the',
    ' address is served. It carries the Node that it runs on.',
    '',
  ].join('\n');
}

function conffilesOf(entries: readonly Entry[]): string {
  const paths = entries.filter(({ kind }) => kind === 'config').map(({ path }) => `/${path}\n`);
  return paths.join('');
}

async function sumsOf(tree: string, entries: readonly Entry[]): Promise<string> {
  const paths = entries.filter(({ kind }) => kind !== 'config').map(({ path }) => path);
  const lines = paths.toSorted().map(async (path) => {
    const sum = createHash('md5')
      .update(await readFile(join(tree, path)))
      .digest('hex');
    return `${sum}  ${path}\n`;
  });
  return (await Promise.all(lines)).join('');
}
