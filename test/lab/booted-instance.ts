// An instance of the small cloud booted by a real systemd: systemd-nspawn over this host's own root, which stays as it
// is (an overlay takes all writes), in the instance's network namespace.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { inNamespaces, scratch } from './environment.ts';
import { createImage, type MachineImage } from './machine-image.ts';
import { copyHostPackage, hostArch, whyNoPackages } from './package-tools.ts';
import { until } from './progress.ts';
import type { InstanceName, SmallCloud } from './small-cloud.ts';

const exec = promisify(execFile);

/** Of a checkout, where its packages are. */
export const packagesFolder = '/opt/berth/build/packages';

/** undefined: it can be booted here. */
export const whyNoBoot: string | undefined = (() => {
  if (!inNamespaces) return 'no network namespaces here';
  if (process.getuid?.() !== 0 || !isInitialUserNamespace())
    return 'only root may boot a container';
  for (const file of ['/usr/bin/systemd-nspawn', '/usr/lib/systemd/systemd']) {
    try {
      accessSync(file, constants.X_OK);
    } catch {
      return `${file} is missing: apt-get install systemd systemd-container`;
    }
  }
  return undefined;
})();

/** undefined: it can be booted here with packages to install. */
export const whyNoCheckout = whyNoBoot ?? whyNoPackages([hostArch], ['deb']);

export type BootedInstance = AsyncDisposable & {
  /** Runs a program inside, as root; resolves with its output, whatever its exit code. */
  run(...argv: readonly string[]): Promise<{ readonly code: number; readonly out: string }>;
  /** A file inside. */
  write(path: string, text: string): Promise<void>;
  /** As `systemctl poweroff` does; a disposal pulls the plug. */
  powerOff(): Promise<void>;
};

/** `image`: undefined for that of a checkout with the .deb; see `whyNoCheckout`. */
export async function bootInstance(
  cloud: SmallCloud,
  name: InstanceName,
  image?: MachineImage,
): Promise<BootedInstance> {
  await using undo = new AsyncDisposableStack();
  const { root } = image ?? undo.use(await createCheckout(cloud, 'deb'));
  // cloud-init reads no DMI in a container: without this it would not believe that it is on EC2, nor use IMDSv2.
  const uuid = join(scratch, 'ec2-uuid');
  await writeFile(uuid, 'ec2e1916-9099-7caf-fd21-012345abcdef\n');
  const child = spawn(
    'systemd-nspawn',
    [
      '--quiet',
      `--directory=${root}`,
      '--boot',
      '--register=no',
      '--keep-unit',
      '--resolv-conf=off',
      // An instance may configure its own network.
      '--capability=CAP_NET_ADMIN',
      `--machine=${name}`,
      `--network-namespace-path=/run/netns/${name}`,
      `--bind-ro=${uuid}:/sys/hypervisor/uuid`,
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        // On a host with cgroup v1 the container's systemd has to use that too.
        ...(existsSync('/sys/fs/cgroup/cgroup.controllers')
          ? {}
          : { SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '0' }),
        SYSTEMD_NSPAWN_API_VFS_WRITABLE: 'network',
      },
    },
  );
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'close');

  const leader = async (): Promise<number | undefined> => {
    if (child.exitCode !== null) throw new Error(`the container ended: ${output}`);
    const text = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8');
    for (const pid of text.trim().split(' ').map(Number)) {
      const comm = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
      if (comm.trim() === 'systemd') return pid;
    }
    return undefined;
  };
  const pid = await until('the container starts', 20_000, leader);
  const run: BootedInstance['run'] = async (...argv) => {
    try {
      const { stdout, stderr } = await exec('nsenter', ['-t', String(pid), '-a', '--', ...argv]);
      return { code: 0, out: stdout + stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, out: stdout + stderr };
    }
  };
  await until('systemd is up', 60_000, async () => {
    const { out } = await run('systemctl', 'is-system-running');
    return /^(running|degraded)/.test(out) || undefined;
  }).catch((error: unknown) => {
    child.kill('SIGKILL');
    throw new Error(`${String(error)}\n${output.slice(-2000)}`);
  });
  const owned = undo.move();
  return {
    run,
    write: (path, text) => writeFile(`/proc/${pid}/root${path}`, text),
    powerOff: async () => {
      await run('systemctl', 'poweroff');
      await ended;
    },
    [Symbol.asyncDispose]: async () => {
      // The leader's end is the container's.
      if (child.exitCode === null) process.kill(pid, 'SIGKILL');
      await ended;
      await owned.disposeAsync();
    },
  };
}

/** What the README's installation starts from: /opt/berth, a checkout whose package is built. */
export async function createCheckout(
  cloud: SmallCloud,
  format: 'deb' | 'rpm',
): Promise<MachineImage> {
  const image = await createImage('/');
  const dropIn = `[Service]\nEnvironment=AWS_ENDPOINT_URL=${cloud.lab.endpoint}\n`;
  await image.write('/etc/systemd/system/berth.service.d/lab.conf', dropIn);
  // Without udevd the packaged rule does not keep it away, and where its DHCP fails it takes the address off eth1.
  await symlink('/dev/null', join(image.root, 'etc/systemd/system/NetworkManager.service'));
  // What keeps the packages of a container image from starting services.
  await image.remove('/usr/sbin/policy-rc.d', '/etc/dpkg/dpkg.cfg.d');
  await copyHostPackage(format, join(image.root, packagesFolder));
  return image;
}

function isInitialUserNamespace(): boolean {
  return readFileSync('/proc/self/uid_map', 'utf8').trim().endsWith(' 4294967295');
}
