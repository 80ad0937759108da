// What IMDS shows late after an attach, too long after a detach, or not at all after a boot (imds.md section 4).
import type { Clock } from '../../src/system/clock.ts';
import type { Random } from '../../src/system/random.ts';
import type { Ec2Model } from './ec2-model.ts';
import type { LabAttachment, LabEni } from './ec2-world.ts';

/**
 * In milliseconds but for the last two; each may be turned at any time, and holds for what happens from then on. Primary
 * ENIs never lag.
 */
export type ImdsLags = {
  /** From the attach until the MAC is listed: up to 30 s were seen. */
  macLateMs: number;
  /** From then until there are keys under it. */
  keysLateMs: number;
  /** From then until its device-number is another than 0. */
  deviceNumberLateMs: number;
  /** From then until it has a network-card, where it has one. */
  networkCardLateMs: number;
  /** From then until it has ipv6s. */
  ipv6LateMs: number;
  /** A change of its addresses shows so late. */
  addressesLateMs: number;
  /** From the end of a detach: so long the MAC stays listed, without keys. More than 5 min were seen. */
  staleMacMs: number;
  /** From a boot: so long the secondary ENIs are not listed. */
  omittedAfterBootMs: number;
  /** Chance that after a forced detach all stays as it was until the instance is stopped and started. */
  staleForced: number;
  /** 1: each time is drawn anew, from none up to what its dial says. */
  jitter: number;
};

/** One MAC as IMDS lists it just now. */
export type ListedMac = {
  readonly eni: LabEni;
  readonly hasKeys: boolean;
  readonly deviceNumber: number;
  readonly networkCard: number | undefined;
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
};

export type LaggingMacs = Disposable & {
  readonly lags: ImdsLags;
  /** In the order of EC2, stale ones last. */
  of(instanceId: string): readonly ListedMac[];
  /** As a reboot does it. A stopped instance that starts again does it by itself. */
  boot(instanceId: string): void;
};

type AttachedEni = LabEni & { readonly attachment: LabAttachment };
type Times = Readonly<Record<'mac' | 'keys' | 'deviceNumber' | 'networkCard' | 'ipv6', number>>;
type Stale = {
  readonly instanceId: string;
  readonly eni: LabEni;
  /** Infinity: until a stop and start. */
  readonly untilMs: number;
  readonly listed: ListedMac;
};

