// A standby takes over from a holder that hangs, and from one whose instance is gone: real daemons, real traffic.
import { describe, expect, test } from 'vitest';
import { inNamespaces, needsNamespaces } from './lab/environment.ts';
import { createSmallCloud, instances, poolEni, type SmallCloud } from './lab/small-cloud.ts';
import { startPair } from './lab/standby-pair.ts';

const a = instances['inst-a'].instanceId;
const b = instances['inst-b'].instanceId;

const holderOf = ({ lab }: SmallCloud) => {
  const eni = lab.ec2.eni(poolEni.eniId)!;
  return { holder: eni.attachment?.instanceId, owner: eni.tags['berth:owner']?.split('/').at(-1) };
};
const epochOf = ({ lab }: SmallCloud): number =>
  Number(lab.ec2.eni(poolEni.eniId)!.tags['berth:claim']!.split(':')[0]);

describe.skipIf(!inNamespaces)(`standby${needsNamespaces}`, () => {
  test(
    'a healthy holder is left alone; one that hangs is detached',
    { timeout: 400_000 },
    async () => {
      await using cloud = await createSmallCloud({ latency: {}, dials: {} });
      await using pair = await startPair(cloud, 'detach');
      expect(holderOf(cloud)).toEqual({ holder: a, owner: a });
      expect(epochOf(cloud)).toBe(1);
      await pair.hang();
      await pair.servedByStandby(60_000);
      expect(holderOf(cloud)).toEqual({ holder: b, owner: b });
      expect(epochOf(cloud)).toBe(2);
      expect(cloud.lab.ec2.instance(a)!.state).toBe('running');
      expect(cloud.lab.judge.violations).toEqual([]);
    },
  );

  test(
    'with fence stop the holder is stopped before its ENI is taken',
    { timeout: 400_000 },
    async () => {
      await using cloud = await createSmallCloud({ latency: {}, dials: { stopMs: 2_000 } });
      await using pair = await startPair(cloud, 'stop');
      const before = cloud.lab.front.calls.length;
      await pair.hang();
      await pair.servedByStandby(60_000);
      expect(holderOf(cloud)).toEqual({ holder: b, owner: b });
      expect(cloud.lab.ec2.instance(a)!.state).toBe('stopped');
      const done = cloud.lab.front.calls
        .slice(before)
        .filter(({ status, action }) => status === 200 && !action.startsWith('Describe'))
        .map(({ action }) => action);
      expect(done.indexOf('StopInstances')).toBeLessThan(done.indexOf('DetachNetworkInterface'));
      expect(done.indexOf('DetachNetworkInterface')).toBeLessThan(
        done.indexOf('AttachNetworkInterface'),
      );
    },
  );

  test(
    'the old holder comes back: it does not take the ENI again',
    { timeout: 400_000 },
    async () => {
      await using cloud = await createSmallCloud({ latency: {}, dials: {} });
      await using pair = await startPair(cloud, 'detach');
      await pair.hang();
      await pair.servedByStandby(60_000);
      await pair.wake();
      await pair.primary.line('it', ({ msg }) => msg?.startsWith('not ready any more') === true);
      await pair.primary.line('that it waits', (line) => line['phase'] === 'waiting-for-eni');
      expect(holderOf(cloud)).toEqual({ holder: b, owner: b });
    },
  );
});
