// Gets this instance one ENI of its pool and keeps at it until it has one (claim.md section 5, steps 1 to 8).
import { BerthError, hasCode, messageOf } from '../errors.ts';
import type { Eni, Identity } from '../model.ts';
import { backoffMs, type Backoff } from '../system/retry.ts';
import { dropClaim, lagMs, repeat } from './calls.ts';
import { nextStep } from './decide.ts';
import { letGo } from './let-go.ts';
import { settle, type Claimed, type SettleDeps } from './settle.ts';
import { instanceArn, ownerOf } from './tags.ts';
import { tryInOrder, type Attempt, type Refusals, type TryDeps } from './try-in-order.ts';

export type ClaimDeps = SettleDeps & TryDeps;

export type ClaimInput = { readonly identity: Identity; readonly pool: string };

/** While there is none to take: quick at first (a fail-over), then within the shared Describe budget (claim.md section 4). */
const waitBackoff: Backoff = { firstMs: 1_000, factor: 1.3, capMs: 30_000 };
/**
 * So long and so often may the guard refuse an ENI that nobody owns, before we say that the policy is wrong:
 * authorization may see the tag of a former owner for 30 s.
 */
const deniedAtLeast = { ms: 60_000, times: 4 };

/**
 * Resolves once EC2 says attached and the kernel shows the device. Waits for ever for a free ENI.
 * Throws `aws-denied` (naming the permission), `eni-limit`, `aws-invalid`, `timeout`, `device-missing`. Another call
 * starts from what EC2 says then.
 */
export async function claimEni(
  deps: ClaimDeps,
  input: ClaimInput,
  signal: AbortSignal,
): Promise<Claimed> {
  const { identity, pool } = input;
  const unsuitable = new Set<string>();
  const refused: Refusals = new Map();
  let doubted: string | undefined;
  for (let pause = 1; ; pause++) {
    const enis = await look(deps, pool, signal);
    for (const eni of enis) if (ownerOf(eni) !== undefined) refused.delete(eni.eniId);
    const recordedEniId = await deps.record.load();
    const step = nextStep({ identity, pool, enis, recordedEniId, unsuitable });
    if (recordedEniId !== undefined && (step.do === 'try' || step.do === 'wait')) {
      // We may hold it all the same: two reads beyond the lag have to agree before another is tried.
      if (doubted !== recordedEniId) {
        doubted = recordedEniId;
        deps.progress('claiming', `making sure that ${recordedEniId} is not ours any more`);
        await deps.clock.sleep(lagMs, signal);
        continue;
      }
      await deps.record.clear();
    }
    for (const eni of step.stale) {
      deps.log.info(
        { eni: eni.eniId },
        `our claim on ${eni.eniId} came to nothing; giving it back`,
      );
      await dropClaim(deps, { eniId: eni.eniId, owner: instanceArn(identity) }, signal);
      await deps.unmanaged.unmark(eni.mac);
    }

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
          await letGo(deps, { eni, identity }, signal);
        }
        await deps.unmanaged.mark(step.eni.mac);
        const claimed = await finish(deps, input, step.eni, signal);
        if (claimed !== undefined) return claimed;
        break;
      }
      case 'look-again':
        deps.progress('claiming', `${step.eni.eniId} is leaving this instance; waiting for that`);
        break;
      case 'resume':
      case 'try': {
        const isResumed = step.do === 'resume';
        const candidates = step.do === 'resume' ? [step.eni] : step.candidates;
        const { taken, attempts } = await tryInOrder(
          deps,
          { identity, candidates, isResumed, refused },
          signal,
        );
        const claimed = taken === undefined ? undefined : await finish(deps, input, taken, signal);
        if (claimed !== undefined) return claimed;
        for (const { eni, result } of attempts) {
          if (result.outcome === 'unsuitable') unsuitable.add(eni.eniId);
          if (result.outcome === 'failed') throw result.error;
        }
        const denied = denialIn(attempts);
        if (denied !== undefined) {
          deps.progress('claiming', `${denied.message}, for ENIs that nobody owns; trying again`);
          const nowMs = deps.clock.monotonicMs();
          for (const { sinceMs, times } of refused.values()) {
            if (nowMs - sinceMs > deniedAtLeast.ms && times >= deniedAtLeast.times)
              throw policyError(pool, denied);
          }
        }
        break;
      }
      case 'wait':
        deps.progress('waiting-for-eni', `${step.why}; waiting for one`);
        break;
    }
    await deps.clock.sleep(backoffMs(waitBackoff, pause, deps.random), signal);
  }
}

function look(deps: ClaimDeps, pool: string, signal: AbortSignal): Promise<readonly Eni[]> {
  return repeat(
    deps,
    () => deps.ec2.describePool(pool, signal),
    signal,
    (trouble) => deps.progress('claiming', `${trouble}; trying again`),
  );
}

/**
 * Waits until the attachment can be used; an ENI that never becomes usable is given back. undefined: EC2 says that it
 * is not attached to us.
 */
async function finish(
  deps: ClaimDeps,
  { identity }: ClaimInput,
  eni: Eni,
  signal: AbortSignal,
): Promise<Claimed | undefined> {
  deps.progress('attaching', `waiting for ${eni.eniId} (${eni.mac}) to show up`);
  await deps.record.save(eni.eniId);
  try {
    return await settle(deps, { eni, identity }, signal);
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
