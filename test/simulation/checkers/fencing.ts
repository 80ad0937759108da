// S9: fence before take, never fence yourself, and of two that fence each other one survives.
import { tagKeys } from '../../../src/claim/tags.ts';
import { holderOf } from '../authorize.ts';
import type { Call, Change } from '../facts.ts';
import type { Host } from '../host.ts';
import { createOnce, hostOf, hostOfArn, type Checker, type CheckerDeps } from './checker.ts';

/** One that was fenced may be started again by a person while the take-over goes on. */
const fencedForMs = 120_000;
const mutualWithinMs = 60_000;

export function checkFencing({ world, fail, reads }: CheckerDeps): Checker {
  const { model, time, plan } = world;
  const isFirst = createOnce();
  const downAtMs = new Map<Host, number>();
  const down = new Set<Host>();
  const fences: { readonly by: Host; readonly of: Host; readonly atMs: number }[] = [];

  const isFenced = (host: Host | undefined): boolean =>
    host === undefined ||
    host.isGone ||
    model.instance(host.instanceId)!.state === 'stopped' ||
    time.nowMs() - (downAtMs.get(host) ?? -Infinity) < fencedForMs;

  function seeTake({ host }: Call, change: Change): void {
    const isStop = plan.fence === 'stop';
    if (change.do === 'detach') {
      const holder = hostOf(world, holderOf(world, change.attachmentId)?.attachment?.instanceId);
      if (holder !== undefined && holder !== host && isStop && !isFenced(holder))
        fail('S9', `${host.instanceId} detaches from ${holder.instanceId} before that is stopped`);
    }
    if (change.do === 'create-tags') {
      const { attachment, tags } = reads.read(host, change.eniId) ?? {};
      const owner = hostOfArn(world, tags?.[tagKeys.owner]);
      const holder = hostOf(world, attachment?.instanceId);
      if (
        owner !== undefined &&
        owner !== host &&
        isStop &&
        !isFenced(owner) &&
        isAlive(owner, change.eniId)
      )
        fail(
          'S9',
          `${host.instanceId} takes the claim of ${owner.instanceId} before that is stopped`,
        );
      // Its own detach may have been accepted since.
      const now = model.eni(change.eniId)?.attachment;
      const isTaken = now?.status !== 'attached' || now.instanceId !== attachment?.instanceId;
      if (holder !== undefined && holder !== host && attachment?.status === 'attached' && !isTaken)
        fail(
          'S9',
          `${host.instanceId} writes its claim on ${change.eniId} before ${holder.instanceId} has lost it`,
        );
    }
  }

  /** A claim that came to nothing is anybody's; so is one that a person wrote. */
  function isAlive(owner: Host, eniId: string): boolean {
    return !world.meddled.has(eniId) && model.instance(owner.instanceId)?.state === 'running';
  }

  return {
    see: (fact) => {
      if (fact.what === 'instance') {
        const host = hostOf(world, fact.instanceId);
        if (host !== undefined && fact.state === 'stopped') {
          downAtMs.set(host, time.nowMs());
          down.add(host);
        } else if (host !== undefined) down.delete(host);
      }
      if (fact.what === 'arrival' && fact.call.change?.do === 'stop') {
        const { host, change } = fact.call;
        if (change.instanceId === host.instanceId) fail('S9', `${host.instanceId} stops itself`);
      }
      if (fact.what === 'effect' && fact.call.change?.do === 'stop' && fact.refusal === undefined) {
        const by = fact.call.host;
        const of = hostOf(world, fact.call.change.instanceId)!;
        const atMs = time.nowMs();
        const isMutual = fences.some(
          (other) => other.by === of && other.of === by && atMs - other.atMs < mutualWithinMs,
        );
        if (isMutual && by !== of)
          fail('S9', `${by.instanceId} and ${of.instanceId} stop each other`);
        // A stop that finds its instance stopped ends nobody: whoever starts it afterwards may fence.
        if (!down.has(of)) fences.push({ by, of, atMs });
      }
      if (fact.what === 'arrival' && fact.call.change !== undefined && isFirst(fact.call)) {
        const { call } = fact;
        const isStandby = call.host.config.standby !== undefined;
        if (isStandby && !reads.isDeceived(call.host)) seeTake(call, call.change!);
      }
    },
  };
}
