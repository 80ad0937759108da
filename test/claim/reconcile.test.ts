// Looking after a held ENI: lost needs two reads, and everything else is put right or said.
import { describe, expect, test } from 'vitest';
import { reconcile, type Held } from '../../src/claim/reconcile.ts';
import type { Eni } from '../../src/model/eni.ts';
import { answers, script, type FakeEc2Dials } from '../fakes/ec2.ts';
import { createClaimWorld, killed, type ClaimWorld, type Run } from '../fixtures/claim-world.ts';

const never = new AbortController().signal;
const pass = (world: ClaimWorld, ms: number): Promise<void> =>
  world.time.run(world.time.sleep(ms, never));

type Serving = {
  readonly world: ClaimWorld;
  readonly eni: Eni;
  readonly look: (dials?: Partial<FakeEc2Dials>) => Promise<Held & { readonly run: Run }>;
};

/** `i-0` serves `eni-0`. */
async function serving(ageMs = 60_000): Promise<Serving> {
  const world = createClaimWorld({ enis: 1, instances: 2 });
  await pass(world, 60_000);
  const instance = world.instances[0]!;
  const { claimed } = await world.time.run(instance.start().claim());
  const { eni } = claimed;
  const { identity } = instance;
  for (const eniId of ['eni-1', 'eni-2'])
    world.model.addEni({ eniId, subnetId: 'subnet-a', tags: { 'berth:pool': 'db' } });
  await pass(world, ageMs);
  const look: Serving['look'] = async (dials) => {
    const run = instance.start(dials);
    const held = await world.time.run(
      reconcile(run.deps, { eni, identity, otherPools: ['web'] }, run.signal),
    );
    return { ...held, run };
  };
  return { world, eni, look };
}

const detach = (world: ClaimWorld): void =>
  world.model.detach(world.model.eni('eni-0')!.attachment!.attachmentId);
const methods = ({ ec2 }: Run): readonly string[] => ec2.calls.map(({ method }) => method);
const messages = (world: ClaimWorld): readonly unknown[] => world.log.lines.map(({ msg }) => msg);

describe('held', () => {
  test('one call to EC2 when all is well, and what EC2 says of the ENI', async () => {
    const { world, look } = await serving();
    world.model.assignAddresses('eni-0', {
      addresses: ['10.0.0.99'],
      count: 0,
      allowReassignment: false,
    });
    const { run, ...held } = await look();
    expect(methods(run)).toEqual(['describeClaimed']);
    expect(held).toMatchObject({ held: true, eni: { eniId: 'eni-0' } });
    expect(held.held && held.eni!.ipv4).toContain('10.0.0.99');
  });

  test('EC2 out of reach, throttled or denied: serving on', async () => {
    const { world, look } = await serving();
    for (const fault of ['request-lost', answers.throttled, answers.denied] as const) {
      const { run: _run, ...held } = await look({ fault: () => fault });
      expect(held).toEqual({ held: true, eni: undefined });
      expect(messages(world).at(-1)).toMatch(/; serving on$/);
    }
  });

  test('two stale reads, just after the attach, are no loss', async () => {
    const { look } = await serving(0);
    expect(await look({ readLagMs: () => 5_000 })).toMatchObject({ held: true });
  });

  test('one read without it is no loss, nor is EC2 that goes away then', async () => {
    const { world, look } = await serving();
    const lags = [0, 0, 60_000];
    detach(world);
    const stale = await look({ readLagMs: () => lags.shift() ?? 60_000 });
    expect(stale).toMatchObject({ held: true, eni: { eniId: 'eni-0' } });
    const away = await look({ fault: script({ describeClaimed: [undefined, 'request-lost'] }) });
    expect(away).toMatchObject({ held: true, eni: undefined });
  });
});

describe('lost', () => {
  test('detached: after two reads 6 s apart', async () => {
    const { world, look } = await serving();
    detach(world);
    const startMs = world.time.monotonicMs();
    const { run, ...held } = await look();
    expect(held).toEqual({ held: false, why: 'eni-0 is not attached any more' });
    expect(world.time.monotonicMs() - startMs).toBeGreaterThan(6_000);
    expect(methods(run).filter((method) => method === 'describeEni')).toHaveLength(2);
  });

  test('attached to another', async () => {
    const { world, look } = await serving();
    detach(world);
    await pass(world, 10_000);
    const eniId = 'eni-0';
    world.model.attach({ eniId, instanceId: 'i-1', deviceIndex: 1, networkCardIndex: 0 });
    const { run: _run, ...held } = await look();
    expect(held).toEqual({ held: false, why: 'eni-0 is attached to i-1' });
  });

  test('deleted', async () => {
    const { world, look } = await serving();
    detach(world);
    await pass(world, 10_000);
    world.model.deleteEni('eni-0');
    expect(await look()).toMatchObject({ held: false });
  });
});

