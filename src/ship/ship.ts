// The ship stage: follows the log files of the configuration and brings every line to CloudWatch Logs, at least once.
import { join } from 'node:path';
import { BerthError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { LogsConfig, LogSource } from '../model/logs.ts';
import type { ShipStatus } from '../model/status.ts';
import type { AwsAccess } from '../system/aws.ts';
import type { Clock } from '../system/clock.ts';
import type { Files } from '../system/files.ts';
import type { Lines } from '../system/lines.ts';
import type { LogFiles, LogFileStat } from '../system/log-files.ts';
import type { Random } from '../system/random.ts';
import type { Resolve } from '../system/resolve.ts';
import { createAgentState } from './agent-state.ts';
import { createAssumedRole } from './assumed-role.ts';
import { createBulks } from './bulk.ts';
import { loadCheckpoints, type Checkpoints } from './checkpoints.ts';
import { createCloudWatchLogs, type CloudWatchLogs } from './cloudwatch.ts';
import { compileSources } from './compile-sources.ts';
import { createTargetMaker, type MakeTarget } from './create-target.ts';
import { createDeadLetters } from './dead-letters.ts';
import { scan } from './discovery.ts';
import { checkpointOf, createFollowing, familyOf, type Following } from './follow.ts';
import type { Followed } from './followed.ts';
import { startJournals, type Journals } from './journals.ts';
import { keepLookout } from './lookout.ts';
import { adoptRotated } from './adopt-rotated.ts';
import { recoverRenamed } from './recover.ts';
import { createGate } from './gate.ts';
import { createRetention } from './retention.ts';
import type { Shipper } from './shipper.ts';
import { createShippers, type Shippers } from './shippers.ts';
import { createTroubles } from './troubles.ts';
import { createWake } from './wake.ts';

export type ShipDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly files: Files;
  readonly logFiles: LogFiles;
  readonly resolve: Resolve;
  readonly lines: Lines;
  readonly log: Log;
};

export type ShipInput = {
  readonly logs: LogsConfig;
  readonly instanceId: string;
  readonly stateDir: string;
  /** Of the CloudWatch agent, see `agentStateFolder`. */
  readonly agentState: string;
};

export type Shipping = {
  status(): ShipStatus;
  /** Has CloudWatch all of this file, whatever its name? undefined: it is not followed. */
  isDelivered(file: Pick<LogFileStat, 'inode' | 'device' | 'size'>): boolean | undefined;
  /** All files were found once. Rejects where that failed, or it ended before. */
  readonly started: Promise<void>;
  /**
   * Sends what is in the files now, and ends. Files that `next` has too end with what was read of them: the next start
   * goes on there at once. Throws `timeout` if `deadline` aborts before that: what is left stays in the files, and the
   * next start goes on there.
   */
  stop(deadline: AbortSignal, next?: readonly LogSource[]): Promise<void>;
};

/** Starts and returns at once; all goes on until `stop`, which an abort of `signal` begins as well. Never throws. */
export function startShipping(
  deps: ShipDeps,
  input: ShipInput & { readonly access: AwsAccess },
  signal: AbortSignal,
): Shipping {
  const { logs, instanceId } = input;
  const { roleArn, region = input.access.region } = logs;
  const resources = new DisposableStack();
  const access =
    roleArn === undefined
      ? input.access
      : resources.use(
          createAssumedRole(deps, { access: input.access, roleArn, sessionName: instanceId }),
        );
  const there = { region, credentials: access.credentials };
  const cloudwatch = resources.use(createCloudWatchLogs(deps, there, logs));
  return startShippingTo({ ...deps, cloudwatch, resources }, input, signal);
}

