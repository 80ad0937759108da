// When and where log files are looked for: at once where inotify hears of something, and now and then everywhere.
import { dirname, join } from 'node:path';
import type { LogSource } from '../model/logs.ts';
import { removeSent } from './auto-removal.ts';
import { scan, tend } from './discovery.ts';
import type { FollowDeps, Following } from './follow.ts';
import type { Followed } from './followed.ts';
import type { Wake } from './wake.ts';
import { createWatches } from './watches.ts';

export type LookoutDeps = FollowDeps & {
  readonly following: Following;
  /** Rung at the end. */
  readonly bell: Wake;
};

/** Files that lost their name, and folders that cannot be watched, are looked at this often. */
const tickMs = 1_000;
/**
 * All files are looked for so often at most: as a safety net under inotify, which hears nothing of what others write to a
 * network file system, or to the target of a link in another folder. In a large tree it takes seconds, and is rarer: half
 * a percent of a core where every folder is watched, a twentieth where not, a tenth where folders move all the time.
 */
const scanEachMs = 5_000;
const maxScanEachMs = 300_000;
const restsPerScan = { watched: 200, unwatched: 20, changing: 10 } as const;

/** Returns once `ending` is aborted. Rejects with the reason of `signal`. */
export async function keepLookout(
  deps: LookoutDeps,
  sources: readonly LogSource[],
  { ending, signal }: { readonly ending: AbortSignal; readonly signal: AbortSignal },
): Promise<void> {
  const { clock, log, logFiles, following, shippers, checkpoints, bell } = deps;
  const { files } = following;
  let byPath = Map.groupBy(files.values(), ({ path }) => path);
  const undeletable = new Set<string>();
  /** Where names have changed. */
  let changed = new Set<string>();
  /** Folders that came. */
  let arrived = new Set<string>();
  /** Folders have gone, or nobody knows what happened. */
  let everywhere = true;

  const onData = (path: string): void => {
    for (const file of byPath.get(path) ?? []) {
      file.dirty = true;
      shippers.wake(file);
    }
  };
  const hear = async (folder: string, name: string | undefined): Promise<void> => {
    if (name === undefined || (await logFiles.folderInode(folder)) === undefined) everywhere = true;
    else if ((await logFiles.folderInode(join(folder, name))) === undefined) changed.add(folder);
    else arrived.add(join(folder, name));
    bell.ring();
  };
  using watches = createWatches({
    logFiles,
    onData,
    onList: (folder, name) => void hear(folder, name),
  });

  const globs = sources.map(deps.globOf);
  const foldersOf = async (those: Iterable<Followed>): Promise<ReadonlySet<string>> => {
    const folders = new Set([...those].map(({ path }) => dirname(path)));
    for (const { filePath } of sources)
      for (const folder of await logFiles.expandFolders(filePath)) folders.add(folder);
    return folders;
  };
  /** It, and the folders in it, in which files may come: watched before they are looked into. */
  const welcome = async (folder: string, into: Set<string>): Promise<void> => {
    signal.throwIfAborted();
    if (!globs.some((glob) => glob.mayHold(folder))) return;
    if (await logFiles.isLink(folder)) {
      // Where it leads the next look at everything finds out, which knows a loop.
      everywhere = true;
      return;
    }
    if (!(await watches.add(folder))) return;
    into.add(folder);
    for (const name of await logFiles.list(folder)) await welcome(join(folder, name), into);
  };

  /** The last time that all was looked for: when that ended, and how long it took. */
  let lookedAtMs = -Infinity;
  let tookMs = 0;
  while (!ending.aborted) {
    const startMs = clock.monotonicMs();
    const restMs = startMs - lookedAtMs;
    const rests = restsPerScan[watches.complete ? 'watched' : 'unwatched'];
    const isDue = restMs >= Math.min(maxScanEachMs, Math.max(scanEachMs, tookMs * rests));
    const isAll = isDue || (everywhere && restMs >= tookMs * restsPerScan.changing);
    const [only, came] = [changed, arrived];
    [changed, arrived] = [new Set(), new Set()];
    if (isAll) everywhere = false;
    try {
      if (isAll) await watches.update(await foldersOf(files.values()));
      for (const folder of came) await welcome(folder, only);
      if (isAll || only.size > 0) {
        await scan(deps, sources, isAll ? undefined : only, signal);
        byPath = Map.groupBy(files.values(), ({ path }) => path);
        await removeSent(deps, files.values(), undeletable);
      }
      if (isAll) {
        lookedAtMs = clock.monotonicMs();
        tookMs = lookedAtMs - startMs;
      }
      await tend(deps, signal);
      // What could not be written is tried again.
      await checkpoints.save();
    } catch (error) {
      signal.throwIfAborted();
      everywhere = true;
      log.error({ err: error }, 'cannot look for log files; trying again');
    }
    await bell.wait(tickMs, signal);
  }
}
