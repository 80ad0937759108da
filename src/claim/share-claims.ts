// Several pools of one instance ask the same question about once a minute: one call answers them all.
import type { Eni } from '../model/eni.ts';
import type { Clock } from '../system/clock.ts';
import type { Ec2 } from './ec2.ts';

/** An answer is good for so long. Whoever hears bad news in it asks again about the one ENI. */
const goodForMs = 40_000;

export function shareClaims(ec2: Ec2, clock: Clock): Ec2 {
  let last: { readonly atMs: number; readonly enis: readonly Eni[] } | undefined;
  return {
    ...ec2,
    describeClaimed: async (owner, signal) => {
      const nowMs = clock.monotonicMs();
      if (last === undefined || nowMs - last.atMs > goodForMs) {
        last = { atMs: nowMs, enis: await ec2.describeClaimed(owner, signal) };
      }
      return last.enis;
    },
  };
}
