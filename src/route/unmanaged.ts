// Markers that tell networkd, NetworkManager and cloud-init to leave a device alone (routing.md section 2, boot.md 3.2).
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Files } from '../system/files.ts';

export type Unmanaged = {
  /** Before the device appears: udev reads the marker when it does. */
  mark(mac: string): Promise<void>;
  unmark(mac: string): Promise<void>;
};

/**
 * One empty file per MAC, for which systemd/81-berth.rules looks. In the state folder, not in /run as boot.md has it:
 * the ENI stays attached over a stop of the unit and a reboot of the host, and udev looks at it again then, perhaps
 * before berth runs. An image that was made of this host carries a MAC that no other instance has.
 * Never throws: without a marker berth has to put right what the others do.
 */
export function createUnmanaged(
  deps: { readonly files: Files; readonly log: Log },
  { stateDir }: { readonly stateDir: string },
): Unmanaged {
  // As udev's $attr{address} prints it.
  const pathOf = (mac: string): string => join(stateDir, 'claim', mac);
  const report = (path: string, error: unknown): void =>
    deps.log.warn(
      { path },
      `${messageOf(error)}; the claim goes on, and other network managers may configure the device`,
    );
  return {
    mark: async (mac) => {
      const path = pathOf(mac);
      await deps.files.writeAtomic(path, '', 0o600).catch((error: unknown) => report(path, error));
    },
    unmark: async (mac) => {
      const path = pathOf(mac);
      await deps.files.remove(path).catch((error: unknown) => report(path, error));
    },
  };
}

/** Where another tool sets the routes it has to manage the device too: a marker of earlier times goes. */
export function leaveManaged(unmanaged: Unmanaged): Unmanaged {
  const unmark = (mac: string): Promise<void> => unmanaged.unmark(mac);
  return { mark: unmark, unmark };
}
