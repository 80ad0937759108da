// The first look at the pool that this instance is likely to serve, taken while its configuration is still on the way.
import type { Clock } from '../system/clock.ts';
import type { Ec2 } from './ec2.ts';

/** After that it is asked for anew: whoever may take over has no guard, and goes by what it sees. */
const goodForMs = 1_000;

/**
 * Asks at once. The same port, whose first `describePool` has that answer if it is about the same pool; where the guess was
 * wrong it has cost one call that changes nothing. `signal` ends the call.
 */
export function lookAhead(
  deps: { readonly ec2: Ec2; readonly clock: Clock },
  pool: string,
  signal: AbortSignal,
): Ec2 {
  const { ec2, clock } = deps;
  let answeredMs = Infinity;
  const answered = (): void => {
    answeredMs = clock.monotonicMs();
  };
  let ahead: ReturnType<Ec2['describePool']> | undefined = ec2.describePool(pool, signal);
  // Of an error whoever looks first hears.
  ahead.then(answered, answered);
  return {
    ...ec2,
    describePool: (name, signal) => {
      const isGood = name === pool && clock.monotonicMs() - answeredMs < goodForMs;
      const answer = isGood ? ahead : undefined;
      ahead = undefined;
      return answer ?? ec2.describePool(name, signal);
    },
  };
}
