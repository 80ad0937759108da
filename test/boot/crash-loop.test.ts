// How often a process that dies again and again may begin to ask AWS.
import { beforeEach, expect, test } from 'vitest';
import { createCrashLoop, type CrashLoop } from '../../src/boot/crash-loop.ts';
import { BerthError } from '../../src/errors.ts';
import type { Files } from '../../src/system/files.ts';
import { createFakeClock, type FakeClock } from '../fakes/clock.ts';
import { createMemoryLog } from '../fakes/log.ts';
import { createSeededRandom } from '../fakes/random.ts';

const { signal } = new AbortController();
let clock: FakeClock;
let disk: Map<string, string>;
beforeEach(() => {
  clock = createFakeClock();
  disk = new Map();
});

const random = createSeededRandom(1);
const ofMemory: Files = {
  readText: (path) => Promise.resolve(disk.get(path)),
  writeAtomic: async (path, content) => void disk.set(path, content),
  remove: async (path) => void disk.delete(path),
};
const broken: Files = {
  readText: () => Promise.reject(new BerthError('disk', 'cannot read')),
  writeAtomic: () => Promise.reject(new BerthError('disk', 'cannot write')),
  remove: () => Promise.reject(new BerthError('disk', 'cannot remove')),
};

/** A process of its own. */
function createProcess(files = ofMemory): CrashLoop {
  return createCrashLoop(
    { files, clock, random, log: createMemoryLog() },
    { runtimeDir: '/run/berth' },
  );
}

/** Dies after `livesMs`, and is started again a second later; returns how long its start waited. */
async function startAndDie(livesMs = 2_000, files = ofMemory): Promise<number> {
  const beforeMs = clock.monotonicMs();
  await createProcess(files).wait(() => undefined, signal);
  const waitedMs = clock.monotonicMs() - beforeMs;
  clock.advance(livesMs + 1_000);
  return waitedMs;
}

async function startsWaiting(count: number, livesMs?: number): Promise<readonly number[]> {
  const waits: number[] = [];
  for (let i = 0; i < count; i++) waits.push(await startAndDie(livesMs));
  return waits;
}

test('the first three deaths cost nothing; then a start waits ever longer, up to a minute and a half', async () => {
  const waits = await startsWaiting(14);
  expect(waits.slice(0, 4)).toEqual([0, 0, 0, 0]);
  for (const [i, capMs] of [4_000, 8_000, 16_000, 32_000, 64_000].entries()) {
    expect(waits[4 + i]).toBeGreaterThanOrEqual(capMs / 2);
    expect(waits[4 + i]).toBeLessThanOrEqual(capMs);
  }
  for (const wait of waits.slice(9)) {
    expect(wait).toBeGreaterThanOrEqual(45_000);
    expect(wait).toBeLessThanOrEqual(90_000);
  }
});

test('an hour of dying after two seconds begins sixty times, not twelve hundred', async () => {
  let starts = 0;
  for (const endMs = clock.nowMs() + 3_600_000; clock.nowMs() < endMs; starts++) {
    await startAndDie();
  }
  expect(starts).toBeGreaterThan(45);
  expect(starts).toBeLessThan(75);
});

test('who lives for a minute dies of something else', async () => {
  await startsWaiting(6);
  expect((await startsWaiting(3, 61_000)).slice(1)).toEqual([0, 0]);
});

test('a clock that was set back says nothing of how soon that was', async () => {
  await startsWaiting(6);
  clock.advance(86_400_000);
  clock.jump(-7 * 86_400_000);
  expect(await startsWaiting(4)).toEqual([0, 0, 0, 0]);
});

test('its own waiting is no life', async () => {
  await startsWaiting(12);
  expect(await startAndDie()).toBeGreaterThan(40_000);
});

test('an end as it should be is forgotten', async () => {
  await startsWaiting(6);
  const last = createProcess();
  await last.wait(() => undefined, signal);
  await last.forget();
  expect(await startsWaiting(4)).toEqual([0, 0, 0, 0]);
});

test('it says why it waits', async () => {
  await startsWaiting(5);
  const said: string[] = [];
  await createProcess().wait((message) => said.push(message), signal);
  expect(said).toEqual([
    expect.stringMatching(
      /^berth died 5 times, each time soon after its start: going on in \d s; see "journalctl/,
    ),
  ]);
});

test.each(['', 'null', '{}', '{"deaths":"9"}', '{"deaths":9'])(
  'a damaged file counts nothing: %s',
  async (text) => {
    disk.set('/run/berth/starts.json', text);
    expect(await startsWaiting(4)).toEqual([0, 0, 0, 0]);
    expect(await startAndDie()).toBeGreaterThan(0);
  },
);

test('a disk that fails stops nobody', async () => {
  for (let i = 0; i < 6; i++) expect(await startAndDie(2_000, broken)).toBe(0);
  await createProcess(broken).forget();
});
