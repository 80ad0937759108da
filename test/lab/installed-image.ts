// Disks with cloud-init set to the lab's EC2, and with the package of berth installed.
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createImage, type MachineImage } from './machine-image.ts';
import { runIn } from './overlay-root.ts';
import { copyHostPackage, hostDeb } from './package-tools.ts';

/** Nobody answers for names there, and this way it is known at once. */
const resolver = 'nameserver 127.0.0.1\n';
const cloudConfig = `
datasource_list: [Ec2]
network: {config: disabled}
# What would need the world outside, or change the keyboard of a container.
cloud_init_modules: [bootcmd, write-files, set_hostname, update_hostname]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-per-once, scripts-per-boot, scripts-per-instance, scripts-user, final-message]
`;

/** cloud-init and a berth that is installed later find the lab. `endpoint`: of AWS. */
export async function createBareImage(endpoint: string): Promise<MachineImage> {
  await using undo = new AsyncDisposableStack();
  const image = undo.use(await createImage('/'));
  // Services of this host: what is left is the system and cloud-init.
  const enabled = ['multi-user', 'network-online', 'graphical', 'sockets', 'timers'];
  await image.remove(...enabled.map((name) => `/etc/systemd/system/${name}.target.wants`));
  await image.remove('/var/lib/cloud', '/var/log/cloud-init.log', '/var/log/cloud-init-output.log');
  await image.remove('/etc/resolv.conf', '/etc/cloud/cloud-init.disabled');
  await image.write('/etc/resolv.conf', resolver);
  await image.write('/etc/cloud/cloud.cfg.d/99-lab.cfg', cloudConfig);
  // Its DHCP would wait for a server: the network is there.
  await symlink('/dev/null', join(image.root, 'etc/systemd/system/cloud-init-local.service'));
  await setEndpoint(image, endpoint);
  undo.move();
  return image;
}

export async function createInstalledImage(endpoint: string): Promise<MachineImage> {
  await using undo = new AsyncDisposableStack();
  const image = undo.use(await createBareImage(endpoint));
  await installBerth(image, endpoint);
  undo.move();
  return image;
}

/** `endpoint`: of AWS. The package stays in /opt. */
export async function installBerth(image: MachineImage, endpoint: string): Promise<void> {
  const { root } = image;
  // What keeps the packages of a container image from starting services, and documents out of it.
  await image.remove('/usr/sbin/policy-rc.d', '/etc/dpkg/dpkg.cfg.d');
  await copyHostPackage('deb', join(root, 'opt'));
  const { code, out } = await runIn(['chroot', root, 'dpkg', '--install', `/opt/${hostDeb}`]);
  if (code !== 0) throw new Error(`cannot install ${hostDeb}: ${out}`);
  await setEndpoint(image, endpoint);
}

async function setEndpoint(image: MachineImage, endpoint: string): Promise<void> {
  const dropIn = `[Service]\nEnvironment=AWS_ENDPOINT_URL=${endpoint}\n`;
  await image.write('/etc/systemd/system/berth.service.d/lab.conf', dropIn);
}
