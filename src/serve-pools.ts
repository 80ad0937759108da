// The pools of this instance, each served by itself; and before any of them, what earlier configurations have left.
import type { Ec2 } from './claim/ec2.ts';
import { leaveOtherPools } from './claim/leave-other-pools.ts';
import type { ClaimRecords } from './claim/record.ts';
import { shareClaims } from './claim/share-claims.ts';
import type { PoolConfig, StandbyConfig } from './model/config.ts';
import type { Identity } from './model/instance.ts';
import type { Routing } from './route/routing.ts';
import { createServing, type ServeDeps, type Serving } from './serve.ts';
import type { Announce } from './tell/announce.ts';
import { keepTrying } from './tell/keep-trying.ts';
import type { News, PoolBoard } from './tell/status-board.ts';

export type ServePoolsDeps = Omit<ServeDeps, 'record' | 'board' | 'announce'> & {
  readonly ec2: Ec2;
  readonly routing: Routing;
  readonly records: ClaimRecords;
  /** Of the process, until the pools speak for it. */
  readonly board: News;
  readonly boardOf: (pool: string) => PoolBoard;
  readonly announceOf: (pool: string) => Announce;
  /** Goes on beside them, from when all are there until the first of them ends. */
  readonly beside: (signal: AbortSignal) => Promise<never> | undefined;
};

/** Looked at again before each claim: the pools stay the same, how long they are waited for may change. */
export type ServePoolsInput = {
  readonly identity: Identity;
  /** At least one. */
  readonly pools: readonly PoolConfig[];
  readonly takeOverStale: boolean;
  readonly standby: StandbyConfig | undefined;
};

/** Adds to `servings` one for each pool as it starts. Ends like the first of them does, see `Serving.run`. */
export async function servePools(
  deps: ServePoolsDeps,
  input: ServePoolsInput,
  servings: Serving[],
  signal: AbortSignal,
): Promise<never> {
  const { announceOf, beside, board, boardOf, clock, records, routing } = deps;
  const { identity, pools, standby } = input;
  const names = pools.map(({ name }) => name);
  await leaveOtherPools(deps, { records, names, identity }, signal);
  await keepTrying(deps, board, () => routing.prepare(signal), signal);
  const ec2 = pools.length > 1 ? shareClaims(deps.ec2, clock) : deps.ec2;
  for (const [i, pool] of pools.entries()) {
    const { name } = pool;
    const serving = createServing(
      { ...deps, ec2, record: records.of(name), board: boardOf(name), announce: announceOf(name) },
      {
        identity,
        get pool() {
          return input.pools[i] ?? pool;
        },
        otherPools: names.filter((other) => other !== name),
        deviceIndex: i + 1,
        get takeOverStale() {
          return input.takeOverStale;
        },
        standby,
      },
    );
    servings.push(serving);
  }
  const end = new AbortController();
  const life = AbortSignal.any([signal, end.signal]);
  const runs = [...servings.map((serving) => serving.run(life)), beside(life) ?? []].flat();
  try {
    return await Promise.race(runs);
  } finally {
    end.abort();
    await Promise.allSettled(runs);
  }
}
