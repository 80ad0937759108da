// The standby: what it waits for, what it does to a holder that failed, and what it never does.
import { describe, expect, test } from 'vitest';
import { mayFence } from '../../src/claim/fence.ts';
import { createHeartbeat } from '../../src/claim/heartbeat.ts';
import { tagKeys } from '../../src/claim/tags.ts';
import { takeFrom } from '../../src/claim/take-from.ts';
import { judge } from '../../src/claim/verdict.ts';
import { answers, type CallFault, type Ec2Call, type FakeEc2Dials } from '../fakes/ec2.ts';
import { killed, poolOf } from '../fixtures/claim-world.ts';
import {
  createStandbyWorld,
  eniId,
  haGroup,
  standbyDefaults,
  type Standby,
  type StandbyWorld,
} from '../fixtures/standby-world.ts';
import type { Ec2Dials } from '../lab/ec2-world.ts';

const callsOf = ({ run }: Standby, method: string): number =>
  run.ec2.calls.filter((call) => call.method === method).length;
const epochOf = ({ model }: StandbyWorld): string =>
  model.eni(eniId)!.tags[tagKeys.claim]!.split(':')[0]!;
const messages = ({ log }: StandbyWorld): readonly string[] =>
  log.lines.map(({ msg }) => String(msg));
const always = (method: Ec2Call['method'], fault: CallFault) => (call: Ec2Call) =>
  call.method === method ? fault : undefined;

const isConfirmed = (): Promise<boolean> => Promise.resolve(true);

/** Who holds the ENI, and whose name it carries. */
const now = (world: StandbyWorld) => ({ holder: world.holder(), owner: world.owner(eniId) });
const takenBy = ({ instance }: Standby) => ({
  holder: instance.identity.instanceId,
  owner: instance.arn,
});

/** What the standby did, and what became of the holder. */
const doneBy = ({ deeds }: Standby, world: StandbyWorld) => ({
  deeds: deeds(),
  ...now(world),
  state: world.model.instance('i-0')!.state,
});
const nothing = {
  deeds: [],
  holder: 'i-0',
  owner: 'arn:aws:ec2:eu-central-1:123456789012:instance/i-0',
  state: 'running',
};

describe('while the holder is well', () => {
  test('it says whom it watches and changes nothing, for an hour, at one EC2 call a minute', async () => {
    const world = await createStandbyWorld();
    const standby = world.standBy(1);
    await world.pass(60_000);
    const [address] = world.model.eni(eniId)!.ipv4;
    expect(standby.status()).toBe(`standby: standby for eni-0 (${address}) held by i-0: healthy`);
    const before = standby.run.ec2.calls.length;
    await world.pass(3_600_000);
    expect(standby.run.ec2.calls.length - before).toBeLessThan(65);
    expect(doneBy(standby, world)).toEqual(nothing);
    standby.run.kill();
  });

  test('one silent probe is nothing', async () => {
    const world = await createStandbyWorld();
    const standby = world.standBy(1);
    for (let n = 0; n < 20; n++) {
      await world.pass(10_000);
      world.manners.set('i-0', 'is silent');
      await world.pass(1_500);
      world.manners.set('i-0', 'answers');
    }
    expect(callsOf(standby, 'describeHealth')).toBe(0);
    expect(doneBy(standby, world)).toEqual(nothing);
    standby.run.kill();
  });

  test('what it will not be allowed to do is named, and it stands by all the same', async () => {
    const world = await createStandbyWorld();
    const standby = world.standBy(1, {
      fence: 'stop',
      dials: {
        fault: ({ method, target }) =>
          method === 'rehearse' && target === 'stop' ? answers.denied : undefined,
      },
    });
    await world.pass(60_000);
    expect(standby.status()).toMatch(
      /^standby: .* held by i-0: healthy; cannot call ec2:StopInstances: .*standby\.json$/,
    );
    expect(doneBy(standby, world)).toEqual(nothing);
    standby.run.kill();
  });

  test('EC2 away is said, and the watch goes on after it', async () => {
    const world = await createStandbyWorld();
    let isAway = false;
    const standby = world.standBy(1, {
      dials: { fault: () => (isAway ? 'request-lost' : undefined) },
    });
    await world.pass(10_000);
    isAway = true;
    await world.pass(200_000);
    expect(standby.status()).toMatch(/^standby: cannot call ec2:DescribeNetworkInterfaces: /);
    isAway = false;
    await world.pass(30_000);
    expect(standby.status()).toContain('held by i-0: healthy');
    expect(doneBy(standby, world)).toEqual(nothing);
    standby.run.kill();
  });
});

