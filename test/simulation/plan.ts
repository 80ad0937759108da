// What a seed is about: how many instances and ENIs, which faults, how often. About half of the faults are off in a seed,
// so that the others get their turn alone (swarm testing).
import { createDraws, type Draws } from './draws.ts';

/** Chances are of 0 to 1 for each call, or for each misfortune of an instance; durations are the longest ones. */
export type Plan = {
  readonly seed: number;
  readonly instances: number;
  readonly enis: number;
  /** Pools of each instance: 1 or 2. */
  readonly pools: number;
  /** ENIs in another zone, that nobody here can have. */
  readonly elsewhere: number;
  readonly instanceType: string;
  /** So many instances stand by for the others; 0: no failover group. */
  readonly standbys: number;
  readonly fence: 'detach' | 'stop';
  readonly takeOverStale: boolean;
  /** The role may change DeleteOnTermination (packaging/iam/keep.json). */
  readonly mayKeep: boolean;
  readonly releaseOnStop: boolean;
  /** A terminated instance is replaced. */
  readonly isReplaced: boolean;
  readonly waitMs: number | undefined;
  readonly safetyMs: number;
  readonly calls: CallRates;
  readonly ec2: {
    readonly attachMs: number;
    readonly detachMs: number;
    readonly deviceMs: number;
    readonly stopMs: number;
    readonly startMs: number;
    readonly terminateMs: number;
    readonly authorizationLagMs: number;
    readonly attachStuck: number;
    readonly detachStuck: number;
    readonly deviceNever: number;
    readonly inUseAsValue: number;
    readonly tagWriteMs: number;
  };
  readonly misfortunes: Readonly<Record<Misfortune, number>>;
  /** Between two misfortunes of one instance. */
  readonly misfortuneEveryMs: number;
  /** A life of a process ends at one of its first calls. */
  readonly killAtCall: number;
  /** The first life of the first instance ends at this very call. */
  readonly firstKill: KillAt | undefined;
};

export type KillAt = { readonly call: number; readonly isAfter: boolean };

export type CallRates = {
  readonly latencyMs: number;
  readonly requestLost: number;
  readonly replyLost: number;
  readonly duplicate: number;
  readonly throttled: number;
  readonly serverError: number;
  readonly truncated: number;
  readonly readLagMs: number;
  /** Chance of a read that is minutes old. */
  readonly longLag: number;
  /** Chance of a read that starts a while in which Describes of this instance omit ENIs, and the longest such while. */
  readonly omission: number;
  readonly omissionMs: number;
  /** Between the check of the guard and the writing of the tag. */
  readonly guardGapMs: number;
  /** EC2 answers nobody for a while. */
  readonly outageMs: number;
};

/** What happens to an instance, or what a person does. */
export type Misfortune =
  | 'crash'
  | 'restart'
  | 'reboot'
  | 'stop-start'
  | 'terminate'
  | 'wall-clock'
  | 'routes-flushed'
  | 'impaired'
  | 'index-taken'
  | 'eni-deleted'
  | 'owner-deleted'
  | 'owner-overwritten'
  | 'claim-overwritten'
  | 'delete-on-termination'
  | 'detached'
  | 'attached-elsewhere';

export const misfortunes: readonly Misfortune[] = [
  'crash',
  'restart',
  'reboot',
  'stop-start',
  'terminate',
  'wall-clock',
  'routes-flushed',
  'impaired',
  'index-taken',
  'eni-deleted',
  'owner-deleted',
  'owner-overwritten',
  'claim-overwritten',
  'delete-on-termination',
  'detached',
  'attached-elsewhere',
];

export function drawPlan(seed: number): Plan {
  const draws = createDraws(seed, 'plan');
  /** Two numbers each, so that no dial moves the ones after it. */
  const sometimes = (most: number): number => {
    const isOn = draws.next() < 0.5;
    const amount = draws.upTo(most);
    return isOn ? amount : 0;
  };
  const isHa = draws.chance(0.2);
  const takeOverStale = draws.chance(0.4);
  const instances = skewed(draws);
  const enis = isHa ? 1 + draws.int(Math.min(3, instances)) : skewed(draws);
  const pools = !isHa && draws.chance(0.15) ? 2 : 1;
  const standbys = isHa ? Math.max(1, Math.min(instances - 1, 1 + draws.int(2))) : 0;
  const weight = (misfortune: Misfortune): number => {
    const amount = draws.chance(0.4) ? draws.upTo(1) : 0;
    const isRare = misfortune === 'eni-deleted' || misfortune === 'terminate';
    return isRare ? amount / 4 : amount;
  };
  return {
    seed,
    instances,
    enis,
    pools,
    elsewhere: draws.chance(0.1) ? 1 + draws.int(2) : 0,
    instanceType: draws.chance(0.2) && pools === 1 ? 't3.micro' : 't3.medium',
    standbys,
    fence: draws.chance(0.5) ? 'detach' : 'stop',
    takeOverStale,
    mayKeep: draws.chance(0.7),
    releaseOnStop: draws.chance(0.5),
    isReplaced: draws.chance(0.7),
    waitMs: draws.chance(0.1) ? 30_000 + draws.upTo(200_000) : undefined,
    safetyMs: draws.between(30_000, 240_000),
    calls: {
      latencyMs: draws.between(20, 500),
      requestLost: sometimes(0.1),
      replyLost: sometimes(0.2),
      duplicate: sometimes(0.1),
      throttled: sometimes(0.3),
      serverError: sometimes(0.1),
      truncated: sometimes(0.05),
      readLagMs: sometimes(5_000),
      longLag: draws.chance(0.1) ? draws.upTo(0.02) : 0,
      omission: draws.chance(0.15) ? draws.upTo(0.1) : 0,
      omissionMs: draws.upTo(4_500),
      guardGapMs: sometimes(3_000),
      outageMs: draws.chance(0.1) ? draws.upTo(120_000) : 0,
    },
    ec2: {
      attachMs: draws.upTo(10_000),
      detachMs: draws.upTo(5_000),
      deviceMs: draws.upTo(8_000),
      stopMs: draws.upTo(60_000),
      startMs: draws.upTo(30_000),
      terminateMs: draws.upTo(60_000),
      authorizationLagMs: sometimes(25_000),
      attachStuck: sometimes(0.05),
      detachStuck: sometimes(0.1),
      deviceNever: sometimes(0.1),
      inUseAsValue: sometimes(1),
      tagWriteMs: sometimes(500),
    },
    misfortunes: Object.fromEntries(misfortunes.map((name) => [name, weight(name)])) as Record<
      Misfortune,
      number
    >,
    misfortuneEveryMs: draws.between(20_000, 120_000),
    killAtCall: sometimes(0.9),
    firstKill: undefined,
  };
}

/** Most seeds are small: 1 to 50. */
function skewed(draws: Draws): number {
  const kind = draws.next();
  if (kind < 0.65) return 1 + draws.int(3);
  if (kind < 0.93) return 4 + draws.int(3);
  if (kind < 0.985) return 7 + draws.int(8);
  return 15 + draws.int(36);
}
