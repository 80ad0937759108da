// The story: boot -> claim -> route -> ship -> tell, then look after it until stopped.
import { once } from 'node:events';
import { boot, type Booted } from './boot/boot.ts';
import { createAwsEc2 } from './claim/aws-ec2.ts';
import type { Ec2 } from './claim/ec2.ts';
import { claimEni, type ClaimDeps } from './claim/claim.ts';
import { reconcile, reconcileEveryMs } from './claim/reconcile.ts';
import { createClaimRecord } from './claim/record.ts';
import { releaseRecorded } from './claim/release-recorded.ts';
import type { Claimed } from './claim/settle.ts';
import { hasCode, messageOf } from './errors.ts';
import { planRoutes } from './route/plan.ts';
import { prepareRouting } from './route/prepare.ts';
import { routeProblems } from './route/problems.ts';
import { removeRoutes } from './route/remove.ts';
import { applyRoutes } from './route/route.ts';
import { createUnmanaged } from './route/unmanaged.ts';
import { watchRouting } from './route/watch.ts';
import { startShipping, type Shipping } from './ship/ship.ts';
import type { Ports } from './system/ports.ts';
import { createQuestion } from './system/question.ts';
import { within } from './system/within.ts';
import { createStatusBoard, type StatusBoard } from './tell/status-board.ts';
import { keepTrying } from './tell/keep-trying.ts';
import { readyOrLate } from './tell/ready-or-late.ts';
import { serveStatus } from './tell/status-socket.ts';
import { createSystemd } from './tell/systemd.ts';
import type { RoutePlan } from './model.ts';

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
/** What a VPC carries; the primary's own MTU is preferred. */
const jumboMtu = 9001;
/** Local reads only, about 10 ms. */
const verifyEveryMs = 20_000;
/** Deadlines of the phases of a stop; the unit's TimeoutStopSec is 20 s. */
const releaseWithinMs = 12_000;
const flushWithinMs = 8_000;

type Context = {
  readonly ports: Ports;
  readonly input: DaemonInput;
  readonly board: StatusBoard;
};

/** What this instance claims, and what it holds already. */
type Claiming = {
  readonly deps: ClaimDeps;
  readonly booted: Booted;
  readonly holding: Holding | undefined;
};
type Holding = { readonly claimed: Claimed; readonly plan: RoutePlan };

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
  let shipping: Shipping | undefined;
  let claiming: Claiming | undefined;
  const board = createStatusBoard({ clock, log, shipStatus: () => shipping?.status() }, input);
  const systemd = createSystemd(ports);
  board.onChange(({ message }) => systemd.status(message));
  using resources = new DisposableStack();
  await using _server = await serveStatus(ports.sockets, input.runtimeDir, board);
  systemd.processUp();
  void systemd.watchdog(signal);

  const context = { ports, input, board };
  try {
    const bootDeps = { ...ports, progress: board.progress };
    const booted = await keepTrying(context, () => boot(bootDeps, input, signal), signal);
    board.update({ instanceId: booted.identity.instanceId, config: booted.source });
    const ec2 = resources.use(createAwsEc2(ports, booted.access));
    await Promise.all([
      serve({ ...context, booted, ec2, onClaim: (now) => (claiming = now) }, signal),
      readyOrLate({ clock, board }, shipAfterMs, signal).then(() => {
        shipping = startShipping(
          ports,
          {
            logs: booted.config.logs,
            instanceId: booted.identity.instanceId,
            stateDir: input.stateDir,
            access: booted.access,
          },
          signal,
        );
      }),
    ]);
  } catch (error) {
    if (!signal.aborted) {
      board.withdraw('failed', messageOf(error));
      throw error;
    }
    log.info(messageOf(signal.reason));
    board.withdraw('stopping', 'stopping');
  } finally {
    systemd.stopping();
    await Promise.all([
      claiming === undefined ? undefined : stopServing(ports, claiming),
      shipping === undefined ? undefined : stopShipping(ports, shipping),
    ]);
  }
}

type Service = Context & {
  readonly booted: Booted;
  readonly ec2: Ec2;
  readonly onClaim: (claiming: Claiming) => void;
};

/** Claims, routes and looks after the ENI; starts again when it is lost. Ends by the signal's reason. */
async function serve(service: Service, signal: AbortSignal): Promise<void> {
  const { ports, input, board, booted, ec2, onClaim } = service;
  const { identity, config } = booted;
  const { pool } = config;
  if (pool === undefined) {
    board.ready('no pool is configured: this instance claims nothing and ships its logs');
    if (!signal.aborted) await once(signal, 'abort');
    throw signal.reason;
  }
  board.update({ pool });
  await keepTrying(service, () => prepareRouting(ports, signal), signal);
  const { stateDir } = input;
  const record = createClaimRecord(ports, { stateDir, instanceId: identity.instanceId, pool });
  const unmanaged = createUnmanaged(ports, { stateDir });
  const deps: ClaimDeps = { ...ports, ec2, record, unmanaged, progress: board.progress };

  while (!signal.aborted) {
    onClaim({ deps, booted, holding: undefined });
    const claimed = await keepTrying(
      service,
      () => claimEni(deps, { identity, pool }, signal),
      signal,
    );
    step(ports, 'device', `${claimed.device.name} has the MAC ${claimed.device.mac}`);
    const plan = await keepTrying(
      service,
      () => planFor(service, claimed, jumboMtu, signal),
      signal,
    );
    onClaim({ deps, booted, holding: { claimed, plan } });
    const why = await serveUntilLost(service, deps, { claimed, plan }, signal);
    board.update({ eni: undefined });
    board.withdraw('lost', `${why}; claiming again`);
    await keepTrying(service, () => removeRoutes(ports, plan, signal), signal);
    await unmanaged.unmark(plan.mac);
  }
}

