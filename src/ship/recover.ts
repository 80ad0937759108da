// After a start: finds the files of the checkpoints that were renamed while berth was away, so that they are read first.
import { dirname, join } from 'node:path';
import type { LogSource } from '../model.ts';
import type { Checkpoint } from './checkpoints.ts';
import { targetOf, type FollowDeps, type Following } from './follow.ts';
import { targetKey } from './log-target.ts';

/** By inode: where a renamed file may be found. */
type Folder = ReadonlyMap<string, string>;

/** Once, before the first scan. Looks in the folder in which each file was. */
export async function recoverRenamed(
  deps: FollowDeps & { readonly following: Following },
  sources: readonly LogSource[],
  signal: AbortSignal,
): Promise<void> {
  const { checkpoints } = deps;
  const folders = new Map<string, Folder>();
  for (const checkpoint of checkpoints.all().toSorted(compareBirth)) {
    signal.throwIfAborted();
    const source = sources.find(
      (source) =>
        source.filePath === checkpoint.source &&
        targetKey(targetOf(source)) === targetKey(checkpoint),
    );
    // Kept: the source may be configured again.
    if (source === undefined) continue;
    const path = dirname(checkpoint.path);
    const folder = folders.get(path) ?? (await lookInto(deps, path));
    folders.set(path, folder);
    await recover(deps, checkpoint, source, folder);
  }
}

async function lookInto({ logFiles }: FollowDeps, folder: string): Promise<Folder> {
  const found = new Map<string, string>();
  for (const name of await logFiles.list(folder)) {
    const path = join(folder, name);
    const stat = await logFiles.stat(path).catch(() => undefined);
    if (stat !== undefined) found.set(stat.inode, path);
  }
  return found;
}

async function recover(
  { following, checkpoints, log }: FollowDeps & { readonly following: Following },
  checkpoint: Checkpoint,
  source: LogSource,
  folder: Folder,
): Promise<void> {
  const { inode, birthNs, copied, offset } = checkpoint;
  const now = folder.get(inode);
  // Still in its place: the scan will find it. A folder without files may only be away for a while.
  if (now === checkpoint.path || folder.size === 0) return;
  const predecessor = following.holderOf(checkpoint.path, source)?.file;
  const input = { source, inode, detached: true, predecessor, onlyKnown: true };
  const file = now === undefined ? undefined : await following.follow({ path: now, ...input });
  if (file !== undefined && file !== 'moved') {
    const { mtimeMs } = file.tail.stat;
    following.setHolder(checkpoint.path, source, { ...file.tail.stat, mtimeMs, copied, file });
    log.info({ path: checkpoint.path, now }, 'the file was rotated while berth was away');
    return;
  }
  log.warn(
    { path: checkpoint.path, offset },
    'cannot find the file that was read last under this name: if lines were added to it while berth was away, they are lost',
  );
  const gone = { inode, birthNs, mtimeMs: Infinity, copied, file: predecessor };
  following.setHolder(checkpoint.path, source, gone);
  checkpoints.delete(checkpoint);
}

function compareBirth(a: Checkpoint, b: Checkpoint): number {
  return Number(BigInt(a.birthNs ?? 0) - BigInt(b.birthNs ?? 0));
}
