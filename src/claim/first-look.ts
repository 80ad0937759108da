// The first look at the pool that this instance is likely to serve, taken while its configuration is still on the way.
import type { Clock } from '../system/clock.ts';
import type { Ec2 } from './ec2.ts';

/** After that it is asked for anew: whoever may take over has no guard, and goes by what it sees. */
const goodForMs = 1_000;

/**
 * Asks as soon as the guess is there. The same port, whose first `describePool` has that answer if it is about the same pool;
 * where the guess was wrong it has cost one call that changes nothing. `signal` ends the call.
 */
export function lookAhead(
  deps: { readonly ec2: Ec2; readonly clock: Clock },
  /** undefined: there is none. Of an error whoever looks first hears. */
  guess: Promise<string | undefined>,
  signal: AbortSignal,
): Ec2 {
  const { ec2, clock } = deps;
  let answeredMs = Infinity;
  const answered = (): void => {
    answeredMs = clock.monotonicMs();
  };
  const look = async () => {
    const pool = await guess;
    return pool === undefined ? undefined : { pool, enis: ec2.describePool(pool, signal) };
  };
  let ahead: ReturnType<typeof look> | undefined = look();
  ahead.then((one) => one?.enis).then(answered, answered);
  return {
    ...ec2,
    describePool: async (name, signal) => {
      const first = ahead;
      ahead = undefined;
      const looked = await first;
      const isGood = looked?.pool === name && clock.monotonicMs() - answeredMs < goodForMs;
      return isGood ? looked.enis : ec2.describePool(name, signal);
    },
  };
}