describe('before it is announced', () => {
  test('an instance in no group does not stand by', async () => {
    const world = await createStandbyWorld({ tags: {} });
    const standby = world.standBy(1);
    await expect(world.time.run(standby.claimed)).rejects.toMatchObject({
      code: 'aws-not-found',
      message: expect.stringContaining('does not carry the tag berth:ha-group'),
    });
    expect(standby.run.progress).toEqual([]);
  });

  test('nor does one that cannot hold another ENI', async () => {
    const world = await createStandbyWorld();
    for (const deviceIndex of [1, 2]) {
      const { eniId } = world.model.addEni({ subnetId: 'subnet-a' });
      world.model.attach({ eniId, instanceId: 'i-1', deviceIndex, networkCardIndex: 0 });
    }
    const standby = world.standBy(1, { identity: { macCount: 3 } });
    await expect(world.time.run(standby.claimed)).rejects.toMatchObject({ code: 'eni-limit' });
    expect(doneBy(standby, world)).toEqual(nothing);
  });

  test('an ENI of another group, or of another zone, is not watched, and that is said', async () => {
    const world = await createStandbyWorld();
    world.model.createTags([eniId], { [tagKeys.haGroup]: 'db-b' });
    const standby = world.standBy(1);
    await world.pass(60_000);
    expect(standby.status()).toContain(`carries the tag berth:ha-group=${haGroup}`);
    world.manners.set('i-0', 'is silent');
    await world.pass(300_000);
    expect(doneBy(standby, world)).toEqual(nothing);
    standby.run.kill();
  });

  test('nor is the primary ENI of an instance, whatever tags it carries', async () => {
    const world = await createStandbyWorld({ enis: 0, held: false });
    const [primary] = world.model.enisOf('i-0');
    world.model.createTags([primary!.eniId], { 'berth:pool': 'db', [tagKeys.haGroup]: haGroup });
    const standby = world.standBy(1, { fence: 'stop' });
    await world.pass(30_000);
    world.model.setHealth('i-0', 'impaired');
    world.manners.set('i-0', 'is silent');
    await world.pass(300_000);
    expect(standby.deeds()).toEqual([]);
    expect(standby.status()).toMatch(/^waiting-for-eni: /);
    standby.run.kill();
  });

  test('what is attached to it already is kept', async () => {
    const world = await createStandbyWorld({ held: false });
    const first = world.standBy(1);
    await world.time.run(first.claimed);
    const again = world.standBy(1);
    await world.time.run(again.claimed);
    expect(again.deeds()).toEqual([]);
    expect(now(world)).toEqual(takenBy(again));
  });
});

describe('an ENI that nobody holds', () => {
  test('is taken after a while', async () => {
    const world = await createStandbyWorld({ held: false });
    const standby = world.standBy(1);
    await world.time.run(standby.claimed);
    const tookMs = world.time.monotonicMs();
    expect(tookMs).toBeGreaterThan(10_000);
    expect(tookMs).toBeLessThan(20_000);
    expect(now(world)).toEqual(takenBy(standby));
  });

  test('is taken, though another of the pool is held by somebody who is well', async () => {
    const world = await createStandbyWorld({ enis: 2, held: false });
    world.model.attach({ eniId, instanceId: 'i-0', deviceIndex: 1, networkCardIndex: 0 });
    world.model.createTags([eniId], { [tagKeys.owner]: world.primary.arn });
    await world.pass(10_000);
    const standby = world.standBy(1);
    await world.time.run(standby.claimed);
    const holders = world.eniIds.map((id) => world.model.eni(id)!.attachment?.instanceId);
    expect(new Set(holders)).toEqual(new Set(['i-0', 'i-1']));
    expect(standby.deeds().map((deed) => deed.split(' ')[0])).toEqual(['createClaim', 'attach']);
  });

  test('goes to a primary that boots at the same time', async () => {
    const world = await createStandbyWorld({ held: false });
    const standby = world.standBy(1);
    await world.pass(5_000);
    await world.time.run(world.primary.start().claim());
    await world.pass(300_000);
    expect(standby.status()).toContain('held by i-0: healthy');
    expect(doneBy(standby, world)).toEqual(nothing);
    standby.run.kill();
  });

  test('and is claimed by an instance that runs: left alone until that must have given up', async () => {
    const world = await createStandbyWorld({ held: false });
    world.model.createTags([eniId], { [tagKeys.owner]: world.primary.arn });
    const standby = world.standBy(1);
    await world.pass(190_000);
    expect(standby.status()).toContain('i-0 (running) claims and has not attached');
    expect(standby.deeds()).toEqual([]);
    await world.time.run(standby.claimed);
    expect(now(world)).toEqual(takenBy(standby));
  });

  test('and is claimed by an instance that is stopped: taken after a while', async () => {
    for (const fence of ['detach', 'stop'] as const) {
      const world = await createStandbyWorld({ held: false });
      world.model.createTags([eniId], { [tagKeys.owner]: world.primary.arn });
      world.model.stop('i-0');
      const standby = world.standBy(1, { fence });
      await world.time.run(standby.claimed);
      expect(world.time.monotonicMs()).toBeLessThan(20_000);
      expect(now(world)).toEqual(takenBy(standby));
    }
  });

  test('with fence stop, never from an owner that may still run', async () => {
    const world = await createStandbyWorld({ held: false });
    world.model.createTags([eniId], { [tagKeys.owner]: world.primary.arn });
    const standby = world.standBy(1, { fence: 'stop' });
    await world.pass(3_600_000);
    expect(standby.deeds()).toEqual([]);
    expect(standby.status()).toContain('stop that instance, or start berth there');
    world.model.stop('i-0');
    await world.time.run(standby.claimed);
    expect(now(world)).toEqual(takenBy(standby));
  });

  test('and whose claim changes: the time begins anew', async () => {
    const world = await createStandbyWorld({ held: false, instances: 3 });
    world.model.createTags([eniId], { [tagKeys.owner]: world.primary.arn });
    const standby = world.standBy(1);
    await world.pass(190_000);
    world.model.createTags([eniId], { [tagKeys.owner]: world.instances[2]!.arn });
    await world.pass(190_000);
    expect(standby.deeds()).toEqual([]);
    standby.run.kill();
  });

  test('and cannot be claimed: tried ever more rarely, also where a pool is waited for but briefly', async () => {
    const world = await createStandbyWorld({ held: false });
    const standby = world.standBy(1, {
      pool: poolOf({ waitMs: 1 }),
      dials: { fault: always('createClaim', answers.denied) },
    });
    await expect(world.time.run(standby.claimed)).rejects.toMatchObject({ code: 'aws-denied' });
    expect(callsOf(standby, 'createClaim')).toBeLessThan(20);
  });
});

