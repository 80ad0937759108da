// How much is in memory at once, and who tries while CloudWatch is away. The clock moves when it is waited for.
import { beforeEach, describe, expect, test } from 'vitest';
import { createGate, type Gate, type Pass } from '../../src/ship/gate.ts';
import { createFakeClock, type FakeClock } from '../fakes/clock.ts';
import { createSeededRandom } from '../fakes/random.ts';

const mebibyte = 1024 * 1024;
let clock: FakeClock;
let gate: Gate;
let life: AbortController;
/** Who went through, and when. */
let entered: { readonly name: string; readonly atMs: number; readonly pass: Pass }[];

beforeEach(() => {
  clock = createFakeClock();
  gate = createGate({ clock, random: createSeededRandom(1) });
  life = new AbortController();
  entered = [];
});

async function enter(name: string, bytes = mebibyte, signal = life.signal): Promise<Pass> {
  const pass = await gate.enter(bytes, signal);
  entered.push({ name, atMs: clock.monotonicMs(), pass });
  return pass;
}
const names = (): readonly string[] => entered.map(({ name }) => name);
/** Who can go has gone. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Until it is disturbed. */
const sleep = async (_ms: number, signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });

describe('while CloudWatch answers', () => {
  // No time passes: it is busy, and not away.
  beforeEach(() => {
    gate = createGate({ clock: { ...clock, sleep }, random: createSeededRandom(1) });
  });

  test('4 MiB are in memory at once, in the order of coming', async () => {
    const passes = await Promise.all(['a', 'b', 'c', 'd'].map((name) => enter(name)));
    const later = [enter('e'), enter('f', 1)];
    await settled();
    expect(names()).toEqual(['a', 'b', 'c', 'd']);
    passes[1]![Symbol.dispose]();
    await Promise.all(later.slice(0, 1));
    expect(names()).toEqual(['a', 'b', 'c', 'd', 'e']);
    passes[0]![Symbol.dispose]();
    await Promise.all(later);
    expect(names().at(-1)).toBe('f');
  });

  test('32 calls are under way at once, however small', async () => {
    const passes = await Promise.all(
      Array.from({ length: 32 }, (_, index) => enter(String(index), 1)),
    );
    const waiting = enter('one more', 0);
    await settled();
    expect(entered).toHaveLength(32);
    passes[0]![Symbol.dispose]();
    await waiting;
  });

  test('one that is larger than all goes alone', async () => {
    using _large = await enter('large', 9 * mebibyte);
    expect(names()).toEqual(['large']);
  });

  test('what is given back twice counts once', async () => {
    const passes = await Promise.all(['a', 'b', 'c', 'd'].map((name) => enter(name)));
    for (let times = 0; times < 3; times++) passes[0]![Symbol.dispose]();
    await enter('e');
    const waiting = enter('f');
    await settled();
    expect(names()).toEqual(['a', 'b', 'c', 'd', 'e']);
    passes[1]![Symbol.dispose]();
    await waiting;
  });

  test('who does not want any more leaves the queue', async () => {
    await Promise.all(['a', 'b', 'c', 'd'].map((name) => enter(name)));
    const gone = new AbortController();
    const waiting = enter('gone', mebibyte, gone.signal);
    gone.abort(new Error('over'));
    await expect(waiting).rejects.toThrow('over');
    await expect(gate.enter(1, gone.signal)).rejects.toThrow('over');
    entered[0]!.pass[Symbol.dispose]();
    await enter('e');
    expect(names()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });
});

describe('while CloudWatch is away', () => {
  test('one tries, less and less often, every two seconds at last; an answer lets all go on', async () => {
    const first = await enter('0', 1);
    expect(first.unanswered()).toBe(true);
    first[Symbol.dispose]();
    for (let n = 1; n <= 8; n++) expect((await enter(String(n), 1)).unanswered()).toBe(false);
    const gaps = entered.slice(1).map(({ atMs }, index) => atMs - entered[index]!.atMs);
    for (const [index, stepMs] of [200, 400, 800, 1_600, 2_000, 2_000, 2_000, 2_000].entries()) {
      expect(gaps[index]).toBeGreaterThanOrEqual(stepMs / 2);
      expect(gaps[index]).toBeLessThanOrEqual(stepMs);
    }
    const before = clock.monotonicMs();
    const tries = await enter('try', 1);
    const rest = ['x', 'y', 'z'].map((name) => enter(name, 1));
    tries.answered();
    await Promise.all(rest);
    expect(clock.monotonicMs() - before).toBeLessThanOrEqual(2_000);
  });

  test('a call without an answer while others have one is bad luck', async () => {
    const unlucky = await enter('unlucky', 1);
    clock.advance(10);
    const lucky = await enter('lucky', 1);
    clock.advance(10);
    lucky.answered();
    expect(unlucky.unanswered()).toBe(false);
    const before = clock.monotonicMs();
    await enter('next', 1);
    expect(clock.monotonicMs()).toBe(before);
  });

  test('nothing comes back for two seconds from all that may be under way: one more tries', async () => {
    await Promise.all(['a', 'b', 'c', 'd'].map((name) => enter(name)));
    await enter('e');
    expect(entered.at(-1)!.atMs).toBe(2_000);
    await enter('f');
    expect(entered.at(-1)!.atMs).toBeGreaterThan(2_000);
    expect(entered.map(({ pass }) => pass.unanswered())).toEqual([true, ...Array(5).fill(false)]);
  });
});
