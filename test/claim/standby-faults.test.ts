// A failover group under random faults, crashes and restarts: what must never happen, and what must happen in the end.
import { expect, test } from 'vitest';
import type { CallFault, Ec2Call } from '../fakes/ec2.ts';
import { answers } from '../fakes/ec2.ts';
import { createSeededRandom } from '../fakes/random.ts';
import { createStandbyWorld, eniId, type Standby } from '../fixtures/standby-world.ts';

const faults: readonly CallFault[] = [
  'request-lost',
  'reply-lost',
  'killed-before',
  'killed-after',
  answers.throttled,
  answers.unavailable,
];
const standbyIds = ['i-1', 'i-2'];

/** What went wrong, and who holds the ENI in the end. */
async function play(seed: number): Promise<unknown> {
  const random = createSeededRandom(seed);
  const draw = (most: number): number => random.next() * most;
  const isLucky = (chance: number): boolean => random.next() < chance;
  const fence = seed % 2 === 0 ? 'detach' : 'stop';
  const faultChance = isLucky(0.3) ? 0 : draw(0.25);
  const lagMs = isLucky(0.5) ? 0 : draw(5_000);
  const world = await createStandbyWorld({
    seed,
    instances: 3,
    dials: {
      jitter: 1,
      stopMs: draw(60_000),
      detachMs: draw(5_000),
      attachMs: draw(5_000),
      detachStuck: isLucky(0.3) ? 0.5 : 0,
      authorizationLagMs: isLucky(0.5) ? 0 : draw(20_000),
    },
  });
  const { model, time } = world;
  await world.pass(60_000);
  const wrong: string[] = [];
  let isCalm = false;
  const stateOf = (id: string): string => model.instance(id)!.state;

  const arrives = (call: Ec2Call): void => {
    const { method, target, instanceId } = call;
    if (method === 'stop') {
      if (target === instanceId) wrong.push(`${target} stops itself`);
      if (stateOf(target) === 'running' && world.holder() !== target)
        wrong.push(`${instanceId} stops ${target}, which holds nothing`);
    }
    if (
      method === 'attach' &&
      fence === 'stop' &&
      !['stopped', 'terminated'].includes(stateOf('i-0'))
    )
      wrong.push(`${instanceId} attaches while i-0 is ${stateOf('i-0')}`);
    const attachment = model.eni(eniId)?.attachment;
    const isDetach = method === 'detach' || method === 'forceDetach';
    // An attachment that is gone by then cannot be detached.
    if (isDetach && attachment?.attachmentId === target && attachment.instanceId !== 'i-0')
      wrong.push(`${instanceId} detaches from ${attachment.instanceId}`);
    if (
      method === 'forceDetach' &&
      stateOf('i-0') === 'running' &&
      model.instance('i-0')!.health === 'ok'
    )
      wrong.push(`${instanceId} detaches by force from a peer that may live`);
  };

  const live = async (n: number): Promise<Standby> => {
    for (;;) {
      const standby = world.standBy(n, {
        fence,
        delayMs: n * 1_000,
        dials: {
          arrives,
          readLagMs: () => (isCalm ? 0 : draw(lagMs)),
          fault: () =>
            !isCalm && isLucky(faultChance) ? faults[Math.floor(draw(faults.length))] : undefined,
        },
      });
      try {
        await standby.claimed;
        return standby;
      } catch {
        await time.sleep(draw(20_000), new AbortController().signal);
      }
    }
  };
  const lives = [1, 2].map(live);
  await world.pass(30_000);
  const failure = ['hangs', 'stops', 'terminates'][Math.floor(draw(3))];
  if (failure === 'stops') model.stop('i-0');
  else if (failure === 'terminates') model.terminate('i-0');
  else world.manners.set('i-0', 'is silent');
  await world.pass(draw(240_000));
  isCalm = true;
  // A standby that restarted has not heard the holder, so that EC2 has to say what is wrong.
  model.setHealth('i-0', 'impaired');
  const winner = await time.run(Promise.race(lives), time.monotonicMs() + 1_800_000);
  await world.pass(400_000);
  const { instanceId } = winner.instance.identity;
  return {
    wrong,
    holds: world.holder() === instanceId,
    owner: [winner.instance.arn, undefined].includes(world.owner(eniId)),
    standbys: standbyIds.map(stateOf),
  };
}

test('exactly one takes over, fenced before taken, and no standby is ever harmed', async () => {
  for (let seed = 1; seed <= 150; seed++) {
    const outcome = await play(seed);
    expect(outcome, `seed ${seed}`).toEqual({
      wrong: [],
      holds: true,
      owner: true,
      standbys: ['running', 'running'],
    });
  }
}, 120_000);
