// One phase of a stop: it has a deadline, and what does not end in time is said, so that the stop goes on.
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Clock } from './clock.ts';

/** `what` completes "cannot ...". Never throws. */
export async function within(
  { clock, log }: { readonly clock: Clock; readonly log: Log },
  ms: number,
  what: string,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  using deadline = clock.deadline(ms, new AbortController().signal);
  try {
    await work(deadline.signal);
  } catch (error) {
    const late = deadline.expired ? ` within ${ms / 1000} s` : '';
    log.warn(`cannot ${what}${late}: ${messageOf(error)}; the next start goes on from here`);
  }
}
