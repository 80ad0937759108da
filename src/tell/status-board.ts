// The status of the daemon in one place: the stages' news go in, systemd, the log and `berth status` hear of it.
import type { Log } from '../log.ts';
import type { MetricsStatus, Phase, ShipStatus, Status, StatusPool } from '../model/status.ts';
import { maskSecretsIn } from '../secrets.ts';
import type { Clock } from '../system/clock.ts';

/** The news of the whole process, or of one pool. */
export type News = {
  /** Phase and message, logged when they are news. */
  readonly progress: (phase: Phase, message: string) => void;
  readonly ready: (message: string) => void;
  /** Not ready any more. */
  readonly withdraw: (phase: Phase, message: string) => void;
};

export type PoolBoard = News & {
  readonly serves: (eni: StatusPool['eni']) => void;
};

export type StatusBoard = News & {
  /** `ship` is asked whenever somebody reads. */
  current(): Status;
  update(
    change: Partial<Pick<Status, 'instanceId' | 'config' | 'notices' | 'signals' | 'files'>>,
  ): void;
  /** Not ready before this is over, whatever the pools say; their addresses are served all the same. Never rejects. */
  waitFor(message: string, work: Promise<void>): void;
  /** From then on the pools say whether the whole is ready: when each of them is. */
  pool(name: string): PoolBoard;
  onChange(listener: (status: Status) => void): void;
};

export type StatusBoardDeps = {
  readonly clock: Clock;
  readonly log: Log;
  readonly shipStatus: () => ShipStatus | undefined;
  readonly metricsStatus: () => MetricsStatus | undefined;
};

type State = Pick<StatusPool, 'phase' | 'ready' | 'message'>;

export function createStatusBoard(
  deps: StatusBoardDeps,
  input: { readonly version: string; readonly pid: number },
): StatusBoard {
  const listeners: ((status: Status) => void)[] = [];
  const pools = new Map<string, StatusPool>();
  let fixed: Omit<Status, 'logs' | 'metrics' | 'pools' | keyof State> = {
    version: input.version,
    pid: input.pid,
    startedAt: new Date(deps.clock.nowMs() - deps.clock.monotonicMs()).toISOString(),
    readyAt: undefined,
    readyAfterMs: undefined,
    instanceId: undefined,
    config: undefined,
    notices: [],
    signals: [],
    files: [],
  };
  /** Of the process itself; while undefined the pools speak for it. */
  let own: State | undefined = { phase: 'starting', ready: false, message: 'starting' };
  /** What is waited for, if anything. */
  let awaited: string | undefined;
  const overall = (): State => {
    const state = own ?? summaryOf([...pools.values()]);
    if (!state.ready || awaited === undefined) return state;
    return { phase: 'configuring', ready: false, message: `${state.message}; ${awaited}` };
  };
  const current = (): Status =>
    maskSecretsIn({
      ...fixed,
      ...overall(),
      pools: [...pools.values()],
      logs: deps.shipStatus(),
      metrics: deps.metricsStatus(),
    });

  function change(work: () => void): void {
    const before = overall().ready;
    work();
    const { ready } = overall();
    if (ready && !before) {
      fixed = {
        ...fixed,
        readyAt: new Date(deps.clock.nowMs()).toISOString(),
        // The first time is the boot's figure; a later one is a recovery.
        readyAfterMs: fixed.readyAfterMs ?? Math.round(deps.clock.monotonicMs()),
      };
    }
    if (!ready) fixed = { ...fixed, readyAt: undefined };
    for (const listener of listeners) listener(current());
  }

  function newsOf(
    read: () => State | undefined,
    write: (state: State) => void,
    about: Readonly<Record<string, string>>,
  ): News {
    return {
      progress: (phase, message) => {
        const now = read();
        if (phase === now?.phase && message === now.message) return;
        deps.log.info({ ...about, phase }, message);
        change(() => write({ ready: now?.ready ?? false, phase, message }));
      },
      ready: (message) => {
        const sinceStartMs = Math.round(deps.clock.monotonicMs());
        deps.log.info({ ...about, phase: 'ready', sinceStartMs }, message);
        change(() => write({ phase: 'ready', ready: true, message }));
      },
      withdraw: (phase, message) => {
        const wasReady = read()?.ready ?? overall().ready;
        if (wasReady) deps.log.warn({ ...about, phase }, `not ready any more: ${message}`);
        change(() => write({ phase, ready: false, message }));
      },
    };
  }

  const process = newsOf(
    () => own,
    (state) => (own = state),
    {},
  );
  return {
    ...process,
    current,
    update: (facts) => change(() => (fixed = { ...fixed, ...facts })),
    waitFor: (message, work) => {
      awaited = message;
      void work.then(() => change(() => (awaited = undefined)));
    },
    pool: (name) => {
      const put = (now: Partial<StatusPool>): void => {
        pools.set(name, { ...pools.get(name)!, ...now });
      };
      change(() => {
        own = undefined;
        const state = { phase: 'starting', ready: false, message: 'starting' } as const;
        pools.set(name, { pool: name, ...state, eni: undefined });
      });
      return {
        ...newsOf(() => pools.get(name), put, { pool: name }),
        serves: (eni) => change(() => put({ eni })),
      };
    },
    onChange: (listener) => {
      listeners.push(listener);
    },
  };
}

/** Ready when each is; else what the first says that is not. */
function summaryOf(pools: readonly StatusPool[]): State {
  const first = pools.find(({ ready }) => !ready);
  const name = ({ pool }: StatusPool): string => (pools.length > 1 ? `${pool}: ` : '');
  if (first !== undefined) {
    return { phase: first.phase, ready: false, message: `${name(first)}${first.message}` };
  }
  const message = pools.map((pool) => `${name(pool)}${pool.message}`).join('; ');
  return { phase: 'ready', ready: true, message };
}
