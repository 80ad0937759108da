// The whole claim: waiting, racing, adopting, and a death at every call followed by a restart.
import { describe, expect, test, vi } from 'vitest';
import { reconcile } from '../../src/claim/reconcile.ts';
import type { ClaimInput } from '../../src/claim/claim.ts';
import type { BerthError } from '../../src/errors.ts';
import { answers, script, type CallFault, type FakeEc2Dials } from '../fakes/ec2.ts';
import {
  createClaimWorld,
  killed,
  poolOf,
  type ClaimWorld,
  type ClaimWorldOptions,
  type Instance,
  type Run,
} from '../fixtures/claim-world.ts';

const never = new AbortController().signal;
const pass = (world: ClaimWorld, ms: number): Promise<void> =>
  world.time.run(world.time.sleep(ms, never));
const attachTo = (world: ClaimWorld, instanceId: string, eniId: string, deviceIndex = 1): void => {
  world.model.attach({ eniId, instanceId, deviceIndex, networkCardIndex: 0 });
};
const tag = (world: ClaimWorld, eniId: string, owner: string): void =>
  world.model.createTags([eniId], { 'berth:owner': owner });
const callsOf = ({ ec2 }: Run, method: string): readonly string[] =>
  ec2.calls.filter((call) => call.method === method).map(({ target }) => target);
const isLook = (method: string): boolean => method === 'describePool' || method === 'describePart';
const fails = (world: ClaimWorld, run: Run): Promise<BerthError> =>
  world.time.run(
    run.claim().then(
      () => Promise.reject(new Error('it claimed')),
      (error: BerthError) => error,
    ),
  );

/** Holds just one ENI, under its own name and marked as unmanaged; nothing else is either. */
const justOne = { held: 1, strays: [] };
function holdingOf(world: ClaimWorld, { arn, held, marked }: Instance): unknown {
  const holds = held();
  const macs = holds.map((eniId) => world.model.eni(eniId)!.mac);
  const carrying = world.eniIds.filter((eniId) => world.owner(eniId) === arn);
  const strays = [
    ...carrying.filter((eniId) => !holds.includes(eniId)).map((eniId) => `claims ${eniId}`),
    ...holds.filter((eniId) => !carrying.includes(eniId)).map((eniId) => `untagged ${eniId}`),
    ...[...marked].filter((mac) => !macs.includes(mac)).map((mac) => `marks ${mac}`),
    ...macs.filter((mac) => !marked.has(mac)).map((mac) => `unmarked ${mac}`),
  ];
  return { held: holds.length, strays };
}

