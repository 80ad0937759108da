// S1 never hold two, S4 an own attach is success, S10 a restart keeps what is held.
import { tagKeys } from '../../../src/claim/tags.ts';
import type { Call, Change } from '../facts.ts';
import type { Host } from '../host.ts';
import {
  createOnce,
  heldBy,
  hostOf,
  type AttachedEni,
  type Checker,
  type CheckerDeps,
} from './checker.ts';

const isReady = (host: Host): boolean => [...host.news.values()].some(({ ready }) => ready);

export function checkHolding({ world, fail, reads }: CheckerDeps): Checker {
  const { model, time } = world;
  const isFirst = createOnce();
  /** By attachment. */
  const attachedAtMs = new Map<string, number>();
  /** What a process held when it died. */
  const left = new Map<Host, { readonly held: readonly AttachedEni[]; readonly life: number }>();

  const isOwnDoing = ({ eniId, attachment }: AttachedEni): boolean =>
    !world.byPerson.has(attachment.attachmentId) && !world.meddled.has(eniId);
  const stillThere = (host: Host): readonly AttachedEni[] =>
    (left.get(host)?.held ?? []).filter(({ eniId, attachment }) => {
      const now = model.eni(eniId)?.attachment;
      return now?.attachmentId === attachment.attachmentId && now.status !== 'detaching';
    });

  function seeAttach(host: Host, change: Extract<Change, { do: 'attach' }>): void {
    const pool = model.eni(change.eniId)?.tags[tagKeys.pool];
    if (pool === undefined || reads.isDeceived(host)) return;
    const others = heldBy(world, host, pool).filter(
      (eni) => eni.eniId !== change.eniId && isOwnDoing(eni),
    );
    if (others.length > 0)
      fail('S1', `${host.instanceId} attaches ${change.eniId} and holds ${others[0]!.eniId}`);
    const kept = stillThere(host).find(
      (eni) => eni.tags[tagKeys.pool] === pool && eni.eniId !== change.eniId && isOwnDoing(eni),
    );
    if (kept !== undefined && left.get(host)!.life === host.lives - 1)
      fail(
        'S10',
        `${host.instanceId} attaches ${change.eniId} after a restart, holding ${kept.eniId}`,
      );
  }

  function seeDetach(call: Call, { attachmentId }: Extract<Change, { do: 'detach' }>): void {
    const { host } = call;
    const eni = heldBy(world, host).find((eni) => eni.attachment.attachmentId === attachmentId);
    if (eni === undefined || mayLetGo(call, eni)) return;
    fail('S4', `${host.instanceId} detaches ${eni.eniId}, which it holds and can use`);
    if (stillThere(host).some(({ eniId }) => eniId === eni.eniId) && !isReady(host))
      fail('S10', `${host.instanceId} detaches ${eni.eniId} after a restart`);
  }

  /** It is asked to, it has one too many, or the ENI was never usable for minutes. */
  function mayLetGo({ host, isReleasing }: Call, eni: AttachedEni): boolean {
    if (isReleasing || reads.isDeceived(host)) return true;
    if (world.meddled.has(eni.eniId) || world.byPerson.has(eni.attachment.attachmentId))
      return true;
    if (heldBy(world, host, eni.tags[tagKeys.pool]).length > 1) return true;
    const sinceMs = attachedAtMs.get(eni.attachment.attachmentId) ?? 0;
    return !host.devices.has(eni.mac) && time.nowMs() - sinceMs > 29_000;
  }

  return {
    see: (fact) => {
      if (fact.what === 'end') {
        const held = fact.by === 'stopped' ? [] : heldBy(world, fact.host).filter(isOwnDoing);
        left.set(fact.host, { held, life: fact.host.lives });
      }
      if (fact.what === 'news' && fact.ready) {
        const { host, pool } = fact;
        const kept = stillThere(host).find((eni) => eni.tags[tagKeys.pool] === pool);
        if (
          kept !== undefined &&
          isOwnDoing(kept) &&
          !host.routes.has(kept.mac) &&
          !reads.isDeceived(host)
        )
          fail(
            'S10',
            `${host.instanceId} serves another ENI than ${kept.eniId}, which it holds since before a restart`,
          );
        left.delete(host);
      }
      if (fact.what === 'arrival' && fact.call.change !== undefined && isFirst(fact.call)) {
        const { call } = fact;
        const { change, host } = call;
        if (change?.do === 'attach') seeAttach(host, change);
        if (change?.do === 'detach') seeDetach(call, change);
        if (change?.do === 'delete-tags') {
          const eni = heldBy(world, host).find(({ eniId }) => eniId === change.eniId);
          if (eni !== undefined && !mayLetGo(call, eni))
            fail('S4', `${host.instanceId} gives its claim on ${eni.eniId} back, which it holds`);
        }
      }
      if (
        fact.what === 'effect' &&
        fact.refusal === undefined &&
        fact.call.change?.do === 'attach'
      ) {
        const { eniId, instanceId } = fact.call.change;
        const { attachment, tags } = model.eni(eniId)!;
        if (attachment !== undefined) attachedAtMs.set(attachment.attachmentId, time.nowMs());
        const host = hostOf(world, instanceId)!;
        const held = heldBy(world, host, tags[tagKeys.pool]).filter(isOwnDoing);
        if (held.length > 1 && !reads.isDeceived(host))
          fail('S1', `${instanceId} holds ${held.map(({ eniId }) => eniId).join(' and ')}`);
      }
    },
  };
}
