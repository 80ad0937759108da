// Packages that only the tests have: newer ones to upgrade to, and what stands for a distribution's own.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdir, readFile, readdir, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Entry } from '../../packaging/contents.ts';
import { buildRpm } from '../../packaging/rpm.ts';
import type { Arch } from '../../packaging/runtime.ts';
import { packageEpoch } from './package-tools.ts';

/** An administrator's. */
const defaults = 'etc/default/berth';

function run(program: string, ...args: readonly string[]): void {
  execFileSync(program, args);
}

/** The same package but for a newer version, and a file that is gone. `run`: where it is, as root; throws what fails. */
export async function newerDeb(
  deb: string,
  run: (...argv: readonly string[]) => Promise<unknown>,
): Promise<string> {
  const [tree, newer] = ['/var/tmp/newer', '/var/tmp/newer.deb'];
  await run('dpkg-deb', '--raw-extract', deb, tree);
  await run('sed', '-i', 's/^Version: .*/&+newer/', `${tree}/DEBIAN/control`);
  await run('rm', `${tree}/usr/share/doc/berth/routing.md`);
  await run('dpkg-deb', '--root-owner-group', '-Znone', '--build', tree, newer);
  await run('rm', '-r', tree);
  return newer;
}

/** The same of a .rpm, in the folder `work`. */
export async function newerRpm(
  rpm: string,
  { arch, version, work }: { readonly arch: Arch; readonly version: string; readonly work: string },
): Promise<string> {
  const tree = join(work, 'newer');
  await mkdir(tree);
  run('sh', '-c', 'rpm2archive -n - <"$1" | tar -x -C "$2"', 'sh', rpm, tree);
  await rm(join(tree, 'usr/share/doc/berth/routing.md'));
  const found = await readdir(tree, { recursive: true, withFileTypes: true });
  const files = found.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
  const entries = files.map(async (file): Promise<Entry> => {
    const path = relative(tree, file);
    const { mode } = await stat(file);
    return {
      path,
      mode: (mode & 0o111) === 0 ? 0o644 : 0o755,
      content: path === defaults ? { bytes: `${await readFile(file, 'utf8')}# New.\n` } : { file },
      kind: path === defaults ? 'config' : 'plain',
    };
  });
  return buildRpm({
    arch,
    version,
    licence: 'MIT',
    entries: await Promise.all(entries),
    epochSeconds: packageEpoch,
    work,
    out: work,
  });
}

function numbered(prefix: string, from: number, to: number): readonly string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => `${prefix}${from + i}`);
}

/** A package that offers what a distribution with this glibc does, as its own packages do. */
export function hostRpm(work: string, name: string, glibc: string): string {
  const minor = Number(glibc.split('.')[1]);
  const versions = {
    'libc.so.6': [
      'GLIBC_2.2.5',
      'GLIBC_2.3.2',
      'GLIBC_2.3.3',
      'GLIBC_2.3.4',
      ...numbered('GLIBC_2.', 3, minor),
    ],
    'libm.so.6': ['GLIBC_2.2.5', ...numbered('GLIBC_2.', 15, minor)],
    'libdl.so.2': ['GLIBC_2.2.5', 'GLIBC_2.17'],
    'libpthread.so.0': [
      'GLIBC_2.2.5',
      'GLIBC_2.3.2',
      'GLIBC_2.3.3',
      'GLIBC_2.3.4',
      ...numbered('GLIBC_2.', 12, 18),
    ],
    'ld-linux-x86-64.so.2': ['GLIBC_2.2.5', 'GLIBC_2.3'],
    'ld-linux-aarch64.so.1': ['GLIBC_2.17'],
    'libgcc_s.so.1': ['GCC_3.0', 'GCC_3.3', 'GCC_3.4', 'GCC_4.2.0'],
    'libatomic.so.1': ['LIBATOMIC_1.0', 'LIBATOMIC_1.1', 'LIBATOMIC_1.2'],
    'libstdc++.so.6': [
      'GLIBCXX_3.4',
      ...numbered('GLIBCXX_3.4.', 1, 24),
      'CXXABI_1.3',
      ...numbered('CXXABI_1.3.', 1, 11),
    ],
  };
  const provides = [
    '/bin/sh',
    'iproute',
    'rtld(GNU_HASH)',
    ...Object.entries(versions).flatMap(([library, symbols]) => [
      `${library}()(64bit)`,
      ...symbols.map((symbol) => `${library}(${symbol})(64bit)`),
    ]),
  ];
  const spec = [
    `Name: ${name}\nVersion: 1\nRelease: 1\nSummary: a host\nLicense: none\nBuildArch: noarch`,
    ...provides.map((one) => `Provides: ${one}`),
    '%description\nA host.\n%files\n',
  ];
  writeFileSync(join(work, `${name}.spec`), spec.join('\n'));
  run(
    'rpmbuild',
    '--quiet',
    '-bb',
    '--define',
    `_topdir ${join(work, name)}`,
    '--define',
    `_rpmdir ${work}`,
    join(work, `${name}.spec`),
  );
  return join(work, 'noarch', `${name}-1-1.noarch.rpm`);
}
