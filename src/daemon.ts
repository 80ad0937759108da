// The story: boot -> claim -> route -> ship -> tell, then look after it until stopped.
import { boot } from './boot/boot.ts';
import { createCrashLoop } from './boot/crash-loop.ts';
import { createAwsEc2 } from './claim/aws-ec2.ts';
import { BerthError, exitCodeOf, exitCodes, messageOf } from './errors.ts';
import type { Status } from './model.ts';
import { serveInstance, type Service } from './serve-instance.ts';
import type { Serving } from './serve.ts';
import { agentStateFolder } from './ship/agent-state.ts';
import { startShipping, type Shipping } from './ship/ship.ts';
import { startTelemetry, telemetrySources, type Telemetry } from './ship/telemetry.ts';
import type { Ports } from './system/ports.ts';
import { within } from './system/within.ts';
import { serveControl } from './tell/control-socket.ts';
import { createStatusBoard } from './tell/status-board.ts';
import { serveMonitoring } from './tell/monitoring.ts';
import { keepTrying } from './tell/keep-trying.ts';
import { readyOrLate } from './tell/ready-or-late.ts';
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
      serveInstance({ ports, input, board, booted, ec2, servings }, signal),
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
