// The life of one pool on this instance: claim -> route -> ready -> look after it; again when it is lost; given back.
import { once } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import type { Ec2 } from './claim/ec2.ts';
import { claimEni, type ClaimInput } from './claim/claim.ts';
import { reconcile, reconcileEveryMs } from './claim/reconcile.ts';
import { releaseRecorded } from './claim/release-recorded.ts';
import { standBy, type StandbyDeps } from './claim/standby.ts';
import { epochOf } from './claim/tags.ts';
import { hasCode, messageOf } from './errors.ts';
import type { StandbyConfig } from './model/config.ts';
import type { Claimed } from './model/eni.ts';
import type { Notice } from './model/instance.ts';
import type { RoutePlan } from './model/routes.ts';
import type { StatusEni } from './model/status.ts';
import type { Routing } from './route/routing.ts';
import { createQuestion } from './system/question.ts';
import type { Announce } from './tell/announce.ts';
import { keepTrying } from './tell/keep-trying.ts';
import type { PoolBoard } from './tell/status-board.ts';

export type ServeDeps = Omit<StandbyDeps, 'progress'> & {
  readonly ec2: Ec2;
  readonly routing: Routing;
  readonly board: PoolBoard;
  readonly announce: Announce;
};

export type ServeInput = ClaimInput & {
  /** undefined: a primary. */
  readonly standby: StandbyConfig | undefined;
};

export type Serving = {
  readonly pool: string;
  /**
   * Serves until the signal aborts, and throws its reason; or `device-missing`, for good: this instance is sick, and its
   * ENI was given back.
   */
  run(signal: AbortSignal): Promise<never>;
  /** Runs the hook, where an ENI is held. */
  notify(notice: Notice, signal: AbortSignal): Promise<void>;
  /** Stops serving, gives back, and claims no more; `run` goes on doing nothing. Safe to call again. */
  release(signal: AbortSignal): Promise<string>;
  /** After `run` has ended: routes away, detached, claim dropped. Throws what a detach throws. */
  giveBack(signal: AbortSignal): Promise<void>;
};

type Holding = { readonly claimed: Claimed; readonly plan: RoutePlan };

/** Local reads only, about 10 ms. */
const verifyEveryMs = 20_000;
/** One request to the metadata service. */
const concernsEveryMs = 60_000;

