// A standby's watch over the holder of its ENI, from the first probe to the take-over (claim.md section 6).
import { BerthError, hasCode } from '../errors.ts';
import type { StandbyConfig } from '../model/config.ts';
import type { Eni } from '../model/eni.ts';
import type { Identity } from '../model/instance.ts';
import type { Probe } from '../system/probe.ts';
import { backoffMs, type Backoff } from '../system/retry.ts';
import { repeat } from './calls.ts';
import type { Step } from './decide.ts';
import type { Fencing } from './ec2.ts';
import { stopPeer } from './fence.ts';
import { createHeartbeat, type Heartbeat } from './heartbeat.ts';
import { instanceArn, ownerOf, tagKeys } from './tags.ts';
import { takeFrom } from './take-from.ts';
import type { TryDeps } from './try-in-order.ts';
import { isOfGroup, judge, type Verdict } from './verdict.ts';

export type GuardDeps = TryDeps & { readonly probe: Probe };

export type GuardInput = {
  readonly identity: Identity;
  readonly standby: StandbyConfig;
  /** Of this instance and of the ENI. */
  readonly haGroup: string;
};

export type Guard = {
  /**
   * Returns when EC2 should be asked again who holds the ENI; with a step once it was taken from its holder. EC2 that
   * does not answer, or does not permit, means no take-over: it is named in the status.
   */
  next(eni: Eni, signal: AbortSignal): Promise<Step | undefined>;
};

type Peer = {
  readonly eniId: string;
  readonly instanceId: string;
  readonly heartbeat: Heartbeat;
  /** What has to be put right before it could be fenced. */
  readonly problem: string | undefined;
  /** What EC2 said, or what kept us from asking, since the heartbeat was lost. */
  news: string | undefined;
  asks: number;
  askAtMs: number;
  leavingSinceMs: number | undefined;
};

/** One EC2 call a minute and instance, as a rule (claim.md section 4). */
const lookEveryMs = 60_000;
/** While the heartbeat is lost and the other vote is missing. */
const askBackoff: Backoff = { firstMs: 2_000, factor: 2, capMs: lookEveryMs };
/** So long may somebody else's detach take before we watch on, and may end it. */
const leavesWithinMs = 60_000;

