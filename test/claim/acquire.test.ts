// Taking one ENI, against every answer that EC2 may give or lose.
import { describe, expect, test } from 'vitest';
import { acquire, type Acquired } from '../../src/claim/acquire.ts';
import { createPace } from '../../src/claim/pace.ts';
import type { BerthError } from '../../src/errors.ts';
import { answers, script, type CallFault, type FakeEc2Dials } from '../fakes/ec2.ts';
import { createClaimWorld, killed, type ClaimWorld } from '../fixtures/claim-world.ts';

type Result = { readonly outcome: string; readonly error: BerthError | undefined };
type Attempted = Result & {
  readonly world: ClaimWorld;
  readonly calls: readonly string[];
  readonly ms: number;
};

/** `i-0` takes `eni-0`, as the pool showed it before `prepare`. */
async function attempt(
  dials: Partial<FakeEc2Dials>,
  prepare: (world: ClaimWorld) => void = () => undefined,
  options: { readonly resumed?: boolean; readonly world?: ClaimWorld } = {},
): Promise<Attempted> {
  const world = options.world ?? createClaimWorld({ enis: 2, instances: 2 });
  const instance = world.instances[0]!;
  const run = instance.start(dials);
  const looking = instance.start();
  const [eni] = await world.time.run(looking.ec2.describePool('db', looking.signal));
  prepare(world);
  const startMs = world.time.monotonicMs();
  const { identity } = instance;
  const resumed = options.resumed ?? false;
  const input = { eni: eni!, identity, resumed, deviceIndex: 1 };
  const result = await world.time.run(
    acquire({ ...run.deps, pace: createPace(run.deps) }, input, run.signal).then(
      (acquired: Acquired): Result => ({
        outcome: acquired.outcome,
        error: 'error' in acquired ? acquired.error : undefined,
      }),
      (error: BerthError): Result => ({ outcome: `threw ${error.code}`, error }),
    ),
  );
  const calls = run.ec2.calls.map(({ method, target }) => `${method} ${target}`);
  expect(calls.filter((call) => /^(attach|createClaim|deleteClaim) (?!eni-0)/.test(call))).toEqual(
    [],
  );
  return { ...result, world, calls, ms: world.time.monotonicMs() - startMs };
}

const take = (world: ClaimWorld): void => {
  world.model.createTags(['eni-0'], { 'berth:owner': world.instances[1]!.arn });
};
const attachElsewhere = (world: ClaimWorld): void => {
  const eniId = 'eni-0';
  world.model.attach({ eniId, instanceId: 'i-1', deviceIndex: 1, networkCardIndex: 0 });
};
const count = (calls: readonly string[], method: string): number =>
  calls.filter((call) => call.startsWith(`${method} `)).length;
const error = (code: string, message = code): CallFault => ({ code, message });
const always = (method: string, fault: CallFault): Partial<FakeEc2Dials> => ({
  fault: (call) => (call.method === method ? fault : undefined),
});

/** Ours, under our name, and nothing undone on the way. */
const held = { outcome: 'attached', held: ['eni-0'], isTagged: true, undone: 0 };
const endOf = (attempted: Attempted): unknown => ({
  outcome: attempted.outcome,
  ...remainsOf(attempted),
  undone: count(attempted.calls, 'deleteClaim') + count(attempted.calls, 'detach'),
});

const nothing = { held: [], isTagged: false };
function remainsOf({ world }: Attempted): { held: readonly string[]; isTagged: boolean } {
  const { arn, held } = world.instances[0]!;
  return { held: held(), isTagged: world.owner('eni-0') === arn };
}

