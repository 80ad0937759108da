// The state file: how far CloudWatch has each file, by the file's identity, never by its path.
import * as v from 'valibot';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Files } from '../system/files.ts';
import type { FileIdentity } from './identity.ts';
import type { LogTarget } from './log-target.ts';

export type Checkpoint = FileIdentity &
  LogTarget & {
    /** Of the entry of the configuration, see `familyOf`. */
    readonly family: string;
    /** Name under which it was read last. */
    readonly path: string;
    /** The name from which rotation took it: that of its family. */
    readonly origin: string;
    /** Pattern of the source. */
    readonly source: string;
    /** Its content was seen to be replaced: it is rotated by copying, so its siblings are copies. */
    readonly copied: boolean;
  };

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
};

const schema = v.object({
  version: v.literal(1),
  checkpoints: v.array(
    v.object({
      family: v.string(),
      group: v.string(),
      stream: v.string(),
      source: v.string(),
      path: v.string(),
      origin: v.string(),
      copied: v.boolean(),
      inode: v.string(),
      device: v.string(),
      birthNs: v.optional(v.string()),
      headBytes: v.pipe(v.number(), v.integer(), v.minValue(0)),
      headHash: v.string(),
      offset: v.pipe(v.number(), v.integer(), v.minValue(0)),
      markerBytes: v.pipe(v.number(), v.integer(), v.minValue(0)),
      markerHash: v.string(),
    }),
  ),
});

type Deps = { readonly files: Files; readonly log: Log };

/** Whatever is wrong with the file, it is said, and every log file is read from its beginning. */
export async function loadCheckpoints({ files, log }: Deps, path: string): Promise<Checkpoints> {
  /** By inode and family, then by device. */
  const table = new Map<string, Map<string, Checkpoint>>();
  const all = (): readonly Checkpoint[] =>
    [...table.values()].flatMap((devices) => [...devices.values()]);
  const put = (checkpoint: Checkpoint): void => {
    const devices = table.get(keyOf(checkpoint)) ?? new Map<string, Checkpoint>();
    table.set(keyOf(checkpoint), devices.set(checkpoint.device, checkpoint));
  };
  let isFirstStart = false;
  try {
    const text = await files.readText(path);
    isFirstStart = text === undefined;
    const loaded = text === undefined ? [] : parseCheckpoints(text);
    for (const checkpoint of loaded) put(checkpoint);
  } catch (error) {
    log.warn(
      { path, error: messageOf(error) },
      'cannot use the saved positions: every log file is sent from its beginning',
    );
  }

  let changes = 0;
  let saved = 0;
  let error: string | undefined;
  let running: Promise<void> | undefined;

  const write = async (): Promise<void> => {
    const upTo = changes;
    try {
      const text = `${JSON.stringify({ version: 1, checkpoints: all() })}\n`;
      await files.writeAtomic(path, text, 0o600);
      saved = upTo;
      if (error !== undefined) log.info({ path }, 'the positions in log files can be saved again');
      error = undefined;
    } catch (caught) {
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
      changes++;
    },
    delete: (checkpoint) => {
      const key = keyOf(checkpoint);
      const devices = table.get(key);
      if (devices?.delete(checkpoint.device) !== true) return;
      if (devices.size === 0) table.delete(key);
      changes++;
    },
    save: async () => {
      const wanted = changes;
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
  };
}

function parseCheckpoints(text: string): readonly Checkpoint[] {
  const { checkpoints } = v.parse(schema, JSON.parse(text));
  return checkpoints.map((entry) => ({ ...entry, birthNs: entry.birthNs }));
}

function keyOf({ inode, family }: Pick<Checkpoint, 'inode' | 'family'>): string {
  return `${inode} ${family}`;
}
