// When the configuration is looked at again, and what comes of it, on a clock that nobody waits for.
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { checkConfig } from '../src/boot/check-config.ts';
import type { FetchedConfig } from '../src/boot/load-config.ts';
import { BerthError } from '../src/errors.ts';
import type { Config, LoadedConfig } from '../src/model/config.ts';
import type { StatusConfig } from '../src/model/status.ts';
import { createReload } from '../src/reload.ts';
import { createFakeClock } from './fakes/clock.ts';
import { createMemoryLog } from './fakes/log.ts';
import { createSeededRandom } from './fakes/random.ts';
import { identityOf } from './fixtures/identity.ts';

const facts = { identity: identityOf({}), localHostname: undefined, nowMs: 0 };
const sourceOf = (version: number) => ({ name: 'parameter /x', version, lastKnownGood: false });

function judged(fetched: Pick<FetchedConfig, 'source' | 'value'>): LoadedConfig {
  const { source, value } = fetched;
  const checked = checkConfig(value, facts, undefined);
  if (!checked.ok) throw new BerthError('config-invalid', checked.issues[0]!.message);
  return { config: checked.config, source, value, isStored: true, rejected: undefined };
}

/** `script`: what each look finds, [version, value] or an error; the last of it from then on. */
function world(
  script: readonly (readonly [number, object] | Error)[],
  booted: Partial<LoadedConfig> = {},
) {
  const clock = createFakeClock();
  const log = createMemoryLog();
  const end = new AbortController();
  const looksMs: number[] = [];
  const applied: Config[] = [];
  const kept: (number | undefined)[] = [];
  const told: string[] = [];
  let status: StatusConfig | undefined;
  let refuse: Error | undefined;
  const fetch = async (): Promise<FetchedConfig> => {
    const found = script[Math.min(looksMs.length, script.length - 1)]!;
    looksMs.push(clock.monotonicMs());
    if (looksMs.length === script.length + 2) end.abort(new Error('over'));
    await setImmediate();
    if (found instanceof Error) throw found;
    const [version, value] = found;
    const keep = async (): Promise<void> => void kept.push(version);
    return { source: sourceOf(version), value, issues: [], isStored: true, keep };
  };
  const reload = createReload(
    {
      clock,
      random: createSeededRandom(1),
      log,
      board: { update: (facts) => (status = facts.config) },
      systemd: {
        reloading: () => void told.push('reloading'),
        processUp: () => void told.push('up'),
      },
      reader: { fetch, judge: async (fetched) => judged(fetched) },
      apply: async (config) => {
        if (refuse !== undefined) throw refuse;
        applied.push(config);
      },
    },
    { ...judged({ source: sourceOf(1), value: first }), ...booted },
    end.signal,
  );
  return {
    reload,
    log,
    looksMs,
    applied,
    kept,
    told,
    end,
    said: () => log.lines.map(({ msg }) => String(msg)),
    status: () => status!,
    refuse: (error: Error | undefined) => (refuse = error),
    /** Until two looks after the script. */
    poll: () => reload.poll().catch(() => undefined),
  };
}

const first = { pool: 'db', reload: { everySeconds: 60 } };
const second = { ...first, takeOverStale: true };

describe('a check', () => {
  test('says what would change and what needs a restart, and changes nothing', async () => {
    const at = world([[2, { ...second, pool: 'web' }]]);
    expect((await at.reload.check()).split('\n')).toEqual([
      'the configuration from parameter /x, version 2 would be taken',
      'pool: "db" -> "web"',
      'takeOverStale: (nothing) -> true',
      'restart needed for: pool',
    ]);
    expect([at.applied, at.kept, at.told, at.log.lines]).toEqual([[], [], [], []]);
    expect(at.status()).toMatchObject({ version: 1, restartNeeded: [] });
  });

  test('says that nothing would', async () => {
    const at = world([[1, first]]);
    expect(await at.reload.check()).toBe(
      'the configuration from parameter /x, version 1 is what berth runs with',
    );
  });

  test('says why it would be refused, which the status does not have', async () => {
    const at = world([[2, { ...first, pol: 'db' }]]);
    await expect(at.reload.check()).rejects.toThrow(/pol/);
    expect(at.status().rejected).toBeUndefined();
  });
});

