// Settings of the kernel under /proc/sys, one value each.
import { access, constants, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BerthError, messageOf } from '../errors.ts';
import { diskError, isErrno } from './files.ts';

/** Path below /proc/sys: `net/ipv4/conf/eth1/rp_filter`. Slashes, since the name of a device may contain dots. */
export type SysctlName = string;

export type Sysctl = {
  /** undefined: this kernel has no such setting. Throws `disk`. */
  read(name: SysctlName): Promise<string | undefined>;
  /** Throws `not-permitted` (read-only /proc/sys, or a missing capability), `disk`. */
  write(name: SysctlName, value: string): Promise<void>;
  /** Would a write be allowed? */
  isWritable(name: SysctlName): Promise<boolean>;
};

const root = '/proc/sys';

export const systemSysctl: Sysctl = {
  read: async (name) => {
    try {
      return (await readFile(join(root, name), 'utf8')).trim();
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw diskError('read', join(root, name), error);
    }
  },
  write: async (name, value) => {
    try {
      await writeFile(join(root, name), value);
    } catch (error) {
      throw sysctlError(name, value, error);
    }
  },
  isWritable: async (name) => {
    try {
      await access(join(root, name), constants.W_OK);
      return true;
    } catch {
      return false;
    }
  },
};

export function sysctlError(name: SysctlName, value: string, error: unknown): BerthError {
  if (!isErrno(error, 'EROFS', 'EACCES', 'EPERM')) {
    return diskError('write', join(root, name), error);
  }
  return new BerthError(
    'not-permitted',
    `cannot set ${name} to ${value}: give berth CAP_NET_ADMIN and a writable /proc/sys/net (ProtectKernelTunables=no), or set it by sysctl.d (${messageOf(error)})`,
    { cause: error, details: { name, value } },
  );
}
