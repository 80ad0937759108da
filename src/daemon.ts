// The story: boot -> claim -> route -> ship -> tell, then look after it until stopped.
import { once } from 'node:events';
import { boot, type Booted } from './boot/boot.ts';
import { watchNotices } from './boot/notices.ts';
import { createCrashLoop } from './boot/crash-loop.ts';
import { imdsEndpoints } from './boot/imds-endpoint.ts';
import { createAwsEc2 } from './claim/aws-ec2.ts';
import type { Ec2 } from './claim/ec2.ts';
import { createClaimRecords } from './claim/record.ts';
import { createHeed, type HeedDeps } from './heed.ts';
import { BerthError, exitCodeOf, exitCodes, messageOf } from './errors.ts';
import type { Status } from './model.ts';
import { createUnmanaged, leaveManaged } from './route/unmanaged.ts';
import { createRouting } from './route/routing.ts';
import { whileInService } from './in-service.ts';
import { servePools, type ServePoolsDeps } from './serve-pools.ts';
import type { Serving } from './serve.ts';
import { agentStateFolder } from './ship/agent-state.ts';
import { startShipping, type Shipping } from './ship/ship.ts';
import { startTelemetry, telemetrySources, type Telemetry } from './ship/telemetry.ts';
import type { Ports } from './system/ports.ts';
import { within } from './system/within.ts';
import { createAnnounce, type Announce } from './tell/announce.ts';
import { serveControl } from './tell/control-socket.ts';
import { createStatusBoard, type StatusBoard } from './tell/status-board.ts';
import { serveMonitoring } from './tell/monitoring.ts';
import { keepTrying } from './tell/keep-trying.ts';
import { readyOrLate } from './tell/ready-or-late.ts';
import { createSignalCalls } from './tell/signal-calls.ts';
import { createSignalRecord } from './tell/signal-record.ts';
import { createSignals, type Signals } from './tell/signals.ts';
import { serveStatus } from './tell/status-socket.ts';
import { createSystemd } from './tell/systemd.ts';

export type DaemonInput = {
  readonly version: string;
  readonly pid: number;
  /** Value of --config. */
  readonly configFlag: string | undefined;
  readonly stateDir: string;
  readonly runtimeDir: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
};

/** The logs start when the address is served, or after this: so long may the claim have the processor for itself. */
const shipAfterMs = 1_000;
/** Deadlines of the phases of a stop; the unit's TimeoutStopSec is 20 s. */
const releaseWithinMs = 12_000;
/** Somebody waits for it, and may ask again. */
const releaseOnRequestMs = 120_000;
const flushWithinMs = 8_000;

type Service = {
  readonly ports: Ports;
  readonly input: DaemonInput;
  readonly board: StatusBoard;
  readonly booted: Booted;
  readonly ec2: Ec2;
  /** One for each pool, added when it starts. */
  readonly servings: Serving[];
};

/**
 * Returns after a clean stop. Throws what trying again cannot cure (`usage`, `config-invalid`, `config-missing`,
 * `already-running`), and `device-missing`: this instance is sick, and its ENI was given back.
 */
export async function runDaemon(
  ports: Ports,
  input: DaemonInput,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = ports;
  let sending: Sending | undefined;
  const servings: Serving[] = [];
  let releaseOnStop = false;
  const board = createStatusBoard(
    {
      clock,
      log,
      shipStatus: () => sending?.shipping.status(),
      metricsStatus: () => sending?.telemetry.status(),
    },
    input,
  );
  const systemd = createSystemd(ports);
  board.onChange(({ message }) => systemd.status(message));
  await using resources = new AsyncDisposableStack();
  await using _server = await serveStatus(ports.sockets, input.runtimeDir, board);
  await using _control = await serveControl(ports.sockets, input.runtimeDir, {
    release: (pool) => release(ports, servings, pool, signal),
  });
  systemd.processUp();
  void systemd.watchdog(signal);

  const crashLoop = createCrashLoop(ports, input);
  try {
    await crashLoop.wait((message) => board.progress('starting', message), signal);
    const bootDeps = { ...ports, progress: board.progress };
    const booted = await keepTrying(ports, board, () => boot(bootDeps, input, signal), signal);
    releaseOnStop = booted.config.releaseOnStop;
    board.update({ instanceId: booted.identity.instanceId, config: booted.source });
    const { monitoring } = booted.config;
    if (monitoring !== undefined) {
      const { runtimeDir } = input;
      const watched = { config: monitoring, runtimeDir, status: () => board.current() };
      resources.use(await serveMonitoring(ports, watched));
    }
    const ec2 = resources.use(createAwsEc2(ports, booted.access));
    await Promise.all([
      serveOrWait({ ports, input, board, booted, ec2, servings }, signal),
      readyOrLate({ clock, board }, shipAfterMs, signal).then(() => {
        sending = startSending({ ports, input, board, booted }, signal);
      }),
    ]);
  } catch (error) {
    if (!signal.aborted) {
      // Else systemd starts us again.
      if (exitCodeOf(error) !== exitCodes.failure) await crashLoop.forget();
      board.withdraw('failed', messageOf(error));
      throw error;
    }
    log.info(messageOf(signal.reason));
    board.withdraw('stopping', 'stopping');
    await crashLoop.forget();
  } finally {
    systemd.stopping();
    await Promise.all([
      // Otherwise the address stays served while berth is away.
      ...(releaseOnStop ? servings.map((serving) => giveBack(ports, serving)) : []),
      sending === undefined ? undefined : stopSending(ports, sending),
    ]);
  }
}

