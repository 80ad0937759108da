// From "EC2 accepted the attach" to "usable": the attachment is attached and the kernel shows a device with the MAC.
import { BerthError } from '../errors.ts';
import type { Claimed, Device, Eni } from '../model/eni.ts';
import type { Identity, Subnet } from '../model/instance.ts';
import { backoffMs, type Backoff } from '../system/retry.ts';
import { describe, repeat, type CallDeps } from './calls.ts';

export type SettleDeps = CallDeps & {
  /** Resolves when a device with this MAC exists; event-driven (src/system/devices.ts). */
  readonly devices: { wait(mac: string, signal: AbortSignal): Promise<Device> };
};

export type SettleInput = {
  readonly eni: Eni;
  readonly identity: Identity;
  /**
   * EC2 said yes to our Attach just now, and `eni` shows it. The device with its MAC is proof enough then: one Describe
   * less for each claim, out of a budget that the whole account shares.
   */
  readonly accepted: boolean;
};

/** Normal below 60 s; at 180 s the instance is sick (claim.md section 4). */
const warnMs = 60_000;
const hardStopMs = 180_000;
/** EC2 shows no attachment of ours for so long, and the kernel no device: it is not there. */
const goneMs = 30_000;
/** An accepted attach shows its device within seconds; EC2 is asked when it does not. */
const unaskedMs = 5_000;
const attachedBackoff: Backoff = { firstMs: 500, factor: 1.5, capMs: 5_000 };

/**
 * Throws `device-missing`, `timeout` (never attached), `eni-gone` (not ours, or not any more), `aws-denied`
 * (ec2:DescribeSubnets).
 */
export async function settle(
  deps: SettleDeps,
  { eni, identity, accepted }: SettleInput,
  signal: AbortSignal,
): Promise<Omit<Claimed, 'peers'>> {
  using deadline = deps.clock.deadline(hardStopMs, signal);
  using warning = deps.clock.deadline(warnMs, deadline.signal);
  warning.signal.addEventListener('abort', () => {
    if (warning.expired)
      deps.log.warn({ eni: eni.eniId }, `${eni.eniId} is attached and still not usable after 60 s`);
  });
  // What one of them finds out ends the others.
  const over = new AbortController();
  const until = AbortSignal.any([deadline.signal, over.signal]);
  const attached = Promise.withResolvers<Eni>();
  const onAttached = (now: Eni): void => {
    const { deviceIndex, networkCardIndex } = now.attachment!;
    deps.log.info(
      { step: 'attached', sinceStartMs: Math.round(deps.clock.monotonicMs()) },
      `EC2 says attached, card ${networkCardIndex}, index ${deviceIndex}`,
    );
    attached.resolve(now);
  };
  const seen = new AbortController();
  try {
    const usable = Promise.all([
      attached.promise,
      deps.devices.wait(eni.mac, until).then((device) => {
        if (accepted) attached.resolve(eni);
        seen.abort();
        return device;
      }),
      subnetOf(deps, eni, identity, until),
    ]);
    const following = follow(
      deps,
      { eni, identity, accepted, seen: seen.signal, onAttached },
      until,
    );
    const [now, device, subnet] = await Promise.race([usable, following]);
    const { deviceIndex, networkCardIndex } = now.attachment!;
    return { claimed: { eni: now, deviceIndex, networkCardIndex, subnet }, device };
  } catch (error) {
    signal.throwIfAborted();
    if (!deadline.expired) throw error;
    throw !seen.signal.aborted
      ? new BerthError(
          'device-missing',
          `cannot find a network device with the MAC ${eni.mac} after ${hardStopMs / 1000} s: EC2 attached ${eni.eniId}, the kernel does not show it; replace this instance if it happens again`,
          { cause: error },
        )
      : new BerthError(
          'timeout',
          `cannot use ${eni.eniId}: EC2 does not say "attached" after ${hardStopMs / 1000} s`,
          { cause: error },
        );
  } finally {
    over.abort();
  }
}

type Followed = SettleInput & {
  /** Aborted when the kernel shows the device: EC2 then has news too. */
  readonly seen: AbortSignal;
  readonly onAttached: (eni: Eni) => void;
};

/** Goes on after "attached", which may be a stale read: a device that never comes may be an ENI that is not there. */
async function follow(
  deps: SettleDeps,
  { eni, identity, accepted, seen, onAttached }: Followed,
  signal: AbortSignal,
): Promise<never> {
  let oursAtMs = deps.clock.monotonicMs();
  let told = false;
  if (accepted) await sleepUnless(deps, unaskedMs, seen, signal);
  if (accepted && seen.aborted) await deps.clock.sleep(hardStopMs, signal);
  for (let attempt = 1; ; attempt++) {
    const now = await describe(deps, eni.eniId, signal);
    const attachment = now?.attachment;
    const holder = attachment?.instanceId;
    if (holder === identity.instanceId && attachment?.status !== 'detaching') {
      oursAtMs = deps.clock.monotonicMs();
      if (attachment?.status === 'attached' && !told) onAttached(now!);
      told ||= attachment?.status === 'attached';
    } else if (deps.clock.monotonicMs() - oursAtMs > goneMs && !seen.aborted) {
      throw new BerthError(
        'eni-gone',
        `cannot keep ${eni.eniId}: EC2 says that ${holder ?? 'nobody'} holds it`,
        { retryable: true },
      );
    }
    const delayMs = backoffMs(attachedBackoff, attempt, deps.random);
    await sleepUnless(deps, delayMs, seen, signal);
  }
}

async function sleepUnless(
  deps: CallDeps,
  ms: number,
  seen: AbortSignal,
  signal: AbortSignal,
): Promise<void> {
  const woken = seen.aborted ? signal : AbortSignal.any([signal, seen]);
  await deps.clock.sleep(ms, woken).catch(() => signal.throwIfAborted());
}

/**
 * The primary's subnet is known from IMDS, unless its block still lags behind its id; another one costs a call, made
 * beside the wait for the device.
 */
export function subnetOf(
  deps: CallDeps,
  eni: Eni,
  identity: Identity,
  signal: AbortSignal,
): Promise<Subnet> {
  const { primarySubnet } = identity;
  if (primarySubnet?.subnetId === eni.subnetId && primarySubnet.ipv4Cidr !== undefined)
    return Promise.resolve(primarySubnet);
  return repeat(deps, () => deps.ec2.describeSubnet(eni.subnetId, signal), signal);
}
