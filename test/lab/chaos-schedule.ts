// Which call gets which fault: drawn from the seed for each operation of each caller by itself, so that the n-th call
// of one has its fate whatever the others do meanwhile.
import type { Random } from '../../src/system/random.ts';
import { createSeededRandom } from '../fakes/random.ts';

export const chaosKinds = [
  'throttle',
  '500',
  '503',
  'slow',
  /** The connection is reset, and the service never sees the call. */
  'reset-before',
  /** It happened; the connection is reset instead of an answer. */
  'reset-after',
  /** It happened; half of the answer comes, then the end of the connection. */
  'truncated',
  /** It happened; no answer comes, and no end. */
  'lost-answer',
  /** The answer comes, and what follows on that connection gets none, as when a NAT has forgotten it. */
  'half-open',
  /** The service never sees the call, and no answer comes. */
  'black-hole',
  /** The answer says that it is 20 min earlier or later: more than AWS lets a signature be off. */
  'wrong-date',
  /** A Describe answers what it answered up to 5 s ago. */
  'stale',
] as const;
export type ChaosKind = (typeof chaosKinds)[number];

export type ChaosRule = {
  readonly kind: ChaosKind;
  /** 0 to 1, of the matching calls. The first rules of a call win where the sum is above 1. */
  readonly probability: number;
  /** `ec2:AttachNetworkInterface`, `ec2:*`, `*` */
  readonly match: string;
  /** undefined: any number of times. */
  readonly times: number | undefined;
};

export type Drawn = {
  readonly kind: ChaosKind;
  /** 0 to 1, for what has a size. */
  readonly amount: number;
};

export type ChaosSchedule = {
  /** `name`: `ec2:AttachNetworkInterface`; `caller`: any text that tells callers apart. */
  draw(name: string, caller: string): Drawn | undefined;
};

export function createSchedule(seed: number, rules: readonly ChaosRule[]): ChaosSchedule {
  const streams = new Map<string, Random>();
  const left = new Map(rules.map((rule) => [rule, rule.times ?? Number.POSITIVE_INFINITY]));
  const streamOf = (key: string): Random => {
    const known = streams.get(key) ?? createSeededRandom(mix(seed, key));
    streams.set(key, known);
    return known;
  };
  return {
    draw: (name, caller) => {
      const random = streamOf(`${name} ${caller}`);
      // Both at every call, so that a fault of one call does not move the fate of the next.
      const x = random.next();
      const amount = random.next();
      const names = [name, `${name.split(':')[0]}:*`, '*'];
      let below = 0;
      for (const rule of rules) {
        if (!names.includes(rule.match)) continue;
        below += rule.probability;
        if (x >= below) continue;
        if (left.get(rule) === 0) return undefined;
        left.set(rule, left.get(rule)! - 1);
        return { kind: rule.kind, amount };
      }
      return undefined;
    },
  };
}

/** FNV-1a over the text, beginning with the seed. */
function mix(seed: number, text: string): number {
  let hash = (seed ^ 0x811c9dc5) >>> 0;
  for (const char of text) hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193) >>> 0;
  return hash;
}
