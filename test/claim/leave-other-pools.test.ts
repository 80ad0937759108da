// Pools that are not configured any more: what was claimed of them goes back, and nothing else does.
import { expect, test } from 'vitest';
import { leaveOtherPools } from '../../src/claim/leave-other-pools.ts';
import type { ClaimRecords } from '../../src/claim/record.ts';
import { createClaimWorld, type ClaimWorld } from '../fixtures/claim-world.ts';
import type { FakeEc2Dials } from '../fakes/ec2.ts';

const never = new AbortController().signal;
const pass = (world: ClaimWorld): Promise<void> => world.time.run(world.time.sleep(60_000, never));

async function holdingOf(pool: string): Promise<{
  readonly world: ClaimWorld;
  readonly record: Record<string, string>;
  readonly leave: (names: readonly string[], dials?: Partial<FakeEc2Dials>) => Promise<void>;
}> {
  const world = createClaimWorld({ enis: 1, dials: { detachMs: 0 } });
  await pass(world);
  const instance = world.instances[0]!;
  await world.time.run(instance.start().claim());
  await pass(world);
  const record: Record<string, string> = { [pool]: 'eni-0' };
  const records: ClaimRecords = {
    all: () => Promise.resolve({ ...record }),
    of: (name) => ({
      load: () => Promise.resolve(record[name]),
      save: (eniId) => Promise.resolve(void (record[name] = eniId)),
      clear: () => Promise.resolve(void delete record[name]),
    }),
  };
  const { identity } = instance;
  return {
    world,
    record,
    leave: async (names, dials) => {
      const run = instance.start(dials);
      await world.time.run(leaveOtherPools(run.deps, { records, names, identity }, run.signal));
    },
  };
}

test('what is configured stays', async () => {
  const { world, record, leave } = await holdingOf('db');
  await leave(['web', 'db']);
  expect(record).toEqual({ db: 'eni-0' });
  expect(world.instances[0]!.held()).toEqual(['eni-0']);
});

test('what is not is detached, its claim dropped, and forgotten', async () => {
  const { world, record, leave } = await holdingOf('db');
  await leave(['web']);
  expect(record).toEqual({});
  expect(world.instances[0]!.held()).toEqual([]);
  expect(world.owner('eni-0')).toBeUndefined();
  expect(world.log.lines.map(({ msg }) => msg)).toContain(
    'pool db is not configured any more: eni-0 goes back',
  );
});

test('what cannot be given back is remembered for the next start', async () => {
  const { record, leave } = await holdingOf('db');
  await leave(['web'], {
    fault: ({ method }) =>
      method === 'detach' ? { code: 'UnauthorizedOperation', message: 'no' } : undefined,
  });
  expect(record).toEqual({ db: 'eni-0' });
});

test('one read that omits it forgets nothing', async () => {
  const { world, record, leave } = await holdingOf('db');
  let reads = 0;
  await leave(['web'], { readLagMs: () => (++reads === 1 ? 1e9 : 0) });
  expect(reads).toBeGreaterThan(2);
  expect(record).toEqual({});
  expect(world.instances[0]!.held()).toEqual([]);
});
