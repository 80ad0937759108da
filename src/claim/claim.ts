// Gets this instance one ENI of its pool and keeps at it until it has one (claim.md section 5, steps 1 to 8).
import { BerthError, hasCode, messageOf } from '../errors.ts';
import type { PoolConfig } from '../model/config.ts';
import type { Claimed, Eni } from '../model/eni.ts';
import type { Identity } from '../model/instance.ts';
import type { Phase } from '../model/status.ts';
import { backoffMs, type Backoff } from '../system/retry.ts';
import { describe, dropClaim, lagMs } from './calls.ts';
import { refusalOf } from './candidates.ts';
import { nextStep, type Step } from './decide.ts';
import { letGo } from './let-go.ts';
import { checkEniLimit, createFit } from './limits.ts';
import { look, pageSize, type View } from './look.ts';
import { createPace, type Pace } from './pace.ts';
import { settle, type SettleDeps, type SettleInput } from './settle.ts';
import { createStaleClaims } from './stale.ts';
import { instanceArn, ownerOf } from './tags.ts';
import { tryInOrder, type Attempt, type Refusals, type TryDeps } from './try-in-order.ts';
import { createWaiting } from './waiting.ts';

export type ClaimDeps = SettleDeps & TryDeps;

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
type Memory = {
  readonly unsuitable: Set<string>;
  readonly refused: Refusals;
  orphaned: ReadonlySet<string>;
  doubted: string | undefined;
  /** What all of the pool was like when it was last seen. */
  peers: number;
  held: number;
  whyNone: string | undefined;
};

/** Between two passes: quick at first, then within the shared Describe budget (claim.md section 4). */
const passBackoff: Backoff = { firstMs: 1_000, factor: 1.3, capMs: 30_000 };
/**
 * So long and so often may the guard refuse an ENI that nobody owns, before we say that the policy is wrong:
 * authorization may see the tag of a former owner for 30 s.
 */
const deniedAtLeast = { ms: 60_000, times: 4 };

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
        const claimed = await finish(deps, { identity, eni, accepted: false }, signal);
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
        const claimed = await take(deps, { ...input, step, memory, pace }, signal);
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

/** One pass over the candidates. undefined: none was to be had. */
async function take(
  deps: ClaimDeps,
  input: ClaimInput & {
    readonly step: Extract<Step, { readonly do: 'resume' | 'try' }>;
    readonly memory: Memory;
    readonly pace: Pace;
  },
  signal: AbortSignal,
): Promise<Omit<Claimed, 'peers'> | undefined> {
  const { identity, pool, otherPools, deviceIndex, step, memory, pace } = input;
  await checkEniLimit(deps, { identity, pools: otherPools.length + 1 }, signal);
  const isResumed = step.do === 'resume';
  const candidates = step.do === 'resume' ? [step.eni] : step.candidates;
  const { refused } = memory;
  const pass = { identity, candidates, isResumed, refused, deviceIndex, pace };
  const { taken, attempts } = await tryInOrder(deps, pass, signal);
  memory.orphaned = new Set();
  const claimed =
    taken === undefined ? undefined : await finish(deps, { identity, ...taken }, signal);
  if (claimed !== undefined) return claimed;
  for (const { eni, result } of attempts) {
    if (result.outcome === 'unsuitable') memory.unsuitable.add(eni.eniId);
    if (result.outcome === 'failed') throw result.error;
  }
  const denied = denialIn(attempts);
  if (denied === undefined) return undefined;
  deps.progress('claiming', `${denied.message}; looking whether another instance was faster`);
  const nowMs = deps.clock.monotonicMs();
  for (const [eniId, { sinceMs, times }] of refused) {
    if (nowMs - sinceMs <= deniedAtLeast.ms || times < deniedAtLeast.times) continue;
    const now = await describe(deps, eniId, signal);
    if (now?.status === 'available' && ownerOf(now) === undefined)
      throw policyError(pool.name, denied);
    refused.delete(eniId);
  }
  return undefined;
}

/** One ENI of a pool is enough. */
async function shed(
  deps: ClaimDeps,
  identity: Identity,
  surplus: readonly Eni[],
  signal: AbortSignal,
): Promise<void> {
  for (const eni of surplus) {
    deps.log.warn({ eni: eni.eniId }, `${eni.eniId} is attached and not wanted; detaching it`);
    await letGo(deps, { eni, identity }, signal);
  }
}

/**
 * Waits until the attachment can be used; an ENI that never becomes usable is given back. undefined: EC2 says that it
 * is not attached to us.
 */
async function finish(
  deps: ClaimDeps,
  input: SettleInput,
  signal: AbortSignal,
): Promise<Omit<Claimed, 'peers'> | undefined> {
  const { eni, identity } = input;
  deps.progress('attaching', `waiting for ${eni.eniId} (${eni.mac}) to show up`);
  await deps.record.save(eni.eniId);
  try {
    return await settle(deps, input, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!hasCode(error, 'device-missing', 'timeout', 'eni-gone')) throw error;
    deps.log.warn({ eni: eni.eniId }, `${messageOf(error)}; giving ${eni.eniId} back`);
    if (await letGo(deps, { eni, identity }, signal)) await deps.record.clear();
    if (hasCode(error, 'eni-gone')) return undefined;
    throw error;
  }
}

function denialIn(attempts: readonly Attempt[]): BerthError | undefined {
  for (const { result } of attempts) if (result.outcome === 'denied') return result.error;
  return undefined;
}

function policyError(pool: string, cause: BerthError): BerthError {
  return new BerthError(
    'aws-denied',
    `cannot claim any ENI of pool ${pool}: the instance role lacks ec2:CreateTags for ENIs that nobody owns; compare its policy with packaging/iam/base.json`,
    { cause, details: cause.details },
  );
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