describe('a holder that fails', () => {
  test('fence detach: its ENI is detached, claimed and attached here, with a higher epoch', async () => {
    const world = await createStandbyWorld();
    const recorded: (string | undefined)[] = [];
    const standby = world.standBy(1, {
      dials: {
        arrives: ({ method }) => {
          if (method === 'createClaim') recorded.push(world.instances[1]!.recorded.eniId);
        },
      },
    });
    await world.pass(30_000);
    expect(epochOf(world)).toBe('1');
    world.manners.set('i-0', 'is silent');
    const { claimed, device } = await world.time.run(standby.claimed);
    expect(standby.deeds()).toEqual(['detach it', 'createClaim eni-0', 'attach eni-0']);
    expect(claimed.eni).toMatchObject({ eniId, attachment: { instanceId: 'i-1' } });
    expect(device.mac).toBe(claimed.eni.mac);
    expect(epochOf(world)).toBe('2');
    expect(claimed.eni.tags[tagKeys.claim]).toMatch(/^2:/);
    // Also for a stop in between, which gives back what the record names.
    expect(recorded).toEqual([eniId]);
    expect(standby.instance.recorded.eniId).toBe(eniId);
    expect(now(world)).toEqual(takenBy(standby));
    expect(world.model.instance('i-0')!.state).toBe('running');
  });

  test('fence stop: it is stopped before anything else is touched', async () => {
    const world = await createStandbyWorld({ dials: { stopMs: 40_000 } });
    const states: (readonly [string, string | undefined])[] = [];
    const standby = world.standBy(1, {
      fence: 'stop',
      dials: {
        arrives: ({ method }) => {
          if (['detach', 'createClaim', 'attach'].includes(method))
            states.push([method, world.model.instance('i-0')?.state]);
        },
      },
    });
    await world.pass(30_000);
    world.manners.set('i-0', 'is silent');
    await world.time.run(standby.claimed);
    expect(standby.deeds()).toEqual([
      'stop i-0',
      'stop i-0',
      'detach it',
      'createClaim eni-0',
      'attach eni-0',
    ]);
    expect(states).toEqual([
      ['detach', 'stopped'],
      ['createClaim', 'stopped'],
      ['attach', 'stopped'],
    ]);
    expect(now(world)).toEqual(takenBy(standby));
  });

  test('a stop that takes for ever: an alarm, and nothing is taken until it is over', async () => {
    const world = await createStandbyWorld({ dials: { stopMs: 600_000 } });
    const standby = world.standBy(1, { fence: 'stop' });
    await world.pass(30_000);
    world.manners.set('i-0', 'is silent');
    await world.pass(500_000);
    expect(standby.status()).toContain('cannot take eni-0 over yet: i-0 is stopping after 60 s');
    expect(standby.deeds()).toEqual(['stop i-0']);
    await world.time.run(standby.claimed);
    expect(now(world)).toEqual(takenBy(standby));
  });

  test('a terminated holder is waited for, and not stopped', async () => {
    const world = await createStandbyWorld({ dials: { terminateMs: 120_000 } });
    const standby = world.standBy(1, { fence: 'stop' });
    await world.pass(30_000);
    world.model.terminate('i-0');
    await world.time.run(standby.claimed);
    expect(standby.deeds()).toEqual(['createClaim eni-0', 'attach eni-0']);
    expect(world.time.monotonicMs()).toBeLessThan(165_000);
    expect(now(world)).toEqual(takenBy(standby));
  });

  test.each<readonly [string, Partial<Ec2Dials>, Partial<FakeEc2Dials>]>([
    ['a quick detach and reads that lag', { detachMs: 600 }, { readLagMs: () => 3_000 }],
    [
      'a lost reply',
      { detachMs: 20_000 },
      { fault: (call) => (call.method === 'detach' ? 'reply-lost' : undefined) },
    ],
  ])(
    'and whose berth lives on does not get it back, after %s: it waits',
    async (_name, ec2Dials, dials) => {
      for (let seed = 1; seed <= 5; seed++) {
        const world = await createStandbyWorld({ seed, dials: ec2Dials });
        await world.pass(60_000);
        const standby = world.standBy(1, { dials });
        await world.pass(30_000);
        world.manners.set('i-0', 'refuses');
        const former = world.primary.start();
        const stop = world.model.on('change', () => {
          if (world.model.eni(eniId)!.attachment?.status !== 'detaching') return;
          stop();
          void former.claim().catch(() => undefined);
        });
        await world.time.run(standby.claimed);
        await world.pass(60_000);
        expect(now(world)).toEqual(takenBy(standby));
        expect(former.ec2.calls.map(({ method }) => method)).not.toContain('attach');
        expect(former.progress.at(-1)![0]).toBe('waiting-for-eni');
        former.kill();
      }
    },
  );
});

