// Seeded fleets under faults: the invariants of claim.md section 7, then quiet, then everybody who can has one ENI.
import { expect, test } from 'vitest';
import { detachAndDrop } from '../../src/claim/release.ts';
import { reconcile, reconcileEveryMs } from '../../src/claim/reconcile.ts';
import { hasCode } from '../../src/errors.ts';
import { answers, type CallFault, type Ec2Call, type FakeEc2Dials } from '../fakes/ec2.ts';
import { createLog } from '../../src/log.ts';
import { createSeededRandom } from '../fakes/random.ts';
import { createClaimWorld, type ClaimWorld, type Instance } from '../fixtures/claim-world.ts';

const seeds = Number(process.env['BERTH_SEEDS'] ?? 200);
const firstSeed = Number(process.env['BERTH_SEED'] ?? 1);
const faultsForMs = 300_000;
const quietForMs = 600_000;

type Fleet = {
  readonly world: ClaimWorld;
  readonly chance: (probability: number) => boolean;
  readonly upTo: (ms: number) => number;
  /** Rates of this seed. */
  readonly rates: {
    readonly request: number;
    readonly reply: number;
    readonly throttle: number;
    readonly readLagMs: number;
    readonly authorizationLagMs: number;
  };
  faulty: boolean;
  readonly served: Map<string, string>;
  readonly releasing: Set<string>;
  readonly violations: string[];
  readonly counts: Record<'attaches' | 'crashes' | 'releases' | 'errors' | 'checks', number>;
};

test(
  'fleets under faults stay safe, and settle when the faults end',
  { timeout: 600_000 },
  async () => {
    const totals = { attaches: 0, crashes: 0, releases: 0, errors: 0, checks: 0 };
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
      const fleet = createFleet(seed);
      let problem: unknown;
      try {
        await sail(fleet);
      } catch (error) {
        problem = error;
      }
      for (const key of Object.keys(totals) as (keyof typeof totals)[])
        totals[key] += fleet.counts[key];
      expect({ seed, problem, violations: fleet.violations }).toEqual({
        seed,
        problem: undefined,
        violations: [],
      });
    }
    // Otherwise the fleets tested nothing.
    expect(totals.attaches).toBeGreaterThan(seeds);
    expect(totals.crashes).toBeGreaterThan(seeds);
    if (process.env['BERTH_SEEDS'] !== undefined) console.info(totals);
  },
);

function createFleet(seed: number): Fleet {
  const random = createSeededRandom(seed);
  const upTo = (most: number): number => random.next() * most;
  const authorizationLagMs = random.next() < 0.5 ? 0 : upTo(20_000);
  const world = createClaimWorld({
    seed: seed + 1_000_000,
    instances: 2 + Math.floor(upTo(3)),
    enis: 1 + Math.floor(upTo(4)),
    dials: { attachMs: upTo(5_000), detachMs: upTo(5_000), authorizationLagMs },
    log: Object.assign(
      createLog('silent', () => undefined),
      { lines: [] },
    ),
  });
  return {
    world,
    chance: (probability) => random.next() < probability,
    upTo,
    rates: {
      request: upTo(0.1),
      reply: upTo(0.2),
      throttle: upTo(0.3),
      readLagMs: upTo(5_000),
      authorizationLagMs,
    },
    faulty: true,
    served: new Map(),
    releasing: new Set(),
    violations: [],
    counts: { attaches: 0, crashes: 0, releases: 0, errors: 0, checks: 0 },
  };
}

async function sail(fleet: Fleet): Promise<void> {
  const { world } = fleet;
  const { time, model, instances } = world;
  const over = new AbortController();
  const lives = instances.map((instance) => live(fleet, instance, over.signal));
  await time.run(time.sleep(faultsForMs, over.signal));
  fleet.faulty = false;
  await time.run(time.sleep(quietForMs, over.signal));
  const { violations } = fleet;
  // Liveness: L1, L5.
  const holders = instances.filter((instance) => instance.held().length === 1);
  const possible = Math.min(instances.length, world.eniIds.length);
  if (holders.length !== possible) violations.push(`L1: ${holders.length} of ${possible} hold one`);
  if (fleet.served.size !== possible)
    violations.push(`L1: ${fleet.served.size} of ${possible} serve`);
  for (const eniId of world.eniIds) {
    const holder = model.eni(eniId)!.attachment?.instanceId;
    const owner = world.owner(eniId);
    const expected = holder === undefined ? undefined : model.arnOf(holder);
    if (owner !== expected) violations.push(`S2: ${eniId} at ${holder} carries ${owner}`);
  }
  over.abort();
  await time.run(Promise.all(lives));
  model[Symbol.dispose]();
}

