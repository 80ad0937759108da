// Takes one ENI: guarded tag, attach, and after any doubt the question who holds it (claim.md section 5, steps 4 to 7).
import { BerthError, hasCode } from '../errors.ts';
import type { Eni, Identity } from '../model.ts';
import { backoffMs } from '../system/retry.ts';
import { describe, dropClaim, repeat, stepBackoff, type CallDeps } from './calls.ts';
import type { Self } from './ec2.ts';
import { instanceArn, nextClaim, ownerOf } from './tags.ts';

export type AcquireInput = { readonly eni: Eni; readonly identity: Identity };

/** What became of the attempt. Everything but `attached` leaves no claim and no attachment of ours behind. */
export type Acquired =
  | { readonly outcome: 'attached' }
  /** Another instance was faster, or the ENI is gone. */
  | { readonly outcome: 'lost' }
  /** It cannot be attached to this instance: another AZ, too many addresses. */
  | { readonly outcome: 'unsuitable'; readonly error: BerthError }
  /** Not allowed to claim it, though nobody owns it: the policy. */
  | { readonly outcome: 'denied'; readonly error: BerthError };

/** Two reads this far apart agree only on what is so (claim.md section 7: read lag up to 5 s). */
const lagMs = 6_000;
/** Tags used in authorization lag behind (claim.md section 3). */
const authorizationLagMs = 30_000;
/** Give the ENI back when its attach has not settled by then (claim.md section 4). */
const attachDeadlineMs = 180_000;

/**
 * Throws `eni-limit` (this instance type is full), `aws-denied` (attach), `aws-invalid`, `timeout` (the attach never
 * settled): in each case our claim was given back before.
 */
export async function acquire(
  deps: CallDeps,
  input: AcquireInput,
  signal: AbortSignal,
): Promise<Acquired> {
  // The free device index is looked up while the tag is written.
  const look = deps.ec2.describeSelf(input.identity.instanceId, signal).catch(() => undefined);
  if (ownerOf(input.eni) !== instanceArn(input.identity)) {
    const refused = await putClaim(deps, input, signal);
    if (refused !== undefined) return refused;
  }
  return attach(deps, input, await look, signal);
}

/** undefined: the claim is ours. */
async function putClaim(
  deps: CallDeps,
  { eni, identity }: AcquireInput,
  signal: AbortSignal,
): Promise<Acquired | undefined> {
  const me = instanceArn(identity);
  const claim = nextClaim(eni, deps.random.uuid());
  try {
    // Repeating is harmless: under the guard it writes our own claim again.
    await repeat(deps, () => deps.ec2.createClaim(eni.eniId, me, claim, signal), signal);
    return undefined;
  } catch (error) {
    if (hasCode(error, 'eni-gone')) return { outcome: 'lost' };
    if (!hasCode(error, 'aws-denied')) throw error;
    // The guard refused: another's claim, or a lost reply to our own call.
    const now = await describe(deps, eni.eniId, signal);
    const owner = now === undefined ? undefined : ownerOf(now);
    if (owner === me) return undefined;
    return now === undefined || owner !== undefined || now.attachment !== undefined
      ? { outcome: 'lost' }
      : { outcome: 'denied', error };
  }
}

/**
 * The attachment is the lock, so nothing is waited for after the tag: of two instances that passed the guard, EC2
 * lets one attach. A lost reply never leads to another ENI: the same one is tried again until EC2 says who holds it.
 */