describe('Parameter Store', () => {
  test('is looked at after 60 to 120 s, never sooner; what is the same is nothing', async () => {
    const at = world(Array.from({ length: 200 }, () => [1, first] as const));
    await at.poll();
    const waits = at.looksMs.map((ms, i) => ms - (at.looksMs[i - 1] ?? 0));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(60_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(120_000);
    expect(Math.min(...waits)).toBeLessThan(63_000);
    expect(Math.max(...waits)).toBeGreaterThan(117_000);
    expect(at.applied).toEqual([]);
    expect(at.log.lines).toEqual([]);
    expect(at.kept).toEqual([]);
  });

  test('has something new: taken once two looks in a row see the same', async () => {
    const half = { ...second, releaseOnStop: true };
    const at = world([
      [1, first],
      [2, half],
      [3, second],
      [3, second],
    ]);
    await at.poll();
    expect(at.applied.map(({ releaseOnStop }) => releaseOnStop)).toEqual([false]);
    expect(at.applied[0]!.takeOverStale).toBe(true);
    const settling = at.looksMs.slice(1, 5).map((ms) => ms - at.looksMs[1]!);
    expect(settling).toEqual([0, 5_000, 10_000, 10_000]);
    expect(at.told).toEqual(['reloading', 'up']);
    expect(at.kept).toEqual([3]);
    expect(at.status()).toMatchObject({ version: 3, rejected: undefined, restartNeeded: [] });
    const { changes } = at.log.lines.find(({ msg }) => msg === 'a new configuration')!;
    expect(changes).toEqual(['takeOverStale: (nothing) -> true']);
  });

  test('has another version of the same: the status has its number, and nothing else happens', async () => {
    const at = world([[7, first]]);
    await at.poll();
    expect(at.applied).toEqual([]);
    expect(at.told).toEqual([]);
    expect(at.status().version).toBe(7);
  });

  test('has nothing any more, and then the same again: refused no more', async () => {
    const gone = new BerthError('config-missing', 'there is no parameter /x');
    const at = world([[1, first], gone, gone, [1, first]]);
    await at.poll();
    expect(at.said().filter((msg) => msg.includes('is not used'))).toHaveLength(1);
    expect(at.status()).toMatchObject({ version: 1, rejected: undefined });
  });

  test('has a bad version: refused once, the old one goes on; then a good one is taken', async () => {
    const bad = { ...first, pol: 'db' };
    const script = [bad, bad, bad, bad, bad, bad].map((value) => [2, value] as const);
    const at = world([...script, [3, second]]);
    await at.poll();
    const refusals = at.said().filter((msg) => msg.includes('is not used'));
    expect(refusals).toHaveLength(1);
    expect(refusals[0]).toContain('pol');
    expect(at.kept).toEqual([3]);
    expect(at.applied).toHaveLength(1);
    expect(at.status()).toMatchObject({ version: 3, rejected: undefined });
  });

  test('cannot be reached: said once, and its end', async () => {
    const away = new BerthError('config-unavailable', 'cannot read the parameter /x: away');
    const at = world([away, away, away, [1, first]]);
    await at.poll();
    expect(at.said()).toEqual([
      'cannot read the parameter /x: away; the configuration stays as it is',
      'the configuration can be looked at again',
    ]);
    expect(at.status().rejected).toBeUndefined();
  });

  test('has lost the parameter: refused, the old one goes on', async () => {
    const gone = new BerthError('config-missing', 'cannot find the parameter /x');
    const at = world([gone, gone, gone]);
    await at.poll();
    expect(at.status()).toMatchObject({ version: 1, rejected: { version: undefined } });
    expect(at.said()).toHaveLength(1);
  });
});

describe('after a boot with the last good copy', () => {
  const source = { ...sourceOf(1), lastKnownGood: true };

  test('Parameter Store is looked at within a minute, then ever more seldom until it answers', async () => {
    const away = new BerthError('config-unavailable', 'cannot read the parameter /x: away');
    const at = world([...Array.from({ length: 7 }, () => away), [1, first], [1, first]], {
      source,
      config: { ...judged({ source, value: first }).config, reload: { everyMs: 600_000 } },
    });
    await at.poll();
    const waits = at.looksMs.map((ms, i) => ms - (at.looksMs[i - 1] ?? 0));
    expect(waits[0]).toBeLessThan(60_000);
    for (const [i, least] of [60, 120, 240, 480, 600, 600].entries()) {
      expect(waits[i + 1]).toBeGreaterThanOrEqual(least * 1_000);
      expect(waits[i + 1]).toBeLessThanOrEqual(least * 2_000);
    }
    expect(at.status()).toMatchObject({ version: 1, lastKnownGood: false });
  });

  test('what was refused stands in the status, and is said no second time', async () => {
    const reason = "unknown key 'pol'";
    const bad = { ...first, pol: 'db' };
    const at = world([[2, bad]], { source, rejected: { version: 2, reason } });
    expect(at.status()).toMatchObject({ version: 1, rejected: { version: 2, reason } });
    await at.poll();
    expect(at.status()).toMatchObject({ version: 1, rejected: { version: 2 } });
    expect(at.applied).toEqual([]);
  });
});

describe('at once', () => {
  test('many at the same time are one more after the one under way', async () => {
    const at = world([
      [2, second],
      [3, first],
    ]);
    const one = at.reload.now();
    await setImmediate();
    const others = [at.reload.now(), at.reload.now(), at.reload.now()];
    expect(await one).toBe('the configuration from parameter /x, version 2 is in force');
    expect(new Set(await Promise.all(others))).toEqual(
      new Set(['the configuration from parameter /x, version 3 is in force']),
    );
    expect(at.looksMs).toHaveLength(2);
    expect(at.applied).toHaveLength(2);
  });

  test('a stage that does not get going: rolled back, named, and not tried again by itself', async () => {
    const at = world(Array.from({ length: 5 }, () => [2, second] as const));
    at.refuse(new Error('cannot begin'));
    await expect(at.reload.now()).rejects.toThrow('cannot begin');
    expect(at.told).toEqual(['reloading', 'up']);
    expect(at.status()).toMatchObject({
      version: 1,
      rejected: { version: 2, reason: 'cannot begin' },
    });
    at.refuse(undefined);
    await at.poll();
    expect(at.applied).toEqual([]);
    expect(at.kept).toEqual([]);
  });

  test('what needs a restart is named before the rest is taken, until it is as it was', async () => {
    const other = { ...second, pool: 'web', routing: { localBridges: true } };
    const at = world([
      [2, other],
      [3, second],
    ]);
    expect(await at.reload.now()).toMatch(/is in force; restart needed for: pool, routing$/);
    expect(at.said().slice(0, 2)).toEqual([
      'a new configuration',
      'restart needed for: pool, routing',
    ]);
    expect(at.applied[0]).toMatchObject({
      takeOverStale: true,
      pools: [{ name: 'db' }],
      routing: { localBridges: false },
    });
    expect(at.status().restartNeeded).toEqual(['pool', 'routing']);
    expect(await at.reload.now()).toMatch(/version 3 is in force$/);
    expect(at.status().restartNeeded).toEqual([]);
    expect(at.applied).toHaveLength(1);
  });
});
