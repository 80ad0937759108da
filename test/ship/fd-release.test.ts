// backpressure_mode `fd_release`: a deleted file is let go while CloudWatch takes nothing, and no other file is.
import { appendFileSync, readdirSync, readlinkSync, renameSync, unlinkSync } from 'node:fs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { LogSource } from '../../src/model/logs.ts';
import { createAgentState } from '../../src/ship/agent-state.ts';
import { loadCheckpoints } from '../../src/ship/checkpoints.ts';
import { compileSources } from '../../src/ship/compile-sources.ts';
import { tend } from '../../src/ship/discovery.ts';
import { createFollowing } from '../../src/ship/follow.ts';
import type { Followed } from '../../src/ship/followed.ts';
import type { Shipper } from '../../src/ship/shipper.ts';
import type { Shippers } from '../../src/ship/shippers.ts';
import { systemClock } from '../../src/system/clock.ts';
import { systemFiles } from '../../src/system/files.ts';
import { systemLogFiles } from '../../src/system/log-files.ts';
import { createRig, numbered, textOf, type Rig } from './rig.ts';

const patience = { timeout: 15_000 };
const released =
  'let go of a deleted log file, as backpressure_mode says: its other lines are lost';

let rig: Rig;
beforeEach(async () => {
  rig = await createRig();
});
afterEach(() => rig[Symbol.asyncDispose]());

const source = (more: Partial<LogSource> = {}): LogSource =>
  rig.source('app.log', 'app', 'i-1', { releaseDeleted: true, ...more });
const write = (from: number, count: number, name = 'app.log'): void =>
  appendFileSync(rig.path(name), textOf(numbered(from, count)));
const block = (): void =>
  rig.front.fail({
    match: 'logs:*',
    times: 100_000,
    fault: { kind: 'error', status: 500, code: 'InternalFailure' },
  });
/** Deleted files that still take their space. */
function held(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === `${rig.path('app.log')} (deleted)`;
    } catch {
      return false;
    }
  }).length;
}

test('the space is free while nothing goes through; the lines of it that were read still go', async () => {
  block();
  write(0, 30_000);
  const shipping = rig.start({ sources: [source()] });
  await vi.waitFor(() => expect(shipping.status().lastError).toMatch(/answered 500/), patience);
  unlinkSync(rig.path('app.log'));
  await vi.waitFor(() => expect(rig.logged()).toContain(released), patience);
  expect(held()).toBe(0);
  const { files, bytesDropped, bytesBehind } = shipping.status();
  expect({ files, bytesBehind }).toEqual({ files: 0, bytesBehind: 0 });
  // A line has 13 bytes.
  expect(bytesDropped).toBeGreaterThan(0);
  expect(bytesDropped % 13).toBe(0);
  write(30_000, 10);
  rig.front.clearFaults();
  const batch = 30_000 - bytesDropped / 13;
  const arrive = [...numbered(0, batch), ...numbered(30_000, 10)];
  await vi.waitFor(() => expect(rig.arrived()).toEqual(arrive), patience);
  await vi.waitFor(() => expect(shipping.status().lastError).toBeUndefined(), patience);
  await rig.stop(shipping);
  // Nothing of the file that is gone is looked for.
  await rig.stop(rig.start({ sources: [source()] }));
  expect(rig.arrived()).toEqual(arrive);
  expect(rig.logged().filter((line) => /cannot find the file/.test(String(line)))).toEqual([]);
});

test('a file in a stream of its own: what was read of it still goes', async () => {
  block();
  write(0, 100);
  const shipping = rig.start({ sources: [source({ files: 'stream' })] });
  await vi.waitFor(() => expect(shipping.status().lastError).toMatch(/answered 500/), patience);
  unlinkSync(rig.path('app.log'));
  await vi.waitFor(() => expect(rig.logged()).toContain(released), patience);
  expect(shipping.status().bytesDropped).toBe(0);
  rig.front.clearFaults();
  const stream = `i-1_${rig.path('app.log').replaceAll('/', '_')}`;
  await vi.waitFor(() => expect(rig.arrived('app', stream)).toEqual(numbered(0, 100)), patience);
  await vi.waitFor(() => expect(shipping.status().eventsSent).toBe(100), patience);
  await rig.stop(shipping);
  // Nobody tries to read from it any more.
  expect(shipping.status().lastError).toBeUndefined();
});

test('its target has it until nothing is under way, and no longer', async () => {
  write(0, 10);
  let busyForMs = 5_000;
  const removed: Followed[] = [];
  const shippers: Shippers = {
    of: () => ({ add: () => undefined }) as unknown as Shipper,
    busyForMs: () => busyForMs,
    remove: (file) => void removed.push(file),
    wake: () => undefined,
    all: () => [],
    past: { events: 0, refused: 0, batches: 0 },
    start: () => undefined,
    finish: () => Promise.resolve(),
  };
  const files = source();
  const { log } = rig;
  const deps = { clock: systemClock, logFiles: systemLogFiles, log };
  const followDeps = {
    ...deps,
    ...(await compileSources([files], rig.stateDir)),
    checkpoints: await loadCheckpoints({ ...deps, files: systemFiles }, rig.path('checkpoints')),
    agentState: createAgentState({ ...deps, files: systemFiles }, rig.path('agent-state')),
    shippers,
    say: () => undefined,
  };
  await using following = createFollowing(followDeps);
  const look = () => tend({ ...followDeps, following }, AbortSignal.timeout(10_000));
  const path = rig.path('app.log');
  const { inode } = (await systemLogFiles.stat(path))!;
  const names = { path, origin: path, source: files, inode };
  const more = { detached: true, predecessor: undefined, onlyKnown: false };
  const file = await following.follow({ ...names, ...more });
  await following.release(file as Followed);
  expect(following.files.size).toBe(0);
  await look();
  expect(removed).toEqual([]);
  busyForMs = 0;
  await look();
  await look();
  expect(removed).toEqual([file]);
});

test.each([
  ['without the mode', { releaseDeleted: false }, true],
  ['that was only renamed', {}, false],
] as const)('a file %s is held until it is sent', async (_name, more, isDeleted) => {
  block();
  write(0, 30_000);
  const shipping = rig.start({ sources: [source(more)] });
  await vi.waitFor(() => expect(shipping.status().lastError).toMatch(/answered 500/), patience);
  if (isDeleted) unlinkSync(rig.path('app.log'));
  else renameSync(rig.path('app.log'), rig.path('app.log.1'));
  // 10 s and more of its own time.
  const tries = (): number => rig.front.calls.length;
  const before = tries();
  await vi.waitFor(() => expect(tries()).toBeGreaterThan(before + 3), patience);
  rig.front.clearFaults();
  await vi.waitFor(() => expect(rig.arrived()).toEqual(numbered(0, 30_000)), patience);
  expect(shipping.status().bytesDropped).toBe(0);
  expect(rig.logged()).not.toContain(released);
});

test('a deleted file that only waits for more lines is not blocked', async () => {
  // On a busy machine a call takes long, and twenty times as long on a clock that is hasty.
  await using slow = await createRig({ haste: 1 });
  appendFileSync(slow.path('app.log'), textOf(numbered(0, 10)));
  const sources = [slow.source('app.log', 'app', 'i-1', { releaseDeleted: true })];
  const shipping = slow.start({ sources, forceFlushMs: 4_000 });
  await vi.waitFor(() => expect(shipping.status().files).toBe(1), patience);
  unlinkSync(slow.path('app.log'));
  await vi.waitFor(() => expect(slow.arrived()).toEqual(numbered(0, 10)), patience);
  expect(slow.logged()).not.toContain(released);
});
