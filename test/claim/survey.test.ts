// What a pool looks like from outside: each state, and how many calls that takes.
import { expect, test } from 'vitest';
import { surveyPool } from '../../src/claim/survey.ts';
import { createClaimWorld } from '../fixtures/claim-world.ts';

test('each ENI in its state, in the order of the addresses', async () => {
  const world = createClaimWorld({ enis: 6, instances: 2 });
  const { model, time, instances } = world;
  const [one, two] = instances;
  const attach = (eniId: string, instanceId: string, deviceIndex: number): void =>
    void model.attach({ eniId, instanceId, deviceIndex, networkCardIndex: 0 });
  const tag = (eniId: string, owner: string): void =>
    model.createTags([eniId], { 'berth:owner': owner, 'berth:claim': '7:x' });
  attach('eni-1', 'i-0', 1);
  tag('eni-1', one!.arn);
  tag('eni-2', two!.arn);
  model.launch({ instanceId: 'i-dead', subnetId: 'subnet-a' });
  tag('eni-3', model.arnOf('i-dead'));
  model.terminate('i-dead');
  attach('eni-4', 'i-0', 2);
  tag('eni-4', two!.arn);
  tag('eni-5', 'arn:aws:ec2:r:1:instance/i-never');
  const run = one!.start();
  await time.run(time.sleep(120_000, run.signal));
  const berths = await time.run(surveyPool(run.deps, 'db', run.signal));
  expect(berths.map(({ eniId, state, holder, owner }) => [eniId, state, holder, owner])).toEqual([
    ['eni-0', 'free', undefined, undefined],
    ['eni-1', 'attached', 'i-0', 'i-0'],
    ['eni-2', 'claimed', undefined, 'i-1'],
    ['eni-3', 'stale', undefined, 'i-dead'],
    ['eni-4', 'foreign', 'i-0', 'i-1'],
    ['eni-5', 'stale', undefined, 'i-never'],
  ]);
  expect(berths[1]).toMatchObject({ epoch: 7, mac: model.eni('eni-1')!.mac });
  expect(run.ec2.calls.map(({ method }) => method).toSorted()).toEqual([
    'describeInstance',
    'describeInstance',
    'describeInstance',
    'describePool',
  ]);
});
