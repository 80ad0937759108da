// Takes one ENI: guarded tag, attach, and after any doubt the question who holds it (claim.md section 5, steps 4 to 7).
import { BerthError, hasCode } from '../errors.ts';
import type { Eni } from '../model/eni.ts';
import type { Identity } from '../model/instance.ts';
import type { Phase } from '../model/status.ts';
import { backoffMs } from '../system/retry.ts';
import {
  authorizationLagMs,
  describe,
  dropClaim,
  stepBackoff,
  type CallDeps,
  type HoldDeps,
} from './calls.ts';
import { throttledMs, type Pace } from './pace.ts';
import { freeDeviceIndex } from './device-index.ts';
import type { Instance } from './ec2.ts';
import { whoHolds, type Holder } from './holder.ts';
import { putClaim, type Refused } from './put-claim.ts';
import { instanceArn, ownerOf } from './tags.ts';

export type AcquireDeps = HoldDeps & {
  readonly pace: Pace;
  /** For the status: what is in the way. */
  readonly progress: (phase: Phase, message: string) => void;
};

export type AcquireInput = {
  readonly eni: Eni;
  readonly identity: Identity;
  /** An earlier run may have attached it: whatever EC2 answers may be about that. */
  readonly resumed: boolean;
  /** Preferred; each pool of an instance has its own. */
  readonly deviceIndex: number;
};

/** What became of the attempt. Everything but `attached` leaves no claim and no attachment of ours behind. */
export type Acquired =
  /** `accepted`: EC2 said so to this very attach, and `eni` shows it; else it was only found to be so. */
  | { readonly outcome: 'attached'; readonly eni: Eni; readonly accepted: boolean }
  | Refused
  /** It cannot be attached to this instance: another AZ, too many addresses. */
  | { readonly outcome: 'unsuitable'; readonly error: BerthError }
  /** It would not attach: `timeout`, `aws-invalid`. Another one may. */
  | { readonly outcome: 'failed'; readonly error: BerthError };

/** Give the ENI back when its attach has not settled by then (claim.md section 4). */
const attachDeadlineMs = 180_000;

/** Throws `eni-limit` (this instance type is full), `aws-denied` (attach): our claim was given back before. */
export async function acquire(
  deps: AcquireDeps,
  input: AcquireInput,
  signal: AbortSignal,
): Promise<Acquired> {
  const { eni, identity, resumed } = input;
  const isTagged = ownerOf(eni) === instanceArn(identity);
  // The marker is written while the tag is.
  const [claim] = await Promise.all([
    isTagged ? ({ outcome: 'ours', eni } as const) : putClaim(deps, input, signal),
    deps.unmanaged.mark(eni.mac),
  ]);
  if (claim.outcome === 'ours') return attach(deps, { ...input, eni: claim.eni }, signal);
  if (resumed && (await ask(deps, input, true, signal)) === 'me') return found(input);
  await deps.unmanaged.unmark(eni.mac);
  return claim;
}

/** A lost reply never leads to another ENI: the same one is tried again until EC2 says who holds it. */
async function attach(
  deps: AcquireDeps,
  input: AcquireInput,
  signal: AbortSignal,
): Promise<Acquired> {
  const { eni, identity } = input;
  let startMs = deps.clock.monotonicMs();
  const spentMs = (): number => deps.clock.monotonicMs() - startMs;
  const refusedIndexes = new Set<number>();
  let look: Instance | undefined;
  let inDoubt = input.resumed;
  let deniedAtMs: number | undefined;
  // Whoever was throttled before it came here has others before it.
  if (!inDoubt) await deps.clock.sleep(deps.pace.turnMs(), signal);

  for (let attempt = 1; ; attempt++) {
    const deviceIndex = freeDeviceIndex(look, input.deviceIndex, refusedIndexes);
    const answer = await attachOnce(deps, input, deviceIndex, signal);
    if (!(answer instanceof BerthError)) return answer;
    const error = answer;

    if (hasCode(error, 'aws-unknown-outcome', 'aws-unavailable')) inDoubt = true;
    else if (!hasCode(error, 'aws-throttled', 'aws-credentials')) {
      if (inDoubt || hasCode(error, 'eni-in-use', 'eni-gone')) {
        const holder = await ask(deps, input, inDoubt, signal);
        if (holder === 'me') return found(input);
        inDoubt = false;
        // What is in use is not gone: that read was a bad one.
        const isSure = holder !== 'gone' || !hasCode(error, 'eni-in-use');
        if (holder !== 'nobody' && isSure)
          return giveBack(deps, input, { outcome: 'lost' }, signal);
      }
    }

    switch (error.code) {
      case 'eni-unsuitable':
        return giveBack(deps, input, { outcome: 'unsuitable', error }, signal);
      case 'aws-invalid':
        return giveBack(deps, input, { outcome: 'failed', error }, signal);
      case 'eni-limit':
        throw await giveBack(deps, input, full(eni, identity, error), signal);
      case 'eni-index-taken':
        refusedIndexes.add(deviceIndex);
        look = await lookAtSelf(deps, input, signal);
        break;
      case 'aws-denied': {
        deniedAtMs ??= spentMs();
        if (spentMs() - deniedAtMs > authorizationLagMs)
          throw await giveBack(deps, input, error, signal);
        const refused = await claimStillOurs(deps, input, signal);
        if (refused !== undefined) return refused;
        break;
      }
      case 'aws-throttled':
        // EC2 is busy, and the ENI is not to blame.
        startMs = deps.clock.monotonicMs();
        deps.pace.note();
        break;
      default:
    }
    if (spentMs() > attachDeadlineMs) {
      if (inDoubt && (await ask(deps, input, true, signal)) === 'me') return found(input);
      return giveBack(deps, input, { outcome: 'failed', error: late(eni, error) }, signal);
    }
    deps.progress('claiming', `${error.message}; trying ${eni.eniId} again`);
    const delayMs = hasCode(error, 'aws-throttled')
      ? throttledMs(deps.pace, stepBackoff, attempt, deps.random)
      : backoffMs(stepBackoff, attempt, deps.random);
    await deps.clock.sleep(delayMs, signal);
    // One read that names us is enough; any other proves nothing yet.
    if (inDoubt && (await ask(deps, input, false, signal)) === 'me') return found(input);
  }
}

