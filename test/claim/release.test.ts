// Giving an ENI back: the tag goes last, and only what is ours goes.
import { describe, expect, test } from 'vitest';
import { releaseRecorded } from '../../src/claim/release-recorded.ts';
import { detachAndDrop } from '../../src/claim/release.ts';
import type { BerthError } from '../../src/errors.ts';
import { answers, script, type FakeEc2Dials } from '../fakes/ec2.ts';
import {
  createClaimWorld,
  eniOf,
  killed,
  type ClaimWorld,
  type Run,
} from '../fixtures/claim-world.ts';

const never = new AbortController().signal;
const pass = (world: ClaimWorld, ms: number): Promise<void> =>
  world.time.run(world.time.sleep(ms, never));
const sent = ({ ec2 }: Run): readonly string[] =>
  ec2.calls.map(({ method }) => method).filter((method) => !method.startsWith('describe'));

/** `i-0` serves `eni-0`, since long ago. */
async function serving(options: { readonly detachMs?: number; readonly aged?: boolean } = {}) {
  const { detachMs = 2_000, aged = true } = options;
  const world = createClaimWorld({ enis: 1, instances: 2, dials: { detachMs } });
  await pass(world, 60_000);
  await world.time.run(world.instances[0]!.start().claim());
  if (aged) await pass(world, 60_000);
  const { mac } = world.model.eni('eni-0')!;
  const release = (run: Run, signal: AbortSignal = run.signal): Promise<void> => {
    const { identity } = world.instances[0]!;
    return detachAndDrop(run.deps, { eni: eniOf({ mac }), identity }, signal);
  };
  const start = (dials?: Partial<FakeEc2Dials>): Run => world.instances[0]!.start(dials);
  return { world, start, release };
}

const free = { status: 'available', attachment: undefined, owner: undefined, epoch: '1' };
function stateOf(world: ClaimWorld): unknown {
  const { status, attachment, tags } = world.model.eni('eni-0')!;
  return { status, attachment, owner: world.owner('eni-0'), epoch: tags['berth:claim']?.[0] };
}