describe('the tag', () => {
  test('that somebody deleted is written again, with a higher epoch', async () => {
    const { world, look } = await serving();
    world.model.deleteTags(['eni-0'], [{ key: 'berth:owner', value: undefined }]);
    expect(await look()).toMatchObject({ held: true });
    expect(world.owner('eni-0')).toBe(world.instances[0]!.arn);
    expect(world.model.eni('eni-0')!.tags['berth:claim']).toMatch(/^2:/);
  });

  test("another's is waited for, and said; then ours is written", async () => {
    const { world, look } = await serving();
    const other = world.instances[1]!.arn;
    world.model.createTags(['eni-0'], { 'berth:owner': other });
    expect(await look()).toMatchObject({ held: true });
    expect(world.owner('eni-0')).toBe(other);
    expect(messages(world).at(-1)).toContain(`carries the name of ${other}`);
    world.model.deleteTags(['eni-0'], [{ key: 'berth:owner', value: other }]);
    await look();
    expect(world.owner('eni-0')).toBe(world.instances[0]!.arn);
  });

  test('that cannot be written does not matter, for whatever reason', async () => {
    for (const fault of [answers.denied, 'request-lost', { code: 'TagLimitExceeded' }] as const) {
      const { world, look } = await serving();
      world.model.deleteTags(['eni-0'], [{ key: 'berth:owner', value: undefined }]);
      const startMs = world.time.monotonicMs();
      const held = await look({
        fault: ({ method }) => (method === 'createClaim' ? fault : undefined),
      });
      expect(held).toMatchObject({ held: true, eni: { eniId: 'eni-0' } });
      expect(world.time.monotonicMs() - startMs).toBeLessThan(70_000);
      expect(world.log.lines.at(-1)!['level']).toBe('warn');
    }
  });
});

describe('what else carries our name', () => {
  test('a claim without an attachment, or on what another holds, is given back', async () => {
    const { world, look } = await serving();
    const { arn } = world.instances[0]!;
    world.model.createTags(['eni-1', 'eni-2'], { 'berth:owner': arn });
    const eniId = 'eni-2';
    world.model.attach({ eniId, instanceId: 'i-1', deviceIndex: 1, networkCardIndex: 0 });
    world.instances[0]!.marked.add(world.model.eni('eni-1')!.mac);
    await look();
    expect([...world.instances[0]!.marked]).toEqual([world.model.eni('eni-0')!.mac]);
    expect(['eni-0', 'eni-1', 'eni-2'].map(world.owner)).toEqual([arn, undefined, undefined]);
    expect(world.instances[1]!.held()).toEqual(['eni-2']);
  });

  test('a second ENI on this instance is detached', async () => {
    const { world, look } = await serving();
    const eniId = 'eni-1';
    world.model.attach({ eniId, instanceId: 'i-0', deviceIndex: 2, networkCardIndex: 0 });
    world.model.createTags([eniId], { 'berth:owner': world.instances[0]!.arn });
    await look();
    expect(world.instances[0]!.held()).toEqual(['eni-0']);
    expect(world.owner('eni-1')).toBeUndefined();
  });
});

test('DeleteOnTermination is put right', async () => {
  const { world, look } = await serving();
  const { attachmentId } = world.model.eni('eni-0')!.attachment!;
  world.model.modifyEni('eni-0', { attachmentId, deleteOnTermination: true });
  await look();
  expect(world.model.eni('eni-0')!.attachment!.deleteOnTermination).toBe(false);
  expect(methods((await look()).run)).toEqual(['describeClaimed']);
});

test('DeleteOnTermination without the right: an alarm, with the command that puts it right', async () => {
  const { world, look } = await serving();
  const { attachmentId } = world.model.eni('eni-0')!.attachment!;
  world.model.modifyEni('eni-0', { attachmentId, deleteOnTermination: true });
  const held = await look({
    fault: ({ method }) => (method === 'keepOnTermination' ? answers.denied : undefined),
  });
  expect(held.held).toBe(true);
  const alarm = world.log.lines.findLast(({ level }) => level === 'error')!;
  expect(alarm['msg']).toContain(
    `modify-network-interface-attribute --network-interface-id eni-0 --attachment AttachmentId=${attachmentId},DeleteOnTermination=false`,
  );
});

test('stops when told to, at every call', async () => {
  for (let at = 1; at <= 4; at++) {
    const { world, look } = await serving();
    detach(world);
    let calls = 0;
    const looked = look({ fault: () => (++calls === at ? 'killed-before' : undefined) });
    await expect(looked).rejects.toBe(killed);
  }
});

test('what carries our name in another of our pools is left to that, in a pool of nobody it is given back', async () => {
  const { world, look } = await serving();
  const me = world.instances[0]!.arn;
  world.model.createTags(['eni-1'], { 'berth:pool': 'web', 'berth:owner': me });
  world.model.createTags(['eni-2'], { 'berth:pool': 'old', 'berth:owner': me });
  await pass(world, 60_000);
  await look();
  expect({ web: world.owner('eni-1'), old: world.owner('eni-2') }).toEqual({
    web: me,
    old: undefined,
  });
});
