// One phase of a stop: done in time, failed, or late; the stop goes on in each case.
import { beforeEach, describe, expect, test } from 'vitest';
import { within } from '../../src/system/within.ts';
import { createMemoryLog, type MemoryLog } from '../fakes/log.ts';
import { createVirtualTime, type VirtualTime } from '../fakes/virtual-time.ts';

let clock: VirtualTime;
let log: MemoryLog;
beforeEach(() => {
  clock = createVirtualTime();
  log = createMemoryLog();
});

const warnings = () => log.lines.map((line) => line['msg']);
const run = (work: (signal: AbortSignal) => Promise<void>) =>
  clock.run(within({ clock, log }, 12_000, 'give the ENI back', work));

describe('within', () => {
  test('done', async () => {
    await run((signal) => clock.sleep(11_000, signal));
    expect(warnings()).toEqual([]);
  });

  test('late: the work is cut off at the deadline', async () => {
    await run((signal) => clock.sleep(60_000, signal));
    expect(clock.monotonicMs()).toBe(12_000);
    expect(warnings()).toEqual([
      'cannot give the ENI back within 12 s: no answer within 12000 ms; the next start goes on from here',
    ]);
  });

  test('failed: says why', async () => {
    await run(() => Promise.reject(new Error('no permission')));
    expect(warnings()).toEqual([
      'cannot give the ENI back: no permission; the next start goes on from here',
    ]);
  });
});
