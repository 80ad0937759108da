// One question a minute for all pools of an instance.
import { expect, test } from 'vitest';
import { shareClaims } from '../../src/claim/share-claims.ts';
import { createClaimWorld } from '../fixtures/claim-world.ts';

const { signal } = new AbortController();

test('an answer serves all pools for 40 s, and a later question is asked again', async () => {
  const world = createClaimWorld({ enis: 1 });
  const instance = world.instances[0]!;
  const { ec2 } = instance.start();
  const shared = shareClaims(ec2, world.time);
  const ask = () => world.time.run(shared.describeClaimed(instance.arn, signal));
  await world.time.run(world.time.sleep(60_000, signal));
  world.model.createTags(['eni-0'], { 'berth:owner': instance.arn });
  await world.time.run(world.time.sleep(60_000, signal));
  expect((await ask()).map(({ eniId }) => eniId)).toEqual(['eni-0']);
  await world.time.run(world.time.sleep(39_000, signal));
  await ask();
  expect(ec2.calls).toHaveLength(1);
  await world.time.run(world.time.sleep(2_000, signal));
  await ask();
  expect(ec2.calls).toHaveLength(2);
});

test("an error is nobody else's answer", async () => {
  const world = createClaimWorld({ enis: 1 });
  const { ec2 } = world.instances[0]!.start({ fault: () => 'request-lost' });
  const shared = shareClaims(ec2, world.time);
  for (let n = 0; n < 2; n++)
    await expect(world.time.run(shared.describeClaimed('me', signal))).rejects.toThrow(
      'no usable answer',
    );
  expect(ec2.calls).toHaveLength(2);
});
