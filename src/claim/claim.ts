// Gets this instance one ENI of its pool and keeps at it until it has one (claim.md section 5, steps 1 to 8).
import { BerthError } from '../errors.ts';
import type { PoolConfig } from '../model/config.ts';
import type { Claimed, Eni } from '../model/eni.ts';
import type { Identity } from '../model/instance.ts';
import type { Phase } from '../model/status.ts';
import { backoffMs, type Backoff } from '../system/retry.ts';
import { dropClaim, lagMs } from './calls.ts';
import { refusalOf } from './candidates.ts';
import { nextStep, type Step } from './decide.ts';
import { createFit } from './limits.ts';
import { look, pageSize, type View } from './look.ts';
import { createPace } from './pace.ts';
import { createStaleClaims } from './stale.ts';
import { instanceArn, ownerOf } from './tags.ts';
import {
  settleOrGiveBack,
  shed,
  tryCandidates,
  type CandidateDeps,
  type CandidateMemory,
} from './try-candidates.ts';
import { createWaiting } from './waiting.ts';

export type ClaimDeps = CandidateDeps;

export type ClaimInput = {
  readonly identity: Identity;
  readonly pool: PoolConfig;
  /** Names of the other pools of this instance. */
  readonly otherPools: readonly string[];
  /** Preferred; each pool of an instance has its own. */
  readonly deviceIndex: number;
  readonly takeOverStale: boolean;
};

/** Who claims: a primary takes what it can, a standby what nobody else should have. */
export type Role = {
  /** For the status while EC2 does not answer. */
  readonly phase: Phase;
  /** A claim of ours on what leaves another instance: is it one that came to nothing? */
  readonly keepsClaims: boolean;
  /** Does a part of the pool do where any free ENI will? */
  readonly looksAtParts: boolean;
  /** What to do instead of `step`, as soon as there is something to do. undefined: look again. */
  readonly choose: (
    step: Step,
    enis: readonly Eni[],
    signal: AbortSignal,
  ) => Promise<Step | undefined>;
};

const primary: Role = {
  phase: 'claiming',
  keepsClaims: false,
  looksAtParts: true,
  choose: (step) => Promise.resolve(step),
};

/** What one call of claimEni has learned so far. */
type Memory = CandidateMemory & {
  doubted: string | undefined;
  /** What all of the pool was like when it was last seen. */
  peers: number;
  held: number;
  whyNone: string | undefined;
};

/** Between two passes: quick at first, then within the shared Describe budget (claim.md section 4). */
const passBackoff: Backoff = { firstMs: 1_000, factor: 1.3, capMs: 30_000 };

/**
 * Resolves once EC2 says attached and the kernel shows the device. Waits for a free ENI, for ever or as long as the pool
 * is configured to. Throws `pool-empty`, `aws-denied` (naming the permission), `eni-limit`, `aws-invalid`, `timeout`,
 * `device-missing`. Another call starts from what EC2 says then.
 */
export function claimEni(
  deps: ClaimDeps,
  input: ClaimInput,
  signal: AbortSignal,
): Promise<Claimed> {
  return claimAs(deps, { ...input, role: primary }, signal);
}