type Sending = { readonly shipping: Shipping; readonly telemetry: Telemetry };

/** Log files, metrics and what applications hand over. Until the signal aborts; the last metrics are sent, too. */
function startSending(
  { ports, input, board, booted }: Pick<Service, 'ports' | 'input' | 'board' | 'booted'>,
  signal: AbortSignal,
): Sending {
  const { config, identity, access } = booted;
  const place = { instanceId: identity.instanceId, stateDir: input.stateDir };
  const sources = [...config.logs.sources, ...telemetrySources(config, place)];
  const spooled = new AbortController();
  const shipping = startShipping(
    ports,
    { ...place, agentState: agentStateFolder, logs: { ...config.logs, sources }, access },
    spooled.signal,
  );
  const health = (): Pick<Status, 'pools' | 'logs'> => ({
    pools: board.current().pools,
    logs: shipping.status(),
  });
  const telemetry = startTelemetry(
    ports,
    { ...place, config, isDelivered: (file) => shipping.isDelivered(file), health },
    signal,
  );
  const end = (): void => void telemetry.ended.then(() => spooled.abort());
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  return { shipping, telemetry };
}

/** Ends by the signal's reason, or as `servePools` does. */
function serveOrWait(service: Service, signal: AbortSignal): Promise<never> {
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
  { ports, input, board, booted, ec2, servings, beside }: Service & Pick<ServePoolsDeps, 'beside'>,
  signal: AbortSignal,
): Promise<never> {
  const { identity, config } = booted;
  const { pools, hooks, takeOverStale, standby } = config;
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
  const announceOf = (pool: string): Announce => createAnnounce(ports, { pool, hooks, runtimeDir });
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
    { identity, pools, takeOverStale, standby },
    servings,
    signal,
  );
}

/** Ends by the signal's reason. undefined: nobody asked for it. */
function heedNotices(
  { ports, board, booted, servings, signals, idle }: Service & Pick<HeedDeps, 'signals' | 'idle'>,
  signal: AbortSignal,
): Promise<never> | undefined {
  const { notices } = booted.config;
  if (notices === undefined) return undefined;
  const { onNotices } = createHeed(
    { ...ports, board, signals, idle },
    { config: notices, servings },
    signal,
  );
  return watchNotices(ports, booted.imds, onNotices, signal);
}

/** `berth release`. Throws `usage`, `timeout`, and what a detach throws. */
async function release(
  { clock }: Ports,
  servings: readonly Serving[],
  pool: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const fitting = servings.filter((serving) => pool === undefined || serving.pool === pool);
  const [serving] = fitting;
  if (serving === undefined || fitting.length > 1) {
    const names = servings.map((one) => one.pool).join(', ');
    throw new BerthError(
      'usage',
      servings.length === 0
        ? 'cannot release anything: berth has not got as far as claiming'
        : `cannot release ${pool === undefined ? 'several pools at once' : `pool ${pool}`}: name one of ${names} with --pool`,
    );
  }
  using deadline = clock.deadline(releaseOnRequestMs, signal);
  return serving.release(deadline.signal);
}

async function giveBack(ports: Ports, serving: Serving): Promise<void> {
  await within(ports, releaseWithinMs, 'give the ENI back', (signal) => serving.giveBack(signal));
}

async function stopSending(ports: Ports, { shipping, telemetry }: Sending): Promise<void> {
  await telemetry.stop();
  await within(ports, flushWithinMs, 'send the last log lines', (signal) => shipping.stop(signal));
}
