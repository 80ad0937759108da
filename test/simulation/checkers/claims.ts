// S2 no claim is leaked, S5 hands off what is another's, S6 no living claim is overwritten, L4 a wrong owner tag heals.
import { staleAfterMs } from '../../../src/claim/stale.ts';
import { tagKeys } from '../../../src/claim/tags.ts';
import type { Eni } from '../../../src/model/eni.ts';
import { holderOf } from '../authorize.ts';
import type { Call, Change } from '../facts.ts';
import { createOnce, hostOf, hostOfArn, type Checker, type CheckerDeps } from './checker.ts';

/** Whatever lags, the guard has seen a tag of this age. */
const guardSeesAfterMs = 60_000;

const isOurs = (key: string): boolean => key === tagKeys.owner || key === tagKeys.claim;
const claimOf = ({ eniId, tags }: Pick<Eni, 'eniId' | 'tags'>): string =>
  `${eniId} ${tags[tagKeys.owner]} ${tags[tagKeys.claim]}`;

export function checkClaims({ world, fail, reads }: CheckerDeps): Checker {
  const { model, time, plan } = world;
  const isFirst = createOnce();
  /** By ENI and claim: since when it is so. */
  const claims = new Map<string, number>();
  const ageMs = (eni: Pick<Eni, 'eniId' | 'tags'>): number =>
    time.nowMs() - (claims.get(claimOf(eni)) ?? 0);
  const isDead = (arn: string): boolean => {
    const host = hostOfArn(world, arn);
    return host === undefined || model.instance(host.instanceId)!.state === 'terminated';
  };

  function seeKeys({ host }: Call, change: Change): void {
    const bad = (why: string): void => fail('S5', `${host.instanceId} ${why}`);
    if (change.do === 'delete-tags') {
      if (change.list === undefined || change.list.length === 0) bad('deletes tags without a list');
      else if (change.list.some(({ value }) => value === undefined))
        bad('deletes a tag without its value');
      else if (!change.list.every(({ key }) => isOurs(key)))
        bad('deletes a tag that is not its own');
    }
    if (change.do === 'create-tags' && !Object.keys(change.tags).every(isOurs))
      bad('writes a tag that is not its own');
    if (change.do === 'attach' && change.instanceId !== host.instanceId) bad('attaches to another');
    if (change.do === 'detach') {
      const holder = holderOf(world, change.attachmentId)?.attachment?.instanceId;
      const isStandby = host.config.standby !== undefined;
      if (holder !== undefined && holder !== host.instanceId && !isStandby)
        bad(`detaches an ENI of ${holder}`);
    }
  }

  /** A standby's right to take over is S9's. A repeat was decided with the first try. */
  const sent = new Set<string>();
  function seeOverwrite({ host }: Call, eniId: string, claim: string): void {
    if (sent.has(claim)) return;
    sent.add(claim);
    // Several pools read side by side: nobody can tell which of them knows what.
    if (host.config.standby !== undefined || plan.pools > 1 || reads.isDeceived(host)) return;
    const eni = reads.read(host, eniId);
    const read = eni?.tags[tagKeys.owner];
    if (eni === undefined || read === undefined || read === host.arn) return;
    if (isDead(read) && ageMs(eni) >= staleAfterMs - 1_000) return;
    fail(
      'S6',
      `${host.instanceId} overwrites the claim of ${read} on ${eniId}, though it has read it`,
    );
  }

  /** What an arriving claim would overwrite, and must not; EC2 refuses it as a rule. By call. */
  const wrong = new Map<Call, string>();
  function seeOverwritten(call: Call, eniId: string): void {
    const { host } = call;
    const eni = model.eni(eniId);
    const owner = eni?.tags[tagKeys.owner];
    if (eni === undefined || owner === undefined || owner === host.arn || isDead(owner)) return;
    // Roles that may take over have no guard: what they have read is all that keeps them.
    if (plan.standbys > 0 || plan.takeOverStale || reads.isDeceived(host)) return;
    if (ageMs(eni) > guardSeesAfterMs && world.meddled.get(eniId) === undefined)
      wrong.set(call, `${host.instanceId} overwrites the claim of ${owner} on ${eniId}`);
  }

  return {
    see: (fact) => {
      if (fact.what === 'eni') {
        const claim = fact.eni === undefined ? undefined : claimOf(fact.eni);
        if (claim !== undefined && !claims.has(claim)) claims.set(claim, time.nowMs());
      }
      if (fact.what === 'call' && fact.call.change?.do === 'create-tags')
        seeOverwrite(fact.call, fact.call.change.eniId, fact.call.change.tags[tagKeys.claim] ?? '');
      if (fact.what === 'arrival' && fact.call.change !== undefined && isFirst(fact.call)) {
        seeKeys(fact.call, fact.call.change);
        if (fact.call.change.do === 'create-tags')
          seeOverwritten(fact.call, fact.call.change.eniId);
      }
      if (fact.what === 'effect' && wrong.has(fact.call)) {
        if (fact.refusal === undefined) fail('S6', wrong.get(fact.call)!);
        wrong.delete(fact.call);
      }
    },
    judge: (fail) => {
      for (const { eniId, mac, attachment, tags } of model.enis()) {
        const owner = tags[tagKeys.owner];
        const host = hostOfArn(world, owner);
        const holder = hostOf(world, attachment?.instanceId);
        if (host === undefined || host.isGone) continue;
        const phases = [...host.news.values()].map(({ phase }) => phase);
        // Only a restart helps it, and a person wrote its name.
        if (phases.includes('gave-up')) continue;
        if (host === holder) {
          const isReady = phases.length > 0 && phases.every((phase) => phase === 'ready');
          if (isReady && !host.routes.has(mac) && tags[tagKeys.pool] !== undefined)
            fail('S2', `${eniId} carries the name of ${host.instanceId}, which serves another`);
          continue;
        }
        if (holder !== undefined && !holder.isGone)
          fail(
            'L4',
            `${eniId} is attached to ${holder.instanceId} and carries the name of ${host.instanceId}`,
          );
        else if (phases.every((phase) => phase === 'ready' || phase === 'waiting-for-eni'))
          fail('S2', `${eniId} carries the name of ${host.instanceId}, which does not hold it`);
      }
    },
  };
}