describe('the second vote', () => {
  test('is missing while EC2 and the own address of the holder say that it is well', async () => {
    const world = await createStandbyWorld();
    world.ownManners.set('i-0', 'answers');
    const standby = world.standBy(1);
    await world.pass(30_000);
    world.manners.set('i-0', 'refuses');
    const before = standby.run.ec2.calls.length;
    await world.pass(3_600_000);
    expect(doneBy(standby, world)).toEqual(nothing);
    expect(standby.status()).toContain('(ECONNREFUSED); its own');
    expect(standby.status()).toContain('EC2 says running');
    expect(standby.run.ec2.calls.length - before).toBeLessThan(300);
    // It answers again: that is said too.
    world.manners.set('i-0', 'answers');
    await world.pass(5_000);
    expect(standby.status()).toMatch(/held by i-0: healthy$/);
    // And its next failure is asked for at once.
    world.model.stop('i-0');
    const startMs = world.time.monotonicMs();
    await world.time.run(standby.claimed);
    expect(world.time.monotonicMs() - startMs).toBeLessThan(15_000);
  });

  test('is not cast by EC2 that does not know the holder', async () => {
    const world = await createStandbyWorld();
    const { deps } = world.instances[1]!.start();
    const ec2 = { ...deps.ec2, describeInstance: () => Promise.resolve(undefined) };
    const heartbeat = createHeartbeat(
      { probe: () => Promise.resolve('ECONNREFUSED') },
      { eniAddress: '10.0.0.20', ownAddress: undefined, config: standbyDefaults.probe },
    );
    const suspect = { instanceId: 'i-9', haGroup, heartbeat };
    const verdict = await judge({ ...deps, ec2 }, suspect, new AbortController().signal);
    expect(verdict).toMatchObject({ hasFailed: false, isConfirmed: false });
  });

  test('is the second path, also where the status checks may not be asked for', async () => {
    const world = await createStandbyWorld();
    const standby = world.standBy(1, {
      dials: { fault: always('describeHealth', answers.denied) },
    });
    await world.pass(30_000);
    world.manners.set('i-0', 'is silent');
    await world.time.run(standby.claimed);
    expect(now(world)).toEqual(takenBy(standby));
  });

  test('is no path that never answered', async () => {
    const world = await createStandbyWorld();
    world.ownManners.set('i-0', 'refuses');
    const standby = world.standBy(1);
    await world.pass(30_000);
    world.manners.set('i-0', 'is silent');
    await world.pass(600_000);
    expect(doneBy(standby, world)).toEqual(nothing);
    standby.run.kill();
  });

  test('nor an ENI that never did: the port may be wrong', async () => {
    const world = await createStandbyWorld();
    world.manners.set('i-0', 'refuses');
    world.ownManners.set('i-0', 'answers');
    const standby = world.standBy(1);
    await world.pass(30_000);
    expect(standby.status()).toContain('and never was: is the port right');
    world.ownManners.set('i-0', 'refuses');
    await world.pass(600_000);
    expect(doneBy(standby, world)).toEqual(nothing);
    standby.run.kill();
  });

  test.each(['stopping', 'stopped', 'terminated'])('is EC2 that says %s', async (state) => {
    const world = await createStandbyWorld({
      dials: { stopMs: state === 'stopping' ? 3_600_000 : 0, terminateMs: 0 },
    });
    world.ownManners.set('i-0', 'refuses');
    const standby = world.standBy(1, {
      // The state alone votes.
      dials: { fault: always('describeHealth', answers.denied) },
    });
    await world.pass(30_000);
    if (state === 'terminated') world.model.terminate('i-0');
    else world.model.stop('i-0');
    await world.time.run(standby.claimed);
    expect(now(world)).toEqual(takenBy(standby));
  });

  test('is EC2 that says impaired, where that may be asked', async () => {
    for (const isDenied of [false, true]) {
      const world = await createStandbyWorld();
      world.ownManners.set('i-0', 'answers');
      const standby = world.standBy(1, {
        dials: { fault: isDenied ? always('describeHealth', answers.denied) : () => undefined },
      });
      await world.pass(30_000);
      world.manners.set('i-0', 'is silent');
      await world.pass(60_000);
      expect(doneBy(standby, world)).toEqual(nothing);
      world.model.setHealth('i-0', 'impaired');
      await world.pass(120_000);
      expect(world.holder()).toBe(isDenied ? 'i-0' : 'i-1');
      standby.run.kill();
    }
  });

  test('alone is nothing: a holder that answers is left alone, whatever EC2 says', async () => {
    const world = await createStandbyWorld();
    const standby = world.standBy(1);
    world.model.setHealth('i-0', 'impaired');
    await world.pass(600_000);
    expect(doneBy(standby, world)).toEqual(nothing);
    standby.run.kill();
  });
});

