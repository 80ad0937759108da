// L1 whoever can have an ENI has one, L2 who waits says so, L3 a dead owner's ENI is served again, L5 without a restart.
import { tagKeys } from '../../../src/claim/tags.ts';
import type { LabEni } from '../../lab/ec2-world.ts';
import type { Host } from '../host.ts';
import { heldBy, hostOfArn, isFull, type Checker, type CheckerDeps, type Fail } from './checker.ts';

const waitingPhases: readonly string[] = ['waiting-for-eni', 'gave-up', 'standby'];

/** From the first word of a claim until it serves. */
const underWayMs = 30_000;

/**
 * An ENI without a device is given back after 180 s, and no sooner than another's name has gone from it: who waits looks
 * at what is attached every ten minutes, or every thirtieth time where many wait (src/claim/waiting.ts).
 */
const sickForMs = 1_200_000;
const sickPerInstanceMs = 40_000;

export function checkProgress({ world, fail }: CheckerDeps): Checker {
  const { model, time, subnet } = world;
  const isFree = (eni: LabEni, pool: string): boolean =>
    eni.tags[tagKeys.pool] === pool &&
    eni.status === 'available' &&
    eni.availabilityZoneId === subnet.availabilityZoneId;
  const isDead = (owner: string): boolean => {
    const host = hostOfArn(world, owner);
    return host === undefined || host.isGone;
  };

  let isQuiet = false;
  function judgePool(host: Host, pool: string, fail: Fail): void {
    const news = host.news.get(pool);
    if (news?.ready === true || news?.phase === 'gave-up') return;
    // A claim that one left who gave up is another's after minutes, and that may be now.
    const isJustNow = news !== undefined && time.nowMs() - news.sinceMs < underWayMs;
    if (isQuiet && isJustNow && !waitingPhases.includes(news.phase)) return;
    const { instanceId } = host;
    const says = `${instanceId} is not ready (${news?.phase}: ${news?.message})`;
    // It will see that and adopt it, or give back what has no device.
    for (const { eniId } of heldBy(world, host, pool)) fail('L1', `${says}, and holds ${eniId}`);
    const mayWait = isFull(world, host);
    for (const eni of model.enis().filter((eni) => isFree(eni, pool))) {
      if (mayWait) break;
      const owner = eni.tags[tagKeys.owner];
      if (owner === undefined) fail('L1', `${says}, and ${eni.eniId} is free`);
      else if (isDead(owner) && (host.config.takeOverStale || host.config.standby !== undefined))
        fail('L3', `${says}, and the owner of ${eni.eniId} is dead`);
    }
    const doesSay = news !== undefined && waitingPhases.includes(news.phase);
    if (!doesSay && !mayWait)
      fail('L2', `${instanceId} waits, and says ${news?.phase}: ${news?.message}`);
  }

  return {
    see: (fact) => {
      if (fact.what === 'quiet') isQuiet = true;
      if (fact.what === 'end' && world.isCalm && fact.by === 'failed') {
        // What was attached while there were faults may show no device ever.
        const sinceMs = time.nowMs() - world.calmAtMs;
        const mostMs = sickForMs + sickPerInstanceMs * world.hosts.length;
        const wasSick = fact.code === 'device-missing' && sinceMs < mostMs;
        if (!wasSick)
          fail('L5', `berth on ${fact.host.instanceId} has to be started again: ${fact.why}`);
      }
    },
    judge: (fail) => {
      for (const host of world.hosts) {
        if (host.isGone) continue;
        if (host.process === undefined) fail('L5', `berth does not run on ${host.instanceId}`);
        else for (const pool of world.pools) judgePool(host, pool, fail);
      }
    },
  };
}