export function createServing(deps: ServeDeps, input: ServeInput): Serving {
  const { routing, board, announce, record } = deps;
  const claimDeps: StandbyDeps = { ...deps, progress: board.progress };
  let held: Holding | undefined;
  const stop = new AbortController();
  const ended = Promise.withResolvers<void>();
  const again = <T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> =>
    keepTrying(deps, board, work, signal);

  const { standby } = input;
  const claim = (signal: AbortSignal): Promise<Claimed> =>
    standby === undefined
      ? claimEni(claimDeps, input, signal)
      : standBy(claimDeps, { ...input, standby }, signal);

  const statusOf = ({ claimed, plan }: Holding): StatusEni => {
    const { eni } = claimed.claimed;
    const { eniId, mac, ipv4, ipv6 } = eni;
    const { ifname, table } = plan;
    const shown = { device: ifname, table, routing: routing.describe(plan) };
    return { eniId, mac, ipv4, ipv6, ...shown, epoch: epochOf(eni) };
  };

  async function serve(signal: AbortSignal): Promise<string> {
    held = undefined;
    const claimed = await again(() => claim(signal), signal);
    step(deps, 'device', `${claimed.device.name} has the MAC ${claimed.device.mac}`);
    const plan = await again(() => routing.plan(claimed, undefined, signal), signal);
    held = { claimed, plan };
    void announce.hook('onClaimed', statusOf(held), signal);
    try {
      await bringUp(signal);
      return await tend(signal);
    } catch (error) {
      // EC2 knows whether we still hold the ENI: the claim starts with that question.
      if (hasCode(error, 'device-missing')) return messageOf(error);
      throw error;
    }
  }

  /** Sets the routing and says ready. Throws `device-missing`. */
  async function bringUp(signal: AbortSignal): Promise<void> {
    const { claimed, plan } = held!;
    const { ipv4 } = claimed.claimed.eni;
    board.progress('routing', `setting routes for ${ipv4.join(', ')}`);
    const applied = await again(() => routing.apply(plan, signal), signal);
    held = { claimed, plan: applied };
    step(deps, 'routes', `table ${applied.table} of ${applied.ifname} set and verified`);
    const eni = statusOf(held);
    await announce.writeEnvironment(eni);
    board.serves(eni);
    board.ready(servedMessage(held, []));
    void announce.hook('onReady', eni, signal);
  }

  /** Returns why the ENI is lost; until then puts right what others break. Throws `device-missing`. */
  async function tend(signal: AbortSignal): Promise<string> {
    // A reconcile under way must not go on beside the next claim.
    const over = new AbortController();
    try {
      return await tendUntilLost(AbortSignal.any([signal, over.signal]));
    } finally {
      over.abort();
    }
  }

  async function tendUntilLost(signal: AbortSignal): Promise<string> {
    using watcher = routing.watch(() => held!.plan, signal);
    const { identity, otherPools } = input;
    const everyMs = reconcileEveryMs(held!.claimed.peers) * (1 + deps.random.next() / 2);
    // EC2 may take its time to answer: routes that are broken meanwhile are not its business.
    const question = createQuestion(deps, { firstMs: everyMs, everyMs }, watcher.wake, () =>
      reconcile(claimDeps, { eni: held!.claimed.claimed.eni, identity, otherPools }, signal),
    );
    // Nor does it wait for the metadata service, which may not answer the address at all.
    const often = { firstMs: 0, everyMs: concernsEveryMs };
    const worry = createQuestion(deps, often, watcher.wake, () =>
      routing.concerns(held!.plan, signal),
    );
    worry.ask();
    for (;;) {
      await watcher.next(verifyEveryMs * (0.75 + deps.random.next() / 2));
      const answer = question.ask();
      if (answer?.held === false) return answer.why;
      let isOther = false;
      if (answer?.eni !== undefined) {
        const { claimed, plan } = held!;
        const fresh = { ...claimed, claimed: { ...claimed.claimed, eni: answer.eni } };
        held = {
          claimed: fresh,
          plan: await again(() => routing.plan(fresh, plan, signal), signal),
        };
        isOther = !isDeepStrictEqual(held.plan, plan);
      }
      const problems = await routing.problems(held!.plan, signal);
      if (problems.length > 0) {
        // Addresses were added to the ENI or taken from it: the others are served all the while.
        if (!isOther)
          board.withdraw('routing', `putting the routing right: ${problems.join('; ')}`);
        await bringUp(signal);
      }
      const concerns = worry.ask();
      if (concerns !== undefined) board.progress('ready', servedMessage(held!, concerns));
    }
  }

  /** An exit would only make systemd start us again, for the same. */
  async function serveOrGiveUp(signal: AbortSignal): Promise<string> {
    try {
      return await serve(signal);
    } catch (error) {
      if (!hasCode(error, 'pool-empty')) throw error;
      deps.log.error(error.message);
      board.withdraw('gave-up', `${error.message}; restart berth to try again`);
      if (!signal.aborted) await once(signal, 'abort');
      throw signal.reason;
    }
  }

  /** Before anything of it is taken away, so that the hook finds it as it was. */
  async function takeDown(holding: Holding, signal: AbortSignal): Promise<void> {
    await announce.removeEnvironment();
    await announce.hook('onLost', statusOf(holding), signal);
  }

  async function serveForEver(signal: AbortSignal): Promise<never> {
    for (;;) {
      const why = await serveOrGiveUp(signal);
      board.serves(undefined);
      board.withdraw('lost', `${why}; claiming again`);
      if (held === undefined) continue;
      const lost = held;
      await takeDown(lost, signal);
      await again(() => routing.remove(lost.plan, signal), signal);
      await deps.unmanaged.unmark(lost.plan.mac);
    }
  }

  async function giveBack(signal: AbortSignal): Promise<void> {
    if (held !== undefined) {
      await takeDown(held, signal);
      await routing.remove(held.plan, signal);
    }
    await releaseRecorded({ ...claimDeps, record }, input.identity, signal);
    if (held !== undefined) await announce.hook('onReleased', statusOf(held), signal);
    held = undefined;
  }

  return {
    pool: input.pool.name,
    run: async (signal) => {
      try {
        return await serveForEver(AbortSignal.any([signal, stop.signal]));
      } catch (error) {
        if (signal.aborted || !stop.signal.aborted) throw error;
      } finally {
        ended.resolve();
      }
      if (!signal.aborted) await once(signal, 'abort');
      throw signal.reason;
    },
    release: async (signal) => {
      stop.abort(new Error('released'));
      await ended.promise;
      const what = held?.claimed.claimed.eni.eniId ?? `what was claimed of pool ${input.pool.name}`;
      board.serves(undefined);
      board.withdraw('released', `giving ${what} back, as berth release asked`);
      await giveBack(signal);
      board.withdraw('released', `${what} was given back; restart berth to claim again`);
      return `${what} was given back; berth claims none of pool ${input.pool.name} before its next start`;
    },
    notify: async (notice, signal) => {
      if (held !== undefined) await announce.notice(notice, statusOf(held), signal);
    },
    giveBack,
  };
}

function servedMessage({ claimed, plan }: Holding, concerns: readonly string[]): string {
  const { eniId, ipv4 } = claimed.claimed.eni;
  return [`${ipv4.join(', ')} of ${eniId} is served on ${plan.ifname}`, ...concerns].join('; ');
}

/** A line of the boot's timeline. */
function step({ log, clock }: ServeDeps, name: string, message: string): void {
  log.info({ step: name, sinceStartMs: Math.round(clock.monotonicMs()) }, message);
}
