// Each package under a daemon that serves: upgraded and removed by its own package manager, the address watched.
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import packageJson from '../package.json' with { type: 'json' };
import { arches } from '../packaging/runtime.ts';
import { watchServed, type Served } from './fixtures/watch-served.ts';
import {
  bootInstance,
  createCheckout,
  packagesFolder,
  whyNoBoot,
  type BootedInstance,
} from './lab/booted-instance.ts';
import type { MachineImage } from './lab/machine-image.ts';
import { runIn } from './lab/overlay-root.ts';
import { newerDeb, newerRpm } from './lab/package-hosts.ts';
import { hostArch, hostPackages, whyNoPackages } from './lab/package-tools.ts';
import { createSmallCloud, instances, poolEni, type SmallCloud } from './lab/small-cloud.ts';

const whyNot = whyNoBoot ?? whyNoPackages([hostArch], ['deb', 'rpm']);
const reason = whyNot === undefined ? '' : ` (skipped: ${whyNot})`;
const port = 7000;

type Manager = {
  readonly format: keyof typeof hostPackages;
  readonly install: readonly string[];
  readonly upgrade: readonly string[];
  readonly remove: readonly string[];
  /** A newer package, in the image; the package is in it. */
  readonly newer: (image: MachineImage) => Promise<string>;
  /** "systemctl enable" is undone. */
  readonly disables: boolean;
};

/** Its packages are not those of this host. */
const rpm = ['rpm', '--dbpath', '/var/lib/rpm', '--force-debian', '--nodeps'];

const managers: readonly Manager[] = [
  {
    format: 'deb',
    install: ['apt-get', 'install', '-y'],
    upgrade: ['apt-get', 'install', '-y'],
    remove: ['apt-get', 'remove', '-y', 'berth'],
    newer: ({ root }) =>
      newerDeb(join(packagesFolder, hostPackages.deb), async (...argv) => {
        const { code, out } = await runIn(['chroot', root, ...argv]);
        if (code !== 0) throw new Error(`${argv.join(' ')}: ${out}`);
      }),
    // Until it is purged.
    disables: false,
  },
  {
    format: 'rpm',
    install: [...rpm, '--install'],
    upgrade: [...rpm, '--upgrade'],
    remove: [...rpm, '--erase', 'berth'],
    newer: async ({ root }) => {
      const work = await mkdtemp(join(root, 'var', 'tmp', 'newer-'));
      const given = { arch: arches[hostArch], version: `${packageJson.version}.1`, work };
      const file = await newerRpm(join(root, packagesFolder, hostPackages.rpm), given);
      await cp(file, join(root, packagesFolder, basename(file)));
      await rm(work, { recursive: true });
      return join(packagesFolder, basename(file));
    },
    disables: true,
  },
];

describe.skipIf(whyNot !== undefined).each(managers)(
  `a .$format under a daemon that serves${reason}`,
  ({ format, install, upgrade, remove, newer, disables }) => {
    let cloud: SmallCloud;
    let instance: BootedInstance;
    let newerFile: string;
    const stack = new AsyncDisposableStack();

    beforeAll(async () => {
      cloud = stack.use(await createSmallCloud({}));
      cloud.lab.ssm.put({ name: '/berth/config', value: '{"pool":"db"}' });
      await cloud.vpc.serve('inst-a', port);
      const image = stack.use(await createCheckout(cloud, format));
      newerFile = await newer(image);
      instance = stack.use(await bootInstance(cloud, 'inst-a', image));
    }, 300_000);
    afterAll(() => stack.disposeAsync());

    const succeed = async (...argv: readonly string[]): Promise<string> => {
      const { code, out } = await instance.run(...argv);
      if (code !== 0) throw new Error(`${argv.join(' ')}: ${out}`);
      return out.trim();
    };
    const show = (property: string): Promise<string> =>
      succeed('systemctl', 'show', 'berth', `--property=${property}`, '--value');
    const exists = async (path: string): Promise<boolean> =>
      (await instance.run('test', '-e', path, '-o', '-h', path)).code === 0;
    /** Calls that change something. */
    const writes = (): number =>
      cloud.lab.front.calls.filter(({ action }) => !/^(Describe|Get|Put)/.test(action)).length;
    /** What is to be done while the address is watched, and how that went. */
    const watched = async (work: () => Promise<void>): Promise<Served> => {
      const watch = await watchServed(cloud, port);
      await work().catch(async (error: unknown) => {
        await watch.end();
        throw error;
      });
      return watch.end();
    };

    test('installed and enabled, it serves', async () => {
      await succeed(...install, join(packagesFolder, hostPackages[format]));
      expect(await show('ActiveState')).toBe('inactive');
      await succeed('systemctl', 'enable', '--now', '--no-block', 'berth', 'berth-files.socket');
      const waited = await succeed('berth', 'wait', '--timeout', '60');
      expect(waited).toContain(`${poolEni.privateIpv4} of ${poolEni.eniId} is served`);
    }, 120_000);

    test('an upgrade restarts it: the same ENI, nothing claimed again, no gap in service', async () => {
      const [before, writesBefore] = [await show('MainPID'), writes()];
      const { ok, ...gaps } = await watched(async () => {
        await succeed(...upgrade, newerFile);
        expect([before, '0']).not.toContain(await show('MainPID'));
        await succeed('berth', 'wait', '--timeout', '60');
      });
      expect(gaps).toEqual({ failed: [], unanswered: 0 });
      expect(ok).toBeGreaterThan(10);
      expect(await exists('/usr/share/doc/berth/routing.md')).toBe(false);
      expect(writes()).toBe(writesBefore);
      expect(await show('Result')).toBe('success');
    }, 120_000);

    test('a removal stops it: state, claim and address stay, no gap in service', async () => {
      const [pid, writesBefore] = [await show('MainPID'), writes()];
      expect(await exists(`/proc/${pid}`)).toBe(true);
      const { ok, ...gaps } = await watched(async () => {
        await succeed(...remove);
      });
      expect(await exists(`/proc/${pid}`)).toBe(false);
      expect(await show('ActiveState')).toBe('inactive');
      expect(await show('LoadState')).toBe('not-found');
      expect(await exists('/usr/libexec/berth')).toBe(false);
      expect(await exists('/run/berth-files.sock')).toBe(false);
      for (const link of [
        'multi-user.target.wants/berth.service',
        'sockets.target.wants/berth-files.socket',
      ])
        expect({ link, kept: await exists(`/etc/systemd/system/${link}`) }).toEqual({
          link,
          kept: !disables,
        });
      expect(gaps).toEqual({ failed: [], unanswered: 0 });
      expect(ok).toBeGreaterThan(0);
      expect((await cloud.vpc.probe('far', poolEni.privateIpv4, port, 20_000)).ok).toBe(true);
      expect(writes()).toBe(writesBefore);
      const { attachment, mac } = cloud.lab.ec2.eni(poolEni.eniId)!;
      expect(attachment!.instanceId).toBe(instances['inst-a'].instanceId);
      expect(await exists(`/var/lib/berth/claim/${mac}`)).toBe(true);
    }, 120_000);
  },
);
