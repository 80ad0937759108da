// The files that are followed: begins with one where CloudWatch has it, remembers who had a path before, lets go.
import { basename } from 'node:path';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { LogSource } from '../model/logs.ts';
import type { Clock } from '../system/clock.ts';
import type { LogFile, LogFiles, LogFileStat } from '../system/log-files.ts';
import type { AgentState } from './agent-state.ts';
import type { Checkpoint } from './checkpoint-records.ts';
import type { Checkpoints } from './checkpoints.ts';
import type { CompiledSources } from './compile-sources.ts';
import { createFollowed, type Followed } from './followed.ts';
import { identify, resumePosition } from './identity.ts';
import { targetKey, targetOfFileName, type LogTarget } from './log-target.ts';
import type { Shippers } from './shippers.ts';
import { createTail, startOfFile, type Position } from './tail.ts';
import type { Troubles } from './troubles.ts';

export type FollowDeps = CompiledSources & {
  readonly clock: Clock;
  readonly logFiles: LogFiles;
  readonly log: Log;
  readonly checkpoints: Checkpoints;
  readonly agentState: AgentState;
  readonly shippers: Shippers;
  readonly say: Troubles['say'];
};

export type FollowInput = {
  readonly path: string;
  /** The name of its family: that of the youngest generation. */
  readonly origin: string;
  readonly source: LogSource;
  /** What is expected under the path. */
  readonly inode: string;
  /** It has lost its name. */
  readonly detached: boolean;
  readonly predecessor: Followed | undefined;
  /** Only if it is the very file of a checkpoint. */
  readonly onlyKnown: boolean;
};

/** The file that had a path at the last look. */
export type Holder = Pick<LogFileStat, 'inode' | 'birthNs' | 'mtimeMs'> & {
  readonly copied: boolean;
  /** undefined: it is gone. */
  readonly file: Followed | undefined;
};

export type Following = AsyncDisposable & {
  readonly files: ReadonlyMap<string, Followed>;
  /** Those about which something is to be done or waited for; `tend` takes out the others. */
  readonly restless: Set<Followed>;
  find(stat: LogFileStat, source: LogSource): Followed | undefined;
  /**
   * Also if it was followed already. `moved`: another file has the path now, or none. `unreadable`: which was said.
   * `unknown`: it is not the file of a checkpoint.
   */
  follow(input: FollowInput): Promise<Followed | 'moved' | 'unreadable' | 'unknown'>;
  holderOf(path: string, source: LogSource): Holder | undefined;
  setHolder(path: string, source: LogSource, holder: Holder): void;
  letGo(file: Followed): Promise<void>;
  /** Closes a file that is not sent yet. Its target has it until `settle`. */
  release(file: Followed): Promise<void>;
  /** The targets of released files that have nothing under way are done with them. */
  settle(): void;
  /** Bytes that were left in released files. */
  readonly bytesDropped: number;
};