describe('before it fences', () => {
  test('it waits, and a holder that recovered by then is left alone', async () => {
    for (const fence of ['detach', 'stop'] as const) {
      const world = await createStandbyWorld();
      const standby = world.standBy(1, { fence, delayMs: 20_000 });
      await world.pass(30_000);
      world.manners.set('i-0', 'is silent');
      await world.pass(15_000);
      world.manners.set('i-0', 'answers');
      await world.pass(300_000);
      expect(doneBy(standby, world)).toEqual(nothing);
      expect(standby.status()).toMatch(/held by i-0: healthy$/);
      standby.run.kill();
    }
  });

  test('also one that EC2 still calls impaired', async () => {
    const world = await createStandbyWorld();
    const standby = world.standBy(1, { delayMs: 20_000 });
    await world.pass(30_000);
    world.model.setHealth('i-0', 'impaired');
    world.manners.set('i-0', 'is silent');
    await world.pass(15_000);
    world.manners.set('i-0', 'answers');
    await world.pass(300_000);
    expect(doneBy(standby, world)).toEqual(nothing);
    standby.run.kill();
  });

  test('also one that is silent on the address of the ENI alone by then', async () => {
    const world = await createStandbyWorld();
    const standby = world.standBy(1, { delayMs: 20_000 });
    await world.pass(30_000);
    world.manners.set('i-0', 'is silent');
    await world.pass(15_000);
    world.ownManners.set('i-0', 'answers');
    await world.pass(300_000);
    expect(doneBy(standby, world)).toEqual(nothing);
    standby.run.kill();
  });

  test('a holder that has given the ENI up by then is left alone', async () => {
    for (const fence of ['detach', 'stop'] as const) {
      const world = await createStandbyWorld({ instances: 3 });
      const standby = world.standBy(1, { fence, delayMs: 20_000 });
      await world.pass(30_000);
      world.manners.set('i-0', 'is silent');
      await world.pass(8_000);
      world.model.detach(world.model.eni(eniId)!.attachment!.attachmentId);
      await world.pass(3_000);
      world.model.attach({ eniId, instanceId: 'i-2', deviceIndex: 1, networkCardIndex: 0 });
      await world.pass(300_000);
      expect(standby.deeds()).toEqual([]);
      expect(world.holder()).toBe('i-2');
      expect(world.model.instance('i-0')!.state).toBe('running');
      expect(standby.status()).toMatch(/held by i-2: healthy$/);
      standby.run.kill();
    }
  });

  test('it never fences itself, nor touches what is leaving a third', async () => {
    const world = await createStandbyWorld({ instances: 3 });
    const { deps, ec2, signal } = world.instances[1]!.start();
    const { identity } = world.instances[1]!;
    const eni = (await world.time.run(ec2.describeEni(eniId, signal)))!;
    const self = { eni, holderId: 'i-1', identity };
    expect(await mayFence(deps, self, signal)).toBe(false);
    expect(ec2.calls).toHaveLength(1);
    const another = { eni, holderId: 'i-2', identity };
    expect(await world.time.run(mayFence(deps, another, signal))).toBe(false);
    world.model.dials.detachStuck = 1;
    world.model.detach(eni.attachment!.attachmentId);
    const target = { eni, holderId: 'i-2', identity, isConfirmed };
    expect(await world.time.run(takeFrom(deps, target, signal))).toBeUndefined();
    expect(ec2.calls.filter(({ method }) => !method.startsWith('describe'))).toEqual([]);
  });

  test('nor what a person has attached to the fenced holder again', async () => {
    const world = await createStandbyWorld({ instances: 3 });
    const { deps, ec2, signal } = world.instances[1]!.start();
    const { identity } = world.instances[1]!;
    const eni = (await world.time.run(ec2.describeEni(eniId, signal)))!;
    world.model.detach(eni.attachment!.attachmentId, true);
    await world.pass(10_000);
    world.model.attach({ eniId, instanceId: 'i-0', deviceIndex: 1, networkCardIndex: 0 });
    await world.pass(10_000);
    const target = { eni, holderId: 'i-0', identity, isConfirmed };
    expect(await world.time.run(takeFrom(deps, target, signal))).toBeUndefined();
    expect(ec2.calls.filter(({ method }) => !method.startsWith('describe'))).toEqual([]);
  });

  test('nor what another standby has put its name on since', async () => {
    const world = await createStandbyWorld({ instances: 3 });
    const { deps, ec2, signal } = world.instances[1]!.start();
    const { identity } = world.instances[1]!;
    const eni = (await world.time.run(ec2.describeEni(eniId, signal)))!;
    const target = { eni, holderId: 'i-0', identity };
    expect(await world.time.run(mayFence(deps, target, signal))).toBe(true);
    world.model.createTags([eniId], { 'berth:owner': world.instances[2]!.arn });
    expect(await world.time.run(mayFence(deps, target, signal))).toBe(false);
  });

  test('it gives way to another that has fenced the holder before it', async () => {
    const world = await createStandbyWorld({ instances: 3 });
    const { deps, ec2, signal } = world.instances[1]!.start();
    const { identity } = world.instances[1]!;
    const eni = (await world.time.run(ec2.describeEni(eniId, signal)))!;
    world.model.dials.detachStuck = 1;
    world.model.detach(eni.attachment!.attachmentId);
    world.model.createTags([eniId], { 'berth:owner': world.instances[2]!.arn });
    const target = { eni, holderId: 'i-0', identity, isConfirmed };
    expect(await world.time.run(takeFrom(deps, target, signal))).toBeUndefined();
    expect(ec2.calls.filter(({ method }) => !method.startsWith('describe'))).toEqual([]);
  });

  test('EC2 must answer', async () => {
    for (const fault of ['request-lost', answers.unavailable, answers.throttled] as const) {
      const world = await createStandbyWorld();
      let isAway = false;
      const standby = world.standBy(1, {
        fence: 'stop',
        dials: { fault: () => (isAway ? fault : undefined) },
      });
      await world.pass(30_000);
      isAway = true;
      world.manners.set('i-0', 'is silent');
      await world.pass(600_000);
      expect(world.holder()).toBe('i-0');
      expect(world.model.instance('i-0')!.state).toBe('running');
      expect(standby.deeds()).toEqual([]);
      isAway = false;
      await world.time.run(standby.claimed);
      expect(now(world)).toEqual(takenBy(standby));
    }
  });

  test('EC2 must say that this instance runs itself', async () => {
    for (const fence of ['detach', 'stop'] as const) {
      const world = await createStandbyWorld({ dials: { stopMs: 3_600_000 } });
      const standby = world.standBy(1, { fence });
      await world.pass(30_000);
      world.model.stop('i-1');
      world.manners.set('i-0', 'is silent');
      await world.pass(600_000);
      expect(doneBy(standby, world)).toEqual(nothing);
      expect(messages(world)).toContain(
        'EC2 says that this instance is stopping: it fences nobody',
      );
      standby.run.kill();
    }
  });

  test('the holder must be of the group', async () => {
    for (const fence of ['detach', 'stop'] as const) {
      const world = await createStandbyWorld();
      world.model.createTags(['i-0'], { [tagKeys.haGroup]: 'db-b' });
      const standby = world.standBy(1, { fence });
      await world.pass(30_000);
      expect(standby.status()).toContain('it does not carry berth:ha-group=db-a');
      world.manners.set('i-0', 'is silent');
      await world.pass(600_000);
      expect(doneBy(standby, world)).toEqual(nothing);
      standby.run.kill();
    }
  });

  test('what is denied is named, and tried again ever more rarely until it is allowed', async () => {
    const world = await createStandbyWorld();
    let isDenied = true;
    const standby = world.standBy(1, {
      fence: 'stop',
      dials: {
        fault: ({ method }) => (method === 'stop' && isDenied ? answers.denied : undefined),
      },
    });
    await world.pass(30_000);
    world.manners.set('i-0', 'is silent');
    await world.pass(3_600_000);
    expect(standby.status()).toContain('cannot call ec2:StopInstances');
    expect(callsOf(standby, 'stop')).toBeLessThan(120);
    expect(world.holder()).toBe('i-0');
    isDenied = false;
    await world.time.run(standby.claimed);
    expect(now(world)).toEqual(takenBy(standby));
  });
});

