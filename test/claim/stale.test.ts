// Claims that a dead owner left: when they count as left, and that nobody else's is ever taken.
import { describe, expect, test } from 'vitest';
import { staleAfterMs } from '../../src/claim/stale.ts';
import { createClaimWorld, subnetId, type ClaimWorld } from '../fixtures/claim-world.ts';

const never = new AbortController().signal;
const minutes = (n: number): number => n * 60_000;

/** `i-0` waits for `eni-0`, which carries the claim of `owner`. */
async function waitBeside(
  owner: (world: ClaimWorld) => string,
  options: { readonly takeOverStale?: boolean; readonly forMs?: number } = {},
  meanwhile: (world: ClaimWorld) => Promise<void> = () => Promise.resolve(),
) {
  const { takeOverStale = true, forMs = minutes(20) } = options;
  const world = createClaimWorld({ enis: 1, instances: 2 });
  const { model, time, instances } = world;
  model.createTags(['eni-0'], { 'berth:owner': owner(world), 'berth:claim': '7:x:i-1' });
  await time.run(time.sleep(minutes(2), never));
  // As takeover.json allows it.
  const run = instances[0]!.start({ mayTakeOver: takeOverStale });
  const startMs = time.monotonicMs();
  let takenMs: number | undefined;
  const claim = run.claim({ takeOverStale }).then(
    () => (takenMs = time.monotonicMs() - startMs),
    () => undefined,
  );
  await time.run(Promise.all([time.sleep(forMs, never), meanwhile(world)]));
  run.kill();
  await time.run(claim);
  return { takenMs, held: instances[0]!.held(), world, run };
}

const dead = (world: ClaimWorld): string => {
  world.model.terminate('i-1');
  return world.instances[1]!.arn;
};

const unknown = (): string => 'arn:aws:ec2:eu-central-1:123456789012:instance/i-never';

describe('a stale claim', () => {
  test('of a terminated owner is taken, not before it has been the same for five minutes', async () => {
    const { takenMs, held, world } = await waitBeside(dead);
    expect(held).toEqual(['eni-0']);
    expect(takenMs).toBeGreaterThan(staleAfterMs);
    expect(takenMs).toBeLessThan(staleAfterMs + minutes(2));
    expect(world.model.eni('eni-0')!.tags['berth:claim']).toMatch(/^8:/);
  });

  test('is left where that is not asked for', async () => {
    const { held, run } = await waitBeside(dead, { takeOverStale: false });
    expect(held).toEqual([]);
    expect(run.ec2.calls.map(({ method }) => method)).not.toContain('createClaim');
  });

  test.each(['running', 'stopped'] as const)('of a %s owner is none', async (state) => {
    const { held } = await waitBeside((world) => {
      if (state === 'stopped') world.model.stop('i-1');
      return world.instances[1]!.arn;
    });
    expect(held).toEqual([]);
  });

  test('of an owner that EC2 does not know counts when that is said twice', async () => {
    const { takenMs, held } = await waitBeside(unknown);
    expect(held).toEqual(['eni-0']);
    expect(takenMs).toBeGreaterThan(staleAfterMs + minutes(2));
  });

  test('on an ENI of another zone is left, and asked about no more often than any other', async () => {
    const { held, run } = await waitBeside((world) => {
      const { model } = world;
      const subnet = { ...model.subnet(subnetId)!, subnetId: 'subnet-b', ipv4Cidr: '10.0.9.0/24' };
      model.addSubnet({
        ...subnet,
        availabilityZone: 'eu-central-1b',
        availabilityZoneId: 'euc1-az3',
      });
      model.deleteEni('eni-0');
      model.addEni({ subnetId: 'subnet-b', eniId: 'eni-0', tags: { 'berth:pool': 'db' } });
      return dead(world);
    });
    expect(held).toEqual([]);
    expect(run.ec2.calls.length).toBeLessThan(minutes(20) / 1_000);
  });

  test('that changes meanwhile is watched anew', async () => {
    const { takenMs, held } = await waitBeside(dead, {}, async ({ time, model }) => {
      await time.sleep(minutes(4), never);
      model.createTags(['eni-0'], { 'berth:claim': '8:y:i-1' });
    });
    expect(held).toEqual(['eni-0']);
    expect(takenMs).toBeGreaterThan(staleAfterMs + minutes(4));
  });
});
