// The ship stage: follows the log files of the configuration and brings every line to CloudWatch Logs, at least once.
import { dirname, join } from 'node:path';
import { BerthError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { LogsConfig, ShipStatus } from '../model.ts';
import type { AwsAccess } from '../system/aws.ts';
import type { Clock } from '../system/clock.ts';
import type { Files } from '../system/files.ts';
import type { LogFiles, LogFileStat } from '../system/log-files.ts';
import type { Random } from '../system/random.ts';
import { loadCheckpoints, type Checkpoints } from './checkpoints.ts';
import { createCloudWatchLogs, type CloudWatchLogs } from './cloudwatch.ts';
import { createTargetMaker } from './create-target.ts';
import { createDeadLetters } from './dead-letters.ts';
import { scan, tend } from './discovery.ts';
import {
  checkpointOf,
  createFollowing,
  targetOf,
  type FollowDeps,
  type Following,
} from './follow.ts';
import type { Followed } from './followed.ts';
import { targetKey, type LogTarget } from './log-target.ts';
import { recoverRenamed } from './recover.ts';
import { createShipper, type Shipper } from './shipper.ts';
import { createTroubles } from './troubles.ts';
import { createWake } from './wake.ts';
import { createWatches, folderOfPattern } from './watches.ts';

export type ShipDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly files: Files;
  readonly logFiles: LogFiles;
  readonly log: Log;
};

export type ShipInput = {
  readonly logs: LogsConfig;
  readonly instanceId: string;
  readonly stateDir: string;
};

export type Shipping = {
  status(): ShipStatus;
  /** Has CloudWatch all of this file, whatever its name? undefined: it is not followed. */
  isDelivered(file: Pick<LogFileStat, 'inode' | 'device' | 'size'>): boolean | undefined;
  /**
   * Sends what is in the files now, and ends. Throws `timeout` if `deadline` aborts before that: what is left stays in
   * the files, and the next start goes on there.
   */
  stop(deadline: AbortSignal): Promise<void>;
};

/** Files that lost their name, and folders that cannot be watched, are looked at this often. */
const tickMs = 1_000;
/** The safety net under inotify: every file, each so many ticks. */
const ticksPerScan = 5;

type Looking = FollowDeps & { readonly following: Following };

/** Starts and returns at once; all goes on until `stop`, which an abort of `signal` begins as well. Never throws. */
export function startShipping(
  deps: ShipDeps,
  input: ShipInput & { readonly access: AwsAccess },
  signal: AbortSignal,
): Shipping {
  const cloudwatch = createCloudWatchLogs(input.access);
  return startShippingTo({ ...deps, cloudwatch }, input, signal);
}

