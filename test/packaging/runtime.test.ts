// The Node of the packages: out of npm's cache, by the lockfile.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { arches, fetchRuntime, readLockfile, type Lockfile } from '../../packaging/runtime.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { hostArch, whyNoPackages } from '../lab/package-tools.ts';

// npm starts slowly on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const arch = arches[hostArch];
const entry = `node_modules/${arch.npmPackage}`;
const whyNot = whyNoPackages([hostArch], ['deb']);

const fetch = async (lockfile: Lockfile): Promise<string> => {
  using folder = temporaryFolder();
  const { version } = await fetchRuntime(arch, folder.path, lockfile);
  return version;
};

describe.skipIf(whyNot !== undefined)(
  `the runtime${whyNot === undefined ? '' : ` (skipped: ${whyNot})`}`,
  () => {
    // Without it npm would ask a network that is not there.
    beforeEach(() => vi.stubEnv('npm_config_offline', 'true'));
    afterEach(() => vi.unstubAllEnvs());

    test('is the Node of the lockfile', async () => {
      const lockfile = await readLockfile();
      expect(await fetch(lockfile)).toBe(lockfile.packages[entry]!.version);
    });

    test('with one bit of its hash changed in the lockfile it is refused', async () => {
      const { packages } = await readLockfile();
      const { version, integrity } = packages[entry]!;
      const [, hash] = /^sha512-(.*)$/.exec(integrity)!;
      const bytes = Buffer.from(hash!, 'base64');
      bytes[0]! ^= 1;
      const changed = { version, integrity: `sha512-${bytes.toString('base64')}` };
      await expect(fetch({ packages: { ...packages, [entry]: changed } })).rejects.toThrow(
        `EINTEGRITY\nnpm error Integrity checksum failed when using sha512: wanted ${changed.integrity} but got ${integrity}`,
      );
    });

    test('without an entry in the lockfile it is refused', async () => {
      await expect(fetch({ packages: {} })).rejects.toThrow(
        `cannot find ${arch.npmPackage} in package-lock.json`,
      );
    });
  },
);
