// What of the pool is looked at, and what throttling makes of it.
import { expect, test } from 'vitest';
import { look, type LookInput, type View } from '../../src/claim/look.ts';
import { createPace } from '../../src/claim/pace.ts';
import { answers, script, type FakeEc2Dials } from '../fakes/ec2.ts';
import { createClaimWorld, pool } from '../fixtures/claim-world.ts';

async function lookAt(
  input: Pick<LookInput, 'maySample' | 'wanted'>,
  dials: Partial<FakeEc2Dials> = {},
): Promise<View & { readonly calls: readonly string[]; readonly isThrottled: boolean }> {
  const world = createClaimWorld({ enis: 40 });
  world.model.attach({ eniId: 'eni-3', instanceId: 'i-0', deviceIndex: 1, networkCardIndex: 0 });
  const run = world.instances[0]!.start(dials);
  const pace = createPace(run.deps);
  const onTrouble = (message: string): void => run.deps.progress('claiming', message);
  const view = await world.time.run(
    look(run.deps, { ...input, pool, pace, onTrouble }, run.signal),
  );
  const calls = run.ec2.calls.map(({ method }) => method);
  return { ...view, calls, isThrottled: pace.isThrottled() };
}

const throttledOnce = { fault: script({ describePool: [answers.throttled] }) };
const throttledTwice = { fault: script({ describePool: [answers.throttled, answers.throttled] }) };

test('all of the pool', async () => {
  const seen = await lookAt({ maySample: true, wanted: 'all' });
  expect(seen).toMatchObject({ of: 'all', share: 1, calls: ['describePool'], isThrottled: false });
  expect(seen.enis).toHaveLength(40);
});

test('once EC2 throttles, a sixteenth of it will do', async () => {
  const seen = await lookAt({ maySample: true, wanted: 'all' }, throttledOnce);
  expect(seen).toMatchObject({ of: 'sample', share: 16, isThrottled: true });
  expect(seen.calls).toEqual(['describePool', 'describePart']);
  const ends = new Set(seen.enis.map(({ eniId }) => eniId.at(-1)));
  expect(ends.size).toBeLessThanOrEqual(1);
});

test('not where something of ours may be in the pool', async () => {
  const seen = await lookAt({ maySample: false, wanted: 'all' }, throttledTwice);
  expect(seen).toMatchObject({ of: 'all', share: 1, isThrottled: true });
  expect(seen.enis).toHaveLength(40);
});

test('EC2 that does not answer is not EC2 that is busy', async () => {
  const away = { fault: script({ describePool: [answers.unavailable, 'reply-lost'] }) };
  const seen = await lookAt({ maySample: true, wanted: 'all' }, away);
  expect(seen).toMatchObject({ of: 'all', isThrottled: false });
});

test('whoever waits sees only what nobody holds', async () => {
  const seen = await lookAt({ maySample: true, wanted: 'unheld' });
  expect(seen).toMatchObject({ of: 'unheld', share: 1, calls: ['describePart'] });
  expect(seen.enis.map(({ eniId }) => eniId)).not.toContain('eni-3');
  expect(seen.enis).toHaveLength(39);
});

test('a denial is thrown', async () => {
  const denied = { fault: script({ describePool: [answers.denied] }) };
  await expect(lookAt({ maySample: true, wanted: 'all' }, denied)).rejects.toMatchObject({
    code: 'aws-denied',
  });
});