/** Starts again and again, as systemd does. */
async function live(fleet: Fleet, instance: Instance, over: AbortSignal): Promise<void> {
  const { time } = fleet.world;
  while (!over.aborted) {
    await time.sleep(fleet.upTo(3_000), over).catch(() => undefined);
    const run = instance.start(dialsOf(fleet, instance));
    over.addEventListener('abort', run.kill, { once: true });
    if (fleet.faulty && fleet.chance(0.7)) {
      const inMs = fleet.upTo(fleet.chance(0.5) ? 8_000 : 120_000);
      void time.sleep(inMs, over).then(
        () => {
          if (!fleet.faulty) return;
          fleet.counts.crashes++;
          run.kill();
        },
        () => undefined,
      );
    }
    const { instanceId } = instance.identity;
    try {
      await serve(fleet, instance, run);
    } catch (error) {
      if (!run.signal.aborted) {
        fleet.counts.errors++;
        if (!hasCode(error, 'timeout', 'aws-denied'))
          fleet.violations.push(`error: ${String(error)}`);
        else if (!fleet.faulty) fleet.violations.push(`L5: ${error.message}`);
      }
    }
    run.kill();
    over.removeEventListener('abort', run.kill);
    fleet.served.delete(instanceId);
  }
}

async function serve(fleet: Fleet, instance: Instance, run: ReturnType<Instance['start']>) {
  const { identity } = instance;
  const { deps, signal } = run;
  for (;;) {
    const { claimed } = await run.claim();
    const { eni } = claimed;
    if (!instance.held().includes(eni.eniId))
      fleet.violations.push(
        `S3: ${identity.instanceId} serves ${eni.eniId}, which it does not hold`,
      );
    fleet.served.set(identity.instanceId, eni.eniId);
    for (;;) {
      await deps.clock.sleep(reconcileEveryMs(0) * (0.75 + fleet.upTo(0.5)), signal);
      if (fleet.faulty && fleet.chance(0.2)) {
        fleet.counts.releases++;
        fleet.releasing.add(identity.instanceId);
        fleet.served.delete(identity.instanceId);
        await detachAndDrop(deps, { eni, identity }, signal);
        await deps.record.clear();
        fleet.releasing.delete(identity.instanceId);
        break;
      }
      const answer = await reconcile(deps, { eni, identity, otherPools: [] }, signal);
      if (!answer.held) {
        // A release that a crash cut short went on in EC2.
        if (instance.held().includes(eni.eniId)) fleet.violations.push(`S8: ${answer.why}`);
        await deps.record.clear();
        break;
      }
    }
  }
}

function dialsOf(fleet: Fleet, instance: Instance): Partial<FakeEc2Dials> {
  const { chance, upTo, rates } = fleet;
  return {
    fault: () => (fleet.faulty ? faultOf(fleet) : undefined),
    latencyMs: () => 20 + upTo(400),
    readLagMs: () => (chance(0.3) ? 0 : upTo(rates.readLagMs)),
    guardGapMs: () => (fleet.faulty && chance(0.3) ? upTo(3_000) : 0),
    arrivesAfterDeath: () => chance(0.5),
    arrives: (call) => check(fleet, instance, call),
  };
}

function faultOf({ chance, rates }: Fleet): CallFault | undefined {
  if (chance(rates.request)) return 'request-lost';
  if (chance(rates.reply)) return 'reply-lost';
  if (chance(rates.throttle)) return answers.throttled;
  return chance(0.02) ? answers.unavailable : undefined;
}

function check(fleet: Fleet, instance: Instance, call: Ec2Call): void {
  const { violations, counts, world } = fleet;
  const { instanceId } = instance.identity;
  const eni = world.model.eni(call.target);
  const isReleasing = fleet.releasing.has(instanceId);
  const at = `${instanceId} at ${Math.round(world.time.monotonicMs())} ms`;
  counts.checks++;
  if (call.method === 'attach') {
    counts.attaches++;
    const others = instance
      .held()
      .filter((id) => id !== call.target && world.model.eni(id)?.status !== 'detaching');
    if (others.length > 0)
      violations.push(`S1: ${at} attaches ${call.target} holding ${others.join()}`);
    if (!(call.deviceIndex! > 0))
      violations.push(`S7: ${at} attaches at index ${call.deviceIndex}`);
  }
  if (call.method === 'detach' && !isReleasing) violations.push(`S4: ${at} detaches`);
  if (call.method === 'detach') {
    const holder = world.model
      .enis()
      .find((e) => e.attachment?.attachmentId === call.target)?.attachment;
    if (holder !== undefined && holder.instanceId !== instanceId)
      violations.push(`S5: ${at} detaches from ${holder.instanceId}`);
  }
  if (
    call.method === 'deleteClaim' &&
    !isReleasing &&
    eni?.attachment?.instanceId === instanceId &&
    eni.attachment.status !== 'detaching'
  )
    violations.push(`S4: ${at} drops its claim on ${call.target}, which it holds`);
}
