// After a start: finds the files of the checkpoints that were renamed while berth was away, so that they are read first.
import { dirname, join } from 'node:path';
import type { LogSource } from '../model/logs.ts';
import type { LogFiles } from '../system/log-files.ts';
import type { Checkpoint } from './checkpoint-records.ts';
import { familyOf, type FollowDeps, type Following } from './follow.ts';
import type { Followed } from './followed.ts';
import { compareGenerations, maxLooks, type Aged, type Generation } from './generations.ts';

type Deps = FollowDeps & { readonly following: Following };
/** By inode. */
type Folder = ReadonlyMap<string, Generation>;
/** The checkpoint of a file, and where that is; `generation` undefined: it is gone. */
type Known = { readonly checkpoint: Checkpoint; readonly generation: Generation | undefined };

/** Once, before the first scan. Looks in the folder in which each file was. */
export async function recoverRenamed(
  deps: Deps,
  sources: readonly LogSource[],
  signal: AbortSignal,
): Promise<void> {
  const byFolder = Map.groupBy(deps.checkpoints.all(), ({ origin }) => dirname(origin));
  for (const [name, checkpoints] of byFolder) {
    signal.throwIfAborted();
    const folder = await locate(deps.logFiles, name, new Set(checkpoints.map((one) => one.inode)));
    // A folder without files may only be away for a while.
    if (folder.size === 0) continue;
    const families = Map.groupBy(checkpoints, (one) => `${one.source} ${one.family} ${one.origin}`);
    for (const family of families.values()) {
      signal.throwIfAborted();
      const source = sources.find(
        (one) => one.filePath === family[0]!.source && familyOf(one) === family[0]!.family,
      );
      // Kept where it is not: it may be configured again.
      if (source !== undefined && deps.isWanted(source, family[0]!.origin))
        await recover(deps, family, source, folder);
    }
  }
}

/**
 * The files of a folder. Names move on while they are read, and a file that does could be passed over: of those that are
 * wanted none is missing before two looks agree.
 */
async function locate(
  logFiles: Pick<LogFiles, 'list' | 'stat'>,
  folder: string,
  wanted: ReadonlySet<string>,
): Promise<Folder> {
  const found = new Map<string, Generation>();
  let last: string | undefined;
  for (let look = 0; look < maxLooks; look++) {
    const now = new Map<string, string>();
    for (const name of await logFiles.list(folder)) {
      const path = join(folder, name);
      const stat = await logFiles.stat(path).catch(() => undefined);
      if (stat === undefined) continue;
      found.set(stat.inode, { path, stat });
      now.set(stat.inode, path);
    }
    const seen = [...wanted].map((inode) => now.get(inode));
    if (!seen.includes(undefined) || seen.join('\n') === last) break;
    last = seen.join('\n');
  }
  return found;
}

/** All generations of one file, the oldest first: whoever follows next comes behind the youngest of them. */
async function recover(
  deps: Deps,
  family: readonly Checkpoint[],
  source: LogSource,
  folder: Folder,
): Promise<void> {
  const { following, checkpoints, log } = deps;
  const { origin } = family[0]!;
  const known = family
    .map((checkpoint): Known => ({ checkpoint, generation: folder.get(checkpoint.inode) }))
    .toSorted((a, b) => compareGenerations(ageOf(a), ageOf(b)));
  for (const { checkpoint, generation } of known) {
    const predecessor = following.holderOf(origin, source)?.file;
    const file = await followKnown(deps, { checkpoint, generation, source, predecessor });
    if (typeof file !== 'string') {
      following.setHolder(origin, source, { ...file.tail.stat, copied: file.copied, file });
      continue;
    }
    const { inode, birthNs, mtimeMs, offset } = checkpoint;
    const isOrigin = generation?.path === origin;
    // The same file, with another content: what is beside it are copies of what was sent.
    const isReplaced = file === 'unknown' && isOrigin && generation.stat.birthNs === birthNs;
    const copied = checkpoint.copied || isReplaced;
    following.setHolder(origin, source, { inode, birthNs, mtimeMs, copied, file: predecessor });
    // The scan follows it.
    if (file !== 'unknown' || isOrigin) continue;
    checkpoints.delete(checkpoint);
    // Old generations are deleted one day.
    if (checkpoint !== known.at(-1)?.checkpoint) continue;
    log.warn(
      { path: origin, offset },
      'cannot find the file that was read last under this name: if lines were added to it while berth was away, they are lost',
    );
  }
}

async function followKnown(
  { following, logFiles, say }: Deps,
  input: Known & { readonly source: LogSource; readonly predecessor: Followed | undefined },
): Promise<Followed | 'unreadable' | 'unknown'> {
  const { checkpoint, source, predecessor } = input;
  const { origin, inode } = checkpoint;
  let { generation } = input;
  for (let look = 0; look < maxLooks; look++) {
    if (generation === undefined) return 'unknown';
    const { path } = generation;
    const detached = path !== origin;
    const place = { path, origin, source, inode, detached };
    const file = await following.follow({ ...place, predecessor, onlyKnown: true });
    if (file !== 'moved') return file;
    generation = (await locate(logFiles, dirname(origin), new Set([inode]))).get(inode);
  }
  say(origin, 'cannot open an older generation of it: its name never stands still');
  return 'unreadable';
}

function ageOf({ checkpoint, generation }: Known): Aged {
  const { path, birthNs, mtimeMs } = checkpoint;
  return generation ?? { path, stat: { birthNs, mtimeMs } };
}
