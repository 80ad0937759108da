// Gets this instance one ENI of its pool and keeps at it until it has one (claim.md section 5, steps 1 to 8).
import { BerthError, hasCode, messageOf } from '../errors.ts';
import type { Eni, Identity, Phase } from '../model.ts';
import { backoffMs, type Backoff } from '../system/retry.ts';
import { acquire, type Acquired } from './acquire.ts';
import { dropClaim, repeat, type CallDeps } from './calls.ts';
import { nextStep, type Step } from './decide.ts';
import type { ClaimRecord } from './record.ts';
import { detachAndDrop } from './release.ts';
import { settle, type Claimed, type SettleDeps } from './settle.ts';
import { instanceArn } from './tags.ts';

export type ClaimDeps = CallDeps &
  SettleDeps & {
    readonly record: ClaimRecord;
    /** For the status: what is going on, in one sentence. */
    readonly progress: (phase: Phase, message: string) => void;
  };

export type ClaimInput = { readonly identity: Identity; readonly pool: string };

/** While the pool is empty: quick at first (a fail-over), then within the shared Describe budget (claim.md section 4). */
const waitBackoff: Backoff = { firstMs: 1_000, factor: 1.3, capMs: 30_000 };
const lookAgainMs = 1_000;
/** So often may the guard refuse ENIs that nobody owns, before we say that the policy is wrong. */
const maxDeniedPasses = 3;

/**
 * Resolves once EC2 says attached and the kernel shows the device. Waits for ever for a free ENI.
 * Throws `aws-denied` (naming the permission), `eni-limit`, `aws-invalid`, `timeout`, `device-missing`: nothing is
 * held then, and another call starts afresh.
 */
export async function claimEni(
  deps: ClaimDeps,
  input: ClaimInput,
  signal: AbortSignal,
): Promise<Claimed> {
  const { identity, pool } = input;
  const unsuitable = new Set<string>();
  let waits = 0;
  let deniedPasses = 0;
  for (;;) {
    const all = await repeat(deps, () => deps.ec2.describePool(pool, signal), signal);
    const enis = all.filter((eni) => !unsuitable.has(eni.eniId));
    const step = nextStep({ identity, pool, enis, recordedEniId: await deps.record.load() });
    await dropStale(deps, input, step, signal);

    switch (step.do) {
      case 'adopt': {
        deps.log.info(
          { eni: step.eni.eniId },
          `${step.eni.eniId} is attached to this instance already`,
        );
        for (const eni of step.surplus) {
          deps.log.warn(
            { eni: eni.eniId },
            `${eni.eniId} of the same pool is attached too; detaching it`,
          );
          await detachAndDrop(deps, { eni, identity }, signal);
        }
        return finish(deps, input, step.eni, signal);
      }
      case 'look-again':
        deps.progress('claiming', `${step.eni.eniId} is leaving this instance`);
        await deps.clock.sleep(lookAgainMs, signal);
        break;
      case 'resume':
      case 'try': {
        const candidates = step.do === 'resume' ? [step.eni] : step.candidates;
        const { taken, results } = await tryInOrder(deps, input, candidates, signal);
        if (taken !== undefined) return finish(deps, input, taken, signal);
        for (const { eni, result } of results) {
          if (result.outcome === 'unsuitable') unsuitable.add(eni.eniId);
        }
        const denied = results
          .map(({ result }) => result)
          .find(({ outcome }) => outcome === 'denied');
        deniedPasses = denied === undefined ? 0 : deniedPasses + 1;
        if (denied?.outcome === 'denied' && deniedPasses >= maxDeniedPasses)
          throw policyError(pool, denied.error);
        await deps.clock.sleep(backoffMs(waitBackoff, 1, deps.random), signal);
        break;
      }
      case 'wait':
        waits++;
        deps.progress('waiting-for-eni', `${step.why}; waiting for one`);
        await deps.clock.sleep(backoffMs(waitBackoff, waits, deps.random), signal);
        break;
    }
  }
}

/** One after the other, never two at once. */
async function tryInOrder(
  deps: ClaimDeps,
  { identity }: ClaimInput,
  candidates: readonly Eni[],
  signal: AbortSignal,
): Promise<{ taken: Eni | undefined; results: readonly { eni: Eni; result: Acquired }[] }> {
  const results: { eni: Eni; result: Acquired }[] = [];
  for (const eni of candidates) {
    deps.progress('claiming', `claiming ${eni.eniId}`);
    await deps.record.save(eni.eniId);
    const result = await acquire(deps, { eni, identity }, signal);
    if (result.outcome === 'attached') return { taken: eni, results };
    await deps.record.clear();
    const why = 'error' in result ? `: ${result.error.message}` : ': another instance was faster';
    deps.log.info({ eni: eni.eniId, outcome: result.outcome }, `${eni.eniId} is not ours${why}`);
    results.push({ eni, result });
  }
  return { taken: undefined, results };
}

/** Waits until the attachment can be used; an ENI that never becomes usable is given back. */
async function finish(
  deps: ClaimDeps,
  { identity }: ClaimInput,
  eni: Eni,
  signal: AbortSignal,
): Promise<Claimed> {
  deps.progress('attaching', `waiting for ${eni.eniId} (${eni.mac}) to show up`);
  await deps.record.save(eni.eniId);
  try {
    return await settle(deps, { eni, identity }, signal);
  } catch (error) {
    if (!hasCode(error, 'device-missing', 'timeout', 'eni-gone')) throw error;
    deps.log.warn({ eni: eni.eniId }, `${messageOf(error)}; giving ${eni.eniId} back`);
    await detachAndDrop(deps, { eni, identity }, signal);
    await deps.record.clear();
    throw error;
  }
}

async function dropStale(
  deps: ClaimDeps,
  { identity }: ClaimInput,
  step: Step,
  signal: AbortSignal,
): Promise<void> {
  if (!('stale' in step)) return;
  for (const eni of step.stale) {
    deps.log.info({ eni: eni.eniId }, `our claim on ${eni.eniId} came to nothing; giving it back`);
    await dropClaim(deps, { eniId: eni.eniId, owner: instanceArn(identity) }, signal);
  }
}

function policyError(pool: string, cause: BerthError): BerthError {
  return new BerthError(
    'aws-denied',
    `cannot claim any ENI of pool ${pool}: the instance role lacks ec2:CreateTags for ENIs that nobody owns; compare its policy with packaging/iam/base.json`,
    { cause, details: cause.details },
  );
}
