// What the configuration says of the wire, as the other end sees it: how many bytes a second, and which end it is.
import { appendFileSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import type { LogSource } from '../../src/model/logs.ts';
import { systemClock } from '../../src/system/clock.ts';
import { createHastyClock } from '../fakes/hasty-clock.ts';
import { createJudgedFront } from '../lab/judged-front.ts';
import { createLogsService } from '../lab/logs.ts';
import { createRig, instanceId, numbered, textOf, type Rig } from './rig.ts';

const patience = { timeout: 30_000 };
const dated: Partial<LogSource> = { timestamp: { format: '%H:%M', zone: 'utc', trim: false } };

describe('max_bytes_per_second', () => {
  /** Bodies of PutLogEvents before compression, and when berth's clock heard that they had come. */
  type Heard = { readonly bytes: number; readonly atMs: number };

  async function send(
    rig: Rig,
    lines: number,
    maxBytesPerSecond: number,
    sources: readonly LogSource[],
  ) {
    const clock = createHastyClock(40);
    const heard: Heard[] = [];
    rig.front.onCall(({ action, input }) => {
      if (action !== 'PutLogEvents') return;
      heard.push({ bytes: Buffer.byteLength(JSON.stringify(input)), atMs: clock.monotonicMs() });
    });
    appendFileSync(rig.path('app.log'), textOf(numbered(0, lines)));
    const startMs = clock.monotonicMs();
    rig.start({ sources, logs: { maxBytesPerSecond }, deps: { clock } });
    for (const { logGroupName } of sources)
      await vi.waitFor(() => expect(rig.arrived(logGroupName)).toHaveLength(lines), patience);
    return { heard, excess: excess(heard, startMs, maxBytesPerSecond) };
  }

  /** What had gone before each call is what the time until then allows, and the burst of a second. */
  function excess(heard: readonly Heard[], startMs: number, maxBytesPerSecond: number): number {
    let before = 0;
    let worst = -Infinity;
    for (const { bytes, atMs } of heard) {
      const allowed = maxBytesPerSecond * ((atMs - startMs) / 1_000 + 1);
      worst = Math.max(worst, before - allowed);
      before += bytes;
    }
    return worst;
  }

  test('is kept by all targets together', async () => {
    await using rig = await createRig();
    const groups = ['a', 'b', 'c', 'd'];
    const sources = groups.map((group) => rig.source('app.log', group, 'i-1', dated));
    const seen = await send(rig, 2_000, 8_192, sources);
    // Each asks in vain first: there is no such group.
    expect(seen.heard).toHaveLength(groups.length * 2);
    expect(seen.excess).toBeLessThanOrEqual(0);
  });

  test('is kept by the fast path', async () => {
    await using rig = await createRig();
    const seen = await send(rig, 21_000, 16_384, [rig.source('app.log')]);
    expect(seen.heard.length).toBeGreaterThan(1);
    expect(seen.excess).toBeLessThanOrEqual(0);
  });
});

test('the Region of the agent: all calls are signed for it', async () => {
  await using rig = await createRig();
  appendFileSync(rig.path('app.log'), textOf(numbered(0, 10)));
  rig.start({ logs: { region: 'us-west-2' } });
  await vi.waitFor(() => expect(rig.arrived()).toHaveLength(10), patience);
  expect(new Set(rig.front.calls.map(({ region }) => region))).toEqual(new Set(['us-west-2']));
});

test('endpoint_override: all calls go there, and none elsewhere', async () => {
  await using rig = await createRig();
  const logs = createLogsService({
    clock: systemClock,
    arnPrefix: 'arn:aws:logs:eu-west-1:111122223333:log-group:',
  });
  await using other = await createJudgedFront({
    host: '127.0.0.1',
    port: 0,
    clock: systemClock,
    services: { logs },
    identify: () => ({ instanceId, instanceArn: undefined }),
  });
  appendFileSync(rig.path('app.log'), textOf(numbered(0, 10)));
  rig.start({ logs: { endpoint: other.endpoint } });
  await vi.waitFor(() => expect(logs.events('app', 'i-1')).toHaveLength(10), patience);
  expect(other.calls.map(({ action }) => action)).toEqual([
    'PutLogEvents',
    'CreateLogStream',
    'CreateLogGroup',
    'CreateLogStream',
    'PutLogEvents',
  ]);
  expect(rig.front.calls).toEqual([]);
});