describe('the plain way', () => {
  test('two calls: tag, and attach at card 0 with the preferred index', async () => {
    const attempted = await attempt({});
    expect(endOf(attempted)).toEqual(held);
    expect(attempted.calls).toEqual(['createClaim eni-0', 'attach eni-0']);
    expect(attempted.ms).toBe(200);
    const eni = attempted.world.model.eni('eni-0')!;
    expect(eni.attachment).toMatchObject({ deviceIndex: 1, networkCardIndex: 0 });
    expect(eni.tags['berth:claim']).toMatch(/^1:[0-9a-f-]{36}:i-0$/);
  });

  test('the epoch of the claim rises', async () => {
    const world = createClaimWorld({ enis: 1 });
    world.model.createTags(['eni-0'], { 'berth:claim': '41:x' });
    await attempt({}, undefined, { world });
    expect(world.model.eni('eni-0')!.tags['berth:claim']).toMatch(/^42:/);
  });

  test('the lowest free index, as EC2 sees it', async () => {
    const attempted = await attempt({}, ({ model }) =>
      model.attach({ eniId: 'eni-1', instanceId: 'i-0', deviceIndex: 1, networkCardIndex: 0 }),
    );
    expect(attempted.outcome).toBe('attached');
    expect(attempted.world.model.eni('eni-0')!.attachment!.deviceIndex).toBe(2);
  });

  test('without DescribeInstances the indexes are found by trying', async () => {
    const attempted = await attempt(always('describeInstance', answers.denied), ({ model }) =>
      model.attach({ eniId: 'eni-1', instanceId: 'i-0', deviceIndex: 1, networkCardIndex: 0 }),
    );
    expect(attempted.outcome).toBe('attached');
    expect(attempted.world.model.eni('eni-0')!.attachment!.deviceIndex).toBe(2);
    expect(attempted.world.log.lines.map(({ msg }) => msg)).toContainEqual(
      expect.stringContaining('lacks the permission ec2:DescribeInstances'),
    );
  });
});