function startShippingTo(
  deps: ShipDeps & { readonly cloudwatch: CloudWatchLogs & Disposable },
  { logs, instanceId, stateDir }: ShipInput,
  signal: AbortSignal,
): Shipping {
  const { clock, logFiles, log, cloudwatch } = deps;
  const folder = join(stateDir, instanceId);
  /** No more waiting for new lines. */
  const ending = new AbortController();
  /** Now. */
  const over = new AbortController();
  const bell = createWake(clock);
  const troubles = createTroubles(log);
  const deadLetters = createDeadLetters(deps, join(folder, 'dead-letters.jsonl'));
  const shippers = new Map<string, Shipper>();
  let checkpoints: Checkpoints | undefined;
  let following: Following | undefined;
  let scanWanted = true;
  let scanned = false;

  const createShippers = (checkpoints: Checkpoints): void => {
    const shared = {
      ...deps,
      createTarget: createTargetMaker(cloudwatch),
      deadLetters,
      onAcked: async (files: readonly Followed[]): Promise<void> => {
        for (const file of files) {
          try {
            checkpoints.set(await checkpointOf(file));
          } catch (error) {
            troubles.say(file.path, messageOf(error));
          }
        }
        await checkpoints.save();
      },
    };
    for (const source of logs.sources) {
      const target = targetOf(source);
      const { forceFlushMs } = logs;
      if (shippers.has(targetKey(target))) continue;
      shippers.set(targetKey(target), createShipper(shared, { target, forceFlushMs }));
    }
  };

  const onData = (path: string): void => {
    for (const file of following?.files.values() ?? []) {
      if (file.path !== path) continue;
      file.dirty = true;
      shippers.get(targetKey(targetOf(file.source)))?.wake();
    }
  };

  const watch = async (looking: Looking): Promise<void> => {
    using watches = createWatches({
      logFiles,
      onData,
      onList: () => {
        scanWanted = true;
        bell.ring();
      },
    });
    const patternFolders = logs.sources.map(({ filePath }) => folderOfPattern(filePath));
    for (let tick = 0; !ending.signal.aborted; tick++) {
      try {
        if (scanWanted || !watches.complete || tick % ticksPerScan === 0) {
          scanWanted = false;
          const folders = [...looking.following.files.values()].map(({ path }) => dirname(path));
          await watches.update(new Set([...patternFolders, ...folders]));
          await scan(looking, logs.sources, over.signal);
          await looking.checkpoints.save();
        }
        await tend(looking, over.signal);
      } catch (error) {
        over.signal.throwIfAborted();
        log.error({ err: error }, 'cannot look for log files; trying again');
      }
      await bell.wait(scanWanted ? 0 : tickMs, over.signal);
    }
  };

  const run = async (): Promise<void> => {
    checkpoints = await loadCheckpoints(deps, join(folder, 'checkpoints.json'));
    createShippers(checkpoints);
    const shipperOf = (target: LogTarget): Shipper => shippers.get(targetKey(target))!;
    const followDeps = { ...deps, checkpoints, shipperOf, say: troubles.say };
    await using held = createFollowing(followDeps);
    following = held;
    const looking = { ...followDeps, following: held };
    await recoverRenamed(looking, logs.sources, over.signal);
    await scan(looking, logs.sources, over.signal);
    scanned = true;
    // From here on a crash finds the files again, whatever they are called then.
    await checkpoints.save();
    const last = new AbortController();
    const sending = [...shippers.values()].map((shipper) => shipper.run(last.signal, over.signal));
    const finish = async (): Promise<void> => {
      await watch(looking);
      await scan(looking, logs.sources, over.signal);
      for (const file of held.files.values()) {
        await file.tail.refresh().catch(() => undefined);
        file.endAt = file.tail.stat.size;
      }
      last.abort();
    };
    try {
      await Promise.all([finish(), ...sending]);
    } finally {
      // A shipper may still be reading from files that are about to be closed.
      over.abort();
      await Promise.allSettled(sending);
      await checkpoints.save();
    }
  };

  const end = (): void => {
    ending.abort();
    bell.ring();
  };
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });

  const running = run()
    .catch((error: unknown) => {
      if (over.signal.aborted) return;
      troubles.say('ship', messageOf(error));
      log.error({ err: error }, 'cannot ship logs: this is a mistake in berth, please report it');
    })
    .finally(() => cloudwatch[Symbol.dispose]());

  const status = (): ShipStatus => {
    const all = [...shippers.values()];
    const files = [...(following?.files.values() ?? [])];
    const sum = (of: (shipper: Shipper) => number): number =>
      all.reduce((total, shipper) => total + of(shipper), 0);
    return {
      files: files.length,
      eventsSent: sum(({ sent }) => sent.events),
      eventsRefused: sum(({ sent }) => sent.refused),
      batchesSent: sum(({ sent }) => sent.batches),
      bytesBehind: files.reduce(
        (total, { tail }) => total + Math.max(0, tail.stat.size - tail.acked.offset),
        0,
      ),
      lastError:
        all.find(({ error }) => error !== undefined)?.error ??
        checkpoints?.error ??
        troubles.last() ??
        deadLetters.last(),
    };
  };

  const isDelivered: Shipping['isDelivered'] = ({ inode, device, size }) => {
    const found = [...(following?.files.values() ?? [])].filter(
      ({ tail }) => tail.stat.inode === inode && tail.stat.device === device,
    );
    if (found.length === 0) return scanned ? undefined : false;
    return found.every(({ tail }) => tail.acked.offset >= size);
  };

  const stop = async (deadline: AbortSignal): Promise<void> => {
    const cut = (): void => over.abort(deadline.reason);
    if (deadline.aborted) cut();
    else deadline.addEventListener('abort', cut, { once: true });
    signal.removeEventListener('abort', end);
    end();
    await running;
    deadline.removeEventListener('abort', cut);
    if (deadline.aborted) {
      throw new BerthError(
        'timeout',
        'cannot send the last log lines in time: they stay in their files, and the next start sends them',
        { retryable: true },
      );
    }
  };

  return { status, isDelivered, stop };
}
