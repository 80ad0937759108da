// What notices of AWS make berth do: say so, run the hook, drain, and give the ENI back, so that the successor serves the
// address before this instance is gone; then Auto Scaling may go on with it.
import { messageOf } from './errors.ts';
import type { Log } from './log.ts';
import type { NoticesConfig } from './model/config.ts';
import type { Notice } from './model/instance.ts';
import type { Clock } from './system/clock.ts';
import type { Random } from './system/random.ts';
import { retry } from './system/retry.ts';
import type { Serving } from './serve.ts';
import type { Signals } from './tell/signals.ts';
import type { StatusBoard } from './tell/status-board.ts';

export type HeedDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly board: StatusBoard;
  /** undefined: Auto Scaling waits for nobody. */
  readonly signals: Signals | undefined;
  /** All is given back, and wanted again when the group takes the instance out of its warm pool. */
  readonly idle: () => void;
};

export type Heed = {
  /** All notices that are in force now. Returns at once. */
  readonly onNotices: (notices: readonly Notice[]) => void;
};

const again = { firstMs: 500, factor: 2, capMs: 5_000 };

export type HeedInput = {
  /** It may change while berth runs. */
  readonly config: () => NoticesConfig | undefined;
  /** Added to while berth boots. */
  readonly servings: readonly Serving[];
};

export function createHeed(
  { clock, random, log, board, signals, idle }: HeedDeps,
  { config, servings }: HeedInput,
  signal: AbortSignal,
): Heed {
  let before: readonly Notice[] = [];
  let leaving: Promise<void> | undefined;
  const isNew = (notice: Notice): boolean => !before.some((one) => isSame(one, notice));

  /** Drains for as long as it may, and no longer than the instance is sure to be there. */
  const drain = async ({ at }: Notice): Promise<void> => {
    const { drainMs: wantedMs = 0, marginMs = 0 } = config() ?? {};
    const untilMs = at === undefined ? Infinity : Date.parse(at) - clock.nowMs() - marginMs;
    const drainMs = Math.max(0, Math.min(wantedMs, untilMs));
    if (drainMs === 0) return;
    log.info({ drainMs: Math.round(drainMs) }, 'draining before the ENI is given back');
    await clock.sleep(drainMs, signal);
  };

  const leave = async (notice: Notice): Promise<void> => {
    await Promise.all(servings.map((serving) => serving.notify(notice, signal)));
    const { kind } = notice;
    if (kind === 'warm-pool' || config()?.release.includes(kind) === true)
      leaving ??= letGo(notice);
    if (leaving === undefined) return;
    const work = leaving;
    const isForGroup = kind === 'termination' || kind === 'warm-pool';
    await Promise.all([
      isForGroup && signals !== undefined ? signals.leaving(() => work) : work,
      // A hook that is slow to answer holds up no next service.
      kind === 'warm-pool' ? work.then(idle) : undefined,
    ]);
  };

  const letGo = async (notice: Notice): Promise<void> => {
    await drain(notice);
    await Promise.all(servings.map((serving) => giveBack(serving, notice)));
  };

  const giveBack = async (serving: Serving, { message }: Notice): Promise<void> => {
    log.warn({ pool: serving.pool }, `${message}: giving the ENI back`);
    const onRetry = (error: unknown): void =>
      log.warn({ pool: serving.pool }, `${messageOf(error)}; trying again`);
    await retry(
      { clock, random },
      { backoff: again, totalMs: undefined, onRetry, isRetryable: () => true },
      (signal) => serving.release(signal),
      signal,
    );
  };

  return {
    onNotices: (notices) => {
      const fresh = notices.filter(isNew);
      for (const notice of before.filter((one) => !notices.some((now) => isSame(one, now)))) {
        log.info({ notice: notice.kind }, `no longer in force: ${notice.message}`);
      }
      before = notices;
      board.update({ notices });
      for (const notice of fresh) {
        log.warn({ notice: notice.kind, at: notice.at }, notice.message);
        void leave(notice).catch((error: unknown) => {
          if (!signal.aborted) log.error(messageOf(error));
        });
      }
    },
  };
}

function isSame(a: Notice, b: Notice): boolean {
  return a.kind === b.kind && a.message === b.message && a.at === b.at;
}