describe('a free ENI', () => {
  test('is claimed, attached, settled and recorded', async () => {
    const world = createClaimWorld({ enis: 3 });
    const instance = world.instances[0]!;
    const run = instance.start();
    const { claimed, device } = await world.time.run(run.claim());
    expect(holdingOf(world, instance)).toEqual(justOne);
    expect(instance.held()).toEqual([claimed.eni.eniId]);
    expect(claimed).toMatchObject({ deviceIndex: 1, networkCardIndex: 0 });
    expect(claimed.subnet).toEqual(instance.identity.primarySubnet);
    expect(device.mac).toBe(claimed.eni.mac);
    expect(instance.recorded.eniId).toBe(claimed.eni.eniId);
    expect(run.progress.map(([phase]) => phase)).toEqual(['claiming', 'attaching']);
    expect(run.ec2.calls.length).toBeLessThan(12);
  });

  test('is marked as unmanaged before its device can appear', async () => {
    const world = createClaimWorld({ enis: 1 });
    const instance = world.instances[0]!;
    const { mac } = world.model.eni('eni-0')!;
    let markedAtAttach: boolean | undefined;
    const run = instance.start({
      arrives: ({ method }) => {
        if (method === 'attach') markedAtAttach = instance.marked.has(mac);
      },
    });
    await world.time.run(run.claim());
    expect(markedAtAttach).toBe(true);
  });

  test('is on record before anything is changed', async () => {
    const world = createClaimWorld({ enis: 3 });
    const instance = world.instances[0]!;
    const writes: (readonly [string, string | undefined])[] = [];
    const run = instance.start({
      arrives: ({ method, target }) => {
        if (!method.startsWith('describe')) writes.push([target, instance.recorded.eniId]);
      },
    });
    const { claimed } = await world.time.run(run.claim());
    const { eniId } = claimed.eni;
    expect(writes).toEqual([
      [eniId, eniId],
      [eniId, eniId],
    ]);
  });

  test('two instances that race for one: one holds it, one waits and says so', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const world = createClaimWorld({
        enis: 1,
        instances: 2,
        seed,
        dials: { authorizationLagMs: seed % 2 === 0 ? 0 : 8_000 },
      });
      await pass(world, 20_000);
      // The guard lets both pass.
      const runs = world.instances.map((instance) => instance.start({ guardGapMs: () => 500 }));
      const claims = runs.map((run, n) => run.claim().then(() => n));
      const winner = await world.time.run(Promise.race(claims));
      const loser = runs[1 - winner]!;
      void claims[1 - winner]!.catch(() => undefined);
      await pass(world, 60_000);
      expect(world.instances[winner]!.held()).toEqual(['eni-0']);
      expect(world.instances[1 - winner]!.held()).toEqual([]);
      expect(world.owner('eni-0')).not.toBe(world.instances[1 - winner]!.arn);
      expect(loser.progress.at(-1)![0]).toBe('waiting-for-eni');
      expect(loser.progress.at(-1)![1]).toContain('no free ENI in pool db: of 1');
      loser.kill();
    }
  });

  test('the next one is tried when another instance was faster with its claim', async () => {
    const world = createClaimWorld({ enis: 2, instances: 2 });
    const instance = world.instances[0]!;
    let first: string | undefined;
    const run = instance.start({
      arrives: ({ method, target }) => {
        if (method !== 'createClaim' || first !== undefined) return;
        first = target;
        tag(world, target, world.instances[1]!.arn);
      },
    });
    await world.time.run(run.claim());
    expect(holdingOf(world, instance)).toEqual(justOne);
    expect(instance.held()).not.toEqual([first]);
  });

  test('the next one is tried when the first is taken, is unsuitable or will not attach', async () => {
    const faults: readonly CallFault[] = [
      { code: 'InvalidNetworkInterface.InUse' },
      { code: 'InvalidParameterCombination' },
      { code: 'UnsupportedOperation' },
    ];
    for (const fault of faults) {
      const world = createClaimWorld({ enis: 2, instances: 2 });
      const instance = world.instances[0]!;
      let first: string | undefined;
      const run = instance.start({
        arrives: ({ method, target }) => {
          if (method === 'attach' && target === first) attachTo(world, 'i-1', target);
        },
        fault: ({ method, target }) => {
          if (method !== 'attach') return undefined;
          first ??= target;
          const isTaken = typeof fault === 'object' && fault.code.endsWith('InUse');
          return target === first && !isTaken ? fault : undefined;
        },
      });
      await world.time.run(run.claim());
      expect(holdingOf(world, instance)).toEqual(justOne);
      expect(instance.held()).not.toEqual([first]);
    }
  });
});

const throttled = (): Partial<FakeEc2Dials> => ({
  fault: script({ describePool: [answers.throttled, answers.throttled] }),
});
const parts = async (world: ClaimWorld, run: Run, change?: Partial<ClaimInput>) => {
  const { claimed } = await world.time.run(run.claim(change));
  return [claimed.eni.eniId, callsOf(run, 'describePart').length] as const;
};

describe('EC2 that throttles the look', () => {
  test('a part of the pool will do where any ENI will', async () => {
    const world = createClaimWorld({ enis: 160 });
    const [, looks] = await parts(world, world.instances[0]!.start(throttled()));
    expect(looks).toBe(1);
    expect(holdingOf(world, world.instances[0]!)).toEqual(justOne);
  });

  test('a part without a free one: what nobody holds is asked for', async () => {
    const world = createClaimWorld({ enis: 2, seed: 3 });
    const [, looks] = await parts(world, world.instances[0]!.start(throttled()));
    expect(looks).toBeGreaterThan(1);
    expect(holdingOf(world, world.instances[0]!)).toEqual(justOne);
  });

  test('never where one may be ours: it is on record, on the host, or pinned', async () => {
    const world = createClaimWorld({ enis: 160, instances: 3 });
    const [one, two, three] = world.instances as [Instance, Instance, Instance];
    for (const [instance, eniId] of [
      [one, 'eni-7'],
      [two, 'eni-8'],
    ] as const) {
      tag(world, eniId, instance.arn);
      attachTo(world, instance.identity.instanceId, eniId);
    }
    await pass(world, 10_000);
    one.recorded.eniId = 'eni-7';
    expect(await parts(world, one.start(throttled()))).toEqual(['eni-7', 0]);
    const identity = { ...two.identity, macCount: 2 };
    expect(await parts(world, two.start(throttled()), { identity })).toEqual(['eni-8', 0]);
    const pinned = poolOf({ pin: { by: 'eni', eniId: 'eni-9' } });
    expect(await parts(world, three.start(throttled()), { pool: pinned })).toEqual(['eni-9', 0]);
  });
});

