// The targets that have files: a shipper for each, made with its first file and, where files name targets, gone with its last.
import type { GroupOptions, LogEntity } from '../model/logs.ts';
import type { CloudWatchLogs } from './cloudwatch.ts';
import type { MakeTarget } from './create-target.ts';
import type { Followed } from './followed.ts';
import { targetKey, type LogTarget } from './log-target.ts';
import { createShipper, type Shipper, type ShipperDeps } from './shipper.ts';

/** What an entry of the configuration says of its targets. */
export type TargetOptions = {
  readonly groupOptions: GroupOptions;
  readonly entity: LogEntity | undefined;
};

export type Shippers = {
  /** The first entry that names a target decides about its options. */
  of(target: LogTarget, options: TargetOptions): Shipper;
  /** There may be something to read in the file. */
  wake(file: Followed): void;
  /** How long the batch of its target that is under way waits for CloudWatch; 0: none is. */
  busyForMs(file: Followed): number;
  /** The file is done with. */
  remove(file: Followed): void;
  all(): readonly Shipper[];
  /** Of the targets that are gone. */
  readonly past: Shipper['sent'];
  /** Lets all of them run, those to come too. */
  start(): void;
  /** Resolves when everything there is to read is sent, or needs a person. Rejects as `Shipper.run`. */
  finish(): Promise<void>;
};

type Entry = {
  readonly shipper: Shipper;
  readonly ending: AbortController;
  /** Its own: to add a listener to a signal takes as long as it has listeners, and each wait of each target adds one. */
  readonly life: AbortController;
  run: Promise<void>;
};

export type ShippersDeps = Omit<ShipperDeps, 'createTarget'> & {
  readonly makeTarget: MakeTarget;
  readonly cloudwatch: CloudWatchLogs;
};

export function createShippers(
  deps: ShippersDeps,
  { forceFlushMs }: { readonly forceFlushMs: number },
  signal: AbortSignal,
): Shippers {
  const entries = new Map<string, Entry>();
  const past = { events: 0, refused: 0, batches: 0 };
  let started = false;

  const start = (entry: Entry): void => {
    entry.run = entry.shipper.run(entry.ending.signal, entry.life.signal);
    // Awaited by finish; until then nobody does.
    entry.run.catch(() => undefined);
  };

  const end = (): void => {
    for (const { life } of entries.values()) life.abort(signal.reason);
  };
  signal.addEventListener('abort', end, { once: true });

  return {
    of: (target, options) => {
      const key = targetKey(target);
      const known = entries.get(key);
      if (known !== undefined) return known.shipper;
      const createTarget: ShipperDeps['createTarget'] = (of, signal) =>
        deps.makeTarget(of, options.groupOptions, signal);
      const { entity } = options;
      const shipper = createShipper({ ...deps, createTarget }, { target, entity, forceFlushMs });
      const [ending, life] = [new AbortController(), new AbortController()];
      if (signal.aborted) life.abort(signal.reason);
      const entry: Entry = { shipper, ending, life, run: Promise.resolve() };
      entries.set(key, entry);
      if (started) start(entry);
      return shipper;
    },
    wake: ({ target }) => entries.get(targetKey(target))?.shipper.wake(),
    busyForMs: ({ target }) => entries.get(targetKey(target))?.shipper.busyForMs ?? 0,
    remove: (file) => {
      const key = targetKey(file.target);
      const entry = entries.get(key);
      if (entry === undefined) return;
      entry.shipper.remove(file);
      const { files } = file.source;
      if (files === 'newest' || files === 'all' || entry.shipper.files > 0) return;
      entry.ending.abort();
      entries.delete(key);
      for (const count of ['events', 'refused', 'batches'] as const)
        past[count] += entry.shipper.sent[count];
    },
    past,
    all: () => [...entries.values()].map(({ shipper }) => shipper),
    start: () => {
      started = true;
      for (const entry of entries.values()) start(entry);
    },
    finish: async () => {
      for (const { ending } of entries.values()) ending.abort();
      const runs = await Promise.allSettled([...entries.values()].map(({ run }) => run));
      const failed = runs.find((run) => run.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    },
  };
}
