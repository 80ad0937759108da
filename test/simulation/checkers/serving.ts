// S3 never ready without the attachment, S8 never lost by one stale read, S11 the ENI outlives its instance.
import { tagKeys } from '../../../src/claim/tags.ts';
import type { LabEni } from '../../lab/ec2-world.ts';
import type { Host } from '../host.ts';
import { heldBy, type Checker, type CheckerDeps } from './checker.ts';

/** A device that is gone is noticed within a sweep of the routing (src/serve.ts), by netlink at once. */
const noticedWithinMs = 40_000;

const keyOf = (host: Host, pool: string): string => `${host.instanceId} ${pool}`;

export function checkServing({ world, fail, reads }: CheckerDeps): Checker {
  const { model, time, plan } = world;
  /** By host and pool: the ENI that was served at the last ready. */
  const served = new Map<string, { readonly mac: string; readonly attachmentId: string }>();
  const byMac = (mac: string): LabEni | undefined => model.enis().find((eni) => eni.mac === mac);

  /** By host and pool; the kernel may have those of an earlier life too. */
  const routed = new Map<string, string>();

  function seeReady(host: Host, pool: string): void {
    const mac = routed.get(keyOf(host, pool)) ?? '';
    const eni = host.routes.has(mac) ? byMac(mac) : undefined;
    const who = `${host.instanceId} says ready`;
    if (eni === undefined) fail('S3', `${who} and no route of pool ${pool} is set`);
    else if (eni.attachment?.instanceId !== host.instanceId)
      fail('S3', `${who} and ${eni.eniId} is not attached to it`);
    else if (!host.devices.has(eni.mac)) fail('S3', `${who} and has no device for ${eni.eniId}`);
    else served.set(keyOf(host, pool), { mac: eni.mac, attachmentId: eni.attachment.attachmentId });
  }

  function seeLost(host: Host, pool: string, why: string): void {
    const { mac, attachmentId } = served.get(keyOf(host, pool)) ?? {};
    const eni = heldBy(world, host, pool).find((eni) => eni.mac === mac);
    const isThere = eni?.attachment.attachmentId === attachmentId && host.devices.has(mac ?? '');
    if (eni !== undefined && isThere && !reads.isDeceived(host))
      fail('S8', `${host.instanceId} gives ${eni.eniId} up for lost, which it holds: ${why}`);
  }

  return {
    see: (fact) => {
      if (fact.what === 'routes' && fact.areSet) {
        const pool = byMac(fact.mac)?.tags[tagKeys.pool];
        if (pool !== undefined) routed.set(keyOf(fact.host, pool), fact.mac);
      }
      if (fact.what === 'news' && fact.ready) seeReady(fact.host, fact.pool);
      if (fact.what === 'news' && fact.phase === 'lost')
        seeLost(fact.host, fact.pool, fact.message);
      if (fact.what === 'device' && !fact.isThere) {
        const { host, mac } = fact;
        const { lives } = host;
        time.after(noticedWithinMs, () => {
          if (host.lives !== lives || host.devices.has(mac)) return;
          for (const [pool, { ready }] of host.news) {
            if (ready && served.get(keyOf(host, pool))?.mac === mac)
              fail(
                'S3',
                `${host.instanceId} is ready still, ${noticedWithinMs / 1000} s after its device went`,
              );
          }
        });
      }
      if (fact.what === 'arrival' && fact.call.change?.do === 'modify') {
        if (fact.call.change.deleteOnTermination)
          fail('S11', `${fact.call.host.instanceId} sets DeleteOnTermination`);
      }
    },
    judge: (fail) => {
      if (!plan.mayKeep) return;
      for (const host of world.hosts) {
        for (const { eniId, attachment, tags, mac } of heldBy(world, host)) {
          const isServed = host.routes.has(mac) && host.process !== undefined;
          const isOurs = (tags[tagKeys.owner] ?? host.arn) === host.arn;
          if (attachment.deleteOnTermination && isServed && isOurs)
            fail('S11', `${eniId} would be deleted with ${host.instanceId}`);
        }
      }
    },
  };
}