describe('waiting', () => {
  test('on an empty pool, every few seconds where it waits alone, with a message; then it takes what comes', async () => {
    const world = createClaimWorld({ enis: 0 });
    const instance = world.instances[0]!;
    const looks: number[] = [];
    const run = instance.start({
      arrives: ({ method }) => {
        if (isLook(method)) looks.push(world.time.monotonicMs());
      },
    });
    const claim = run.claim();
    await pass(world, 600_000);
    expect(run.progress.at(-1)).toEqual([
      'waiting-for-eni',
      "no ENI carries the tag berth:pool=db: create one, or check the pool's name and the Region eu-central-1; waiting for one",
    ]);
    const gaps = looks.slice(1).map((at, n) => at - looks[n]!);
    expect(gaps[0]).toBeLessThan(1_500);
    expect(gaps.slice(-10).every((gap) => gap > 2_000 && gap < 4_000)).toBe(true);
    world.model.addEni({ subnetId: 'subnet-a', eniId: 'eni-9', tags: { 'berth:pool': 'db' } });
    await world.time.run(claim);
    expect(instance.held()).toEqual(['eni-9']);
  });

  test('when all that is left was refused by EC2, it says that', async () => {
    const world = createClaimWorld({ enis: 2 });
    const run = world.instances[0]!.start({
      fault: ({ method }) => (method === 'attach' ? { code: 'OperationNotPermitted' } : undefined),
    });
    void run.claim().catch(() => undefined);
    await pass(world, 300_000);
    expect(run.progress.at(-1)![1]).toContain('2 that this instance cannot hold');
    expect(callsOf(run, 'attach')).toHaveLength(2);
    expect(world.eniIds.map(world.owner)).toEqual([undefined, undefined]);
    run.kill();
  });

  test('EC2 out of reach: tries on, and the status says what is wrong', async () => {
    const world = createClaimWorld({ enis: 1 });
    let isAway = true;
    const run = world.instances[0]!.start({ fault: () => (isAway ? 'request-lost' : undefined) });
    const claim = run.claim();
    await pass(world, 120_000);
    expect(run.progress.at(-1)).toEqual([
      'claiming',
      'cannot call ec2:DescribeNetworkInterfaces: no usable answer (no answer); trying again',
    ]);
    isAway = false;
    await world.time.run(claim);
    expect(holdingOf(world, world.instances[0]!)).toEqual(justOne);
  });

  test('for an ENI that is on its way off this instance', async () => {
    const world = createClaimWorld({ enis: 2, dials: { attachMs: 0, detachMs: 45_000 } });
    const instance = world.instances[0]!;
    attachTo(world, 'i-0', 'eni-0');
    tag(world, 'eni-0', instance.arn);
    await pass(world, 10);
    world.model.detach(world.model.eni('eni-0')!.attachment!.attachmentId);
    const run = instance.start();
    const claim = run.claim();
    await pass(world, 30_000);
    expect(callsOf(run, 'attach')).toEqual([]);
    expect(run.progress.at(-1)![1]).toBe('eni-0 is leaving this instance; waiting for that');
    expect(callsOf(run, 'describePool').length).toBeLessThan(15);
    await world.time.run(claim);
    expect(instance.held()).toEqual(['eni-0']);
  });
});