export function createLaggingMacs(
  model: Ec2Model,
  clock: Pick<Clock, 'monotonicMs'>,
  random: Pick<Random, 'next'>,
): LaggingMacs {
  const lags: ImdsLags = {
    macLateMs: 0,
    keysLateMs: 0,
    deviceNumberLateMs: 0,
    networkCardLateMs: 0,
    ipv6LateMs: 0,
    addressesLateMs: 0,
    staleMacMs: 0,
    omittedAfterBootMs: 0,
    staleForced: 0,
    jitter: 0,
  };
  const attached = new Map<string, AttachedEni>();
  /** By attachment: when each of its parts shows. */
  const times = new Map<string, Times>();
  const omittedUntilMs = new Map<string, number>();
  const booting = new Set<string>();
  let stale: readonly Stale[] = [];
  const happens = (chance: number): boolean =>
    chance >= 1 || (chance > 0 && random.next() < chance);
  const draw = (ms: number): number => (ms > 0 ? ms * (1 - lags.jitter * random.next()) : 0);

  const onAttach = (eni: AttachedEni): void => {
    const { instanceId } = eni.attachment;
    stale = stale.filter(
      (entry) => entry.eni.eniId !== eni.eniId || entry.instanceId !== instanceId,
    );
    const mac = clock.monotonicMs() + draw(lags.macLateMs);
    const keys = mac + draw(lags.keysLateMs);
    times.set(eni.attachment.attachmentId, {
      mac,
      keys,
      deviceNumber: keys + draw(lags.deviceNumberLateMs),
      networkCard: keys + draw(lags.networkCardLateMs),
      ipv6: keys + draw(lags.ipv6LateMs),
    });
  };
  const onDetach = (eni: AttachedEni): void => {
    const { attachmentId, instanceId } = eni.attachment;
    const shown = listed(eni);
    times.delete(attachmentId);
    omittedUntilMs.delete(attachmentId);
    const nowMs = clock.monotonicMs();
    const stays = eni.attachment.isForced && happens(lags.staleForced);
    const untilMs = stays ? Number.POSITIVE_INFINITY : nowMs + draw(lags.staleMacMs);
    if (untilMs <= nowMs || shown === undefined) return;
    const left = stays ? shown : { ...shown, hasKeys: false };
    stale = [
      ...stale.filter((entry) => entry.untilMs > nowMs),
      { instanceId, eni, untilMs, listed: left },
    ];
  };
  const boot = (instanceId: string): void => {
    stale = stale.filter(
      (entry) => entry.instanceId !== instanceId || entry.untilMs === Number.POSITIVE_INFINITY,
    );
    for (const { attachment } of model.enisOf(instanceId)) {
      omittedUntilMs.set(
        attachment!.attachmentId,
        clock.monotonicMs() + draw(lags.omittedAfterBootMs),
      );
    }
  };

  const listed = (eni: AttachedEni): ListedMac | undefined => {
    const nowMs = clock.monotonicMs();
    const { attachmentId, deviceIndex, networkCardIndex } = eni.attachment;
    const before = model.world.enis.agoOrFirst(eni.eniId, lags.addressesLateMs) ?? eni;
    const networkCard = networkCardIndex === 0 ? undefined : networkCardIndex;
    const shown = { eni, hasKeys: true, deviceNumber: deviceIndex, networkCard };
    if (isPrimary(eni)) return { ...shown, ipv4: before.ipv4, ipv6: before.ipv6 };
    const at = times.get(attachmentId);
    const isThere = (part: keyof Times): boolean => at === undefined || at[part] <= nowMs;
    if (!isThere('mac') || (omittedUntilMs.get(attachmentId) ?? 0) > nowMs) return undefined;
    return {
      eni,
      hasKeys: isThere('keys'),
      deviceNumber: isThere('deviceNumber') ? deviceIndex : 0,
      networkCard: isThere('networkCard') ? networkCard : undefined,
      ipv4: before.ipv4,
      ipv6: isThere('ipv6') ? before.ipv6 : [],
    };
  };

  const stop = model.on('change', (change) => {
    if (change.kind === 'instance') {
      const state = change.instance?.state;
      if (state === 'pending') booting.add(change.id);
      else if (state === 'running' && booting.delete(change.id)) {
        stale = stale.filter((entry) => entry.instanceId !== change.id);
        boot(change.id);
      }
      return;
    }
    const was = attached.get(change.id);
    const is = isAttached(change.eni) ? change.eni : undefined;
    if (was !== undefined && was.attachment.attachmentId !== is?.attachment.attachmentId) {
      onDetach(was);
    }
    if (is === undefined) attached.delete(change.id);
    else {
      attached.set(change.id, is);
      if (was?.attachment.attachmentId !== is.attachment.attachmentId) onAttach(is);
    }
  });

  return {
    lags,
    boot,
    of: (instanceId) => {
      const nowMs = clock.monotonicMs();
      const left = stale
        .filter((entry) => entry.instanceId === instanceId && entry.untilMs > nowMs)
        .map((entry) => entry.listed);
      const live = model
        .enisOf(instanceId)
        .filter(isAttached)
        .flatMap((eni) => listed(eni) ?? []);
      return [...live, ...left];
    },
    [Symbol.dispose]: stop,
  };
}

function isAttached(eni: LabEni | undefined): eni is AttachedEni {
  return eni?.attachment !== undefined;
}

function isPrimary({ attachment }: AttachedEni): boolean {
  return attachment.deviceIndex === 0 && attachment.networkCardIndex === 0;
}
