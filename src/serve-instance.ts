// What this instance serves: its pools, or none, while it is in service; who is told of it, and what ends it early.
import { once } from 'node:events';
import type { Booted } from './boot/boot.ts';
import { imdsEndpoints } from './boot/imds-endpoint.ts';
import { watchNotices } from './boot/notices.ts';
import type { Ec2 } from './claim/ec2.ts';
import { createClaimRecords } from './claim/record.ts';
import { createHeed, type HeedDeps } from './heed.ts';
import { whileInService } from './in-service.ts';
import type { Config, HooksConfig } from './model/config.ts';
import { createRouting } from './route/routing.ts';
import { createUnmanaged, leaveManaged } from './route/unmanaged.ts';
import { servePools, type ServePoolsDeps, type ServePoolsInput } from './serve-pools.ts';
import type { Serving } from './serve.ts';
import type { Ports } from './system/ports.ts';
import { createAnnounce, type Announce } from './tell/announce.ts';
import { createSignalCalls } from './tell/signal-calls.ts';
import { createSignalRecord } from './tell/signal-record.ts';
import { createSignals, type Signals } from './tell/signals.ts';
import type { StatusBoard } from './tell/status-board.ts';

/** What berth runs with now, see boot/live-config.ts. */
export type Live = { config: Config };

export type Service = {
  readonly ports: Ports;
  readonly input: {
    readonly stateDir: string;
    readonly runtimeDir: string;
    readonly environment: Readonly<Record<string, string | undefined>>;
  };
  readonly board: StatusBoard;
  readonly booted: Booted;
  readonly live: Live;
  readonly ec2: Ec2;
  /** One for each pool, added when it starts. */
  readonly servings: Serving[];
};

/** Ends by the signal's reason, or as `servePools` does. */
export function serveInstance(service: Service, signal: AbortSignal): Promise<never> {
  const { ports, board, booted, servings } = service;
  const signals = signalsOf(service, signal);
  const serve = (life: AbortSignal, idle: () => void): Promise<never> => {
    servings.splice(0);
    const beside = (within: AbortSignal) => heedNotices({ ...service, signals, idle }, within);
    return servePoolsOrNone({ ...service, beside }, life);
  };
  return whileInService({ ...ports, board, imds: booted.imds }, { signals, serve }, signal);
}

function signalsOf(
  { ports, input, board, booted }: Service,
  signal: AbortSignal,
): Signals | undefined {
  const { identity, access, config } = booted;
  if (config.signals === undefined) return undefined;
  const { instanceId } = identity;
  const calls = createSignalCalls(access, instanceId);
  const record = createSignalRecord(ports, { stateDir: input.stateDir, instanceId });
  return createSignals({ ...ports, board, calls, record }, config.signals, signal);
}

/** An instance without a pool ships its logs. */
async function servePoolsOrNone(
  service: Service & Pick<ServePoolsDeps, 'beside'>,
  signal: AbortSignal,
): Promise<never> {
  const { ports, input, board, booted, live, ec2, servings, beside } = service;
  const { identity, config } = booted;
  const { pools, standby } = config;
  if (pools.length === 0) {
    board.ready('no pool is configured: this instance claims nothing and ships its logs');
    await beside(signal);
    if (!signal.aborted) await once(signal, 'abort');
    throw signal.reason;
  }
  const { stateDir, runtimeDir } = input;
  const [imdsEndpoint] = imdsEndpoints(input.environment);
  const routing = createRouting(ports, { identity, imdsEndpoint, config: config.routing });
  const markers = createUnmanaged(ports, { stateDir });
  const unmanaged = config.routing.mode === 'own' ? markers : leaveManaged(markers);
  const records = createClaimRecords(ports, { stateDir, instanceId: identity.instanceId });
  const hooks = (): HooksConfig => live.config.hooks;
  const announceOf = (pool: string): Announce => createAnnounce(ports, { pool, hooks, runtimeDir });
  const wanted: ServePoolsInput = {
    identity,
    standby,
    get pools() {
      return live.config.pools;
    },
    get takeOverStale() {
      return live.config.takeOverStale;
    },
  };
  return servePools(
    {
      ...ports,
      ec2,
      routing,
      unmanaged,
      records,
      board,
      boardOf: (pool) => board.pool(pool),
      announceOf,
      beside,
    },
    wanted,
    servings,
    signal,
  );
}

/** Ends by the signal's reason. */
function heedNotices(
  service: Service & Pick<HeedDeps, 'signals' | 'idle'>,
  signal: AbortSignal,
): Promise<never> {
  const { ports, board, booted, live, servings, signals, idle } = service;
  const { onNotices } = createHeed(
    { ...ports, board, signals, idle },
    { config: () => live.config.notices, servings },
    signal,
  );
  const isWanted = (): boolean => live.config.notices !== undefined;
  return watchNotices(ports, booted.imds, { isWanted, onChange: onNotices }, signal);
}
