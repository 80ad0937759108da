// Case 10 of logs.md section 5: the clock is wrong, the credentials change each minute, the metadata service is away.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { createRoleCredentials } from '../../src/boot/credentials.ts';
import { createImds, imdsDefaults } from '../../src/boot/imds.ts';
import { startShipping } from '../../src/ship/ship.ts';
import { systemClock, type Clock } from '../../src/system/clock.ts';
import { createPorts } from '../../src/system/ports.ts';
import { createHastyClock } from '../fakes/hasty-clock.ts';
import { createMemoryLog } from '../fakes/log.ts';
import { logsConfig, logSource } from '../fixtures/log-source.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { createTestWorld, one } from '../lab/test-world.ts';
import { createRig, intact, numbered, textOf } from './rig.ts';

const patience = { timeout: 20_000, interval: 20 };

describe('a clock that is wrong', () => {
  const minuteMs = 60_000;
  /** Lines enough for the fast path, too. */
  const many = numbered(0, 30_000);
  /** CloudWatch, whose time is another than ours. */
  const setOff = async (offsetMs: number) => {
    const offset = { ms: offsetMs };
    const labClock: Clock = { ...systemClock, nowMs: () => systemClock.nowMs() + offset.ms };
    return { offset, skewed: await createRig({ labClock, maxSkewMs: 15 * minuteMs }) };
  };

  test.each([
    ['20 minutes slow', 20 * minuteMs],
    ['20 minutes fast', -20 * minuteMs],
    // CloudWatch takes no event that is two hours ahead, or two weeks old.
    ['3 hours fast', -180 * minuteMs],
    ['20 days slow', 20 * 24 * 60 * minuteMs],
  ])('%s, and then put right: all arrives, nothing is refused', async (_, offsetMs) => {
    const { skewed, offset } = await setOff(offsetMs);
    await using _skewed = skewed;
    appendFileSync(skewed.path('app.log'), textOf(many));
    const shipping = skewed.start();
    expect(await skewed.delivery(many)).toEqual(intact);
    // Lines that come one by one go the ordinary way.
    appendFileSync(skewed.path('app.log'), textOf(numbered(30_000, 10)));
    expect(await skewed.delivery(numbered(0, 30_010))).toEqual(intact);
    offset.ms = 0;
    appendFileSync(skewed.path('app.log'), textOf(numbered(30_010, 30_000)));
    // A reader has them among what came at another time.
    const later = (): readonly string[] =>
      skewed.arrived().filter((line) => line >= 'line 0030010');
    expect(await skewed.delivery(numbered(30_010, 30_000), later)).toEqual(intact);
    expect(skewed.arrived()).toHaveLength(60_010);
    const done = { eventsSent: 60_010, eventsRefused: 0, lastError: undefined };
    await vi.waitFor(() => expect(shipping.status()).toMatchObject(done), patience);
    const refused = skewed.front.calls.filter(({ code }) => code === 'InvalidSignatureException');
    expect(refused.length).toBeGreaterThan(0);
    // Its own offset is learnt from the answer, so that one refusal is enough each time.
    expect(refused.length).toBeLessThan(5);
  });

  test.each([
    ['forward', 20 * minuteMs, 300],
    ['back', -20 * minuteMs, 300],
    ['back', -20 * minuteMs, 15_000],
    ['back by three hours', -180 * minuteMs, 300],
    ['back by three hours', -180 * minuteMs, 15_000],
  ])('set %s (%d ms) while %d lines wait: all arrives, in order', async (_, stepMs, count) => {
    let steppedMs = 0;
    const clock: Clock = {
      ...createHastyClock(20),
      nowMs: () => systemClock.nowMs() - stepMs + steppedMs,
    };
    const fault = { kind: 'error', status: 500, code: 'InternalFailure' } as const;
    await using rig = await createRig();
    const write = (text: string): void => appendFileSync(rig.path('app.log'), text);
    rig.front.fail({ match: 'logs:*', times: 10_000, fault });
    write(textOf(numbered(0, 10)));
    const shipping = rig.start({ deps: { clock } });
    await vi.waitFor(() => expect(shipping.status().lastError).toMatch(/500/), patience);
    const noted = async (lines: number): Promise<void> =>
      vi.waitFor(() => expect(shipping.status().bytesBehind).toBe(lines * 13), patience);
    write(textOf(numbered(10, count)));
    await noted(count + 10);
    steppedMs = stepMs;
    write(textOf(numbered(count + 10, count)));
    await noted(2 * count + 10);
    // What was made before that has failed.
    const calls = rig.front.calls.length;
    await vi.waitFor(() => expect(rig.front.calls.length).toBeGreaterThan(calls + 1), patience);
    rig.front.clearFaults();
    // The first have been under way since before the step.
    const later = (): readonly string[] => rig.arrived().filter((line) => line >= 'line 0000010');
    expect(await rig.delivery(numbered(10, 2 * count), later)).toEqual(intact);
    expect(rig.arrived()).toHaveLength(2 * count + 10);
    expect(shipping.status().eventsRefused).toBe(0);
  });
});