describe('a policy that is wrong', () => {
  test('DescribeNetworkInterfaces: at once, with the name of the permission', async () => {
    const world = createClaimWorld({ enis: 1 });
    const run = world.instances[0]!.start({ fault: () => answers.denied });
    const error = await fails(world, run);
    expect(error).toMatchObject({
      code: 'aws-denied',
      details: { action: 'ec2:DescribeNetworkInterfaces' },
    });
  });

  test('CreateTags: after a minute, with few calls, and the policy to compare', async () => {
    const world = createClaimWorld({ enis: 50 });
    const run = world.instances[0]!.start({
      fault: ({ method }) => (method === 'createClaim' ? answers.denied : undefined),
    });
    const error = await fails(world, run);
    expect(error).toMatchObject({ code: 'aws-denied', details: { action: 'ec2:CreateTags' } });
    expect(error.message).toContain('packaging/iam/base.json');
    expect(world.time.monotonicMs()).toBeGreaterThan(60_000);
    expect(callsOf(run, 'createClaim').length).toBeLessThan(150);
    expect(new Set(callsOf(run, 'createClaim')).size).toBe(50);
    expect(world.instances[0]!.recorded.eniId).toBeUndefined();
  });

  test('authorization that sees a former owner for 25 s is no wrong policy', async () => {
    const world = createClaimWorld({ enis: 1, dials: { authorizationLagMs: 25_000 } });
    tag(world, 'eni-0', 'arn:aws:ec2:r:1:instance/i-former');
    await pass(world, 60_000);
    world.model.deleteTags(['eni-0'], [{ key: 'berth:owner', value: undefined }]);
    await world.time.run(world.instances[0]!.start().claim());
    expect(holdingOf(world, world.instances[0]!)).toEqual(justOne);
  });

  test('nor are denials between which others own the ENI', async () => {
    const world = createClaimWorld({ enis: 1 });
    let looks = 0;
    const run = world.instances[0]!.start({
      fault: ({ method }) => (method === 'createClaim' ? answers.denied : undefined),
      arrives: ({ method }) => {
        if (!isLook(method)) return;
        if (++looks % 2 === 0) tag(world, 'eni-0', 'arn:aws:ec2:r:1:instance/i-other');
        else world.model.deleteTags(['eni-0'], [{ key: 'berth:owner', value: undefined }]);
      },
    });
    const ended = vi.fn<() => void>();
    void run.claim().then(ended, ended);
    await pass(world, 900_000);
    expect(callsOf(run, 'createClaim').length).toBeGreaterThan(10);
    expect(ended).not.toHaveBeenCalled();
    run.kill();
  });

  test('nor are denials where others own the ENI between our looks', async () => {
    const world = createClaimWorld({ enis: 1 });
    const run = world.instances[0]!.start({
      fault: ({ method }) => (method === 'createClaim' ? answers.denied : undefined),
      arrives: ({ method }) => {
        if (method === 'describeEni') tag(world, 'eni-0', 'arn:aws:ec2:r:1:instance/i-other');
        else world.model.deleteTags(['eni-0'], [{ key: 'berth:owner', value: undefined }]);
      },
    });
    const ended = vi.fn<() => void>();
    void run.claim().then(ended, ended);
    await pass(world, 300_000);
    expect(callsOf(run, 'describeEni').length).toBeGreaterThan(0);
    expect(ended).not.toHaveBeenCalled();
    run.kill();
  });

  test('the limit of the instance type: thrown, nothing claimed, nothing recorded', async () => {
    const world = createClaimWorld({ enis: 2 });
    const run = world.instances[0]!.start({
      fault: ({ method }) =>
        method === 'attach' ? { code: 'AttachmentLimitExceeded' } : undefined,
    });
    expect((await fails(world, run)).code).toBe('eni-limit');
    expect(world.eniIds.map(world.owner)).toEqual([undefined, undefined]);
    expect(world.instances[0]!.recorded.eniId).toBeUndefined();
  });
});