describe('the guarded tag', () => {
  test('a lost request or reply is repeated', async () => {
    for (const fault of ['request-lost', 'reply-lost'] as const) {
      const attempted = await attempt({ fault: script({ createClaim: [fault] }) });
      expect(endOf(attempted)).toEqual(held);
      expect(count(attempted.calls, 'createClaim')).toBe(2);
    }
  });

  test('a repeat that is denied though the lost one wrote our claim is success', async () => {
    const attempted = await attempt({
      fault: script({ createClaim: ['reply-lost', answers.denied] }),
    });
    expect(endOf(attempted)).toEqual(held);
  });

  test('throttling and simultaneous tagging are waited out', async () => {
    const attempted = await attempt({
      fault: script({ createClaim: [answers.throttled, error('ConcurrentTagAccess')] }),
    });
    expect(endOf(attempted)).toEqual(held);
  });

  test.each<readonly [string, string, (world: ClaimWorld) => void]>([
    ['claimed by another', 'denied', take],
    ['gone', 'lost', ({ model }) => model.deleteEni('eni-0')],
  ])('%s: %s, in one call', async (_name, outcome, prepare) => {
    const attempted = await attempt({}, prepare);
    expect(attempted.outcome).toBe(outcome);
    expect(attempted.calls).toEqual(['createClaim eni-0']);
    expect(remainsOf(attempted)).toEqual(nothing);
  });

  test('after seconds without an answer it is read again: a role without the guard must not overwrite', async () => {
    const silence = Array.from({ length: 6 }, () => 'request-lost' as const);
    const free = await attempt({ fault: script({ createClaim: silence }) });
    expect(endOf(free)).toEqual(held);
    expect(count(free.calls, 'describeEni')).toBeGreaterThan(0);
    const taken = await attempt({ fault: script({ createClaim: silence }) }, take);
    expect(taken.outcome).toBe('lost');
    expect(count(taken.calls, 'createClaim')).toBeLessThan(silence.length);
    const written = await attempt({ fault: script({ createClaim: ['reply-lost', ...silence] }) });
    expect(endOf(written)).toEqual(held);
    expect(count(written.calls, 'createClaim')).toBeLessThan(silence.length);
  });

  test('claimed by another after our request was lost: read again, and lost', async () => {
    const attempted = await attempt({ fault: script({ createClaim: ['request-lost'] }) }, take);
    expect(attempted.outcome).toBe('lost');
    expect(attempted.calls).toEqual([
      'createClaim eni-0',
      'createClaim eni-0',
      'describeEni eni-0',
    ]);
    expect(remainsOf(attempted)).toEqual(nothing);
  });

  test('throttled for longer than the look is good for: busy, and nothing is left', async () => {
    const attempted = await attempt({
      fault: ({ method }) => (method === 'createClaim' ? answers.throttled : undefined),
    });
    expect(attempted.outcome).toBe('busy');
    expect(attempted.ms).toBeLessThan(15_000);
    expect(remainsOf(attempted)).toEqual(nothing);
  });

  test('throttled after a lost reply: the same ENI until EC2 answers', async () => {
    const throttles = Array.from({ length: 12 }, () => answers.throttled);
    const attempted = await attempt({
      fault: script({ createClaim: ['reply-lost', ...throttles] }),
    });
    expect(endOf(attempted)).toEqual(held);
    expect(count(attempted.calls, 'createClaim')).toBeLessThan(14);
  });

  test('the second copy of an attach is denied, and the reads lag: what the first attached is kept', async () => {
    const world = createClaimWorld({ enis: 2, instances: 2 });
    await world.time.run(world.time.sleep(60_000, new AbortController().signal));
    let copies = 0;
    const attempted = await attempt(
      {
        readLagMs: () => 3_000,
        arrives: ({ method }) => {
          if (method !== 'attach' || ++copies > 1) return;
          // The first copy did it; then another wrote its name over ours, as it may while the guard lags.
          const place = { deviceIndex: 1, networkCardIndex: 0 };
          world.model.attach({ eniId: 'eni-0', instanceId: 'i-0', ...place });
          take(world);
        },
        fault: script({ attach: [answers.denied] }),
      },
      undefined,
      { world },
    );
    expect(attempted.outcome).toBe('attached');
    expect(attempted.calls).not.toContain('deleteClaim eni-0');
  });

  test('an attach that is throttled for minutes is no fault of the ENI', async () => {
    const throttles = Array.from({ length: 60 }, () => answers.throttled);
    const attempted = await attempt({ fault: script({ attach: throttles }) });
    expect(attempted.ms).toBeGreaterThan(300_000);
    expect(endOf(attempted)).toEqual(held);
    expect(count(attempted.calls, 'createClaim')).toBe(1);
  });

  test('denied though nobody owns it is said to be so', async () => {
    const attempted = await attempt(always('createClaim', answers.denied));
    expect(attempted).toMatchObject({ outcome: 'denied', error: { code: 'aws-denied' } });
    expect(attempted.error!.details['action']).toBe('ec2:CreateTags');
  });

  test.each(['UnsupportedOperation', 'TagLimitExceeded', 'InvalidTagKey.Malformed'])(
    '%s is for somebody to put right',
    async (code) => {
      const attempted = await attempt(always('createClaim', error(code)));
      expect(attempted.outcome).toBe('threw aws-invalid');
    },
  );
});