export function createFollowing(deps: FollowDeps): Following {
  const { clock, logFiles, log, checkpoints, agentState, shippers, splitterOf, say } = deps;
  /** By device, inode and target. */
  const files = new Map<string, Followed>();
  const restless = new Set<Followed>();
  /** By path and target. */
  const holders = new Map<string, Holder>();
  const released = new Set<Followed>();
  let bytesDropped = 0;

  type Start = {
    readonly position: Position;
    readonly copied: boolean;
    /** The checkpoint of this very file. */
    readonly known: Checkpoint | undefined;
  };

  /** berth never had this file nor one of this name, for whatever target: the agent had it last. */
  const isNew = (path: string, { inode }: LogFileStat): boolean =>
    checkpoints.isFirstStart ||
    !checkpoints.all().some((one) => one.inode === inode || one.origin === path);

  const startOf = async (
    file: LogFile,
    stat: LogFileStat,
    { path, origin, source, onlyKnown }: FollowInput,
  ): Promise<Start> => {
    const candidates = checkpoints.find(stat.inode, familyOf(source));
    for (const checkpoint of candidates) {
      const position = await resumePosition(file, stat, checkpoint);
      if (position === undefined) continue;
      // The numbers of devices change with a boot.
      if (checkpoint.device !== stat.device) checkpoints.delete(checkpoint);
      return { position, copied: checkpoint.copied, known: checkpoint };
    }
    if (candidates.length === 0) {
      const position = await agentState.positionOf(origin, file, stat);
      if (position !== undefined && isNew(origin, stat)) {
        const { offset } = position;
        log.info({ path, offset }, "going on where the CloudWatch agent's state says it was");
        return { position, copied: false, known: undefined };
      }
    }
    const replaced = candidates.some(
      ({ device, birthNs }) => device === stat.device && birthNs === stat.birthNs,
    );
    if (candidates.length > 0 && !onlyKnown) {
      log.info({ path }, 'the file or its content is another than before: sent from its beginning');
    }
    return { position: startOfFile, copied: replaced, known: undefined };
  };

  const begin = async (
    file: LogFile,
    input: FollowInput,
  ): Promise<Followed | 'moved' | 'unknown'> => {
    const { path, origin, source, detached, predecessor } = input;
    const stat = await file.stat();
    const key = keyOf(stat, source);
    const { position, copied, known } = await startOf(file, stat, input);
    const moved = stat.inode !== input.inode;
    if (moved || files.has(key) || (input.onlyKnown && known === undefined)) {
      await file[Symbol.asyncDispose]();
      return moved ? 'moved' : (files.get(key) ?? 'unknown');
    }
    const onReplaced = (): void => {
      followed.copied = true;
      log.info({ path: followed.path }, 'the file was truncated: read from its beginning');
    };
    const tail = createTail(
      { clock, file, splitter: splitterOf(source), onReplaced },
      { position, stat },
    );
    const target = known ?? targetOf(source, origin);
    const followed: Followed = createFollowed(clock, {
      tail,
      source,
      target: { group: target.group, stream: target.stream },
      path,
      origin,
      copied,
      detached,
      predecessor,
      times: known?.times ?? [],
      lastMs: Math.max(known?.lastMs ?? 0, predecessor?.ackedMs ?? 0),
      onError: say,
      onDirty: (file) => restless.add(file),
    });
    checkpoints.set(await checkpointOf(followed));
    files.set(key, followed);
    restless.add(followed);
    shippers.of(followed.target, source).add(followed);
    const { offset } = position;
    log.info({ path, ...followed.target, offset, size: stat.size }, 'following a log file');
    return followed;
  };

  const close = async (file: Followed): Promise<void> => {
    const { path, source, tail } = file;
    // Who still knows it wakes it no more: another file may have its inode soon.
    file.released = true;
    files.delete(keyOf(tail.stat, source));
    restless.delete(file);
    if (holders.get(holderKey(path, source))?.file === file) {
      holders.delete(holderKey(path, source));
    }
    checkpoints.delete({ ...tail.stat, family: familyOf(source) });
    say(path, undefined);
    await tail[Symbol.asyncDispose]();
  };

  return {
    files,
    restless,
    find: (stat, source) => files.get(keyOf(stat, source)),
    follow: async (input) => {
      let file: LogFile | undefined;
      try {
        file = await logFiles.open(input.path);
        return file === undefined ? 'moved' : await begin(file, input);
      } catch (error) {
        await file?.[Symbol.asyncDispose]();
        say(input.path, messageOf(error));
        return 'unreadable';
      }
    },
    holderOf: (path, source) => holders.get(holderKey(path, source)),
    setHolder: (path, source, holder) => void holders.set(holderKey(path, source), holder),
    letGo: async (file) => {
      shippers.remove(file);
      log.info({ path: file.path }, 'a log file that was renamed or deleted is read to its end');
      await close(file);
    },
    release: async (file) => {
      const { path, tail } = file;
      released.add(file);
      const bytes = tail.stat.size - tail.position.offset;
      bytesDropped += bytes;
      await close(file);
      log.warn(
        { path, bytes },
        'let go of a deleted log file, as backpressure_mode says: its other lines are lost',
      );
    },
    settle: () => {
      for (const file of released) {
        if (shippers.busyForMs(file) > 0) continue;
        released.delete(file);
        shippers.remove(file);
      }
    },
    get bytesDropped() {
      return bytesDropped;
    },
    [Symbol.asyncDispose]: async () => {
      for (const file of files.values()) await file.tail[Symbol.asyncDispose]();
      files.clear();
    },
  };
}

export async function checkpointOf(file: Followed): Promise<Checkpoint> {
  const { tail, source, target, path, origin, copied } = file;
  const { generation } = tail.acked;
  const identity = await identify(tail, file.head);
  file.head = { generation, bytes: identity.headBytes, hash: identity.headHash };
  const place = { source: source.filePath, path, origin };
  const sent = { times: file.marks.save(), lastMs: file.ackedMs };
  return { family: familyOf(source), ...target, ...place, copied, ...sent, ...identity };
}

/** Where the events of a file go. `origin`: its path, before any rotation. */
export function targetOf(source: LogSource, origin: string): LogTarget {
  const { logGroupName: group, logStreamName: stream, files } = source;
  // As the agent names them (logs.md section 2, publish_multi_logs).
  const name = origin.replaceAll(/[^.\-_/#A-Za-z0-9]/g, '_');
  if (files === 'spool') return targetOfFileName(basename(origin));
  if (files === 'group') return { group: name.slice(0, 512), stream };
  if (files === 'stream')
    return { group, stream: `${stream}_${name.replaceAll('/', '_')}`.slice(0, 512) };
  return { group, stream };
}

/** Entries whose files are the same files: a file of two of them is sent once. */
export function familyOf(source: LogSource): string {
  const { logGroupName: group, logStreamName: stream, files, filePath } = source;
  // Each names its target itself, whatever the others' is.
  if (files === 'spool') return `spool ${filePath}`;
  const isNamed = files !== 'newest' && files !== 'all';
  return targetKey({ group, stream }) + (isNamed ? ` ${files} ${filePath}` : '');
}

function keyOf({ device, inode }: LogFileStat, source: LogSource): string {
  return `${device} ${inode} ${familyOf(source)}`;
}

function holderKey(path: string, source: LogSource): string {
  return `${familyOf(source)} ${path}`;
}