export function createGuard(deps: GuardDeps, input: GuardInput): Guard {
  const { identity, standby, haGroup } = input;
  const { intervalMs } = standby.probe;
  const now = (): number => deps.clock.monotonicMs();
  let peer: Peer | undefined;

  return {
    next: async (eni, signal) => {
      const holderId = eni.attachment!.instanceId!;
      if (peer?.instanceId !== holderId || peer.eniId !== eni.eniId)
        peer = await meet(deps, { ...input, eni, holderId }, signal);
      const watched = peer;
      if (eni.attachment!.status === 'detaching') {
        if (ownerOf(eni) === instanceArn(identity))
          return tryTo(watched, () => take(watched, eni, signal), signal);
        watched.leavingSinceMs ??= now();
        if (now() - watched.leavingSinceMs < leavesWithinMs) {
          deps.progress('standby', `standby for ${eni.eniId}, which is leaving ${holderId}`);
          await deps.clock.sleep(1_000 * (1 + deps.random.next()), signal);
          return undefined;
        }
      } else watched.leavingSinceMs = undefined;

      const untilMs = now() + lookEveryMs * (0.75 + deps.random.next() / 2);
      while (now() < untilMs) {
        const startMs = now();
        await watched.heartbeat.beat(signal);
        if (!watched.heartbeat.isLost())
          Object.assign(watched, { news: undefined, asks: 0, askAtMs: 0 });
        tell(watched, eni);
        if (watched.heartbeat.isLost() && now() >= watched.askAtMs) {
          watched.asks++;
          const step = await tryTo(watched, () => ask(watched, eni, signal), signal);
          watched.askAtMs = now() + backoffMs(askBackoff, watched.asks, deps.random);
          tell(watched, eni);
          return step;
        }
        await deps.clock.sleep(Math.max(0, intervalMs - (now() - startMs)), signal);
      }
      return undefined;
    },
  };

  /** What EC2 refuses or does not answer is news, and the watch goes on. */
  async function tryTo(
    watched: Peer,
    work: () => Promise<Step | undefined>,
    signal: AbortSignal,
  ): Promise<Step | undefined> {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof BerthError)) throw error;
      deps.log.error({ eni: watched.eniId, peer: watched.instanceId }, error.message);
      watched.news = error.message;
      return undefined;
    }
  }

  function tell({ instanceId, heartbeat, problem, news }: Peer, eni: Eni): void {
    const more = [news, problem].filter((text) => text !== undefined).map((text) => `; ${text}`);
    deps.progress(
      'standby',
      `standby for ${eni.eniId} (${eni.ipv4[0]}) held by ${instanceId}: ${heartbeat.describe()}${more.join('')}`,
    );
  }

  function judgePeer(watched: Peer, signal: AbortSignal): Promise<Verdict> {
    return judge(deps, { ...watched, haGroup }, signal);
  }

  /** Asked twice, the delay between: the peer may have recovered, or have been taken over by then. */
  async function ask(watched: Peer, eni: Eni, signal: AbortSignal): Promise<Step | undefined> {
    const { instanceId, heartbeat } = watched;
    if (!(await hasFailed(watched, signal))) return undefined;
    deps.log.warn(
      { eni: eni.eniId, peer: instanceId },
      `${instanceId} has failed: ${heartbeat.describe()}; ${watched.news}`,
    );
    await deps.clock.sleep(standby.delayMs, signal);
    await heartbeat.beat(signal);
    if (!heartbeat.isLost()) return undefined;
    const [isStill, seen] = await Promise.all([
      hasFailed(watched, signal),
      deps.ec2.describeEni(eni.eniId, signal),
    ]);
    // One that is leaving it by now is somebody else's business.
    const isHeld =
      seen?.attachment?.instanceId === instanceId &&
      seen.attachment.status === eni.attachment!.status;
    if (!isStill || !isHeld) return undefined;
    const target = { eni, holderId: instanceId, identity };
    if (standby.fence === 'stop' && !(await stopPeer(deps, target, signal))) return undefined;
    return take(watched, eni, signal);
  }

  async function hasFailed(watched: Peer, signal: AbortSignal): Promise<boolean> {
    const verdict = await judgePeer(watched, signal);
    watched.news = verdict.why;
    return verdict.hasFailed;
  }

  async function take(watched: Peer, eni: Eni, signal: AbortSignal): Promise<Step | undefined> {
    const isConfirmed = async (): Promise<boolean> => {
      try {
        return (await judgePeer(watched, signal)).isConfirmed;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof BerthError) return false;
        throw error;
      }
    };
    const target = { eni, holderId: watched.instanceId, identity, isConfirmed };
    const taken = await takeFrom(deps, target, signal);
    return taken === undefined ? undefined : { do: 'resume', eni: taken, stale: [] };
  }
}

/** Where to probe a new holder, and what would be in the way of fencing it. */
async function meet(
  deps: GuardDeps,
  input: GuardInput & { readonly eni: Eni; readonly holderId: string },
  signal: AbortSignal,
): Promise<Peer> {
  const { standby, haGroup, eni, holderId } = input;
  const { attachmentId } = eni.attachment!;
  const instance = await repeat(deps, () => deps.ec2.describeInstance(holderId, signal), signal);
  const needed: readonly Fencing[] = [
    { do: 'detach', attachmentId },
    ...(standby.fence === 'stop' ? [{ do: 'stop', instanceId: holderId } as const] : []),
  ];
  let problem: string | undefined;
  if (instance !== undefined && !isOfGroup(instance, haGroup)) {
    problem = `it does not carry ${tagKeys.haGroup}=${haGroup} and is never fenced`;
  } else {
    for (const fencing of needed) problem ??= await rehearse(deps, fencing, signal);
  }
  if (problem !== undefined) deps.log.warn({ eni: eni.eniId, peer: holderId }, problem);
  deps.log.info({ eni: eni.eniId, peer: holderId }, `watching ${holderId}, who holds ${eni.eniId}`);
  return {
    eniId: eni.eniId,
    instanceId: holderId,
    heartbeat: createHeartbeat(deps, {
      eniAddress: eni.ipv4[0]!,
      ownAddress: instance?.privateIpv4,
      config: standby.probe,
    }),
    problem,
    news: undefined,
    asks: 0,
    askAtMs: 0,
    leavingSinceMs: undefined,
  };
}

/** Only a denial tells something: the state of things may change until it is needed. */
async function rehearse(
  deps: GuardDeps,
  fencing: Fencing,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    await deps.ec2.rehearse(fencing, signal);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (!hasCode(error, 'aws-denied')) return undefined;
    return `${error.message}: it could not be fenced; compare the policy with packaging/iam/standby.json`;
  }
}