describe('attach: lost answers', () => {
  test('a lost reply, then InUse for our own attach, is success', async () => {
    const attempted = await attempt(
      { fault: script({ attach: ['reply-lost'] }), readLagMs: staleOnce() },
      undefined,
      { world: await agedWorld() },
    );
    expect(endOf(attempted)).toEqual(held);
    expect(count(attempted.calls, 'attach')).toBe(2);
  });

  test('a lost reply, then a read that names us, is success without another attach', async () => {
    const attempted = await attempt({ fault: script({ attach: ['reply-lost'] }) });
    expect(endOf(attempted)).toEqual(held);
    expect(count(attempted.calls, 'attach')).toBe(1);
  });

  test('the same while every read lags by 5 s', async () => {
    const world = createClaimWorld({ enis: 2, instances: 2 });
    await world.time.run(world.time.sleep(10_000, new AbortController().signal));
    const fault = script({ attach: ['reply-lost'] });
    expect(endOf(await attempt({ fault, readLagMs: () => 5_000 }, undefined, { world }))).toEqual(
      held,
    );
  });

  test.each<readonly [string, CallFault]>([
    [
      'index taken',
      error('InvalidParameterValue', 'already has an interface attached at device index'),
    ],
    ['limit', error('AttachmentLimitExceeded')],
    ['unsuitable', error('InvalidParameterCombination')],
    ['in use, the other wording', error('InvalidParameterValue', "'eni-0' is currently in use")],
    ['denied', answers.denied],
    ['state', error('IncorrectState')],
    ['not found', error('InvalidNetworkInterfaceID.NotFound')],
    ['invalid', error('UnsupportedOperation')],
  ])('after a lost reply, %s may be about our own attach', async (_name, second) => {
    const attempted = await attempt(
      { fault: script({ attach: ['reply-lost', second] }), readLagMs: staleOnce() },
      undefined,
      { world: await agedWorld() },
    );
    expect(endOf(attempted)).toEqual(held);
    expect(count(attempted.calls, 'attach')).toBeGreaterThan(1);
  });

  test('a 5xx is in doubt too', async () => {
    const arrived: CallFault[] = ['reply-lost', answers.unavailable];
    expect(endOf(await attempt({ fault: script({ attach: arrived }) }))).toEqual(held);
  });

  test('a lost request is sent again, for the same ENI', async () => {
    const attempted = await attempt({ fault: script({ attach: Array(5).fill('request-lost') }) });
    expect(endOf(attempted)).toEqual(held);
    expect(count(attempted.calls, 'attach')).toBe(6);
  });

  test('throttling in between changes nothing about the doubt', async () => {
    const attach: CallFault[] = ['reply-lost', answers.throttled, error('AttachmentLimitExceeded')];
    expect(endOf(await attempt({ fault: script({ attach }) }))).toEqual(held);
  });

  test('nothing but lost requests: given back after 180 s, and only once two reads agree', async () => {
    const attempted = await attempt(always('attach', 'request-lost'));
    expect(attempted).toMatchObject({ outcome: 'failed', error: { code: 'timeout' } });
    expect(attempted.ms).toBeGreaterThan(180_000);
    expect(attempted.ms).toBeLessThan(205_000);
    expect(attempted.calls.slice(-3)).toEqual([
      'describeEni eni-0',
      'describeEni eni-0',
      'deleteClaim eni-0',
    ]);
    expect(remainsOf(attempted)).toEqual(nothing);
  });

  test('the last reply lost, at the deadline: ours all the same', async () => {
    let world: ClaimWorld | undefined;
    const fault: FakeEc2Dials['fault'] = ({ method }) => {
      if (method !== 'attach') return undefined;
      return world!.time.monotonicMs() > 178_000 ? 'reply-lost' : 'request-lost';
    };
    expect(endOf(await attempt({ fault }, (made) => (world = made)))).toEqual(held);
  });
});

