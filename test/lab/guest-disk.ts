// The disk of a virtual machine: Debian's packages with a kernel of their own (.cache/guest, which .ci/run makes), the
// package of berth installed, and two sockets of the lab's. Not this host's root, which has no kernel and is large.
import { existsSync, globSync } from 'node:fs';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { hasProgram, inNamespaces } from './environment.ts';
import { installBerth } from './installed-image.ts';
import { createImage } from './machine-image.ts';
import { runIn } from './overlay-root.ts';
import { hostArch, whyNoPackages } from './package-tools.ts';
import { accelerator } from './virtual-machine.ts';

const guest = join(import.meta.dirname, '..', '..', '.cache', 'guest');
const kernels = 'boot/vmlinuz-*';
const programs = ['qemu-system-x86_64', 'qemu-img', 'mkfs.ext4', 'dnsmasq'] as const;

/** undefined: a machine can be started here. */
export const whyNoMachine: string | undefined = (() => {
  if (!inNamespaces) return 'no network namespaces here';
  if (process.arch !== 'x64') return 'the guest is x86_64 alone';
  if (process.getuid?.() !== 0) return 'only root may make its disk';
  const missing = programs.find((name) => !hasProgram(name));
  if (missing !== undefined) return `${missing} is missing`;
  if (!existsSync('/dev/net/tun')) return 'no /dev/net/tun';
  if (globSync(kernels, { cwd: guest }).length === 0) return `no guest in ${guest}, see .ci/run`;
  return whyNoPackages([hostArch], ['deb']);
})();

export const shellPort = 7001;

/** What an AMI's network manager is told: each card is its own, as would be the one that berth claims. */
const network =
  '[Match]\nType=ether\n\n[Network]\nDHCP=ipv4\n\n[DHCPv4]\nUseMTU=yes\nUseHostname=no\n';
const enabled = [
  'berth.service',
  'systemd-networkd.service',
  'lab-echo.socket',
  'lab-shell.socket',
] as const;
/** Emulation pays for every program that a boot starts. None of these has a part in what is tested. */
const masked = [
  'apt-daily-upgrade.timer',
  'apt-daily.timer',
  'dev-hugepages.mount',
  'dev-mqueue.mount',
  'dpkg-db-backup.timer',
  'fstrim.timer',
  'getty.target',
  'kmod-static-nodes.service',
  'modprobe@.service',
  'proc-sys-fs-binfmt_misc.automount',
  'run-lock.mount',
  'serial-getty@.service',
  'sys-fs-fuse-connections.mount',
  'sys-kernel-config.mount',
  'sys-kernel-debug.mount',
  'sys-kernel-tracing.mount',
  'systemd-ask-password-console.path',
  'systemd-ask-password-wall.path',
  'systemd-binfmt.service',
  'systemd-hostnamed.socket',
  'systemd-logind.service',
  'systemd-modules-load.service',
  'systemd-network-generator.service',
  'systemd-networkd-persistent-storage.service',
  'systemd-pstore.service',
  'systemd-timesyncd.service',
  'systemd-tmpfiles-clean.timer',
  'systemd-udev-load-credentials.service',
  'systemd-update-utmp.service',
  'systemd-user-sessions.service',
] as const;
const maskedGenerators = [
  'debug',
  'fstab',
  'getty',
  'gpt-auto',
  'hibernate-resume',
  'rc-local',
  'run',
  'ssh',
  'system-update',
  'sysv',
  'tpm2',
] as const;
/** Says which address was spoken to, as hosts of the VPC do (host-agent.ts). */
const echo = `
use Socket;
<STDIN>;
my (undef, $local) = sockaddr_in(getsockname(STDIN));
printf qq({"host":"guest","localAddress":"%s","remoteAddress":"%s"}\\n), inet_ntoa($local), $ENV{REMOTE_ADDR};
`;
/**
 * Numbered lines under a name into two files. Of one each line is synced to the disk, and then its number is said; of the
 * other the first hundred are.
 */
const write = `
use IO::Handle;
my ($name, $count) = @ARGV;
mkdir '/var/log/app';
my ($synced, $unsynced) = map { open(my $file, '>>', "/var/log/app/$_.log") or die; $file->autoflush; $file } 'synced', 'unsynced';
STDOUT->autoflush;
for (my $number = 0; $number < $count; $number++) {
  print {$_} "$name $number\\n" for $unsynced, $synced;
  $_->sync or die for $synced, $number < 100 ? $unsynced : ();
  print "$number\\n" or last;
  select undef, undef, undef, 0.005;
}
`;

/** Each connection starts the program, with the socket as its standard input and output. */
function socketUnits(name: string, port: number, program: string): Record<string, string> {
  const service = `[Service]\nExecStart=${program}\nStandardInput=socket\nStandardError=inherit\n`;
  const socket = `[Socket]\nListenStream=0.0.0.0:${port}\nAccept=yes\n[Install]\nWantedBy=sockets.target\n`;
  return { [`${name}@.service`]: service, [`${name}.socket`]: socket };
}

export type GuestDisk = { readonly kernel: string; /** A qcow2 file. */ readonly disk: string };

/** The files are in `folder`. */
export async function bakeGuestDisk(folder: string, endpoint: string): Promise<GuestDisk> {
  const disk = join(folder, 'disk.qcow2');
  const base = join(folder, 'base.ext4');
  await using image = await createImage(guest);
  const { root } = image;
  await installBerth(image, endpoint);
  await rm(join(root, 'opt'), { recursive: true });
  await image.write('/etc/systemd/network/80-ec2.network', network);
  await image.write('/opt/lab/echo.pl', echo);
  await image.write('/opt/lab/write.pl', write);
  const units = {
    ...socketUnits('lab-echo', 7000, 'perl /opt/lab/echo.pl'),
    ...socketUnits('lab-shell', shellPort, '/bin/sh'),
  };
  for (const [name, text] of Object.entries(units)) {
    await image.write(`/etc/systemd/system/${name}`, text);
  }
  for (const unit of enabled) await image.enable(unit);
  if (accelerator === 'tcg') {
    // Node alone may take longer than the unit gives it.
    const patient = '[Service]\nTimeoutStartSec=infinity\nWatchdogSec=0\n';
    await image.write('/etc/systemd/system/berth.service.d/emulated.conf', patient);
  }
  await must('systemctl', `--root=${root}`, 'mask', ...masked);
  const generators = join(root, 'etc/systemd/system-generators');
  await mkdir(generators);
  for (const name of maskedGenerators) {
    await symlink('/dev/null', join(generators, `systemd-${name}-generator`));
  }
  // As after its first boot: systemd would disable berth, as its preset says, and udev and linker fill their caches.
  await image.remove('/etc/machine-id');
  await must('systemd-machine-id-setup', `--root=${root}`);
  for (const path of ['/etc/.updated', '/var/.updated']) await image.write(path, '');

  await must('truncate', '--size=2G', base);
  await must('mkfs.ext4', '-q', '-F', '-d', root, base);
  await must('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', base, '-F', 'raw', disk);
  return { kernel: join(guest, globSync(kernels, { cwd: guest })[0]!), disk };
}

async function must(...argv: readonly string[]): Promise<void> {
  const { code, out } = await runIn(argv);
  if (code !== 0) throw new Error(`"${argv.join(' ')}" ended with ${code}: ${out}`);
}
