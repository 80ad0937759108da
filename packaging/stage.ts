// Lays the contents of a package out as a tree, with the time of the commit on everything in it.
import { chmod, copyFile, lutimes, mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Entry } from './contents.ts';

export async function stage(folder: string, entries: readonly Entry[]): Promise<void> {
  for (const { path, mode, content } of entries) {
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true });
    if ('file' in content) await copyFile(content.file, target);
    else await writeFile(target, content.bytes);
    await chmod(target, mode);
  }
}

/** The last step: modes that do not depend on the umask, and one time for the folder and everything in it. */
export async function settle(folder: string, epochSeconds: number): Promise<void> {
  const below = await readdir(folder, { recursive: true, withFileTypes: true });
  const all = below.map((entry) => ({ path: join(entry.parentPath, entry.name), entry }));
  for (const { path, entry } of all) if (entry.isDirectory()) await chmod(path, 0o755);
  await chmod(folder, 0o755);
  for (const path of [...all.map(({ path }) => path), folder]) {
    await lutimes(path, epochSeconds, epochSeconds);
  }
}