describe('attach: answers', () => {
  test('InUse by another: lost, our claim given back, theirs left', async () => {
    const attempted = await attempt({}, attachElsewhere);
    expect(attempted.outcome).toBe('lost');
    expect(attempted.calls.slice(-3)).toEqual([
      'attach eni-0',
      'describeEni eni-0',
      'deleteClaim eni-0',
    ]);
    expect(remainsOf(attempted)).toEqual(nothing);
  });

  test('InUse while the reads show it free is asked again', async () => {
    let reads = 0;
    const attempted = await attempt(
      { readLagMs: () => (++reads < 4 ? 60_000 : 0) },
      attachElsewhere,
      { world: await agedWorld() },
    );
    expect(attempted.outcome).toBe('lost');
    expect(count(attempted.calls, 'attach')).toBeGreaterThan(1);
    expect(remainsOf(attempted)).toEqual(nothing);
  });

  test('InUse for our own attach beside a read that shows nothing: read again', async () => {
    const world = createClaimWorld({ enis: 2 });
    const { identity } = world.instances[0]!;
    const { deps, ec2, signal } = world.instances[0]!.start({
      arrives: ({ method }) => {
        const place = { deviceIndex: 1, networkCardIndex: 0 };
        if (method === 'attach' && world.model.eni('eni-0')!.attachment === undefined)
          world.model.attach({ eniId: 'eni-0', instanceId: 'i-0', ...place });
      },
    });
    const [eni] = await world.time.run(ec2.describePool('db', signal));
    let isFirst = true;
    const blinking = {
      ...ec2,
      describeEni: async (eniId: string, signal: AbortSignal) => {
        const eni = await ec2.describeEni(eniId, signal);
        const shown = isFirst ? undefined : eni;
        isFirst = false;
        return shown;
      },
    };
    const blinkingDeps = { ...deps, ec2: blinking, pace: createPace(deps) };
    const input = { eni: eni!, identity, resumed: false, deviceIndex: 1 };
    const acquired = await world.time.run(acquire(blinkingDeps, input, signal));
    expect(acquired.outcome).toBe('attached');
    expect(world.owner('eni-0')).toBe(world.instances[0]!.arn);
  });

  test('an index that is taken is not tried again, though the reads show it free', async () => {
    const attempted = await attempt(
      { readLagMs: () => 60_000 },
      ({ model }) =>
        model.attach({ eniId: 'eni-1', instanceId: 'i-0', deviceIndex: 1, networkCardIndex: 0 }),
      { world: await agedWorld() },
    );
    expect(attempted.outcome).toBe('attached');
    expect(count(attempted.calls, 'attach')).toBe(2);
    expect(attempted.world.model.eni('eni-0')!.attachment!.deviceIndex).toBe(2);
  });

  test('the limit of the type: given back, and said with what to do', async () => {
    const attempted = await attempt(always('attach', error('AttachmentLimitExceeded')));
    expect(attempted.outcome).toBe('threw eni-limit');
    expect(attempted.error!.message).toBe(
      'cannot attach eni-0: t3.medium holds as many ENIs as it can; use a larger instance type or detach one',
    );
    expect(remainsOf(attempted)).toEqual(nothing);
  });

  test.each([
    'InvalidParameterCombination',
    'InvalidInterface.IpAddressLimitExceeded',
    'PrivateIpAddressLimitExceeded',
    'OperationNotPermitted',
  ])('%s: unsuitable, given back', async (code) => {
    const attempted = await attempt(always('attach', error(code)));
    expect(attempted).toMatchObject({ outcome: 'unsuitable', error: { code: 'eni-unsuitable' } });
    expect(remainsOf(attempted)).toEqual(nothing);
  });

  test.each(['IncorrectState', 'IncorrectInstanceState', 'InvalidInstanceID.NotFound'])(
    '%s at boot is waited out on the same ENI',
    async (code) => {
      expect(
        endOf(await attempt({ fault: script({ attach: Array(6).fill(error(code)) }) })),
      ).toEqual(held);
    },
  );

  test('NotFound that has not propagated is waited out; gone is lost', async () => {
    const notFound = error('InvalidNetworkInterfaceID.NotFound');
    expect(endOf(await attempt({ fault: script({ attach: [notFound, notFound] }) }))).toEqual(held);
    const world = createClaimWorld({ enis: 2 });
    const arrives: FakeEc2Dials['arrives'] = ({ method }) => {
      if (method === 'attach') world.model.deleteEni('eni-0');
    };
    const attempted = await attempt({ arrives }, undefined, { world });
    expect(attempted.outcome).toBe('lost');
  });

  test('anything else is given back, and another ENI may be tried', async () => {
    const attempted = await attempt(always('attach', error('UnsupportedOperation')));
    expect(attempted).toMatchObject({ outcome: 'failed', error: { code: 'aws-invalid' } });
    expect(remainsOf(attempted)).toEqual(nothing);
  });
});

