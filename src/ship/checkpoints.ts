// The state file: how far CloudWatch has each file, by the file's identity, never by its path.
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Files } from '../system/files.ts';
import type { AppendFile, LogFiles } from '../system/log-files.ts';
import {
  journalLine,
  parseJournal,
  parseSnapshot,
  snapshotText,
  type Change,
  type Checkpoint,
} from './checkpoint-records.ts';

export type Checkpoints = {
  /** There was no state file: berth never shipped on this instance. */
  readonly isFirstStart: boolean;
  all(): readonly Checkpoint[];
  /** Those of this inode and family; whether one is of this file, `resumePosition` decides. */
  find(inode: string, family: string): readonly Checkpoint[];
  set(checkpoint: Checkpoint): void;
  delete(checkpoint: Pick<Checkpoint, 'inode' | 'device' | 'family'>): void;
  /**
   * Resolves once everything set before is on disk, or was tried: never throws. A failure is reported once and mended
   * by the next call; until then a crash repeats lines, it loses none. Calls at the same time share one write.
   */
  save(): Promise<void>;
  /** Why the last write failed. */
  readonly error: string | undefined;
  /** After the last `save`. */
  close(): Promise<void>;
};

type Deps = {
  readonly files: Files;
  readonly logFiles: Pick<LogFiles, 'openAppend'>;
  readonly log: Log;
};

/** Then everything is written anew, and the journal begins afresh. */
const maxJournalBytes = 1024 * 1024;

/**
 * `path`: everything, now and then; `path.journal`: what changed since. Whatever is wrong with them, it is said: what
 * cannot be read is sent from the beginning of its file.
 */
export async function loadCheckpoints(
  { files, logFiles, log }: Deps,
  path: string,
): Promise<Checkpoints> {
  const journal = `${path}.journal`;
  /** By inode and family, then by device. */
  const table = new Map<string, Map<string, Checkpoint>>();
  const all = (): readonly Checkpoint[] =>
    [...table.values()].flatMap((devices) => [...devices.values()]);
  const put = (checkpoint: Checkpoint): void => {
    const devices = table.get(keyOf(checkpoint)) ?? new Map<string, Checkpoint>();
    table.set(keyOf(checkpoint), devices.set(checkpoint.device, checkpoint));
  };
  /** false: there was none. */
  const drop = (gone: Pick<Checkpoint, 'inode' | 'device' | 'family'>): boolean => {
    const devices = table.get(keyOf(gone));
    if (devices?.delete(gone.device) !== true) return false;
    if (devices.size === 0) table.delete(keyOf(gone));
    return true;
  };

  const complain = (error: unknown): void =>
    log.warn(
      { path, error: messageOf(error) },
      'cannot use the saved positions: every log file is sent from its beginning',
    );
  let isFirstStart = false;
  try {
    const text = await files.readText(path);
    isFirstStart = text === undefined;
    for (const loaded of text === undefined ? [] : parseSnapshot(text)) put(loaded);
  } catch (error) {
    complain(error);
  }
  try {
    const { changes, damaged } = parseJournal((await files.readText(journal)) ?? '');
    for (const one of changes) {
      if ('set' in one) put(one.set);
      else drop(one.gone);
    }
    if (damaged > 0)
      log.warn(
        { path: journal, damaged },
        'some saved positions are damaged: lines may be sent twice',
      );
  } catch (error) {
    complain(error);
  }

  /** Since the last write that succeeded; the newest of each file. */
  let unsaved = new Map<string, Change>();
  /** It stays open: a save is one write then. */
  let appending: AppendFile | undefined;
  /** undefined: the next write is of everything. */
  let journalBytes: number | undefined;
  /** How many changes there were, and how many of them are on disk. */
  let changed = 0;
  let saved = 0;
  let error: string | undefined;
  let running: Promise<void> | undefined;

  const close = async (): Promise<void> => {
    const open = appending;
    appending = undefined;
    try {
      await open?.[Symbol.asyncDispose]();
    } catch {
      // What it resolved for is on the disk.
    }
  };

  const write = async (): Promise<void> => {
    const upTo = changed;
    const changes = unsaved;
    unsaved = new Map();
    try {
      const text = [...changes.values()].map(journalLine).join('');
      if (journalBytes === undefined || journalBytes + text.length > maxJournalBytes) {
        journalBytes = undefined;
        await files.writeAtomic(path, snapshotText(all()), 0o600);
        await close();
        // Until it is gone its changes come again after a crash, and end where the snapshot is.
        await files.remove(journal);
        journalBytes = 0;
      } else {
        appending ??= await logFiles.openAppend(journal);
        await appending.append(text);
        journalBytes += text.length;
      }
      saved = upTo;
      if (error !== undefined) log.info({ path }, 'the positions in log files can be saved again');
      error = undefined;
    } catch (caught) {
      await close();
      // Half a line may be there now.
      journalBytes = undefined;
      unsaved = new Map([...changes, ...unsaved]);
      if (error === undefined) {
        log.error(
          { path, error: messageOf(caught) },
          'cannot save the positions in log files: shipping goes on, but a restart would send lines twice',
        );
      }
      error = messageOf(caught);
    }
  };

  return {
    isFirstStart,
    all,
    find: (inode, family) => [...(table.get(keyOf({ inode, family }))?.values() ?? [])],
    set: (checkpoint) => {
      put(checkpoint);
      unsaved.set(`${keyOf(checkpoint)} ${checkpoint.device}`, { set: checkpoint });
      changed++;
    },
    delete: ({ inode, device, family }) => {
      if (!drop({ inode, device, family })) return;
      unsaved.set(`${keyOf({ inode, family })} ${device}`, { gone: { inode, device, family } });
      changed++;
    },
    save: async () => {
      const wanted = changed;
      // The write under way may have begun before the change; the one after it has everything.
      if (running !== undefined) await running;
      if (saved >= wanted) return;
      running ??= write().finally(() => {
        running = undefined;
      });
      await running;
    },
    get error() {
      return error;
    },
    close,
  };
}

function keyOf({ inode, family }: Pick<Checkpoint, 'inode' | 'family'>): string {
  return `${inode} ${family}`;
}
