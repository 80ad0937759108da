// What runs on each instance: berth's own code from the claim on.
import { createClaimRecords } from '../../src/claim/record.ts';
import { lookAhead } from '../../src/claim/first-look.ts';
import type { Ec2 } from '../../src/claim/ec2.ts';
import type { StandbyDeps } from '../../src/claim/standby.ts';
import type { Routing } from '../../src/route/routing.ts';
import { createUnmanaged } from '../../src/route/unmanaged.ts';
import { servePools, type ServePoolsInput } from '../../src/serve-pools.ts';
import type { Serving } from '../../src/serve.ts';
import type { Files } from '../../src/system/files.ts';
import type { Announce } from '../../src/tell/announce.ts';
import type { PoolBoard } from '../../src/tell/status-board.ts';

/** The outside world of one process. */
export type SimPorts = Pick<StandbyDeps, 'clock' | 'random' | 'log' | 'devices' | 'probe'> & {
  readonly ec2: Ec2;
  readonly files: Files;
  readonly routing: Routing;
  readonly boardOf: (pool: string) => PoolBoard;
  readonly announceOf: (pool: string) => Announce;
};

export type ProgramInput = ServePoolsInput;

export type Program = {
  /** Rejects at the end, with the signal's reason or with why it failed. */
  run(signal: AbortSignal): Promise<never>;
  giveBack(signal: AbortSignal): Promise<void>;
};

export type StartProgram = (ports: SimPorts, input: ProgramInput) => Program;

const stateDir = '/var/lib/berth';
/** Meanwhile the first look is on its way. */
const configurationMs = 300;

export const startBerth: StartProgram = (ports, input) => {
  const servings: Serving[] = [];
  return {
    run: async (signal) => {
      const ec2 = lookAhead(ports, Promise.resolve(input.pools[0]!.name), signal);
      await ports.clock.sleep(configurationMs, signal);
      return servePools(
        {
          ...ports,
          ec2,
          unmanaged: createUnmanaged(ports, { stateDir }),
          records: createClaimRecords(ports, { stateDir, instanceId: input.identity.instanceId }),
          board: ports.boardOf(input.pools[0]!.name),
          beside: () => undefined,
        },
        input,
        servings,
        signal,
      );
    },
    giveBack: async (signal) => {
      await Promise.all(servings.map((serving) => serving.giveBack(signal)));
    },
  };
};
