// Which files there are: finds new ones, the generations that nobody saw, renames and deletions.
import { dirname, join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { LogSource } from '../model/logs.ts';
import { isArchive, type LogFileStat } from '../system/log-files.ts';
import type { FollowDeps, Following, Holder } from './follow.ts';
import type { Followed } from './followed.ts';
import { findGenerations, isYounger } from './generations.ts';
import { noMatch } from './troubles.ts';

type Found = { readonly path: string; readonly source: LogSource; readonly stat: LogFileStat };
type Deps = FollowDeps & { readonly following: Following };

/** Whoever deleted a file waits for its space; whoever goes on writing to it is heard for so long. */
const forgetDeletedAfterMs = 300_000;
/** As the agent's backpressure_mode `fd_release` (its tailersrc.go). */
const releaseAfterMs = 3_000;
/** A writer that never opens its log anew goes on with the renamed file: a nightly job with last night's. */
const forgetRenamedAfterMs = 26 * 3_600_000;

/** Looks for the files of all sources, everywhere or `only` in these folders; what has changed is worth a look. */
export async function scan(
  deps: Deps,
  sources: readonly LogSource[],
  only: ReadonlySet<string> | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { clock, following, shippers } = deps;
  const isMeant = (path: string): boolean => only === undefined || only.has(dirname(path));
  const fresh: Found[] = [];
  const named = new Set<Followed>();
  for (const found of await findAll(deps, sources, only, signal)) {
    const file = following.find(found.stat, found.source);
    if (file === undefined) {
      fresh.push(found);
      continue;
    }
    const { size, mtimeMs } = file.tail.stat;
    const isChanged = size !== found.stat.size || mtimeMs !== found.stat.mtimeMs;
    if (isChanged || file.unread !== 0) file.dirty = true;
    file.path = found.path;
    file.detachedAtMs = undefined;
    named.add(file);
  }
  for (const file of following.files.values()) {
    if (named.has(file) || !isMeant(file.path)) continue;
    file.dirty = true;
    file.detachedAtMs ??= clock.monotonicMs();
  }
  for (const found of fresh.toSorted((a, b) => a.stat.mtimeMs - b.stat.mtimeMs)) {
    signal.throwIfAborted();
    await followFresh(deps, found);
  }
  for (const file of following.files.values()) {
    if (file.detachedAtMs === undefined && isMeant(file.path)) {
      const { copied } = file;
      following.setHolder(file.path, file.source, { ...file.tail.stat, copied, file });
    }
    if (file.dirty) shippers.wake(file);
  }
}

/** Has the last event been waited for? And of the files that lost their names: is all sent? */
export async function tend({ following, shippers, say }: Deps, signal: AbortSignal): Promise<void> {
  following.settle();
  for (const file of following.restless) {
    signal.throwIfAborted();
    await file.keepLooking();
    if (file.detachedAtMs === undefined) {
      if (!file.dirty && file.unread === 0) following.restless.delete(file);
      else if (!file.dirty && file.ripe) {
        file.dirty = true;
        shippers.wake(file);
      }
      continue;
    }
    const { tail } = file;
    await tail.refresh().catch((error: unknown) => say(file.path, messageOf(error)));
    const isBlocked = shippers.busyForMs(file) >= releaseAfterMs;
    if (isBlocked && file.source.releaseDeleted && tail.stat.links === 0) {
      await following.release(file);
      continue;
    }
    const quietMs = file.quietForMs() ?? 0;
    const limitMs = tail.stat.links === 0 ? forgetDeletedAfterMs : forgetRenamedAfterMs;
    if (quietMs >= limitMs && tail.acked.offset >= tail.stat.size) await following.letGo(file);
    else if (!file.drained) {
      file.dirty = true;
      shippers.wake(file);
    }
  }
}

async function findAll(
  deps: Deps,
  sources: readonly LogSource[],
  only: ReadonlySet<string> | undefined,
  signal: AbortSignal,
): Promise<readonly Found[]> {
  const { logFiles, isWanted, say } = deps;
  const found: Found[] = [];
  for (const source of sources) {
    signal.throwIfAborted();
    const pattern = `pattern ${source.filePath}`;
    try {
      const paths =
        only === undefined
          ? await logFiles.expand(source.filePath)
          : await matchesIn(deps, source, only);
      if (only === undefined || paths.length > 0)
        say(pattern, paths.length === 0 ? noMatch : undefined);
      const matches: Found[] = [];
      for (const path of paths) {
        if (!isWanted(source, path)) continue;
        const stat = await logFiles.stat(path);
        if (stat !== undefined) matches.push({ path, source, stat });
      }
      found.push(...(source.files === 'newest' ? withoutOlder(deps, source, matches) : matches));
    } catch (error) {
      say(pattern, messageOf(error));
    }
  }
  return found;
}

async function matchesIn(
  { logFiles, globOf }: Deps,
  source: LogSource,
  folders: ReadonlySet<string>,
): Promise<readonly string[]> {
  const glob = globOf(source);
  const paths: string[] = [];
  for (const folder of folders) {
    for (const name of await logFiles.list(folder)) {
      const path = join(folder, name);
      if (!isArchive(path) && glob.matches(path)) paths.push(path);
    }
  }
  return paths;
}

/** What is followed, and what is newer than all of that; at the start, the newest. */
function withoutOlder(
  { following }: Deps,
  source: LogSource,
  matches: readonly Found[],
): readonly Found[] {
  const isFollowed = ({ stat }: Found): boolean => following.find(stat, source) !== undefined;
  const newestMs = Math.max(
    ...[...following.files.values()]
      .filter((file) => file.source === source)
      .map(({ tail }) => tail.stat.mtimeMs),
  );
  const newest = matches.reduce<Found | undefined>(
    (best, one) => (best === undefined || one.stat.mtimeMs > best.stat.mtimeMs ? one : best),
    undefined,
  );
  return matches.filter(
    (one) =>
      isFollowed(one) || (newestMs === -Infinity ? one === newest : one.stat.mtimeMs >= newestMs),
  );
}

/** A new file. If another had its path before, that one comes first, and what came and went between the two. */
async function followFresh(deps: Deps, { path, source, stat }: Found): Promise<void> {
  const { following } = deps;
  const before = following.holderOf(path, source);
  let predecessor = before?.file;
  // Where rotation is by copying, the generations are copies of what was sent.
  if (before !== undefined && !before.copied) {
    const missed = await findMissed(deps, { path, source, stat }, before);
    // Names are moving just now: the next scan, of which the renames give word, tries again.
    if (missed === undefined) return;
    for (const one of missed) {
      const { inode } = one.stat;
      const file = await following.follow({
        path: one.path,
        origin: path,
        source,
        inode,
        detached: true,
        predecessor,
        onlyKnown: false,
      });
      if (file === 'moved') return;
      if (typeof file !== 'string') predecessor = file;
    }
  }
  const { inode } = stat;
  await following.follow({
    path,
    origin: path,
    source,
    inode,
    detached: false,
    predecessor,
    onlyKnown: false,
  });
}

/** The oldest first, with those that are followed already. undefined: cannot be told now. */
async function findMissed(
  { logFiles }: Deps,
  { path, stat }: Found,
  before: Holder,
): Promise<readonly Pick<Found, 'path' | 'stat'>[] | undefined> {
  const generations = await findGenerations(logFiles, path);
  const current = generations?.find((one) => one.path === path);
  if (current?.stat.inode !== stat.inode) return undefined;
  const place = generations?.findIndex((one) => isHolder(one.stat, before)) ?? -1;
  const later = place === -1 ? undefined : generations?.slice(place + 1);
  return (later ?? generations)?.filter(
    (one) => one !== current && (later !== undefined || isYounger(one.stat, before)),
  );
}

/** Of a file that is gone, and not held open either, another one may have the inode. */
function isHolder({ inode, birthNs }: LogFileStat, before: Holder): boolean {
  if (inode !== before.inode) return false;
  const isOpen = before.file?.tail.stat.inode === inode;
  return isOpen || (birthNs !== undefined && birthNs === before.birthNs);
}
