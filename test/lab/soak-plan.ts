// What befalls the daemon in `npm run soak`, and when: drawn from the seed. Pure.
import type { Random } from '../../src/system/random.ts';
import type { SinkMode } from './soak-sink.ts';

export type Blow =
  | { readonly kind: 'endpoint'; readonly mode: SinkMode }
  /** `throttled`: calls are, from before the signal until after the start. */
  | {
      readonly kind: 'restart';
      readonly signal: 'SIGTERM' | 'SIGKILL';
      readonly downMs: number;
      readonly rotate: boolean;
      readonly throttled: boolean;
    };

export type Planned = { readonly atMs: number; readonly endMs: number; readonly blow: Blow };

const modes: readonly SinkMode[] = [
  'refuse',
  'black-hole',
  'half-open',
  'reset-after',
  'error-500',
  'throttle',
  'slow',
  'expired',
];
const minuteMs = 60_000;

/**
 * The first quarter has the restarts; from then on one process lives, so that its size can be compared. A third of the
 * whole, 30 minutes at most, is one outage. Each hand is dealt whole before the next.
 */
export function planSoak(minutes: number, random: Random): readonly Planned[] {
  const endMs = minutes * minuteMs;
  const outage = { atMs: endMs * 0.55, endMs: endMs * 0.55 + Math.min(30 * minuteMs, endMs / 3) };
  const quarterMs = endMs / 4;
  /** In an hour the first quarter has them all twice. */
  const unitMs = Math.min(20_000, Math.max(3_000, quarterMs / 16));
  const planned: Planned[] = [];
  const between = (least: number, most: number): number =>
    (least + random.next() * (most - least)) * unitMs;
  let hand: Blow[] = [];
  for (let atMs = unitMs; atMs < endMs * 0.97;) {
    if (atMs >= outage.atMs && atMs < outage.endMs) {
      const middleMs = (outage.atMs + outage.endMs) / 2;
      planned.push(
        { atMs, endMs: middleMs, blow: { kind: 'endpoint', mode: 'refuse' } },
        {
          atMs: middleMs,
          endMs: outage.endMs,
          blow: { kind: 'endpoint', mode: 'black-hole' },
        },
      );
      atMs = outage.endMs + unitMs;
      continue;
    }
    if (hand.length === 0) hand = deal(random, atMs < quarterMs, unitMs);
    const blow = hand.pop()!;
    if (blow.kind === 'restart' && atMs > quarterMs - 2 * unitMs) continue;
    const forMs = blow.kind === 'restart' ? blow.downMs : between(0.4, 1.2);
    const next = atMs < outage.atMs ? outage.atMs : endMs;
    planned.push({ atMs, endMs: Math.min(atMs + forMs, next), blow });
    atMs += forMs + between(0.2, 0.8);
    if (next === outage.atMs && atMs > next) atMs = next;
  }
  return planned;
}

function deal(random: Random, withRestarts: boolean, unitMs: number): Blow[] {
  const endpoints = shuffle(
    random,
    modes.map((mode): Blow => ({ kind: 'endpoint', mode })),
  );
  if (!withRestarts) return endpoints;
  const restarts = shuffle(
    random,
    (['SIGTERM', 'SIGKILL'] as const).flatMap((signal) =>
      [false, true].flatMap((rotate) =>
        [false, true].map((throttled): Blow => {
          const downMs = random.next() * unitMs * 0.4;
          return { kind: 'restart', signal, downMs, rotate, throttled };
        }),
      ),
    ),
  );
  return restarts.flatMap((restart, n) => [restart, endpoints[n]!]);
}

function shuffle<T>(random: Random, list: readonly T[]): T[] {
  const drawn = list.map((one) => ({ one, at: random.next() }));
  return drawn.toSorted((a, b) => a.at - b.at).map(({ one }) => one);
}