describe('a detach that is stuck', () => {
  test('is never forced on a peer that may live; an alarm says so', async () => {
    const world = await createStandbyWorld({ dials: { detachStuck: 1 } });
    const standby = world.standBy(1);
    await world.pass(30_000);
    world.manners.set('i-0', 'is silent');
    await world.pass(600_000);
    expect(callsOf(standby, 'forceDetach')).toBe(0);
    expect(standby.status()).toBe(
      'standby: cannot take eni-0 over yet: it does not leave i-0, after 60 s; stop that instance if it stays',
    );
    world.model.setHealth('i-0', 'impaired');
    await world.time.run(standby.claimed);
    expect(callsOf(standby, 'forceDetach')).toBe(1);
    expect(now(world)).toEqual(takenBy(standby));
  });

  test('is forced after 10 s on a peer that is stopped', async () => {
    const world = await createStandbyWorld();
    const standby = world.standBy(1, { fence: 'stop' });
    await world.pass(30_000);
    world.model.stop('i-0');
    world.model.dials.detachStuck = 1;
    let detachedAtMs = 0;
    let forcedAtMs = 0;
    standby.run.ec2.dials.arrives = ({ method }) => {
      if (method === 'detach') detachedAtMs = world.time.monotonicMs();
      if (method === 'forceDetach') forcedAtMs = world.time.monotonicMs();
    };
    await world.time.run(standby.claimed);
    expect(forcedAtMs - detachedAtMs).toBeGreaterThan(9_000);
    expect(forcedAtMs - detachedAtMs).toBeLessThan(20_000);
    expect(now(world)).toEqual(takenBy(standby));
  });

  test("is somebody else's business for a minute, each time", async () => {
    const world = await createStandbyWorld({ dials: { detachMs: 50_000 } });
    const standby = world.standBy(1);
    await world.pass(30_000);
    for (let times = 0; times < 2; times++) {
      world.model.detach(world.model.eni(eniId)!.attachment!.attachmentId);
      world.manners.set('i-0', 'is silent');
      world.model.setHealth('i-0', 'impaired');
      await world.pass(49_000);
      expect(standby.deeds()).toEqual([]);
      expect(standby.status()).toContain('which is leaving i-0');
      await world.pass(2_000);
      world.manners.set('i-0', 'answers');
      world.model.setHealth('i-0', 'ok');
      world.model.attach({ eniId, instanceId: 'i-0', deviceIndex: 1, networkCardIndex: 0 });
      await world.pass(90_000);
      expect(standby.status()).toMatch(/held by i-0: healthy$/);
    }
    standby.run.kill();
  });

  test('is gone on with after a restart: our claim stays, and force is used when it may be', async () => {
    const world = await createStandbyWorld({ dials: { detachStuck: 1 } });
    const standby = world.standBy(1);
    await world.pass(30_000);
    world.manners.set('i-0', 'is silent');
    await world.pass(30_000);
    expect(world.owner(eniId)).toBe(standby.instance.arn);
    standby.run.kill();
    let isDenied = true;
    const again = world.standBy(1, {
      dials: {
        fault: ({ method }) => (method === 'forceDetach' && isDenied ? answers.denied : undefined),
      },
    });
    await world.pass(120_000);
    expect(again.status()).toContain('cannot take eni-0 over yet: it does not leave i-0');
    expect(again.deeds()).toEqual([]);
    world.model.setHealth('i-0', 'impaired');
    await world.pass(300_000);
    expect(callsOf(again, 'forceDetach')).toBeLessThan(40);
    expect(callsOf(again, 'describePool')).toBeLessThan(60);
    isDenied = false;
    await world.time.run(again.claimed);
    expect(callsOf(again, 'deleteClaim')).toBe(0);
    expect(now(world)).toEqual(takenBy(again));
  });

  test('by force too: it is tried again and again', async () => {
    const world = await createStandbyWorld({ dials: { detachStuck: 1, forceStuck: 1 } });
    const standby = world.standBy(1);
    await world.pass(30_000);
    world.manners.set('i-0', 'is silent');
    world.model.setHealth('i-0', 'impaired');
    await world.pass(300_000);
    expect(callsOf(standby, 'forceDetach')).toBeGreaterThan(5);
    expect(callsOf(standby, 'forceDetach')).toBeLessThan(12);
    world.model.dials.forceStuck = 0;
    await world.time.run(standby.claimed);
    expect(now(world)).toEqual(takenBy(standby));
  });
});

