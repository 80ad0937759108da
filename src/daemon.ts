// The story: boot -> claim -> route -> ship -> tell, then look after it until stopped.
import { createConfigReader } from './boot/boot.ts';
import { createCrashLoop } from './boot/crash-loop.ts';
import { BerthError, exitCodeOf, exitCodes, messageOf } from './errors.ts';
import { writerSocket } from './files/ask-writer.ts';
import { createDueReloads } from './files/due-reloads.ts';
import { createFileKeeper, type FileKeeper } from './files/keep-files.ts';
import type { Config } from './model/config.ts';
import { createReload, type Reload } from './reload.ts';
import type { Sending, SendingInput } from './sending.ts';
import { serveInstance, type Live, type Service } from './serve-instance.ts';
import type { Serving } from './serve.ts';
import { start } from './start.ts';
import type { Ports } from './system/ports.ts';
import { growSlowly } from './system/heap.ts';
import { within } from './system/within.ts';
import { serveControl } from './tell/control-socket.ts';
import { createStatusBoard } from './tell/status-board.ts';
import { createMonitoring } from './tell/monitoring.ts';
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
  let live: Live | undefined;
  let reload: Reload | undefined;
  let keeper: FileKeeper | undefined;
  const board = createStatusBoard(
    {
      clock,
      log,
      shipStatus: () => sending?.logs(),
      metricsStatus: () => sending?.metrics(),
    },
    input,
  );
  const systemd = createSystemd(ports);
  board.onChange(({ message }) => systemd.status(message));
  /** The files of the host too, whether or not there is something new. */
  const reloadNow = (asked: Reload): Promise<string> => asked.now().finally(() => keeper?.look());
  await using resources = new AsyncDisposableStack();
  await using _server = await serveStatus(ports.sockets, input.runtimeDir, board);
  await using _control = await serveControl(ports.sockets, input.runtimeDir, {
    release: (pool) => release(ports, servings, pool, signal),
    reload: () => reloadNow(configured(reload)),
    checkReload: () => configured(reload).check(),
  });
  using _hangup = ports.hangup.listen(() => {
    log.info('SIGHUP: looking at the configuration');
    // Said where it happens.
    if (reload !== undefined) reloadNow(reload).catch(() => undefined);
  });
  systemd.processUp();
  void systemd.watchdog(signal);

  const crashLoop = createCrashLoop(ports, input);
  try {
    await crashLoop.wait((message) => board.progress('starting', message), signal);
    const startDeps = { ...ports, progress: board.progress };
    let mayLookAhead = true;
    const { booted, ec2 } = await keepTrying(
      ports,
      board,
      () => {
        const started = start(startDeps, { ...input, mayLookAhead }, signal);
        mayLookAhead = false;
        return started;
      },
      signal,
    );
    resources.use(ec2);
    const running = (live = { config: booted.config });
    board.update({ instanceId: booted.identity.instanceId });
    const { runtimeDir } = input;
    const watched = { runtimeDir, status: () => board.current() };
    const monitoring = resources.use(createMonitoring(ports, watched));
    await monitoring.serve(running.config.monitoring);
    keeper = createFileKeeper(
      {
        ...ports,
        due: createDueReloads(ports, { ...input, instanceId: booted.identity.instanceId }),
        onStatus: (files) => board.update({ files }),
      },
      { socketPath: writerSocket(runtimeDir), files: running.config.files },
      signal,
    );
    if (running.config.files.length > 0)
      board.waitFor('its files are not in place yet', keeper.tried);
    const apply = async (config: Config): Promise<void> => {
      const { files } = running.config;
      const trouble = await keeper?.change(config.files);
      try {
        if (trouble !== undefined) {
          const { message, mayPass } = trouble;
          throw new BerthError('config-invalid', message, { retryable: mayPass });
        }
        await sending?.change(config);
      } catch (error) {
        await keeper?.change(files);
        throw error;
      }
      running.config = config;
      await monitoring.serve(config.monitoring);
    };
    const reader = createConfigReader(ports, booted, input);
    reload = createReload({ ...ports, board, systemd, reader, apply }, booted, signal);
    await Promise.all([
      keeper.run(),
      serveInstance({ ports, input, board, booted, live: running, ec2, servings }, signal),
      readyOrLate({ clock, board }, shipAfterMs, signal).then(async () => {
        // Its code is loaded only now, since ready comes first; and before V8's flags change, which would refuse it.
        const { createSending } = await import('./sending.ts');
        growSlowly();
        sending = createSending(ports, sendingInput({ input, board, booted }), signal);
        sending.start(running.config);
        if (booted.isStored) await reload?.poll();
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
      ...(live?.config.releaseOnStop === true
        ? servings.map((serving) => giveBack(ports, serving))
        : []),
      sending?.stop(),
    ]);
  }
}

function sendingInput({
  input,
  board,
  booted,
}: Pick<Service, 'input' | 'board' | 'booted'>): SendingInput {
  const { stateDir } = input;
  const { instanceId } = booted.identity;
  return { stateDir, instanceId, access: booted.access, pools: () => board.current().pools };
}

/** Throws `usage` before there is a configuration. */
function configured(reload: Reload | undefined): Reload {
  if (reload !== undefined) return reload;
  throw new BerthError(
    'usage',
    'cannot reload: berth has not got as far as its configuration, and reads the newest when it does',
  );
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
