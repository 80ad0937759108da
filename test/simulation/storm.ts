// Thousands of instances that boot together, on virtual time: the real claim, or a peer's algorithm, against one
// account's token buckets.
import { claimEni } from '../../src/claim/claim.ts';
import type { Ec2 } from '../../src/claim/ec2.ts';
import { reconcile, reconcileEveryMs } from '../../src/claim/reconcile.ts';
import type { Eni } from '../../src/model/eni.ts';
import type { Identity } from '../../src/model/instance.ts';
import type { Clock } from '../../src/system/clock.ts';
import type { Random } from '../../src/system/random.ts';
import { createMemoryLog } from '../fakes/log.ts';
import { createSeededRandom } from '../fakes/random.ts';
import { createVirtualTime, type VirtualTime } from '../fakes/virtual-time.ts';
import { claimInputOf, poolOf } from '../fixtures/claim-world.ts';
import { identityOf } from '../fixtures/identity.ts';
import { ec2Buckets } from '../lab/ec2-buckets.ts';
import { createStormEc2, newId, stormPool, type StormEc2 } from './storm-ec2.ts';

/** One instance, from its boot on. */
export type Policy = {
  /** Writes no claims, so that IAM cannot ask for one. */
  readonly isUnguarded: boolean;
  readonly live: (ship: Ship, signal: AbortSignal) => Promise<void>;
};

export type Ship = {
  readonly instanceId: string;
  readonly ec2: Ec2;
  /** The ENI that a configuration would give to this instance alone. */
  readonly assigned: Eni;
  /** So many ENIs. */
  readonly poolSize: number;
  /** See StormEc2. */
  readonly page: StormEc2['page'];
  readonly clock: Clock;
  readonly random: Random;
  readonly device: (mac: string, signal: AbortSignal) => Promise<void>;
  /** The address is served from now on. */
  readonly ready: () => void;
};

export type StormOptions = {
  readonly policy: Policy;
  readonly instances: number;
  readonly enis: number;
  readonly seed: number;
  readonly bucketScale: number;
  readonly bootWithinMs: number;
};

export type Storm = {
  readonly time: VirtualTime;
  readonly ec2: StormEc2;
  readonly readyAtMs: ReadonlyMap<string, number>;
  readonly untilReady: (count: number) => Promise<void>;
  readonly end: () => void;
};

const silent = createMemoryLog();
const quiet = { ...silent, debug: ignore, info: ignore, warn: ignore, error: ignore };

function ignore(): void {}

export function startStorm(options: StormOptions): Storm {
  const { policy, seed } = options;
  const time = createVirtualTime();
  const random = createSeededRandom(seed);
  const ec2 = createStormEc2({ clock: time, random, ...options });
  const readyAtMs = new Map<string, number>();
  const over = new AbortController();
  const stops: AbortController[] = [];
  const waits: { readonly count: number; readonly resolve: () => void }[] = [];
  const settle = (): void => {
    for (const { count, resolve } of waits) if (readyAtMs.size >= count) resolve();
  };
  const boot = async (instanceId: string, n: number, life: AbortSignal): Promise<void> => {
    await time.sleep(random.next() * options.bootWithinMs, life);
    ec2.launched(instanceId);
    const port = policy.isUnguarded ? ec2.unguardedPortOf(instanceId) : ec2.portOf(instanceId);
    const ship: Ship = {
      instanceId,
      ec2: port,
      assigned: ec2.enis()[n % options.enis]!,
      poolSize: options.enis,
      page: ec2.page,
      clock: time,
      random,
      device: (mac, signal) => ec2.device(instanceId, mac, signal),
      ready: () => {
        readyAtMs.set(instanceId, time.monotonicMs());
        settle();
      },
    };
    await policy.live(ship, life);
  };
  for (let n = 0; n < options.instances; n++) {
    // Their own: thousands of listeners on one signal are slow to remove.
    const life = new AbortController();
    stops.push(life);
    boot(newId('i', random), n, life.signal).catch((error: unknown) => {
      if (!over.signal.aborted) throw error;
    });
  }
  return {
    time,
    ec2,
    readyAtMs,
    untilReady: (count) =>
      new Promise((resolve) => {
        waits.push({ count, resolve });
        settle();
      }),
    end: () => {
      over.abort();
      for (const life of stops) life.abort(new Error('the storm is over'));
    },
  };
}

/** What the bucket of Attach alone permits. */
export function floorMs(enis: number, bucketScale = 1): number {
  const { most, perSecond } = ec2Buckets.lifecycle;
  return (Math.max(0, enis - most * bucketScale) / (perSecond * bucketScale)) * 1_000;
}

/** The code of this repository. */
export const berth: Policy = {
  isUnguarded: false,
  live: async ({ instanceId, ec2, clock, random, device, ready }, signal) => {
    const identity = stormIdentity(instanceId);
    let recorded: string | undefined;
    const deps = {
      ec2,
      clock,
      random,
      log: quiet,
      record: {
        load: () => Promise.resolve(recorded),
        save: (eniId: string) => Promise.resolve(void (recorded = eniId)),
        clear: () => Promise.resolve(void (recorded = undefined)),
      },
      unmanaged: { mark: () => Promise.resolve(), unmark: () => Promise.resolve() },
      progress: ignore,
      devices: {
        wait: async (mac: string, signal: AbortSignal) => {
          await device(mac, signal);
          return { name: 'ens6', index: 3, mac };
        },
      },
    };
    const input = claimInputOf(identity, { pool: poolOf({ name: stormPool }) });
    for (;;) {
      const { claimed, peers } = await claimEni(deps, input, signal);
      ready();
      const everyMs = reconcileEveryMs(peers) * (1 + random.next() / 2);
      let isHeld = true;
      while (isHeld) {
        await clock.sleep(everyMs, signal);
        const { eni } = claimed;
        isHeld = (await reconcile(deps, { eni, identity, otherPools: [] }, signal)).held;
      }
    }
  },
};

function stormIdentity(instanceId: string): Identity {
  const primarySubnet = { subnetId: 'subnet-a', ipv4Cidr: '10.0.0.0/16', ipv6Cidrs: [] };
  return identityOf({ instanceId, vpcId: 'vpc-a', primarySubnet });
}