describe('several standbys', () => {
  test('exactly one gets it, whatever they see, and none of them is stopped or loses it again', async () => {
    for (const fence of ['detach', 'stop'] as const) {
      for (let seed = 1; seed <= 30; seed++) {
        const lagMs = seed % 3 === 0 ? 4_000 : 0;
        const world = await createStandbyWorld({
          seed,
          instances: 4,
          dials: { stopMs: 20_000, jitter: 1, authorizationLagMs: seed % 2 === 0 ? 0 : 8_000 },
        });
        await world.pass(60_000);
        const standbys = [1, 2, 3].map((n) =>
          world.standBy(n, { fence, dials: { readLagMs: () => lagMs } }),
        );
        await world.pass(30_000);
        world.manners.set('i-0', 'is silent');
        const winner = await world.time.run(
          Promise.race(standbys.map((standby) => standby.claimed.then(() => standby))),
        );
        await world.pass(300_000);
        expect(world.holder()).toBe(winner.instance.identity.instanceId);
        expect([winner.instance.arn, undefined]).toContain(world.owner(eniId));
        const ids = ['i-1', 'i-2', 'i-3'];
        expect(ids.map((id) => world.model.instance(id)!.state)).toEqual(ids.map(() => 'running'));
        for (const other of standbys.filter((standby) => standby !== winner))
          expect(other.status()).toContain(`held by ${world.holder()}: healthy`);
        for (const { run } of standbys) run.kill();
      }
    }
  }, 60_000);

  test('the one with the shorter delay goes first', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const world = await createStandbyWorld({ seed, instances: 3 });
      const slow = world.standBy(1, { delayMs: 15_000 });
      const quick = world.standBy(2, { delayMs: 0 });
      await world.pass(30_000);
      world.manners.set('i-0', 'is silent');
      await world.time.run(quick.claimed);
      await world.pass(60_000);
      expect(now(world)).toEqual(takenBy(quick));
      expect(slow.deeds()).toEqual([]);
      slow.run.kill();
    }
  });

  test('of two that fence each other one survives', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const world = await createStandbyWorld({ seed, instances: 3, dials: { stopMs: 60_000 } });
      const standbys = [1, 2].map((n) => world.standBy(n, { fence: 'stop' }));
      await world.pass(30_000);
      world.manners.set('i-0', 'is silent');
      const winner = await world.time.run(
        Promise.race(standbys.map((standby) => standby.claimed.then(() => standby))),
      );
      // Neither is heard by the other any more.
      world.manners.set('i-1', 'is silent');
      world.manners.set('i-2', 'is silent');
      const again = world.standBy(winner.instance === standbys[0]!.instance ? 1 : 2, {
        fence: 'stop',
      });
      await world.pass(600_000);
      const running = ['i-1', 'i-2'].filter((id) => world.model.instance(id)!.state === 'running');
      expect(running.length).toBeGreaterThan(0);
      expect(running).toContain(world.holder());
      for (const { run } of [...standbys, again]) run.kill();
    }
  });
});

