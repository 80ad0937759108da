// Where Auto Scaling is moving this instance (imds.md section 2): while that is the warm pool, nothing is claimed.
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Clock } from '../system/clock.ts';
import type { Random } from '../system/random.ts';
import type { Imds } from './imds.ts';

export type TargetStateDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly imds: Imds;
};

const path = 'meta-data/autoscaling/target-lifecycle-state';
/** An instance of which IMDS does not say it claims: that must not wait for a service that is away. */
const withinMs = 3_000;
const soonMs = 1_000;
/** As often as the notices. */
const everyMs = 4_000;
const jitterMs = 1_000;

/** Asked once; what is not known soon is no. Throws the signal's reason. */
export async function isWarm(
  { clock, imds }: Pick<TargetStateDeps, 'clock' | 'imds'>,
  signal: AbortSignal,
): Promise<boolean> {
  using deadline = clock.deadline(soonMs, signal);
  const state = await imds.tryText(path, deadline.signal).catch(() => undefined);
  signal.throwIfAborted();
  return isOfWarmPool(state);
}

/**
 * Resolves when the instance is not in a warm pool, nor on its way there. `onWarm` hears of each other state once:
 * `Warmed:Stopped`, `Warmed:Terminated`, ... Throws the signal's reason.
 */
export async function untilInService(
  deps: TargetStateDeps,
  onWarm: (state: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let known: string | undefined;
  for (;;) {
    // What cannot be read changes nothing.
    const read = await readState(deps, signal);
    const state = read.ok ? read.state : known;
    if (!isOfWarmPool(state)) return;
    if (state !== known) onWarm(state);
    known = state;
    await deps.clock.sleep(everyMs + deps.random.next() * jitterMs, signal);
  }
}

function isOfWarmPool(state: string | undefined): state is string {
  return state?.startsWith('Warmed:') === true;
}

type Read = { readonly ok: true; readonly state: string | undefined } | { readonly ok: false };

async function readState(
  { clock, log, imds }: TargetStateDeps,
  signal: AbortSignal,
): Promise<Read> {
  using deadline = clock.deadline(withinMs, signal);
  try {
    return { ok: true, state: await imds.readText(path, deadline.signal) };
  } catch (error) {
    signal.throwIfAborted();
    log.warn(`cannot read whether this instance is in a warm pool: ${messageOf(error)}`);
    return { ok: false };
  }
}