function found({ eni }: AcquireInput): Acquired {
  return { outcome: 'attached', eni, accepted: false };
}

async function attachOnce(
  deps: CallDeps,
  { eni, identity }: AcquireInput,
  deviceIndex: number,
  signal: AbortSignal,
): Promise<Acquired | BerthError> {
  const { eniId } = eni;
  const { instanceId } = identity;
  const networkCardIndex = 0;
  try {
    const input = { eniId, instanceId, deviceIndex, networkCardIndex };
    const attachmentId = await deps.ec2.attach(input, signal);
    // EC2 sets DeleteOnTermination for interfaces of the launch only; reconcile looks.
    const attachment = {
      attachmentId,
      instanceId,
      deviceIndex,
      networkCardIndex,
      status: 'attaching' as const,
      deleteOnTermination: false,
      attachedAt: undefined,
    };
    return { outcome: 'attached', eni: { ...eni, attachment }, accepted: true };
  } catch (error) {
    if (error instanceof BerthError) return error;
    throw error;
  }
}

/** A hint that may be stale or missing: EC2 refuses an index that is taken. Never rejects. */
async function lookAtSelf(
  deps: CallDeps,
  { identity }: AcquireInput,
  signal: AbortSignal,
): Promise<Instance | undefined> {
  try {
    return await deps.ec2.describeInstance(identity.instanceId, signal);
  } catch (error) {
    if (hasCode(error, 'aws-denied')) deps.log.warn(error.message);
    return undefined;
  }
}

/** After a denied attach, which may be the second copy of one that was not: undefined while the claim is ours, or ours again. */
async function claimStillOurs(
  deps: AcquireDeps,
  input: AcquireInput,
  signal: AbortSignal,
): Promise<Acquired | undefined> {
  const now = await describe(deps, input.eni.eniId, signal);
  // Another wrote its name over ours after we had attached it: the attachment beats the tag.
  if (now?.attachment?.instanceId === input.identity.instanceId) return found(input);
  const owner = now === undefined ? undefined : ownerOf(now);
  if (owner === instanceArn(input.identity)) return undefined;
  const isFree = now !== undefined && owner === undefined && now.attachment === undefined;
  const claim = isFree
    ? await putClaim(deps, { ...input, eni: now }, signal)
    : ({ outcome: 'lost' } as const);
  if (claim.outcome === 'ours') return undefined;
  // That read may be a bad one: what is attached to us is not given up for it.
  if ((await ask(deps, input, true, signal)) === 'me') return found(input);
  // It may be older than our tag, so that a claim of ours may have to go.
  return giveBack(deps, input, claim, signal);
}

function ask(
  deps: CallDeps,
  { eni, identity }: AcquireInput,
  inDoubt: boolean,
  signal: AbortSignal,
): Promise<Holder> {
  const { eniId } = eni;
  return whoHolds(deps, { eniId, instanceId: identity.instanceId, inDoubt }, signal);
}

async function giveBack<T>(
  deps: HoldDeps,
  { eni, identity }: AcquireInput,
  outcome: T,
  signal: AbortSignal,
): Promise<T> {
  await dropClaim(deps, { eniId: eni.eniId, owner: instanceArn(identity) }, signal);
  await deps.unmanaged.unmark(eni.mac);
  return outcome;
}

function full(eni: Eni, identity: Identity, cause: BerthError): BerthError {
  return new BerthError(
    'eni-limit',
    `cannot attach ${eni.eniId}: ${identity.instanceType} holds as many ENIs as it can; use a larger instance type or detach one`,
    { cause, details: cause.details },
  );
}

function late(eni: Eni, cause: BerthError): BerthError {
  return new BerthError(
    'timeout',
    `cannot attach ${eni.eniId} within ${attachDeadlineMs / 1000} s: ${cause.message}`,
    { cause, retryable: true },
  );
}
