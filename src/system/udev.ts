// What udev knows of a network device.
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export type Udev = {
  /**
   * Has udev finished with this device, its name included?
   * `absent`: no udev runs here (container), so nobody will rename it.
   */
  stateOf(ifindex: number): Promise<'done' | 'busy' | 'absent'>;
};

/** `folder`: /run/udev. An unreadable database counts as busy: the caller bounds its wait. */
export function createUdev(folder: string): Udev {
  return {
    stateOf: async (ifindex) => {
      try {
        await access(join(folder, 'control'));
      } catch {
        return 'absent';
      }
      const text = await readFile(join(folder, 'data', `n${ifindex}`), 'utf8').catch(() => '');
      // `I:` is the time of initialisation; it comes with the last rule.
      return /^I:/m.test(text) ? 'done' : 'busy';
    },
  };
}
