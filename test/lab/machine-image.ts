// The disk of booted instances: a root, mostly this host's own, which stays as it is, below an overlay that takes all
// writes and outlives a reboot. What boots from it one after the other is one machine, or the builder of an image and its copies.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { scratch } from './environment.ts';

const exec = promisify(execFile);

export type MachineImage = AsyncDisposable & {
  /** Seen from here; to be changed while nothing runs from it. */
  readonly root: string;
  write(path: string, text: string): Promise<void>;
  /** As if it had never been there. */
  remove(...paths: readonly string[]): Promise<void>;
  /** As `systemctl enable` would. */
  enable(unit: string): Promise<void>;
  /** A disk of its own that begins as this one is now; this one has to stay so. */
  copy(): Promise<MachineImage>;
};

/** `root`: what it begins as, which stays as it is. */
export async function createImage(root: string): Promise<MachineImage> {
  const image = await over([root]);
  await image.remove('/var/log/journal');
  return image;
}

/** `layers`: the uppermost first. */
async function over(layers: readonly string[]): Promise<MachineImage> {
  const home = await mkdtemp(join(scratch, 'image-'));
  const [root, upper, work] = ['root', 'upper', 'work'].map((name) => join(home, name)) as [
    string,
    string,
    string,
  ];
  for (const folder of [root, upper, work]) await mkdir(folder);
  const options = `lowerdir=${layers.join(':')},upperdir=${upper},workdir=${work}`;
  await exec('mount', ['-t', 'overlay', 'overlay', '-o', options, root]);
  return {
    root,
    write: async (path, text) => {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    },
    remove: async (...paths) => {
      for (const path of paths) await rm(join(root, path), { recursive: true, force: true });
    },
    enable: async (unit) => void (await exec('systemctl', [`--root=${root}`, 'enable', unit])),
    copy: () => over([upper, ...layers]),
    [Symbol.asyncDispose]: async () => {
      await exec('umount', [root]);
      await rm(home, { recursive: true });
    },
  };
}
