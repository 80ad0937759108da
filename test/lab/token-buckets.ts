// Token buckets, as AWS throttles an account: each holds `most` calls and fills by `perSecond`.
import type { Clock } from '../../src/system/clock.ts';

export type Bucket = { readonly most: number; readonly perSecond: number };

export type TokenBuckets<Name extends string> = {
  /**
   * Takes one token. false: there is none, and nothing is taken. `scale` sizes the bucket and its refill: 0.1 is a
   * tenth of what AWS gives, 0 no limit at all.
   */
  take(name: Name, scale: number): boolean;
};

/** All buckets are full at first. */
export function createTokenBuckets<Name extends string>(
  clock: Pick<Clock, 'monotonicMs'>,
  buckets: Readonly<Record<Name, Bucket>>,
): TokenBuckets<Name> {
  const spent = new Map<Name, { readonly atMs: number; readonly tokens: number }>();
  return {
    take: (name, scale) => {
      if (scale === 0) return true;
      const { most, perSecond } = buckets[name];
      const atMs = clock.monotonicMs();
      const last = spent.get(name) ?? { atMs, tokens: 0 };
      const refill = ((atMs - last.atMs) / 1000) * perSecond * scale;
      const tokens = Math.max(0, last.tokens - refill);
      const isFree = tokens + 1 <= Math.max(1, most * scale);
      spent.set(name, { atMs, tokens: isFree ? tokens + 1 : tokens });
      return isFree;
    },
  };
}
