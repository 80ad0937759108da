// From candidates to an ENI that can be used: one pass over them, and what is given back because nothing came of it.
import { BerthError, hasCode, messageOf } from '../errors.ts';
import type { PoolConfig } from '../model/config.ts';
import type { Claimed, Eni } from '../model/eni.ts';
import type { Identity } from '../model/instance.ts';
import { describe } from './calls.ts';
import type { Step } from './decide.ts';
import { letGo } from './let-go.ts';
import { checkEniLimit } from './limits.ts';
import type { Pace } from './pace.ts';
import { settle, type SettleDeps, type SettleInput } from './settle.ts';
import { ownerOf } from './tags.ts';
import { tryInOrder, type Attempt, type Refusals, type TryDeps } from './try-in-order.ts';

export type CandidateDeps = SettleDeps & TryDeps;

/** What earlier passes have learned, and this one adds to. */
export type CandidateMemory = {
  readonly unsuitable: Set<string>;
  readonly refused: Refusals;
  orphaned: ReadonlySet<string>;
};

export type CandidateInput = {
  readonly identity: Identity;
  readonly pool: PoolConfig;
  readonly otherPools: readonly string[];
  readonly deviceIndex: number;
  readonly step: Extract<Step, { readonly do: 'resume' | 'try' }>;
  readonly memory: CandidateMemory;
  readonly pace: Pace;
};

/**
 * So long and so often may the guard refuse an ENI that nobody owns, before we say that the policy is wrong:
 * authorization may see the tag of a former owner for 30 s.
 */
const deniedAtLeast = { ms: 60_000, times: 4 };

/** undefined: none was to be had. Throws as `claimEni`. */
export async function tryCandidates(
  deps: CandidateDeps,
  input: CandidateInput,
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
    taken === undefined ? undefined : await settleOrGiveBack(deps, { identity, ...taken }, signal);
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
export async function shed(
  deps: CandidateDeps,
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
export async function settleOrGiveBack(
  deps: CandidateDeps,
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
