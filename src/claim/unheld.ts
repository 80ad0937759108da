// When a standby may take an ENI that nobody holds: only once whoever else should have it had time to.
import type { StandbyConfig } from '../model/config.ts';
import type { Eni } from '../model/eni.ts';
import type { Identity } from '../model/instance.ts';
import { repeat } from './calls.ts';
import type { Step } from './decide.ts';
import { ownerOf, tagKeys } from './tags.ts';
import { writeClaim } from './take-from.ts';
import type { TryDeps } from './try-in-order.ts';
import { downStates } from './verdict.ts';

export type Unheld = {
  /** undefined: not yet; some time has passed. Throws `aws-denied` (ec2:CreateTags over a claim of another). */
  next(eni: Eni, signal: AbortSignal): Promise<Step | undefined>;
};

/** A primary that boots at the same time claims within seconds of its start, and one that restarts looks every second. */
const freeForMs = 10_000;
/** Who lives gives a claim back that it could not attach for 180 s since EC2 last throttled it (src/claim/acquire.ts). */
const claimedForMs = 200_000;
const waitMs = { least: 2_000, most: 30_000 } as const;

export function createUnheld(
  deps: TryDeps,
  { identity, fence }: { readonly identity: Identity; readonly fence: StandbyConfig['fence'] },
): Unheld {
  let seen = { what: '', sinceMs: 0 };

  return {
    next: async (eni, signal) => {
      const owner = ownerOf(eni);
      const nowMs = deps.clock.monotonicMs();
      const what = `${eni.eniId} ${owner} ${eni.tags[tagKeys.claim]}`;
      if (seen.what !== what) seen = { what, sinceMs: nowMs };
      const ageMs = nowMs - seen.sinceMs;
      const about = `standby for ${eni.eniId} (${eni.ipv4[0]})`;

      if (ageMs < freeForMs) {
        deps.progress('standby', `${about}, which is free: its primary goes first`);
      } else if (owner === undefined) {
        return { do: 'try', candidates: [eni], stale: [] };
      } else {
        const ownerId = owner.split('/').at(-1)!;
        const state = (await repeat(deps, () => deps.ec2.describeInstance(ownerId, signal), signal))
          ?.state;
        if (mayReplace(state, fence, ageMs)) {
          const claimed = await writeClaim(deps, { eni, identity }, signal);
          if (claimed !== undefined) return { do: 'resume', eni: claimed, stale: [] };
        }
        const until = fence === 'stop' ? '; stop that instance, or start berth there' : '';
        deps.progress(
          'standby',
          `${about}, which ${ownerId} (${state}) claims and has not attached${until}`,
        );
      }
      const stepMs = ageMs < freeForMs ? freeForMs - ageMs : ageMs / 4;
      const pauseMs = Math.max(
        100,
        Math.min(ageMs < freeForMs ? waitMs.least : waitMs.most, stepMs),
      );
      await deps.clock.sleep(pauseMs * (1 + deps.random.next() / 4), signal);
      return undefined;
    },
  };
}

/** `fence: stop`: an owner that may run may also write. An instance that EC2 has not known for so long is none. */
function mayReplace(
  state: string | undefined,
  fence: StandbyConfig['fence'],
  ageMs: number,
): boolean {
  if (state === undefined) return ageMs >= claimedForMs;
  if (fence === 'stop') return state === 'stopped' || state === 'terminated';
  return downStates.includes(state) || ageMs >= claimedForMs;
}