describe('detachAndDrop', () => {
  test('detaches without Force, waits until it is free, and then takes the tag', async () => {
    const { world, start, release } = await serving({ detachMs: 20_000 });
    const statuses: (string | undefined)[] = [];
    const run = start({
      arrives: ({ method }) => {
        if (method === 'deleteClaim') statuses.push(world.model.eni('eni-0')!.status);
      },
    });
    await world.time.run(release(run));
    expect(sent(run)).toEqual(['detach', 'deleteClaim']);
    expect(statuses).toEqual(['available']);
    expect(stateOf(world)).toEqual(free);
    expect([...world.instances[0]!.marked]).toEqual([]);
    // Safe to call again.
    await world.time.run(release(start()));
    expect(stateOf(world)).toEqual(free);
  });

  test('a SIGKILL at any call is resumed, and ends free or held, never in between', async () => {
    for (const how of ['killed-before', 'killed-after'] as const) {
      for (let at = 1; ; at++) {
        const { world, start, release } = await serving();
        let calls = 0;
        const first = start({ fault: () => (++calls === at ? how : undefined) });
        const outcome = await world.time.run(
          release(first).then(
            () => 'done',
            (error: unknown) => error,
          ),
        );
        if (outcome === 'done') break;
        expect(outcome).toBe(killed);
        expect(world.model.eni('eni-0')!.attachment === undefined).toBe(
          world.model.eni('eni-0')!.status === 'available',
        );
        const { attachment } = world.model.eni('eni-0')!;
        expect(world.owner('eni-0') === undefined && attachment !== undefined).toBe(false);
        await world.time.run(release(start()));
        expect(stateOf(world)).toEqual(free);
      }
    }
  });

  test('lost requests, lost replies and throttling are repeated', async () => {
    const { world, start, release } = await serving();
    const run = start({
      fault: script({
        detach: ['request-lost', 'reply-lost'],
        deleteClaim: ['request-lost', 'reply-lost', answers.throttled],
      }),
    });
    await world.time.run(release(run));
    expect(stateOf(world)).toEqual(free);
  });

  test('one stale read does not cost the tag of an ENI that is still attached', async () => {
    const { world, start, release } = await serving({ aged: false });
    // Just attached: reads do not show it yet.
    const tagged: boolean[] = [];
    const run = start({
      readLagMs: () => 5_000,
      arrives: ({ method }) => {
        if (method === 'deleteClaim')
          tagged.push(world.model.eni('eni-0')!.attachment === undefined);
      },
    });
    await world.time.run(release(run));
    expect(tagged).toEqual([true]);
    expect(stateOf(world)).toEqual(free);
  });

  test('untagged: our name first, since IAM asks for it', async () => {
    const { world, start, release } = await serving();
    world.model.deleteTags(['eni-0'], [{ key: 'berth:owner', value: undefined }]);
    const run = start();
    await world.time.run(release(run));
    expect(sent(run)).toEqual(['createClaim', 'detach', 'deleteClaim']);
    expect(world.model.eni('eni-0')!.tags['berth:claim']).toMatch(/^2:/);
    expect(world.owner('eni-0')).toBeUndefined();
  });

  test('denied by the policy: thrown after 30 s; attachment and tag stay', async () => {
    const { world, start, release } = await serving();
    const run = start({
      fault: ({ method }) => (method === 'detach' ? answers.denied : undefined),
    });
    const startMs = world.time.monotonicMs();
    const error = await world.time.run(release(run).catch((error: unknown) => error as BerthError));
    expect(error).toMatchObject({
      code: 'aws-denied',
      details: { action: 'ec2:DetachNetworkInterface' },
    });
    expect(world.time.monotonicMs() - startMs).toBeGreaterThan(30_000);
    expect(world.time.monotonicMs() - startMs).toBeLessThan(45_000);
    expect(world.instances[0]!.held()).toEqual(['eni-0']);
    expect(world.owner('eni-0')).toBe(world.instances[0]!.arn);
  });

  test('denied while authorization lags is waited out', async () => {
    const { world, start, release } = await serving();
    const run = start({ fault: script({ detach: [answers.denied, answers.denied] }) });
    await world.time.run(release(run));
    expect(stateOf(world)).toEqual(free);
  });

  test("another's name on it: thrown at once, and nothing is changed", async () => {
    const { world, start, release } = await serving();
    const other = world.instances[1]!.arn;
    world.model.createTags(['eni-0'], { 'berth:owner': other });
    const run = start();
    const error = await world.time.run(release(run).catch((error: unknown) => error as BerthError));
    expect(error).toMatchObject({ code: 'aws-denied' });
    expect(sent(run)).toEqual(['detach']);
    expect(world.owner('eni-0')).toBe(other);
  });

  test("another's attachment is not touched, nor its name", async () => {
    const { world, start, release } = await serving();
    world.model.detach(world.model.eni('eni-0')!.attachment!.attachmentId);
    await pass(world, 60_000);
    const eniId = 'eni-0';
    world.model.attach({ eniId, instanceId: 'i-1', deviceIndex: 1, networkCardIndex: 0 });
    world.model.createTags(['eni-0'], { 'berth:owner': world.instances[1]!.arn });
    const run = start();
    await world.time.run(release(run));
    expect(sent(run)).not.toContain('detach');
    expect(world.instances[1]!.held()).toEqual(['eni-0']);
    expect(world.owner('eni-0')).toBe(world.instances[1]!.arn);
  });

  test('an ENI that was deleted meanwhile is given back', async () => {
    const { world, start, release } = await serving();
    world.model.detach(world.model.eni('eni-0')!.attachment!.attachmentId);
    await pass(world, 10_000);
    world.model.deleteEni('eni-0');
    await expect(world.time.run(release(start()))).resolves.toBeUndefined();
  });

  test("stuck detaching: says so, and stops at the caller's deadline with the tag in place", async () => {
    const { world, start, release } = await serving({ detachMs: 3_600_000 });
    const run = start();
    using deadline = world.time.deadline(12_000, never);
    await expect(world.time.run(release(run, deadline.signal))).rejects.toThrow('12000 ms');
    expect(world.log.lines.at(-1)!['msg']).toBe('eni-0 is detaching');
    expect(world.owner('eni-0')).toBe(world.instances[0]!.arn);
    expect(run.ec2.calls.length).toBeLessThan(15);
  });
});

/** Before there was an ENI. */
const longAgoMs = 1e9;
const forget = (world: ClaimWorld, run: Run): Promise<void> =>
  world.time.run(releaseRecorded(run.deps, world.instances[0]!.identity, run.signal));

describe('releaseRecorded', () => {
  test('one read that does not show the ENI costs neither the ENI nor its record', async () => {
    const { world, start } = await serving();
    let reads = 0;
    await forget(world, start({ readLagMs: () => (++reads === 1 ? longAgoMs : 0) }));
    expect(reads).toBeGreaterThan(2);
    expect(stateOf(world)).toEqual(free);
    expect(world.instances[0]!.recorded.eniId).toBeUndefined();
  });

  test('what is gone for good is forgotten', async () => {
    const { world, start } = await serving();
    world.model.detach(world.model.eni('eni-0')!.attachment!.attachmentId);
    await pass(world, 10_000);
    world.model.deleteEni('eni-0');
    await forget(world, start());
    expect(world.instances[0]!.recorded.eniId).toBeUndefined();
  });
});
