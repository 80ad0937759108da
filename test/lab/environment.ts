// What this host lets the tests do.
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Set by enter.ts: this process may make network namespaces, and the kernel clears them away. */
export const inNamespaces = process.env['BERTH_LAB_NAMESPACES'] === '1';

/** Part of the name of a test that is skipped elsewhere. */
export const needsNamespaces = inNamespaces
  ? ''
  : ' (skipped: no network namespaces here, see the first line)';

/** Folder for temporary files: inside the namespaces a tmpfs that goes with them. */
export const scratch = inNamespaces ? '/run' : tmpdir();

/** In PATH, or where only root looks. */
export function hasProgram(name: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.some((folder) => existsSync(join(folder, name)));
}
