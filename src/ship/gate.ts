// How much of what waits in the files is in memory at once, over all targets; and while CloudWatch cannot be reached, only
// one target now and then tries, so that an outage costs neither memory nor the processor, however many targets there are.
import type { Clock } from '../system/clock.ts';
import type { Random } from '../system/random.ts';
import { backoffMs, type Backoff } from '../system/retry.ts';
import { createQueue } from './queue.ts';

/** Disposed of when what was read is in memory no longer. */
export type Pass = Disposable & {
  /** CloudWatch answered, whatever it said. */
  answered(): void;
  /** Nothing came back. true: the first of an outage. */
  unanswered(): boolean;
};

export type Gate = {
  /** Waits until so many bytes may be read. Rejects with the signal's reason. */
  enter(bytes: number, signal: AbortSignal): Promise<Pass>;
};

/** As objects a batch takes some times its bytes. */
const maxBytes = 4 * 1024 * 1024;
/**
 * Whatever a call carries: 32 at once. 1,500 take 100 MB; and the SDK has 50 sockets: were all of them in calls that hang,
 * a try that would get through had to wait for their end.
 */
const minCallBytes = 128 * 1024;
/** Logs flow again within 5 s of the network, of which a connection that is not answered takes 3. */
const tryBackoff: Backoff = { firstMs: 200, factor: 2, capMs: 2_000 };
/** No news from any of those under way is taken for an outage. */
const silenceMs = 2_000;

type Hold = { readonly bytes: number; readonly atMs: number };

export function createGate({
  clock,
  random,
}: {
  readonly clock: Clock;
  readonly random: Random;
}): Gate {
  const holds = new Set<Hold>();
  let answeredAtMs = -Infinity;
  /** CloudWatch is away: how many have tried since, and when the next may. */
  let away: { tries: number; nextMs: number } | undefined;
  /** Somebody has said so. */
  let isSaid = false;

  const schedule = (tries: number): void => {
    away = { tries, nextMs: clock.monotonicMs() + backoffMs(tryBackoff, tries, random) };
  };

  const hasRoom = (bytes: number): boolean => {
    let held = 0;
    for (const hold of holds) held += hold.bytes;
    return held === 0 || held + bytes <= maxBytes;
  };

  /** 0: the first in the queue may go. */
  const waitMs = (bytes: number): number => {
    const nowMs = clock.monotonicMs();
    if (away !== undefined) return Math.max(0, away.nextMs - nowMs);
    if (hasRoom(bytes)) return 0;
    const [oldest] = holds;
    return Math.max(0, Math.max(answeredAtMs, oldest!.atMs) + silenceMs - nowMs);
  };

  const letGo = (bytes: number): Hold => {
    if (away !== undefined) schedule(away.tries + 1);
    else if (!hasRoom(bytes)) schedule(1);
    const hold = { bytes, atMs: clock.monotonicMs() };
    holds.add(hold);
    return hold;
  };

  const queue = createQueue(clock, { waitMs, letGo });

  const createPass = (hold: Hold): Pass => ({
    answered: () => {
      answeredAtMs = clock.monotonicMs();
      away = undefined;
      isSaid = false;
      queue.ring();
    },
    unanswered: () => {
      // Unless others get through: then it was bad luck, or a batch that is too large for the link.
      if (answeredAtMs > hold.atMs) return false;
      if (away === undefined) schedule(1);
      const isNews = !isSaid;
      isSaid = true;
      return isNews;
    },
    [Symbol.dispose]: () => {
      if (holds.delete(hold)) queue.ring();
    },
  });

  return {
    enter: async (bytes, signal) =>
      createPass(await queue.turn(Math.max(bytes, minCallBytes), signal)),
  };
}
