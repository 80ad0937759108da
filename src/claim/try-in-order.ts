// One pass over the candidates: one ENI after the other, never two at once.
import { BerthError } from '../errors.ts';
import type { Eni } from '../model/eni.ts';
import type { Identity } from '../model/instance.ts';
import type { Phase } from '../model/status.ts';
import { acquire, type Acquired } from './acquire.ts';
import { lagMs, type HoldDeps } from './calls.ts';
import type { Pace } from './pace.ts';
import type { ClaimRecord } from './record.ts';

export type TryDeps = HoldDeps & {
  readonly record: ClaimRecord;
  /** For the status: what is going on, in one sentence. */
  readonly progress: (phase: Phase, message: string) => void;
};

export type Attempt = { readonly eni: Eni; readonly result: Acquired };

/** See `Acquired`. */
export type Taken = { readonly eni: Eni; readonly accepted: boolean };

/** By ENI: since when, and how often running, its claim was denied while no look showed an owner. */
export type Refusals = Map<string, { readonly sinceMs: number; readonly times: number }>;

export type Pass = {
  readonly pace: Pace;
  readonly identity: Identity;
  readonly candidates: readonly Eni[];
  readonly isResumed: boolean;
  /** They come last. Kept up to date. */
  readonly refused: Refusals;
  readonly deviceIndex: number;
};

/** A wrong policy denies all of a pool: so many of them say it. */
const maxDenied = 4;

/** The record names the ENI before anything is changed, and until it is certain that we do not hold it. */
export async function tryInOrder(
  deps: TryDeps,
  { identity, candidates, isResumed, refused, deviceIndex, pace }: Pass,
  signal: AbortSignal,
): Promise<{ taken: Taken | undefined; attempts: readonly Attempt[] }> {
  const attempts: Attempt[] = [];
  let denied = 0;
  const startMs = deps.clock.monotonicMs();
  const inOrder = candidates.toSorted(
    (a, b) => Number(refused.has(a.eniId)) - Number(refused.has(b.eniId)),
  );
  for (const eni of inOrder) {
    // A role that may take over has no guard: it goes by what it has seen, which must not be old.
    const isOld = deps.clock.monotonicMs() - startMs > lagMs;
    if (denied === maxDenied || isOld) break;
    const { eniId } = eni;
    deps.progress('claiming', `claiming ${eniId}`);
    await deps.record.save(eniId);
    let result: Acquired;
    try {
      result = await acquire(
        { ...deps, pace },
        { eni, identity, resumed: isResumed, deviceIndex },
        signal,
      );
    } catch (error) {
      // `eni-limit`, `aws-denied`: given back.
      if (error instanceof BerthError) await deps.record.clear();
      throw error;
    }
    if (result.outcome === 'attached') return { taken: result, attempts };
    await deps.record.clear();
    deps.log.info({ eni: eniId, outcome: result.outcome }, `${eniId} is not ours: ${why(result)}`);
    attempts.push({ eni, result });
    if (result.outcome === 'busy') break;
    if (result.outcome === 'denied') {
      denied++;
      const before = refused.get(eniId) ?? { sinceMs: deps.clock.monotonicMs(), times: 0 };
      refused.set(eniId, { ...before, times: before.times + 1 });
    } else refused.delete(eniId);
  }
  return { taken: undefined, attempts };
}

function why(result: Exclude<Acquired, { readonly outcome: 'attached' }>): string {
  if ('error' in result) return result.error.message;
  return result.outcome === 'busy' ? 'EC2 is busy' : 'another instance was faster';
}
