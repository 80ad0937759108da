// What runs on each instance: berth's own code from the claim on, put together as src/daemon.ts does it.
import { leaveOtherPools } from '../../src/claim/leave-other-pools.ts';
import { createClaimRecords } from '../../src/claim/record.ts';
import { shareClaims } from '../../src/claim/share-claims.ts';
import type { Ec2 } from '../../src/claim/ec2.ts';
import type { StandbyDeps } from '../../src/claim/standby.ts';
import type { Identity, PoolConfig, StandbyConfig } from '../../src/model.ts';
import type { Routing } from '../../src/route/routing.ts';
import { createUnmanaged } from '../../src/route/unmanaged.ts';
import { createServing, type Serving } from '../../src/serve.ts';
import type { Files } from '../../src/system/files.ts';
import type { Announce } from '../../src/tell/announce.ts';
import { keepTrying } from '../../src/tell/keep-trying.ts';
import type { PoolBoard } from '../../src/tell/status-board.ts';

/** The outside world of one process. */
export type SimPorts = Pick<StandbyDeps, 'clock' | 'random' | 'log' | 'devices' | 'probe'> & {
  readonly ec2: Ec2;
  readonly files: Files;
  readonly routing: Routing;
  readonly boardOf: (pool: string) => PoolBoard;
  readonly announceOf: (pool: string) => Announce;
};

export type ProgramInput = {
  readonly identity: Identity;
  readonly pools: readonly PoolConfig[];
  readonly standby: StandbyConfig | undefined;
  readonly takeOverStale: boolean;
};

export type Program = {
  /** Rejects at the end, with the signal's reason or with why it failed. */
  run(signal: AbortSignal): Promise<never>;
  giveBack(signal: AbortSignal): Promise<void>;
};

export type StartProgram = (ports: SimPorts, input: ProgramInput) => Program;

const stateDir = '/var/lib/berth';

export const startBerth: StartProgram = (ports, input) => {
  const servings: Serving[] = [];
  return {
    run: (signal) => servePools(ports, input, servings, signal),
    giveBack: async (signal) => {
      await Promise.all(servings.map((serving) => serving.giveBack(signal)));
    },
  };
};

async function servePools(
  ports: SimPorts,
  input: ProgramInput,
  servings: Serving[],
  signal: AbortSignal,
): Promise<never> {
  const { ec2, routing } = ports;
  const { identity, pools, standby, takeOverStale } = input;
  const unmanaged = createUnmanaged(ports, { stateDir });
  const records = createClaimRecords(ports, { stateDir, instanceId: identity.instanceId });
  const names = pools.map(({ name }) => name);
  await leaveOtherPools({ ...ports, unmanaged }, { records, names, identity }, signal);
  const board = ports.boardOf(names[0]!);
  await keepTrying(ports, board, () => routing.prepare(signal), signal);
  const shared = pools.length > 1 ? shareClaims(ec2, ports.clock) : ec2;
  for (const [i, pool] of pools.entries()) {
    const deps = {
      ...ports,
      ec2: shared,
      unmanaged,
      record: records.of(pool.name),
      board: ports.boardOf(pool.name),
      announce: ports.announceOf(pool.name),
    };
    const otherPools = names.filter((name) => name !== pool.name);
    const serving = { identity, pool, otherPools, deviceIndex: i + 1, takeOverStale, standby };
    servings.push(createServing(deps, serving));
  }
  if (servings.length === 1) return servings[0]!.run(signal);
  const end = new AbortController();
  const life = AbortSignal.any([signal, end.signal]);
  const runs = servings.map((serving) => serving.run(life));
  try {
    return await Promise.race(runs);
  } finally {
    end.abort();
    await Promise.allSettled(runs);
  }
}