/** So much faster than ours the time of AWS, of the metadata service and of berth's credentials goes. */
const speed = 60;

test('credentials of a minute, and no metadata service over the end of some: all arrives', async () => {
  await using undo = new AsyncDisposableStack();
  const startMs = Date.now();
  const clock: Clock = { ...systemClock, nowMs: () => startMs + (Date.now() - startMs) * speed };
  const { lab } = undo.use(await createTestWorld({ clock }));
  lab.keyDials.credentialsTtlMs = 60_000;
  vi.stubEnv('AWS_ENDPOINT_URL', lab.endpoint);
  undo.defer(() => void vi.unstubAllEnvs());
  const folder = undo.use(temporaryFolder());
  const file = join(folder.path, 'app.log');
  const ports = undo.use(createPorts(createMemoryLog()));
  const deps = { ...ports, clock };
  const endpoints: [string] = [await lab.imdsFor(one)];
  const imds = createImds(deps, { endpoints, ...imdsDefaults });
  const life = new AbortController();
  undo.defer(() => life.abort());
  const ofKeys = { ...clock, monotonicMs: () => systemClock.monotonicMs() * speed };
  const role = createRoleCredentials({ ...deps, clock: ofKeys }, imds, life.signal);
  const keys = new Set<string>();
  const shipping = startShipping(
    deps,
    {
      logs: logsConfig({
        sources: [logSource({ filePath: file, logGroupName: 'app', logStreamName: one })],
        forceFlushMs: 50,
      }),
      instanceId: one,
      stateDir: folder.path,
      agentState: join(folder.path, 'agent-state'),
      access: {
        region: lab.region,
        credentials: async (fresh) => {
          const found = await role(fresh);
          keys.add(found.accessKeyId);
          return found;
        },
      },
    },
    life.signal,
  );
  undo.defer(() => shipping.stop(AbortSignal.abort()).catch(() => undefined));

  let written = 0;
  const writeUntil = (isSo: () => boolean): Promise<void> =>
    vi.waitFor(() => {
      appendFileSync(file, textOf(numbered(written, 5)));
      written += 5;
      expect(isSo()).toBe(true);
    }, patience);
  const expired = (): number =>
    lab.front.calls.filter(({ code }) => code === 'ExpiredTokenException').length;
  const arrived = () => lab.logs.events('app', one).map(({ message }) => message);
  await writeUntil(() => keys.size >= 3 && arrived().length > 0);
  const { dials } = await lab.imds.serverFor(one);
  dials.mode = 'disabled';
  const before = expired();
  await writeUntil(() => expired() > before + 2);
  dials.mode = 'required';
  await vi.waitFor(() => expect(arrived()).toHaveLength(written), patience);
  expect(arrived()).toEqual(numbered(0, written));
  expect(shipping.status().eventsRefused).toBe(0);
}, 60_000);
