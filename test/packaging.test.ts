// The packages: the same bytes twice, what is in them, and their life under the real package managers, in a root of the test.
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import packageJson from '../package.json' with { type: 'json' };
import { arches, commandOf } from '../packaging/runtime.ts';
import { hasProgram, inNamespaces, scratch } from './lab/environment.ts';
import { hostRpm, newerDeb, newerRpm } from './lab/package-hosts.ts';
import { createOverlayRoot, runIn, type OverlayRoot } from './lab/overlay-root.ts';
import { buildTestPackages, hostArch, whyNoPackages } from './lab/package-tools.ts';
import { unitFlags } from './lab/unit-flags.ts';

// Each build compresses 0.5 GB.
vi.setConfig({ testTimeout: 1_200_000, hookTimeout: 1_200_000 });

const project = join(import.meta.dirname, '..');
const { version } = packageJson;
const both = Object.keys(arches) as (keyof typeof arches)[];
const reason = whyNoPackages(both, ['deb', 'rpm']);
const home = join(project, 'build', 'test');
const names = {
  amd64: { deb: `berth_${version}_amd64.deb`, rpm: `berth-${version}-1.x86_64.rpm` },
  arm64: { deb: `berth_${version}_arm64.deb`, rpm: `berth-${version}-1.aarch64.rpm` },
};

function packageOf(arch: keyof typeof arches, format: 'deb' | 'rpm'): string {
  return join(home, 'a', 'packages', names[arch][format]);
}

function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', maxBuffer: 64 << 20 });
}

/** All that it said, whatever its exit code. */
async function said(program: string, args: readonly string[]): Promise<string> {
  const { code, out } = await runIn([program, ...args]);
  return code === 0 || out !== '' ? out : `ended with ${code}`;
}

/** `mode owner path` of each file, sorted by path; folders that others have too are left out. */
function listOf(file: string): readonly string[] {
  const lines = file.endsWith('.deb')
    ? run('dpkg-deb', '--contents', file)
        .split('\n')
        .map((line) => /^(\S+) (\S+) +\d+ \S+ \S+ \.(\/.*?)\/?$/.exec(line))
        .map((found) => found && [found[1], found[2], found[3]].join(' '))
    : run(
        'rpm',
        '-qp',
        '--qf',
        '[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILENAMES}\n]',
        file,
      ).split('\n');
  return lines
    .filter((line) => line !== null && line !== '')
    .filter((line) => !line!.startsWith('d') || line!.includes('/berth'))
    .map(String)
    .toSorted((a, b) => a.split(' ')[2]!.localeCompare(b.split(' ')[2]!, 'en'));
}

/** Of one file in a package. */
function textIn(file: string, path: string): string {
  const unpack = file.endsWith('.deb') ? 'dpkg-deb --fsys-tarfile "$1"' : 'rpm2archive -n - <"$1"';
  return run('sh', '-c', `${unpack} | tar -xO "./$2"`, 'sh', file, path);
}

type Bom = { readonly components: readonly Readonly<Record<'name' | 'version', string>>[] };

function pathsOf(list: readonly string[]): readonly string[] {
  return list.map((line) => line.split(' ')[2]!);
}

function onlyIn(some: readonly string[], others: readonly string[]): readonly string[] {
  return pathsOf(some).filter((path) => !pathsOf(others).includes(path));
}