/** Returns why it cannot be served any more. */
async function serveUntilLost(
  service: Service,
  deps: ClaimDeps,
  holding: Holding,
  signal: AbortSignal,
): Promise<string> {
  try {
    const plan = await bringUp(service, holding.claimed, holding.plan, signal);
    return await tend(service, deps, { ...holding, plan }, signal);
  } catch (error) {
    // EC2 knows whether we still hold the ENI: the claim starts with that question.
    if (hasCode(error, 'device-missing')) return messageOf(error);
    throw error;
  }
}

/** The MTU is the primary's, or `mtu` where the kernel does not say. */
async function planFor(
  { ports, booted }: Service,
  { claimed, device }: Claimed,
  mtu: number,
  signal: AbortSignal,
): Promise<RoutePlan> {
  const primary = await ports.devices
    .find(booted.identity.primaryMac, signal)
    .catch(() => undefined);
  return planRoutes({ claimed, device, mtu: primary?.mtu ?? mtu });
}

/** Sets the routing and says ready. Returns the plan with the device's final name. Throws `device-missing`. */
async function bringUp(
  { ports, board }: Context,
  { claimed }: Claimed,
  plan: RoutePlan,
  signal: AbortSignal,
): Promise<RoutePlan> {
  const { eniId, mac, ipv4, ipv6 } = claimed.eni;
  board.progress('routing', `setting routes for ${ipv4.join(', ')}`);
  const applied = await keepTrying(
    { ports, board },
    () => applyRoutes(ports, plan, signal),
    signal,
  );
  const { ifname, table } = applied.plan;
  step(ports, 'routes', `table ${table} of ${ifname} set and verified`);
  board.update({ eni: { eniId, mac, ipv4, ipv6, device: ifname, table } });
  board.ready(`${ipv4.join(', ')} of ${eniId} is served on ${ifname}`);
  return applied.plan;
}

/** Returns why the ENI is lost; until then puts right what others break. Throws `device-missing`. */
async function tend(
  service: Service,
  deps: ClaimDeps,
  holding: Holding,
  signal: AbortSignal,
): Promise<string> {
  const { ports, board, booted } = service;
  let { claimed, plan } = holding;
  using watcher = watchRouting(ports, signal);
  // EC2 may take its time to answer: routes that are broken meanwhile are not its business.
  const question = createQuestion(ports, reconcileEveryMs, watcher.wake, () =>
    reconcile(deps, { eni: claimed.claimed.eni, identity: booted.identity }, signal),
  );
  for (;;) {
    await watcher.next(verifyEveryMs * (0.75 + ports.random.next() / 2));
    const answer = question.ask();
    if (answer?.held === false) return answer.why;
    if (answer?.eni !== undefined) {
      // Addresses that were added to or taken from the ENI reach the kernel with the next apply.
      claimed = { ...claimed, claimed: { ...claimed.claimed, eni: answer.eni } };
      const fresh = await keepTrying(
        service,
        () => planFor(service, claimed, plan.mtu, signal),
        signal,
      );
      // The device was named when it was first seen; udev may have renamed it since.
      plan = { ...fresh, ifname: plan.ifname };
    }
    const problems = await routeProblems(ports, plan, signal);
    if (problems.length > 0) {
      board.withdraw('routing', `putting the routing right: ${problems.join('; ')}`);
      plan = await bringUp(service, claimed, plan, signal);
    }
  }
}

/** Only with `releaseOnStop`: otherwise the address stays served while berth is away. */
async function stopServing(ports: Ports, { deps, booted, holding }: Claiming): Promise<void> {
  if (!booted.config.releaseOnStop) return;
  await within(ports, releaseWithinMs, 'give the ENI back', async (signal) => {
    if (holding !== undefined) await removeRoutes(ports, holding.plan, signal);
    await releaseRecorded(deps, booted.identity, signal);
  });
}

async function stopShipping(ports: Ports, shipping: Shipping): Promise<void> {
  await within(ports, flushWithinMs, 'send the last log lines', (signal) => shipping.stop(signal));
}

/** A line of the boot's timeline. */
function step(ports: Ports, name: string, message: string): void {
  ports.log.info({ step: name, sinceStartMs: Math.round(ports.clock.monotonicMs()) }, message);
}
