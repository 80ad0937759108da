// The fleet simulator: it is deterministic, berth passes the seeds that it once failed, what must fail fails, and every
// checker sees. Seeds that nobody has seen are `npm run simulate -- --seconds 60`.
import { describe, expect, test } from 'vitest';
import { mutants } from './mutants.ts';
import { runSeed, type Choice } from './run-seed.ts';
import type { KillAt } from './plan.ts';
import { regressions } from './regressions.ts';
import { simulate } from './simulate.ts';

const berth: Choice = { protocol: 'berth', mutant: undefined };
/** One pool or two, alone and not, with standbys. */
const crashed = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
const range = (first: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, i) => first + i);

test('the same seed gives the same history, another seed another', async () => {
  const hashes = new Set<string>();
  for (const seed of range(1, 40)) {
    const first = await runSeed(berth, seed);
    const second = await runSeed(berth, seed);
    expect({ seed, hash: second.hash }).toEqual({ seed, hash: first.hash });
    hashes.add(first.hash);
  }
  expect(hashes.size).toBe(40);
});

test(
  'berth passes the seeds that it once failed, and the first hundred',
  { timeout: 60_000 },
  async () => {
    for (const seed of [...regressions, ...range(1, 100)]) {
      const { violations } = await runSeed(berth, seed);
      expect({ seed, violations }).toEqual({ seed, violations: [] });
    }
  },
);

/** Was there such a call in the first life of the first instance? */
async function crashAt(seed: number, firstKill: KillAt): Promise<boolean> {
  let crashed = false;
  const { violations } = await simulate(seed, {
    // No other end of that life comes before it.
    changePlan: (plan) => ({ ...plan, misfortuneEveryMs: 1e9, killAtCall: 0, firstKill }),
    observe: (world) => (fact) => {
      crashed ||= fact.what === 'end' && fact.host === world.hosts[0] && fact.by === 'killed';
    },
  });
  expect({ seed, firstKill, violations }).toEqual({ seed, firstKill, violations: [] });
  return crashed;
}

test(
  'a crash at each of the first calls of a life, before it and after it, and a restart',
  { timeout: 120_000 },
  async () => {
    let crashes = 0;
    for (const seed of crashed) {
      for (let call = 1; call <= 60; call++) {
        if (!(await crashAt(seed, { call, isAfter: false }))) break;
        if (await crashAt(seed, { call, isAfter: true })) crashes++;
      }
    }
    expect(crashes).toBeGreaterThan(300);
  },
);

test('the seeds meet every fault, and the fleets do what they are for', async () => {
  const totals = { lives: 0, attaches: 0, readies: 0 };
  const faults = new Set<string>();
  const misfortunes = new Set<string>();
  for (const seed of range(1, 150)) {
    await simulate(seed, {
      observe: () => (fact) => {
        if (fact.what === 'start') totals.lives++;
        if (fact.what === 'call' && fact.fault !== undefined) faults.add(fact.fault);
        if (fact.what === 'effect' && fact.refusal !== undefined) faults.add(fact.refusal);
        if (fact.what === 'misfortune') misfortunes.add(fact.name);
        if (fact.what === 'news' && fact.ready) totals.readies++;
        if (fact.what === 'effect' && fact.call.change?.do === 'attach') totals.attaches++;
      },
    });
  }
  expect(totals.lives).toBeGreaterThan(600);
  expect(totals.attaches).toBeGreaterThan(600);
  expect(totals.readies).toBeGreaterThan(400);
  expect([...faults]).toEqual(
    expect.arrayContaining([
      'ConcurrentTagAccess',
      'InvalidAttachmentID.NotFound',
      'InvalidNetworkInterface.InUse',
      'InvalidParameterValue',
      'UnauthorizedOperation',
      'duplicate',
      'outage',
      'reply-lost',
      'request-lost',
      'server-error',
      'server-error-after',
      'throttled',
      'truncated',
    ]),
  );
  expect(misfortunes.size).toBe(16);
});

describe('a wrong protocol', () => {
  test.each([
    ['tag-is-lock', 'S3'],
    ['retry-on-error', 'S1'],
  ] as const)('%s fails, by %s too', async (protocol, invariant) => {
    const seeds = range(1, 100);
    let failed = 0;
    let asExpected = 0;
    for (const seed of seeds) {
      const { violations } = await runSeed({ protocol, mutant: undefined }, seed);
      if (violations.length > 0) failed++;
      if (violations.some((violation) => violation.invariant === invariant)) asExpected++;
    }
    expect(failed / seeds.length).toBeGreaterThan(0.1);
    expect(asExpected).toBeGreaterThan(2);
  });
});

describe('a mistake is caught', () => {
  const most = 60;
  const all = Object.entries(mutants).map(([name, { breaks }]) => [name, breaks] as const);

  test('there is one for each invariant', () => {
    expect(new Set(all.map(([, breaks]) => breaks)).size).toBe(17);
  });

  test.each(all)('%s, by the checker of %s', { timeout: 60_000 }, async (mutant, breaks) => {
    for (const seed of range(1, most)) {
      const { violations } = await runSeed({ protocol: 'berth', mutant }, seed);
      if (violations.some(({ invariant }) => invariant === breaks)) return;
    }
    expect.fail(`${breaks} was not violated in ${most} seeds`);
  });
});
