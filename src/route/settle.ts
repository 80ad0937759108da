// Repeats a check for a while: the kernel finishes some things behind our back.
import type { Clock } from '../system/clock.ts';

const withinMs = 3_000;
const pollMs = [5, 10, 20, 50, 100] as const;

/** The problems that are left when there are none, or after 3 s. */
export async function settle(
  deps: { readonly clock: Clock },
  check: () => Promise<readonly string[]>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const untilMs = deps.clock.monotonicMs() + withinMs;
  for (let poll = 0; ; poll++) {
    const problems = await check();
    if (problems.length === 0 || deps.clock.monotonicMs() >= untilMs) return problems;
    await deps.clock.sleep(pollMs[Math.min(poll, pollMs.length - 1)]!, signal);
  }
}