/** Throws what claimEni throws, and what the role's choice does. */
export async function claimAs(
  deps: ClaimDeps,
  input: ClaimInput & { readonly role: Role },
  signal: AbortSignal,
): Promise<Claimed> {
  const { identity, pool, role } = input;
  const me = instanceArn(identity);
  const untilMs = deps.clock.monotonicMs() + (pool.waitMs ?? Infinity);
  const tooLarge = createFit(deps, identity);
  const staleClaims = createStaleClaims(deps, me);
  const memory: Memory = {
    unsuitable: new Set(),
    refused: new Map(),
    orphaned: new Set(),
    doubted: undefined,
    peers: 0,
    held: 0,
    whyNone: undefined,
  };
  const pace = createPace(deps);
  const waiting = createWaiting(deps, { identity, pace });
  let wanted: View['of'] = 'all';
  for (let pause = 1; ;) {
    const recordedEniId = await deps.record.load();
    // What may be ours has to be seen: a pin, what the record names, and what the host shows beside its primary.
    const mayLookAtPart =
      role.looksAtParts &&
      pool.pin === undefined &&
      recordedEniId === undefined &&
      identity.macCount === 1;
    const view = await look(
      deps,
      {
        pool: pool.name,
        pace,
        maySample: mayLookAtPart,
        wanted: mayLookAtPart ? wanted : 'all',
        onTrouble: (trouble) => deps.progress(role.phase, `${trouble}; trying again`),
      },
      signal,
    );
    const { enis } = view;
    for (const eni of enis) if (ownerOf(eni) !== undefined) memory.refused.delete(eni.eniId);
    for (const eniId of await tooLarge(enis, signal)) memory.unsuitable.add(eniId);
    const next = nextStep({ identity, pool, enis, recordedEniId, ...memory });
    if (view.of !== 'unheld') {
      memory.peers = enis.length * view.share;
      memory.held = enis.filter((eni) => isHeldHere(eni, identity)).length * view.share;
      if (next.do === 'wait') memory.whyNone = next.why;
    }
    const { peers } = memory;
    if (await isDoubtful(deps, { step: next, recordedEniId, memory }, signal)) continue;
    for (const { eniId, mac, attachment } of next.stale) {
      if (role.keepsClaims && attachment?.status === 'detaching') continue;
      deps.log.info({ eni: eniId }, `our claim on ${eniId} came to nothing; giving it back`);
      await dropClaim(deps, { eniId, owner: me }, signal);
      await deps.unmanaged.unmark(mac);
    }

    const step = await role.choose(next, enis, signal);
    if (step === undefined) continue;
    let pauseMs: number | undefined;
    wanted = memory.peers > pageSize ? 'sample' : 'all';
    switch (step.do) {
      case 'adopt': {
        const { eni } = step;
        deps.log.info({ eni: eni.eniId }, `${eni.eniId} is attached to this instance already`);
        await shed(deps, identity, step.surplus, signal);
        await deps.unmanaged.mark(eni.mac);
        const claimed = await settleOrGiveBack(deps, { identity, eni, accepted: false }, signal);
        if (claimed !== undefined) return { ...claimed, peers };
        break;
      }
      case 'let-go':
        await shed(deps, identity, step.surplus, signal);
        break;
      case 'look-again':
        deps.progress('claiming', `${step.eni.eniId} is leaving this instance; waiting for that`);
        break;
      case 'resume':
      case 'try': {
        const claimed = await tryCandidates(deps, { ...input, step, memory, pace }, signal);
        if (claimed !== undefined) return { ...claimed, peers };
        break;
      }
      case 'wait':
        memory.whyNone ??= `no free ENI seen in pool ${pool.name}`;
        if (deps.clock.monotonicMs() >= untilMs) throw empty(pool, memory.whyNone);
        deps.progress('waiting-for-eni', `${memory.whyNone}; waiting for one`);
        if (input.takeOverStale) {
          memory.orphaned = await staleClaims.find(
            enis.filter((eni) => isOnlyClaimed(eni, input, memory)),
            signal,
          );
          if (memory.orphaned.size > 0) continue;
        }
        if (view.of === 'sample') wanted = 'unheld';
        else {
          pauseMs = await waiting.pauseMs(memory.held, signal);
          wanted = waiting.wanted();
        }
    }
    pauseMs ??= Math.max(backoffMs(passBackoff, pause++, deps.random), pace.turnMs());
    const leftMs = Math.max(0, untilMs - deps.clock.monotonicMs());
    await deps.clock.sleep(Math.min(leftMs, pauseMs), signal);
  }
}

/** Could we take it if nobody claimed it? */
function isOnlyClaimed(
  eni: Eni,
  { identity, pool }: Pick<ClaimInput, 'identity' | 'pool'>,
  { unsuitable }: Memory,
): boolean {
  const refusal = refusalOf(eni, { identity, pool, orphaned: new Set() });
  return refusal === 'claimed' && !unsuitable.has(eni.eniId);
}

/**
 * Before another ENI is tried or kept than the record names, which we may hold all the same: two reads beyond the lag have to
 * agree that we do not. True: look again.
 */
async function isDoubtful(
  deps: ClaimDeps,
  input: {
    readonly step: Step;
    readonly recordedEniId: string | undefined;
    readonly memory: Memory;
  },
  signal: AbortSignal,
): Promise<boolean> {
  const { step, recordedEniId, memory } = input;
  const isElsewhere =
    step.do === 'try' ||
    step.do === 'wait' ||
    // A person attached another one, while the attach of ours is too young to be seen.
    (step.do === 'adopt' && step.stale.some(({ eniId }) => eniId === recordedEniId));
  if (recordedEniId === undefined || !isElsewhere) return false;
  if (memory.doubted === recordedEniId) {
    await deps.record.clear();
    return false;
  }
  memory.doubted = recordedEniId;
  deps.progress('claiming', `making sure that ${recordedEniId} is not ours any more`);
  await deps.clock.sleep(lagMs, signal);
  return true;
}

function empty({ name, waitMs }: PoolConfig, why: string): BerthError {
  return new BerthError(
    'pool-empty',
    `cannot claim an ENI of pool ${name} within ${(waitMs ?? 0) / 1000} s: ${why}`,
  );
}

function isHeldHere({ status, availabilityZone }: Eni, identity: Identity): boolean {
  return status !== 'available' && availabilityZone === identity.availabilityZone;
}