function startShippingTo(
  deps: ShipDeps & { readonly cloudwatch: CloudWatchLogs; readonly resources: Disposable },
  { logs, instanceId, stateDir, agentState: agentFolder }: ShipInput,
  signal: AbortSignal,
): Shipping {
  const { clock, log, cloudwatch } = deps;
  const folder = join(stateDir, instanceId);
  /** No more waiting for new lines. */
  const ending = new AbortController();
  /** Now. */
  const over = new AbortController();
  const bell = createWake(clock);
  const troubles = createTroubles(log);
  const deadLetters = createDeadLetters(deps, join(folder, 'dead-letters.jsonl'));
  let shippers: Shippers | undefined;
  let journals: Journals | undefined;
  let checkpoints: Checkpoints | undefined;
  let following: Following | undefined;
  let scanned = false;
  let goesOn: readonly LogSource[] = [];
  const started = Promise.withResolvers<void>();
  started.promise.catch(() => undefined);

  const createMaker = (): MakeTarget => {
    const retention = createRetention(deps, over.signal);
    // Files that name their groups do so one by one.
    const named = [
      ...logs.sources.filter(({ files }) => files !== 'group' && files !== 'spool'),
      ...logs.journals,
    ];
    for (const { logGroupName, groupOptions } of named) {
      const { retentionDays } = groupOptions;
      if (retentionDays !== undefined) retention.want(logGroupName, retentionDays, false);
    }
    return createTargetMaker(cloudwatch, (group, { retentionDays }) => {
      if (retentionDays !== undefined) retention.want(group, retentionDays, true);
    });
  };

  /** Never throws. */
  const onAcked = async (files: readonly Followed[]): Promise<void> => {
    if (checkpoints === undefined || files.length === 0) return;
    const saving = new Map<Followed, number>();
    for (const file of files) {
      try {
        const checkpoint = await checkpointOf(file);
        if (file.released) continue;
        checkpoints.set(checkpoint);
        saving.set(file, checkpoint.times.at(-1)?.[0] ?? 0);
      } catch (error) {
        if (!file.released) troubles.say(file.path, messageOf(error));
      }
    }
    await checkpoints.save();
    if (checkpoints.error === undefined)
      for (const [file, offset] of saving) file.timesSavedTo = offset;
  };

  const run = async (): Promise<void> => {
    checkpoints = await loadCheckpoints(deps, join(folder, 'checkpoints.json'));
    const sending = { ...deps, deadLetters, makeTarget: createMaker() };
    const targets = createShippers(
      { ...sending, bulks: createBulks(), gate: createGate(deps), onAcked },
      logs,
      over.signal,
    );
    shippers = targets;
    const compiled = await compileSources(logs.sources, stateDir);
    const agentState = createAgentState(deps, agentFolder);
    const followDeps = {
      ...deps,
      ...compiled,
      agentState,
      checkpoints,
      shippers,
      say: troubles.say,
    };
    await using held = createFollowing(followDeps);
    following = held;
    const looking = { ...followDeps, following: held };
    await recoverRenamed(looking, logs.sources, over.signal);
    if (checkpoints.isFirstStart) await adoptRotated(looking, logs.sources, over.signal);
    await scan(looking, logs.sources, undefined, over.signal);
    scanned = true;
    // From here on a crash finds the files again, whatever they are called then.
    await checkpoints.save();
    targets.start();
    const entries = await startJournals(sending, logs, folder, over.signal);
    journals = entries;
    started.resolve();
    try {
      const signals = { ending: ending.signal, signal: over.signal };
      await keepLookout({ ...looking, bell }, logs.sources, signals);
      await scan(looking, logs.sources, undefined, over.signal);
      for (const file of held.files.values()) {
        await file.tail.refresh().catch(() => undefined);
        const isNext = goesOn.some((source) => isOfSource(file, source));
        file.endAt = isNext ? file.tail.position.offset : file.tail.stat.size;
        file.dirty = true;
      }
      await Promise.all([targets.finish(), entries.finish()]);
    } finally {
      // A shipper may still be reading from files that are about to be closed.
      over.abort();
      await targets.finish().catch(() => undefined);
      await entries.finish();
      // What is left keeps its times.
      await onAcked([...held.files.values()].filter(isBehind));
      await checkpoints.save();
      await checkpoints.close();
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
      started.reject(error);
      if (over.signal.aborted) return;
      troubles.say('ship', messageOf(error));
      log.error({ err: error }, 'cannot ship logs: this is a mistake in berth, please report it');
    })
    .finally(() => {
      started.reject(new Error('cannot go on shipping: it was ended'));
      deps.resources[Symbol.dispose]();
    });

  const status = (): ShipStatus => {
    const all = [...(shippers?.all() ?? []), ...(journals?.all ?? [])];
    const files = [...(following?.files.values() ?? [])];
    const counted = [...all, ...(shippers === undefined ? [] : [{ sent: shippers.past }])];
    const sum = (of: (one: Pick<Shipper, 'sent'>) => number): number =>
      counted.reduce((total, one) => total + of(one), 0);
    return {
      files: files.length,
      eventsSent: sum(({ sent }) => sent.events),
      eventsRefused: sum(({ sent }) => sent.refused),
      batchesSent: sum(({ sent }) => sent.batches),
      bytesBehind: files.reduce(
        (total, { tail }) => total + Math.max(0, tail.stat.size - tail.acked.offset),
        0,
      ),
      bytesDropped: following?.bytesDropped ?? 0,
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
    // After the end others may follow it.
    if (found.length === 0) return scanned && !ending.signal.aborted ? undefined : false;
    return found.every(({ tail }) => tail.acked.offset >= size);
  };

  const stop: Shipping['stop'] = async (deadline, next = []) => {
    goesOn = next;
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

  return { status, started: started.promise, isDelivered, stop };
}

function isOfSource({ source }: Followed, other: LogSource): boolean {
  return source.filePath === other.filePath && familyOf(source) === familyOf(other);
}

function isBehind({ tail, released }: Followed): boolean {
  return !released && tail.acked.offset < tail.stat.size;
}
