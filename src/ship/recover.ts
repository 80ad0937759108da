// After a start: finds the files of the checkpoints that were renamed while berth was away, so that they are read first.
import { dirname, join } from 'node:path';
import type { LogSource } from '../model.ts';
import type { Checkpoint } from './checkpoint-records.ts';
import { familyOf, type FollowDeps, type Following } from './follow.ts';
import { compareGenerations, type Generation } from './generations.ts';

type Deps = FollowDeps & { readonly following: Following };
/** By inode. */
type Folder = ReadonlyMap<string, Generation>;

/** Once, before the first scan. Looks in the folder in which each file was. */
export async function recoverRenamed(
  deps: Deps,
  sources: readonly LogSource[],
  signal: AbortSignal,
): Promise<void> {
  const folders = new Map<string, Folder>();
  const families = Map.groupBy(
    deps.checkpoints.all(),
    (one) => `${one.source} ${one.family} ${one.origin}`,
  );
  for (const family of families.values()) {
    signal.throwIfAborted();
    const { source: pattern, path } = family[0]!;
    const source = sources.find(
      (one) => one.filePath === pattern && familyOf(one) === family[0]!.family,
    );
    // Kept: the source may be configured again.
    if (source === undefined) continue;
    const name = dirname(path);
    const folder = folders.get(name) ?? (await lookInto(deps, name));
    folders.set(name, folder);
    // A folder without files may only be away for a while.
    if (folder.size > 0) await recover(deps, family, source, folder);
  }
}

async function lookInto({ logFiles }: Deps, folder: string): Promise<Folder> {
  const found = new Map<string, Generation>();
  for (const name of await logFiles.list(folder)) {
    const path = join(folder, name);
    const stat = await logFiles.stat(path).catch(() => undefined);
    if (stat !== undefined) found.set(stat.inode, { path, stat });
  }
  return found;
}

/** The generations of one file, the oldest first; the one that still has its name is left to the scan. */
async function recover(
  { following, checkpoints, log }: Deps,
  family: readonly Checkpoint[],
  source: LogSource,
  folder: Folder,
): Promise<void> {
  const { origin } = family[0]!;
  const found = family
    .flatMap((checkpoint) => folder.get(checkpoint.inode) ?? [])
    .toSorted(compareGenerations);
  const followed = new Set<string>();
  for (const { path, stat } of found) {
    const { inode } = stat;
    if (path === origin) {
      followed.add(inode);
      continue;
    }
    const predecessor = following.holderOf(origin, source)?.file;
    const input = { path, origin, source, inode, detached: true, predecessor, onlyKnown: true };
    const file = await following.follow(input);
    if (file === undefined || file === 'moved') continue;
    followed.add(inode);
    const { copied } = file;
    following.setHolder(origin, source, { ...file.tail.stat, copied, file });
  }
  for (const checkpoint of family) {
    const { inode, birthNs, copied, offset } = checkpoint;
    if (followed.has(inode)) continue;
    checkpoints.delete(checkpoint);
    // An old generation that was deleted, as they are one day.
    if (checkpoint.path !== origin) continue;
    log.warn(
      { path: origin, offset },
      'cannot find the file that was read last under this name: if lines were added to it while berth was away, they are lost',
    );
    const file = following.holderOf(origin, source)?.file;
    following.setHolder(origin, source, { inode, birthNs, mtimeMs: Infinity, copied, file });
  }
}