describe('a death at every call of a take-over, then a restart', () => {
  const lags = { readLagMs: () => 3_000 };
  test.each([
    ['detach', 'detach', {}, {}],
    ['stop', 'stop', {}, {}],
    ['detach, reads lag', 'detach', lags, {}],
    ['stop, reads lag', 'stop', lags, {}],
    ['detach, a slow one', 'detach', {}, { detachMs: 40_000 }],
  ] as const)(
    '%s',
    async (_name, fence, dials, ec2Dials) => {
      let deaths = 0;
      for (const how of ['killed-before', 'killed-after'] as const) {
        for (const afterMs of [0, 5_000, 60_000]) {
          for (let at = 1; ; at++) {
            const world = await createStandbyWorld({ dials: { stopMs: 20_000, ...ec2Dials } });
            await world.pass(60_000);
            world.manners.set('i-0', 'answers');
            let calls = 0;
            let isLate = false;
            const standby = world.standBy(1, {
              fence,
              dials: { ...dials, fault: () => (isLate && ++calls === at ? how : undefined) },
            });
            await world.pass(20_000);
            isLate = true;
            world.manners.set('i-0', 'is silent');
            const first = await world.time.run(
              standby.claimed.then(
                () => 'done',
                (error: unknown) => (error === killed ? 'killed' : error),
              ),
            );
            expect(['done', 'killed']).toContain(first);
            deaths += Number(first === 'killed');
            await world.pass(afterMs);
            const again = world.standBy(1, { fence, dials });
            // Its heart was heard only by the first life: EC2 has to say that it is impaired.
            world.model.setHealth('i-0', 'impaired');
            await world.time.run(again.claimed, world.time.monotonicMs() + 900_000);
            await world.pass(30_000);
            expect(now(world)).toEqual(takenBy(again));
            again.run.kill();
            if (first === 'done') break;
          }
        }
      }
      expect(deaths).toBeGreaterThan(60);
    },
    120_000,
  );
});