describe.skipIf(reason !== undefined)(
  `packages${reason === undefined ? '' : ` (skipped: ${reason})`}`,
  () => {
    let lintianSaid: Promise<string> | undefined;
    beforeAll(async () => {
      await rm(home, { recursive: true, force: true });
      await buildTestPackages({ arches: both, formats: ['deb', 'rpm'], folder: join(home, 'a') });
      // Takes a minute beside the second build: it looks for libraries in Node. The other architecture has the same files.
      const flags = ['--allow-root', '--tag-display-limit', '0', '--display-info'];
      const lintianArgs = [...flags, packageOf('amd64', 'deb')];
      if (hasProgram('lintian')) lintianSaid = said('lintian', lintianArgs);
    });
    afterAll(() => rm(home, { recursive: true, force: true }));

    test('are the same bytes elsewhere, in another time zone and under another umask', async () => {
      const umask = process.umask(0o077);
      const { TZ } = process.env;
      process.env['TZ'] = 'Asia/Tokyo';
      try {
        const folder = join(home, 'elsewhere', 'b');
        const again = await buildTestPackages({ arches: both, formats: ['deb', 'rpm'], folder });
        expect(again.length).toBe(4);
        for (const file of again) {
          const first = file.replace(folder, join(home, 'a'));
          expect({ file, sum: await sumOf(file) }).toEqual({ file, sum: await sumOf(first) });
        }
      } finally {
        process.umask(umask);
        if (TZ === undefined) delete process.env['TZ'];
        else process.env['TZ'] = TZ;
        await rm(join(home, 'elsewhere'), { recursive: true, force: true });
      }
    });

    describe.each(both)('of %s', (arch) => {
      test('hold the same files, of root, and nothing that is run but node, berth', () => {
        const deb = listOf(packageOf(arch, 'deb'));
        const rpm = listOf(packageOf(arch, 'rpm'));
        for (const list of [deb, rpm]) {
          expect(list.filter((line) => !/^(d|-)\S+ root\/root \//.test(line))).toEqual([]);
          expect(list.filter((line) => /^-..x/.test(line))).toEqual([
            '-rwxr-xr-x root/root /usr/bin/berth',
            '-rwxr-xr-x root/root /usr/libexec/berth/node',
          ]);
          expect(list.filter((line) => !/^(drwxr-xr-x|-rwxr-xr-x|-rw-r--r--) /.test(line))).toEqual(
            [],
          );
        }
        // Each system has its own places for these.
        expect(onlyIn(deb, rpm)).toEqual([
          '/usr/share/doc/berth/changelog.gz',
          '/usr/share/doc/berth/copyright',
          '/usr/share/lintian/overrides/berth',
          '/usr/share/zsh/vendor-completions/_berth',
        ]);
        expect(onlyIn(rpm, deb)).toEqual([
          '/usr/share/licenses/berth',
          '/usr/share/licenses/berth/LICENSES',
          '/usr/share/zsh/site-functions/_berth',
        ]);
      });

      test('hold what the documentation names', () => {
        const paths = pathsOf(listOf(packageOf(arch, 'deb')));
        expect(paths).toEqual(
          expect.arrayContaining([
            '/etc/default/berth',
            '/usr/lib/systemd/system-preset/80-berth.preset',
            '/usr/lib/systemd/system/berth-files.socket',
            '/usr/lib/systemd/system/berth-files@.service',
            '/usr/lib/systemd/system/berth-ready.target',
            '/usr/lib/systemd/system/berth.service',
            '/usr/lib/sysusers.d/berth.conf',
            '/usr/lib/udev/rules.d/81-berth.rules',
            '/usr/libexec/berth/code/berth.cjs',
            '/usr/libexec/berth/main.cjs',
            '/usr/share/bash-completion/completions/berth',
            '/usr/share/berth/cloudwatch-dashboard.json',
            '/usr/share/berth/config.schema.json',
            '/usr/share/berth/iam/base.json',
            '/usr/share/doc/berth/configuration.md',
            '/usr/share/berth/examples/config.json',
            '/usr/share/berth/examples/files.json',
            '/usr/share/berth/examples/stop-when-lost.conf',
            '/usr/share/berth/examples/user-data/berth-key.yaml',
            '/usr/share/doc/berth/sbom.cdx.json',
            '/usr/share/fish/vendor_completions.d/berth.fish',
            '/usr/share/man/man8/berth.8.gz',
          ]),
        );
        // Nothing reads /etc/berth by default, and a file there would say otherwise.
        expect(paths.filter((path) => path.startsWith('/etc/'))).toEqual(['/etc/default/berth']);
      });

      test.each(['deb', 'rpm'] as const)(
        'hold the bill of materials and the licences of what they carry: .%s',
        (format) => {
          const textOf = (path: string): string => textIn(packageOf(arch, format), path);
          const bom = JSON.parse(textOf('usr/share/doc/berth/sbom.cdx.json')) as Bom;
          expect(bom).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.5' });
          const carried = bom.components.map(({ name, version }) => `${name} ${version}`);
          const node = `${arches[arch].npmPackage} ${process.versions.node}`;
          const direct = Object.entries(packageJson.dependencies).map((one) => one.join(' '));
          expect(carried).toEqual(expect.arrayContaining([node, ...direct]));
          // A bundler's plug-in that went blind would leave nearly nothing; everything in node_modules is hundreds.
          expect(carried.length).toBeGreaterThan(20);
          expect(carried.length).toBeLessThan(60);
          const licences = textOf(
            format === 'deb'
              ? 'usr/share/doc/berth/copyright'
              : 'usr/share/licenses/berth/LICENSES',
          );
          const unnamed = carried.filter((one) => !licences.includes(`\n${one} (`));
          expect(unnamed).toEqual([node]);
          const [ofBerth, ...rest] = licences.split(`\n${'='.repeat(78)}\n`);
          expect(ofBerth).toContain('Apache License');
          const ofNode = rest.find((text) =>
            text.startsWith(`\nNode.js ${process.versions.node}\n`),
          );
          expect(ofNode).toContain('- OpenSSL, located at deps/openssl, is licensed as follows:');
          const ofPackages = rest.filter((text) => text !== ofNode);
          const grant =
            /Apache License|Permission (is hereby granted, free of charge|to use, copy, modify)/;
          expect(ofPackages.filter((text) => !grant.test(text))).toEqual([]);
        },
      );

      test('an upgrade keeps what an administrator changed in /etc/default/berth', () => {
        expect(run('dpkg-deb', '--info', packageOf(arch, 'deb'), 'conffiles')).toBe(
          '/etc/default/berth\n',
        );
        expect(run('rpm', '-qp', '--configfiles', packageOf(arch, 'rpm'))).toBe(
          '/etc/default/berth\n',
        );
        const flags = run(
          'rpm',
          '-qp',
          '--qf',
          '[%{FILEFLAGS:fflags} %{FILENAMES}\n]',
          packageOf(arch, 'rpm'),
        );
        expect(flags).toContain('cn /etc/default/berth\n');
      });

      test('need glibc 2.28, and of libraries only what they depend on', async () => {
        const tree = join(home, `tree-${arch}`);
        run('dpkg-deb', '--extract', packageOf(arch, 'deb'), tree);
        const node = join(tree, 'usr/libexec/berth/node');
        const objdump = arches[arch].strip.replace(/strip$/, 'objdump');
        const linked = run(objdump, '--private-headers', node);
        expect(linked).toContain(arch === 'arm64' ? 'elf64-littleaarch64' : 'elf64-x86-64');
        const libraries = [...linked.matchAll(/NEEDED +(\S+)/g)].map((match) => match[1]!);
        const symbols = run(objdump, '--dynamic-syms', node);
        const newest = (name: string): string | undefined =>
          [
            ...new Set(
              [...symbols.matchAll(new RegExp(`\\b${name}_([\\d.]+)`, 'g'))].map(
                (match) => match[1]!,
              ),
            ),
          ]
            .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
            .at(-1);
        expect(libraries.filter((one) => !one.startsWith('ld-linux')).toSorted()).toEqual([
          'libatomic.so.1',
          'libc.so.6',
          'libdl.so.2',
          'libgcc_s.so.1',
          'libm.so.6',
          'libpthread.so.0',
          'libstdc++.so.6',
        ]);
        expect(newest('GLIBC')).toBe('2.28');
        // GCC 5's; Debian 10 and RHEL 8 have GCC 8's.
        expect(newest('GLIBCXX')).toBe('3.4.21');
        expect(run('dpkg-deb', '--field', packageOf(arch, 'deb'), 'Depends')).toBe(
          'libc6 (>= 2.28), libgcc-s1 | libgcc1, libstdc++6 (>= 8), libatomic1, iproute2\n',
        );
        const requires = run('rpm', '-qp', '--requires', packageOf(arch, 'rpm')).split('\n');
        expect(requires).toEqual(
          expect.arrayContaining([
            'iproute',
            'libatomic.so.1()(64bit)',
            'libc.so.6(GLIBC_2.28)(64bit)',
          ]),
        );
        await rm(tree, { recursive: true });
      });
    });

    test.each(both)('the program of %s runs, with its own code ready', async (name) => {
      const arch = arches[name];
      const tree = join(home, `run-${name}`);
      run('dpkg-deb', '--extract', packageOf(name, 'deb'), tree);
      const libexec = join(tree, 'usr/libexec/berth');
      // Of the other architecture: under qemu-user.
      const node = commandOf(arch, join(libexec, 'node'));
      const berth = (...args: readonly string[]): string =>
        run(node[0], ...node.slice(1), join(libexec, 'main.cjs'), ...args);
      expect(berth('version')).toBe(
        `berth ${version} (Node ${process.versions.node}, ${arch.node})\n`,
      );
      const example = join(tree, 'usr/share/berth/examples/config.json');
      expect(berth('check-config', example)).toContain('a valid configuration');
      const judge = join(project, 'test', 'lab', 'judge-code.ts');
      // V8 takes code under the flags that it was made for.
      const judged = run(node[0], ...node.slice(1), ...unitFlags, judge, libexec);
      const chunks = globSync('*.cjs', { cwd: libexec }).filter((file) => file !== 'main.cjs');
      expect(JSON.parse(judged)).toEqual({ taken: chunks.length, refused: [] });
      await rm(tree, { recursive: true });
    });

    const lintian = hasProgram('lintian') ? '' : ' (skipped: apt-get install lintian)';
    test.skipIf(lintian !== '')(
      `lintian has nothing to say that is not explained${lintian}`,
      async () => {
        const lines = (await lintianSaid!).split('\n').filter((line) => line !== '');
        // Of what it only mentions, what explains nothing any more.
        expect(lines.filter((line) => !/^I: (?!berth: unused-override)/.test(line))).toEqual([]);
      },
    );

    const rpmlint = hasProgram('rpmlint') ? '' : ' (skipped: apt-get install rpmlint)';
    test.skipIf(rpmlint !== '')(
      `rpmlint has nothing to say that is not explained${rpmlint}`,
      () => {
        const config = join(project, 'packaging', 'rpm', 'rpmlint.toml');
        const said = run(
          'rpmlint',
          '--config',
          config,
          packageOf('amd64', 'rpm'),
          packageOf('arm64', 'rpm'),
        );
        expect(said).toContain(' 2 packages and 0 specfiles checked; 0 errors, 0 warnings');
      },
    );

    const noRoot =
      !inNamespaces || process.getuid?.() !== 0 || !isInitialUserNamespace()
        ? ' (skipped: only root may mount an overlay of the whole host)'
        : '';

    describe.skipIf(noRoot !== '')(`in a root of this host${noRoot}`, () => {
      let root: OverlayRoot;
      const stack = new AsyncDisposableStack();
      beforeAll(async () => {
        root = stack.use(await createOverlayRoot(await mkdtemp(join(scratch, 'root-'))));
        await mkdir(join(root.path, 'packages'));
        // A minimal image leaves documents out.
        await rm(join(root.path, 'etc/dpkg/dpkg.cfg.d'), { recursive: true, force: true });
      });
      afterAll(() => stack.disposeAsync());

      const here = (path: string): string => join(root.path, path);
      const put = (file: string, name: string): Promise<void> => cp(file, here(`packages/${name}`));
      const done = async (...argv: readonly string[]): Promise<string> => {
        const { code, out } = await root.run(...argv);
        if (code !== 0) throw new Error(`${argv.join(' ')}: ${out}`);
        return out;
      };
      const enabled = async (): Promise<string> =>
        (await root.run('systemctl', 'is-enabled', 'berth')).out.trim();

      /** What holds after each installation, by whichever package manager. */
      const expectInstalled = async (): Promise<void> => {
        expect(await done('berth', 'version')).toContain(`berth ${version} `);
        expect(
          await done('berth', 'check-config', '/usr/share/berth/examples/config.json'),
        ).toContain('a valid');
        expect(await enabled()).toBe('disabled');
        // What systemd does at the first boot of an AMI without a machine id.
        await done('systemctl', 'preset', 'berth.service');
        expect(await enabled()).toBe('disabled');
        expect(await done('getent', 'passwd', 'berth')).toMatch(
          /^berth:x:\d+:\d+:berth:\/var\/lib\/berth:\/usr\/sbin\/nologin\n$/,
        );
      };

      test('the .deb: installed, upgraded, removed and purged', async () => {
        const ofName = ['find', '/etc', '/usr', '/var', '-xdev', '-name', '*berth*'] as const;
        const before = await done(...ofName);
        await put(packageOf(hostArch, 'deb'), 'berth.deb');
        await done('apt-get', 'install', '--yes', '/packages/berth.deb');
        await expectInstalled();
        // Every file as packed.
        expect(await done('dpkg', '--verify', 'berth')).toBe('');

        await done('systemctl', 'enable', 'berth');
        await done('install', '-d', '-o', 'berth', '-m', '700', '/var/lib/berth');
        await writeFile(here('var/lib/berth/state'), 'kept');
        await writeFile(here('etc/default/berth'), 'BERTH_FLAGS=--log-level debug\n');
        await done('dpkg', '--install', await newerDeb('/packages/berth.deb', done));
        expect(
          await done('dpkg-query', '--show', '--showformat', '${Version} ${Status}', 'berth'),
        ).toBe(`${version}+newer install ok installed`);
        expect(await enabled()).toBe('enabled');
        expect(await readFile(here('var/lib/berth/state'), 'utf8')).toBe('kept');
        expect(await readFile(here('etc/default/berth'), 'utf8')).toContain('--log-level debug');
        expect(existsSync(here('usr/share/doc/berth/routing.md'))).toBe(false);

        await done('dpkg', '--remove', 'berth');
        expect(existsSync(here('usr/libexec/berth'))).toBe(false);
        expect(existsSync(here('usr/lib/systemd/system/berth.service'))).toBe(false);
        expect(await readFile(here('var/lib/berth/state'), 'utf8')).toBe('kept');
        expect(existsSync(here('etc/default/berth'))).toBe(true);

        await done('dpkg', '--purge', 'berth');
        expect(await done(...ofName)).toBe(before);
        await done('getent', 'passwd', 'berth');
      });

      test('the .rpm: installed where RHEL 8 has what it needs, refused on Amazon Linux 2, upgraded and erased', async () => {
        const place = ['--root', root.path, '--dbpath', '/var/lib/rpm-of-test'];
        const rpm = (
          ...args: readonly string[]
        ): Promise<{ readonly code: number; readonly out: string }> =>
          runIn(['rpm', ...place, '--force-debian', ...args]);
        const ok = async (...args: readonly string[]): Promise<string> => {
          const { code, out } = await rpm(...args);
          if (code !== 0) throw new Error(`rpm ${args.join(' ')}: ${out}`);
          return out;
        };
        const work = await mkdtemp(join(home, 'rpm-'));
        await runIn(['rpm', ...place, '--initdb']);

        await ok('--install', hostRpm(work, 'amazon-2', '2.26'));
        const refused = await rpm('--install', packageOf(hostArch, 'rpm'));
        expect(refused.code).not.toBe(0);
        const missing = refused.out.split('\n').filter((line) => line.includes('is needed by'));
        expect(missing.join('\n')).toContain('libc.so.6(GLIBC_2.28)(64bit) is needed by berth');
        expect(missing.filter((line) => !/\(GLIBC_2\.2[78]\)/.test(line))).toEqual([]);
        await ok('--erase', 'amazon-2');

        await ok('--install', hostRpm(work, 'rhel-8', '2.28'));
        await ok('--install', packageOf(hostArch, 'rpm'));
        await expectInstalled();
        expect(await ok('--verify', 'berth')).toBe('');

        await done('install', '-d', '-o', 'berth', '-m', '700', '/var/lib/berth');
        await writeFile(here('var/lib/berth/state'), 'kept');
        await writeFile(here('etc/default/berth'), 'BERTH_FLAGS=--log-level debug\n');
        const given = { arch: arches[hostArch], version: `${version}.1`, work };
        await ok('--upgrade', await newerRpm(packageOf(hostArch, 'rpm'), given));
        expect(await ok('--query', 'berth')).toContain(`berth-${version}.1-1`);
        expect(await readFile(here('etc/default/berth'), 'utf8')).toContain('--log-level debug');
        expect(existsSync(here('usr/share/doc/berth/routing.md'))).toBe(false);

        await ok('--erase', 'berth');
        expect(existsSync(here('usr/libexec/berth'))).toBe(false);
        expect(await readFile(here('var/lib/berth/state'), 'utf8')).toBe('kept');
        expect(existsSync(here('etc/default/berth.rpmsave'))).toBe(true);
      });
    });

    // 2.31, the oldest that Debian's mirrors still have; RHEL 8 and Debian 10 have 2.28.
    const bullseye = join(project, '.cache', 'bullseye');
    const noOld =
      noRoot !== ''
        ? noRoot
        : existsSync(join(bullseye, 'lib', 'x86_64-linux-gnu', 'libc-2.31.so'))
          ? ''
          : ` (skipped: no Debian 11 in ${bullseye}, see .ci/run)`;
    test.skipIf(noOld !== '')(
      `berth runs on the glibc of Debian 11, and on a root that nobody can write to${noOld}`,
      async () => {
        const folder = await mkdtemp(join(scratch, 'old-'));
        const [tree, root] = [join(folder, 'tree'), join(folder, 'root')];
        await mkdir(root);
        run('dpkg-deb', '--extract', packageOf('amd64', 'deb'), tree);
        // Without an upper layer an overlay is read-only.
        run('mount', '-t', 'overlay', 'overlay', '-o', `lowerdir=${tree}:${bullseye}`, root);
        try {
          const libexec = '/usr/libexec/berth';
          const berth = (...args: readonly string[]): string =>
            run('chroot', root, `${libexec}/node`, `${libexec}/main.cjs`, ...args);
          expect(berth('version')).toContain(`berth ${version} `);
          expect(berth('check-config', '/usr/share/berth/examples/config.json')).toContain(
            'a valid',
          );
        } finally {
          run('umount', root);
        }
      },
    );
  },
);

async function sumOf(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
}

function isInitialUserNamespace(): boolean {
  return readFileSync('/proc/self/uid_map', 'utf8').trim().endsWith(' 4294967295');
}