describe('attach: denied', () => {
  test('while authorization does not see our tag, for 25 s', async () => {
    const world = createClaimWorld({ enis: 2, dials: { authorizationLagMs: 25_000 } });
    await world.time.run(world.time.sleep(60_000, new AbortController().signal));
    const attempted = await attempt({}, undefined, { world });
    expect(endOf(attempted)).toEqual(held);
    expect(attempted.ms).toBeGreaterThan(25_000);
    expect(attempted.ms).toBeLessThan(40_000);
  });

  test('for longer than 30 s with our tag: the policy; given back', async () => {
    const attempted = await attempt(always('attach', answers.denied));
    expect(attempted.outcome).toBe('threw aws-denied');
    expect(attempted.error!.details['action']).toBe('ec2:AttachNetworkInterface');
    expect(attempted.ms).toBeGreaterThan(30_000);
    expect(attempted.ms).toBeLessThan(45_000);
    expect(remainsOf(attempted)).toEqual(nothing);
  });

  test('another overwrote our claim: lost, theirs stays', async () => {
    const world = createClaimWorld({ enis: 2, instances: 2 });
    const arrives: FakeEc2Dials['arrives'] = ({ method }) => {
      if (method === 'attach') take(world);
    };
    const attempted = await attempt({ arrives }, undefined, { world });
    expect(attempted.outcome).toBe('lost');
    expect(world.owner('eni-0')).toBe(world.instances[1]!.arn);
  });

  test('another overwrote our claim after the attach, which was sent twice: ours all the same', async () => {
    const world = createClaimWorld({ enis: 2, instances: 2 });
    const arrives: FakeEc2Dials['arrives'] = ({ method }) => {
      if (method !== 'attach') return;
      const place = { deviceIndex: 1, networkCardIndex: 0 };
      world.model.attach({ eniId: 'eni-0', instanceId: 'i-0', ...place });
      take(world);
    };
    const attempted = await attempt({ arrives }, undefined, { world });
    expect(attempted.outcome).toBe('attached');
    expect(count(attempted.calls, 'deleteClaim')).toBe(0);
  });

  test('another attached it and carries nobody’s name yet: lost, and not claimed again', async () => {
    const world = createClaimWorld({ enis: 2, instances: 2 });
    const arrives: FakeEc2Dials['arrives'] = ({ method }) => {
      if (method !== 'attach') return;
      attachElsewhere(world);
      world.model.deleteTags(['eni-0'], [{ key: 'berth:owner', value: undefined }]);
    };
    const attempted = await attempt({ arrives }, undefined, { world });
    expect(attempted.outcome).toBe('lost');
    expect(count(attempted.calls, 'createClaim')).toBe(1);
  });

  test('a stale read that shows a former owner: lost, and our claim goes', async () => {
    const world = await agedWorld();
    take(world);
    await world.time.run(world.time.sleep(30_000, new AbortController().signal));
    world.model.deleteTags(['eni-0'], [{ key: 'berth:owner', value: undefined }]);
    const attempted = await attempt(
      { ...always('attach', answers.denied), readLagMs: () => 5_000 },
      undefined,
      { world },
    );
    expect(attempted.outcome).toBe('lost');
    expect(remainsOf(attempted)).toEqual(nothing);
  });

  test('somebody deleted our tag: it is written again', async () => {
    const world = createClaimWorld({ enis: 2 });
    let isFirst = true;
    const arrives: FakeEc2Dials['arrives'] = ({ method }) => {
      if (method !== 'attach' || !isFirst) return;
      isFirst = false;
      world.model.deleteTags(['eni-0'], [{ key: 'berth:owner', value: undefined }]);
    };
    const attempted = await attempt({ arrives }, undefined, { world });
    expect(endOf(attempted)).toEqual(held);
    expect(count(attempted.calls, 'createClaim')).toBe(2);
  });
});

