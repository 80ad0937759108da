// What other tools do when an instance boots, as policies of the storm: which ENI they choose, and when they try again.
// None of them has a claim, so that all they do is list, choose and attach (claim.md section 8). Where a tool lists without
// pages its answer would be refused in a large account; here it gets all pages.
import { hasCode } from '../../src/errors.ts';
import type { Eni } from '../../src/model/eni.ts';
import type { Clock } from '../../src/system/clock.ts';
import type { Random } from '../../src/system/random.ts';
import { pageSize } from './storm-ec2.ts';
import type { Policy, Ship } from './storm.ts';

/** AWS SDKs send a throttled call again by themselves: so often, after so long at most (botocore, legacy mode). */
const sdk = { tries: 5, firstMs: 1_000, mostMs: 20_000 } as const;

type Peer = {
  /** Of all that are available; undefined: none is left. */
  readonly choose: (free: readonly Eni[], random: Random) => Eni | undefined;
  /** Whether it lists again after a failed attach, at once. */
  readonly walksOn: boolean;
  /** Until it starts all over after a failure. */
  readonly againMs: number;
};

/** binxio/ec2-network-interface-manager: the first; an error ends it until the next event or the timer of five minutes. */
export const firstFree = peer({ choose: (free) => free[0], walksOn: false, againMs: 300_000 });

/** sebdah/aws-ec2-assign-elastic-ip: the list is shuffled, the attach verified, the next one tried. */
export const shuffle = peer({
  choose: (free, random) => free[Math.floor(random.next() * free.length)],
  walksOn: true,
  againMs: 60_000,
});

/** AndrewGuenther/fck-nat: its ENI is fixed by configuration, one for each; it tries again every 5 s, for ever. */
export const fixedRetry: Policy = {
  isUnguarded: true,
  live: async (ship, signal) => {
    const eni = ship.assigned;
    while (!(await attach(ship, eni, signal))) await ship.clock.sleep(5_000, signal);
    await ship.device(eni.mac, signal);
    ship.ready();
  },
};

function peer({ choose, walksOn, againMs }: Peer): Policy {
  return {
    isUnguarded: true,
    live: async (ship, signal) => {
      for (;;) {
        const eni = await pass(ship, { choose, walksOn }, signal);
        if (eni !== undefined) {
          await ship.device(eni.mac, signal);
          ship.ready();
          return;
        }
        await ship.clock.sleep(againMs * (walksOn ? 1 : ship.random.next()), signal);
      }
    },
  };
}

async function pass(
  ship: Ship,
  { choose, walksOn }: Pick<Peer, 'choose' | 'walksOn'>,
  signal: AbortSignal,
): Promise<Eni | undefined> {
  const { random } = ship;
  let free = (await list(ship, signal)).filter(({ status }) => status === 'available');
  for (;;) {
    const eni = choose(free, random);
    if (eni === undefined) return undefined;
    if (await attach(ship, eni, signal)) return eni;
    if (!walksOn) return undefined;
    free = free.filter(({ eniId }) => eniId !== eni.eniId);
  }
}

/** Each page is asked for again by itself. Empty: throttled for too often. */
async function list(ship: Ship, signal: AbortSignal): Promise<readonly Eni[]> {
  const enis: Eni[] = [];
  for (;;) {
    const page = await sdkRetry(ship, () => ship.page(enis.length, signal), signal);
    if (page === undefined) return [];
    enis.push(...page);
    if (page.length < pageSize || enis.length === ship.poolSize) return enis;
  }
}

/** Did EC2 accept it? */
async function attach(ship: Ship, { eniId }: Eni, signal: AbortSignal): Promise<boolean> {
  const { ec2, instanceId } = ship;
  const input = { eniId, instanceId, deviceIndex: 1, networkCardIndex: 0 };
  return (await sdkRetry(ship, () => ec2.attach(input, signal), signal)) !== undefined;
}

/** undefined: an error, or throttled for too often. */
async function sdkRetry<T>(
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  call: () => Promise<T>,
  signal: AbortSignal,
): Promise<T | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      signal.throwIfAborted();
      if (!hasCode(error, 'aws-throttled') || attempt === sdk.tries) return undefined;
      const mostMs = Math.min(sdk.mostMs, sdk.firstMs * 2 ** (attempt - 1));
      await clock.sleep(random.next() * mostMs, signal);
    }
  }
}