describe('adopting', () => {
  test('a restart changes nothing: no call but reads', async () => {
    const world = createClaimWorld({ enis: 2 });
    const instance = world.instances[0]!;
    await world.time.run(instance.start().claim());
    const held = instance.held();
    const again = instance.start();
    const { claimed } = await world.time.run(again.claim());
    expect([claimed.eni.eniId]).toEqual(held);
    expect(new Set(again.ec2.calls.map(({ method }) => method))).toEqual(
      new Set(['describePool', 'describeEni']),
    );
  });

  test('surplus is detached, tagged or not, and its claim given back', async () => {
    const world = createClaimWorld({ enis: 3 });
    const instance = world.instances[0]!;
    attachTo(world, 'i-0', 'eni-0', 1);
    attachTo(world, 'i-0', 'eni-1', 2);
    tag(world, 'eni-0', instance.arn);
    tag(world, 'eni-2', instance.arn);
    await pass(world, 10_000);
    await world.time.run(instance.start().claim());
    expect(holdingOf(world, instance)).toEqual(justOne);
    expect(instance.held()).toEqual(['eni-0']);
  });

  test('surplus that cannot be detached does not keep the address from being served', async () => {
    for (const stuck of ['denied', 'detaching'] as const) {
      const world = createClaimWorld({ enis: 2, dials: { detachMs: 3_600_000 } });
      const instance = world.instances[0]!;
      attachTo(world, 'i-0', 'eni-0', 1);
      attachTo(world, 'i-0', 'eni-1', 2);
      const owner = stuck === 'denied' ? 'arn:aws:ec2:r:1:instance/i-other' : instance.arn;
      tag(world, 'eni-1', owner);
      await pass(world, 10_000);
      const startMs = world.time.monotonicMs();
      const { claimed } = await world.time.run(instance.start().claim());
      expect(claimed.eni.eniId).toBe('eni-0');
      expect(world.time.monotonicMs() - startMs).toBeLessThan(90_000);
      expect(world.log.lines.map(({ msg }) => msg)).toContainEqual(
        expect.stringMatching(/^cannot give eni-1 back: /),
      );
    }
  });

  test('a stale Describe that hides what we hold leads to no second one', async () => {
    for (const isTagged of [true, false]) {
      const world = createClaimWorld({ enis: 3, dials: { attachMs: 0, deviceMs: 0 } });
      const instance = world.instances[0]!;
      // Seconds ago another had it; since then we claimed and attached it, and died.
      if (isTagged) tag(world, 'eni-0', 'arn:aws:ec2:r:1:instance/i-other');
      await pass(world, 60_000);
      attachTo(world, 'i-0', 'eni-0');
      tag(world, 'eni-0', instance.arn);
      instance.recorded.eniId = 'eni-0';
      const run = instance.start({ readLagMs: () => 5_000 });
      const { claimed } = await world.time.run(run.claim());
      expect(claimed.eni.eniId).toBe('eni-0');
      expect(callsOf(run, 'attach').filter((eniId) => eniId !== 'eni-0')).toEqual([]);
      expect(holdingOf(world, instance)).toEqual(justOne);
    }
  });

  test('a person attached another one, and ours is too young to be seen: ours is kept', async () => {
    const world = createClaimWorld({ enis: 2, dials: { attachMs: 0, deviceMs: 0 } });
    const instance = world.instances[0]!;
    attachTo(world, 'i-0', 'eni-1');
    tag(world, 'eni-0', instance.arn);
    await pass(world, 60_000);
    world.model.attach({ eniId: 'eni-0', instanceId: 'i-0', deviceIndex: 2, networkCardIndex: 0 });
    instance.recorded.eniId = 'eni-0';
    const run = instance.start({ readLagMs: () => 5_000 });
    const { claimed } = await world.time.run(run.claim());
    expect(claimed.eni.eniId).toBe('eni-0');
    expect(holdingOf(world, instance)).toEqual(justOne);
  });

  test('a record of what another holds by now costs one more look', async () => {
    const world = createClaimWorld({ enis: 2, instances: 2 });
    const instance = world.instances[0]!;
    attachTo(world, 'i-1', 'eni-0');
    instance.recorded.eniId = 'eni-0';
    await pass(world, 10_000);
    const startMs = world.time.monotonicMs();
    await world.time.run(instance.start().claim());
    expect(instance.held()).toEqual(['eni-1']);
    expect(world.time.monotonicMs() - startMs).toBeLessThan(12_000);
  });

  test('an ENI that is gone once its stale "attached" was believed is claimed anew', async () => {
    const world = createClaimWorld({ enis: 1, dials: { detachMs: 0 } });
    const instance = world.instances[0]!;
    await world.time.run(instance.start().claim());
    await pass(world, 60_000);
    world.model.detach(world.model.eni('eni-0')!.attachment!.attachmentId);
    const run = instance.start({ readLagMs: () => 5_000 });
    const startMs = world.time.monotonicMs();
    await world.time.run(run.claim());
    expect(holdingOf(world, instance)).toEqual(justOne);
    expect(world.time.monotonicMs() - startMs).toBeLessThan(90_000);
  });
});

