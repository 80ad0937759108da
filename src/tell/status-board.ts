// The status of the daemon in one place: the stages' news go in, systemd, the log and `berth status` hear of it.
import type { Log } from '../log.ts';
import type { Phase, ShipStatus, Status } from '../model.ts';
import type { Clock } from '../system/clock.ts';

export type StatusBoard = {
  /** `ship` is asked whenever somebody reads. */
  current(): Status;
  update(change: Partial<Omit<Status, 'logs'>>): void;
  /** Phase and message, logged when they are news. */
  readonly progress: (phase: Phase, message: string) => void;
  ready(message: string): void;
  /** Not ready any more. */
  withdraw(phase: Phase, message: string): void;
  onChange(listener: (status: Status) => void): void;
};

export type StatusBoardDeps = {
  readonly clock: Clock;
  readonly log: Log;
  readonly shipStatus: () => ShipStatus | undefined;
};

export function createStatusBoard(
  deps: StatusBoardDeps,
  input: { readonly version: string; readonly pid: number },
): StatusBoard {
  const listeners: ((status: Status) => void)[] = [];
  let status: Omit<Status, 'logs'> = {
    version: input.version,
    pid: input.pid,
    startedAt: new Date(deps.clock.nowMs() - deps.clock.monotonicMs()).toISOString(),
    phase: 'starting',
    ready: false,
    readyAt: undefined,
    readyAfterMs: undefined,
    message: 'starting',
    instanceId: undefined,
    config: undefined,
    pool: undefined,
    eni: undefined,
  };
  const current = (): Status => ({ ...status, logs: deps.shipStatus() });
  const update: StatusBoard['update'] = (change) => {
    status = { ...status, ...change };
    for (const listener of listeners) listener(current());
  };
  return {
    current,
    update,
    progress: (phase, message) => {
      if (phase === status.phase && message === status.message) return;
      deps.log.info({ phase }, message);
      update({ phase, message });
    },
    ready: (message) => {
      const afterMs = Math.round(deps.clock.monotonicMs());
      deps.log.info({ phase: 'ready', sinceStartMs: afterMs }, message);
      update({
        phase: 'ready',
        ready: true,
        message,
        readyAt: new Date(deps.clock.nowMs()).toISOString(),
        // The first time is the boot's figure; a later one is a recovery.
        readyAfterMs: status.readyAfterMs ?? afterMs,
      });
    },
    withdraw: (phase, message) => {
      if (status.ready) deps.log.warn({ phase }, `not ready any more: ${message}`);
      update({ phase, ready: false, readyAt: undefined, message });
    },
    onChange: (listener) => {
      listeners.push(listener);
    },
  };
}