async function attach(
  deps: CallDeps,
  input: AcquireInput,
  firstLook: Self | undefined,
  signal: AbortSignal,
): Promise<Acquired> {
  const { eni, identity } = input;
  const startMs = deps.clock.monotonicMs();
  let look = firstLook;
  let deniedSinceMs: number | undefined;
  let inDoubt = false;

  for (let attempt = 1; ; attempt++) {
    const error = await attachOnce(deps, input, look, signal);
    if (error === undefined) return { outcome: 'attached' };
    look = undefined;
    const late = deps.clock.monotonicMs() - startMs > attachDeadlineMs;

    if (hasCode(error, 'aws-unknown-outcome', 'aws-unavailable')) inDoubt = true;
    else if (inDoubt || hasCode(error, 'eni-in-use', 'eni-gone')) {
      // Whatever EC2 says now may be about our own earlier attempt.
      const holder = await whoHolds(deps, input, inDoubt, signal);
      if (holder === 'me') return { outcome: 'attached' };
      inDoubt = false;
      if (holder !== 'nobody') return giveBack(deps, input, { outcome: 'lost' }, signal);
    }

    switch (error.code) {
      case 'eni-unsuitable':
        return giveBack(deps, input, { outcome: 'unsuitable', error }, signal);
      case 'eni-limit':
        await giveBack(deps, input, { outcome: 'lost' }, signal);
        throw full(eni, identity, error);
      case 'aws-invalid':
        await giveBack(deps, input, { outcome: 'lost' }, signal);
        throw error;
      case 'aws-denied': {
        deniedSinceMs ??= deps.clock.monotonicMs();
        const now = await describe(deps, eni.eniId, signal);
        const owner = now === undefined ? undefined : ownerOf(now);
        if (owner !== undefined && owner !== instanceArn(identity)) return { outcome: 'lost' };
        if (late || deps.clock.monotonicMs() - deniedSinceMs > authorizationLagMs) {
          await giveBack(deps, input, { outcome: 'lost' }, signal);
          throw error;
        }
        break;
      }
      default:
        if (!late) break;
        if (inDoubt && (await whoHolds(deps, input, true, signal)) === 'me')
          return { outcome: 'attached' };
        await giveBack(deps, input, { outcome: 'lost' }, signal);
        throw new BerthError(
          'timeout',
          `cannot attach ${eni.eniId} within ${attachDeadlineMs / 1000} s: ${error.message}`,
          { cause: error, retryable: true },
        );
    }
    const delayMs = backoffMs(stepBackoff, attempt, deps.random);
    deps.log.info({ eni: eni.eniId, attempt }, `${error.message}; trying the same ENI again`);
    await deps.clock.sleep(delayMs, signal);
  }
}

/** One attempt, at the lowest free device index of card 0; undefined when EC2 said yes, or shows that we hold it. */
async function attachOnce(
  deps: CallDeps,
  { eni, identity }: AcquireInput,
  look: Self | undefined,
  signal: AbortSignal,
): Promise<BerthError | undefined> {
  try {
    const self = look ?? (await deps.ec2.describeSelf(identity.instanceId, signal));
    const nics = self?.attachments ?? [];
    if (nics.some((nic) => nic.eniId === eni.eniId)) return undefined;
    const taken = nics.filter((nic) => nic.networkCardIndex === 0).map((nic) => nic.deviceIndex);
    let deviceIndex = 1;
    while (taken.includes(deviceIndex)) deviceIndex++;
    await deps.ec2.attach(
      { eniId: eni.eniId, instanceId: identity.instanceId, deviceIndex, networkCardIndex: 0 },
      signal,
    );
    return undefined;
  } catch (error) {
    if (error instanceof BerthError) return error;
    throw error;
  }
}

/**
 * Asks EC2 for the holder. A read that names us is enough. When an attempt of ours may have succeeded (`inDoubt`),
 * anything else counts only once two reads further apart than EC2's lag agree.
 */
async function whoHolds(
  deps: CallDeps,
  { eni, identity }: AcquireInput,
  inDoubt: boolean,
  signal: AbortSignal,
): Promise<'me' | 'another' | 'nobody' | 'gone'> {
  const read = async (): Promise<'me' | 'another' | 'nobody' | 'gone'> => {
    const now = await describe(deps, eni.eniId, signal);
    if (now === undefined) return 'gone';
    if (now.attachment === undefined) return 'nobody';
    return now.attachment.instanceId === identity.instanceId ? 'me' : 'another';
  };
  let last = await read();
  if (!inDoubt) return last;
  while (last !== 'me') {
    await deps.clock.sleep(lagMs, signal);
    const next = await read();
    if (next === last) break;
    last = next;
  }
  return last;
}

/** Compare-delete: our claim goes, another's stays. */
async function giveBack<T extends Acquired>(
  deps: CallDeps,
  { eni, identity }: AcquireInput,
  outcome: T,
  signal: AbortSignal,
): Promise<T> {
  await dropClaim(deps, { eniId: eni.eniId, owner: instanceArn(identity) }, signal);
  return outcome;
}

function full(eni: Eni, identity: Identity, cause: BerthError): BerthError {
  return new BerthError(
    'eni-limit',
    `cannot attach ${eni.eniId}: ${identity.instanceType} holds as many ENIs as it can; use a larger instance type or detach one`,
    { cause, details: cause.details },
  );
}