describe('a device that never comes', () => {
  test('the ENI is given back after 180 s, for another instance', async () => {
    const world = createClaimWorld({ enis: 1 });
    const instance = world.instances[0]!;
    instance.kernel.showsDevices = false;
    const error = await fails(world, instance.start());
    expect(error.code).toBe('device-missing');
    expect(instance.held()).toEqual([]);
    expect(world.owner('eni-0')).toBeUndefined();
    expect(instance.recorded.eniId).toBeUndefined();
  });

  test('the message stays when giving back is denied, and the record too', async () => {
    const world = createClaimWorld({ enis: 1 });
    const instance = world.instances[0]!;
    instance.kernel.showsDevices = false;
    const run = instance.start({
      fault: ({ method }) => (method === 'detach' ? answers.denied : undefined),
    });
    expect((await fails(world, run)).code).toBe('device-missing');
    expect(instance.recorded.eniId).toBe('eni-0');
  });
});

describe('a death at every call, then a restart', () => {
  type Scenario = {
    readonly options: ClaimWorldOptions;
    readonly prepare: (world: ClaimWorld) => void;
    readonly dials: (world: ClaimWorld) => Partial<FakeEc2Dials>;
  };
  const plain: Scenario = {
    options: { enis: 3 },
    prepare: () => undefined,
    dials: () => ({}),
  };
  const scenarios: Readonly<Record<string, Scenario>> = {
    plain,
    'reads lag by 5 s': { ...plain, dials: () => ({ readLagMs: () => 5_000 }) },
    'authorization lags by 10 s': {
      ...plain,
      options: { enis: 3, dials: { authorizationLagMs: 10_000 } },
    },
    'replies are lost': {
      ...plain,
      dials: () => ({
        readLagMs: () => 2_000,
        fault: script({ createClaim: ['reply-lost'], attach: ['reply-lost', 'request-lost'] }),
      }),
    },
    'another takes the first': {
      ...plain,
      options: { enis: 3, instances: 2 },
      dials: (world) => {
        let isFirst = true;
        return {
          arrives: ({ method, target }) => {
            if (method !== 'attach' || !isFirst) return;
            isFirst = false;
            attachTo(world, 'i-1', target);
          },
        };
      },
    },
    'surplus and leaked claims': {
      ...plain,
      options: { enis: 4 },
      prepare: (world) => {
        attachTo(world, 'i-0', 'eni-0', 1);
        attachTo(world, 'i-0', 'eni-1', 2);
        for (const eniId of ['eni-0', 'eni-1', 'eni-2']) tag(world, eniId, world.instances[0]!.arn);
      },
    },
  };

  test.each(Object.entries(scenarios))('%s', async (_name, { options, prepare, dials }) => {
    let deaths = 0;
    for (const how of ['killed-before', 'killed-after'] as const) {
      for (const afterMs of [0, 2_000, 30_000]) {
        for (let at = 1; ; at++) {
          const world = createClaimWorld(options);
          const instance = world.instances[0]!;
          prepare(world);
          await pass(world, 60_000);
          const given = dials(world);
          const seconds: string[] = [];
          const watched: Partial<FakeEc2Dials> = {
            ...given,
            arrives: (call) => {
              given.arrives?.(call);
              if (call.method !== 'attach') return;
              seconds.push(...instance.held().filter((eniId) => eniId !== call.target));
            },
          };
          let calls = 0;
          const run = instance.start({
            ...watched,
            fault: (call) => (++calls === at ? how : given.fault?.(call)),
          });
          const first = await world.time.run(
            run.claim().then(
              () => 'done',
              (error: unknown) => (error === killed ? 'killed' : error),
            ),
          );
          await pass(world, afterMs);
          const [heldThen] = instance.held();
          deaths += Number(first === 'killed');
          const again = instance.start(watched);
          const { claimed } = await world.time.run(again.claim());
          await pass(world, 60_000);
          const { eni } = claimed;
          const { identity } = instance;
          await world.time.run(
            reconcile(again.deps, { eni, identity, otherPools: [] }, again.signal),
          );
          expect(['done', 'killed']).toContain(first);
          // S1: no attach while another is held. S10: what it held when it died, it holds on.
          expect(seconds).toEqual([]);
          expect(instance.held()).toEqual([heldThen ?? eni.eniId]);
          expect(holdingOf(world, instance)).toEqual(justOne);
          if (first === 'done') break;
        }
      }
    }
    expect(deaths).toBeGreaterThan(17);
  });
});