describe('giving the claim back', () => {
  test('lost and throttled deletes are repeated', async () => {
    const fault = script({ deleteClaim: ['request-lost', 'reply-lost', answers.throttled] });
    const attempted = await attempt({ fault }, attachElsewhere);
    expect(attempted.outcome).toBe('lost');
    expect(remainsOf(attempted)).toEqual(nothing);
  });

  test('denied while authorization does not see our tag yet: waited out, or the claim would leak', async () => {
    const world = createClaimWorld({
      enis: 2,
      instances: 2,
      dials: { authorizationLagMs: 20_000 },
    });
    await world.time.run(world.time.sleep(60_000, new AbortController().signal));
    const attempted = await attempt({}, attachElsewhere, { world });
    expect(attempted.outcome).toBe('lost');
    expect(world.owner('eni-0')).toBeUndefined();
  });

  test('denied for good is said and does not stop the claim', async () => {
    const attempted = await attempt(
      {
        fault: ({ method }) => (method === 'deleteClaim' ? answers.denied : undefined),
      },
      attachElsewhere,
    );
    expect(attempted.outcome).toBe('lost');
    expect(attempted.ms).toBeLessThan(45_000);
    expect(attempted.world.log.lines.at(-1)!['msg']).toContain('our claim on eni-0 stays');
  });
});

const tagOurs = (world: ClaimWorld): void => {
  world.model.createTags(['eni-0'], { 'berth:owner': world.instances[0]!.arn });
};
const attachOurs = (world: ClaimWorld): void => {
  tagOurs(world);
  const eniId = 'eni-0';
  world.model.attach({ eniId, instanceId: 'i-0', deviceIndex: 1, networkCardIndex: 0 });
};

describe('after a crash', () => {
  test.each([
    'InvalidNetworkInterface.InUse',
    'AttachmentLimitExceeded',
    'InvalidParameterCombination',
    'IncorrectState',
  ])('%s may be about the attach of the earlier run', async (code) => {
    const fault = script({ attach: [error(code)] });
    expect(endOf(await attempt({ fault }, attachOurs, { resumed: true }))).toEqual(held);
  });

  test('a refused claim may be refused since we hold it', async () => {
    // Of describeSelf, then of the look after the denial.
    const readLagMs = [0, 5_000];
    const attempted = await attempt(
      { fault: script({ createClaim: [answers.denied] }), readLagMs: () => readLagMs.shift() ?? 0 },
      attachOurs,
      { resumed: true, world: await agedWorld() },
    );
    expect(endOf(attempted)).toEqual(held);
  });

  test('a claim that went meanwhile is written again', async () => {
    const world = createClaimWorld({ enis: 2 });
    tagOurs(world);
    const attempted = await attempt(
      {},
      ({ model }) => model.deleteTags(['eni-0'], [{ key: 'berth:owner', value: undefined }]),
      { resumed: true, world },
    );
    expect(endOf(attempted)).toEqual(held);
  });
});

test('stops at once, at every call, when told to', async () => {
  const { calls } = await attempt({}, attachElsewhere);
  for (const [at] of calls.entries()) {
    const world = createClaimWorld({ enis: 1, instances: 2 });
    const run = world.instances[0]!.start({
      fault: () => (run.ec2.calls.length === at + 1 ? 'killed-before' : undefined),
    });
    const [eni] = await world.time.run(
      world.instances[1]!.start().ec2.describePool('db', new AbortController().signal),
    );
    attachElsewhere(world);
    const { identity } = world.instances[0]!;
    const input = { eni: eni!, identity, resumed: false, deviceIndex: 1 };
    const startMs = world.time.monotonicMs();
    await expect(
      world.time.run(acquire({ ...run.deps, pace: createPace(run.deps) }, input, run.signal)),
    ).rejects.toBe(killed);
    expect(run.ec2.calls.length).toBe(at + 1);
    expect(world.time.monotonicMs() - startMs).toBeLessThan(500);
  }
});

/** The first read is older than what was done. */
function staleOnce(): () => number {
  let reads = 0;
  return () => (reads++ === 0 ? 60_000 : 0);
}

/** Old enough for any lag. */
async function agedWorld(): Promise<ClaimWorld> {
  const world = createClaimWorld({ enis: 2, instances: 2 });
  await world.time.run(world.time.sleep(120_000, new AbortController().signal));
  return world;
}
