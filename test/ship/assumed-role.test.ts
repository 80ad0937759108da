// The role that logs are sent with, over HTTP: the SDK's STS client against the local STS, which signs, ends and refuses
// keys as AWS does.
import { appendFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createAssumedRole } from '../../src/ship/assumed-role.ts';
import type { AwsAccess } from '../../src/system/aws.ts';
import { systemClock, type Clock } from '../../src/system/clock.ts';
import { createFakeClock, type FakeClock } from '../fakes/clock.ts';
import { createHastyClock } from '../fakes/hasty-clock.ts';
import { createMemoryLog, type MemoryLog } from '../fakes/log.ts';
import { createSeededRandom } from '../fakes/random.ts';
import { logsRoleOf } from '../fixtures/role.ts';
import { logsRole, shippedPolicy } from '../lab/iam-cases.ts';
import type { LabCall, LabFaultRule } from '../lab/service.ts';
import { createTestWorld, one, type TestWorld } from '../lab/test-world.ts';
import { createRig, intact, numbered, textOf, type Rig } from './rig.ts';

const minuteMs = 60_000;
const hourMs = 3_600_000;
const patience = { timeout: 15_000 };

let world: TestWorld;
/** How far the clock of AWS is ahead, and how much more time than really has passed in berth. */
let labAheadMs: number;
let aheadMs: number;
let access: AwsAccess;
let asked: boolean[];

async function createWorld(maxSkewMs?: number): Promise<void> {
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + labAheadMs };
  world = await createTestWorld({ clock, ...(maxSkewMs === undefined ? {} : { maxSkewMs }) });
  process.env['AWS_ENDPOINT_URL'] = world.lab.endpoint;
  trust(true);
  world.lab.setPolicies(one, [shippedPolicy('assume-role')]);
  access = {
    region: world.lab.region,
    credentials: async (fresh) => {
      asked.push(fresh);
      return world.lab.credentialsFor(one);
    },
  };
}
beforeEach(async () => {
  labAheadMs = 0;
  aheadMs = 0;
  asked = [];
  await createWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

const trust = (trusted: boolean): void => world.lab.sts.putRole(logsRoleOf({ trusted }));
const calls = (service: LabCall['service']): readonly LabCall[] =>
  world.lab.front.calls.filter((call) => call.service === service);
const assumed = (): readonly LabCall[] => calls('sts').filter(({ status }) => status === 200);
const fail = (times: number, fault: LabFaultRule['fault']): void =>
  world.lab.front.fail({ match: 'sts:AssumeRole', times, fault });
const throttling = { kind: 'error', status: 400, code: 'Throttling' } as const;

/** The SDK has a clock of its own, so that the time of day stays. */
function clockOf(haste: number): Clock {
  const hasty = createHastyClock(haste);
  return { ...hasty, monotonicMs: () => hasty.monotonicMs() + aheadMs };
}

describe('logs', () => {
  let rig: Rig;
  const start = async (haste = 20): Promise<void> => {
    const { front, logs } = world.lab;
    rig = await createRig({ aws: { front, logs, access }, haste });
  };
  afterEach(() => rig[Symbol.asyncDispose]());

  const ship = (groups: readonly string[] = ['app'], haste = 20) =>
    rig.start({
      sources: groups.map((group) => rig.source('app.log', group)),
      logs: { roleArn: logsRole },
      deps: { clock: clockOf(haste) },
    });
  const write = (from: number, count = 1): void =>
    appendFileSync(rig.path('app.log'), textOf(numbered(from, count)));

  test('are sent with the keys of the role, which all targets share', async () => {
    await start();
    write(0, 10);
    const groups = ['app', 'b', 'c', 'd', 'e'];
    ship(groups);
    for (const group of groups) {
      await vi.waitFor(() => expect(rig.arrived(group)).toEqual(numbered(0, 10)), patience);
    }
    expect(new Set(calls('logs').map(({ roleArn }) => roleArn))).toEqual(new Set([logsRole]));
    expect(calls('sts')).toMatchObject([
      {
        action: 'AssumeRole',
        instanceId: one,
        region: 'eu-west-1',
        input: { RoleArn: logsRole, RoleSessionName: 'i-0123456789abcdef0' },
      },
    ]);
  });

  test('use new keys long before the old ones end', async () => {
    await start();
    write(0);
    ship();
    expect(await rig.delivery(numbered(0, 1))).toEqual(intact);
    // 10 min before the end.
    labAheadMs = aheadMs = 50 * minuteMs;
    write(1);
    expect(await rig.delivery(numbered(0, 2))).toEqual(intact);
    await vi.waitFor(() => expect(assumed()).toHaveLength(2), patience);
    labAheadMs = aheadMs = 70 * minuteMs;
    write(2);
    expect(await rig.delivery(numbered(0, 3))).toEqual(intact);
    expect(calls('logs').filter(({ code }) => code === 'ExpiredTokenException')).toEqual([]);
    expect(assumed()).toHaveLength(2);
  });

  test('go on with the old keys while STS is away, and say so once', async () => {
    await start();
    write(0);
    ship();
    expect(await rig.delivery(numbered(0, 1))).toEqual(intact);
    fail(1_000, { kind: 'reset-before' });
    labAheadMs = aheadMs = 50 * minuteMs;
    const warning = 'cannot assume the role of the logs anew yet';
    for (let sent = 1; calls('sts').length < 4; sent++) {
      write(sent);
      expect(await rig.delivery(numbered(0, sent + 1))).toEqual(intact);
    }
    expect(rig.logged().filter((line) => line === warning)).toHaveLength(1);
    expect(rig.logged()).not.toContain('cannot send logs now; the files keep them');
    world.lab.front.clearFaults();
    await vi.waitFor(() => {
      write(0);
      expect(assumed()).toHaveLength(2);
    }, patience);
  });

  test('that are under way when the keys end are sent with new ones, each line once', async () => {
    await start();
    const stop = world.lab.front.onCall(({ action }) => {
      // AWS ends them; berth believes in another 58 min.
      if (action === 'PutLogEvents') labAheadMs = 2 * hourMs;
    });
    write(0, 15_000);
    ship();
    expect(await rig.delivery(numbered(0, 15_000))).toEqual(intact);
    stop();
    const codes = calls('logs').map(({ code }) => code);
    expect(codes.filter((code) => code === 'ExpiredTokenException').length).toBeGreaterThan(0);
    expect(assumed()).toHaveLength(2);
  });

  test('wait in their files while the role cannot be assumed, and go when it can be', async () => {
    await start(1_000);
    trust(false);
    write(0, 100);
    const shipping = ship(['app', 'b', 'c'], 1_000);
    const error =
      /^cannot assume the role arn:aws:iam::999988887777:role\/logs: STS denies it; the instance role needs sts:AssumeRole on it \(packaging\/iam\/assume-role\.json\)/;
    await vi.waitFor(() => expect(shipping.status().lastError).toMatch(error), patience);
    expect(shipping.status()).toMatchObject({ eventsSent: 0, bytesBehind: 3 * 100 * 13 });
    expect(calls('logs')).toEqual([]);
    trust(true);
    expect(await rig.delivery(numbered(0, 100))).toEqual(intact);
    await vi.waitFor(() => expect(shipping.status().lastError).toBeUndefined(), patience);
    expect(rig.logged()).toContain('logs are being sent again');
    expect(rig.deadLetters()).toEqual([]);
  });

  test('that wait for the role hold up no stop', async () => {
    await start();
    trust(false);
    write(0);
    const shipping = ship();
    await vi.waitFor(() => expect(shipping.status().lastError).toMatch(/STS denies/), patience);
    await rig.stop(shipping);
    trust(true);
    ship();
    expect(await rig.delivery(numbered(0, 1))).toEqual(intact);
  });

  test.each([
    ['slow down', throttling, /AWS asks to slow down \(Throttling\)/],
    ['an error', { kind: 'error', status: 500, code: 'InternalFailure' }, /AWS answered 500/],
    ['no answer', { kind: 'reset-before' }, /sts:AssumeRole: no usable answer/],
    ['half an answer', { kind: 'truncated' }, /sts:AssumeRole: no usable answer/],
    [
      'a wrong time or wrong keys',
      { kind: 'error', status: 403, code: 'SignatureDoesNotMatch' },
      /AWS refuses the credentials or the clock \(SignatureDoesNotMatch/,
    ],
  ] as const)('STS says %s: named in the status, then over', async (_name, fault, error) => {
    await start(200);
    fail(1_000, fault);
    write(0, 10);
    const shipping = ship(['app'], 200);
    await vi.waitFor(() => expect(shipping.status().lastError).toMatch(error), patience);
    world.lab.front.clearFaults();
    expect(await rig.delivery(numbered(0, 10))).toEqual(intact);
  });

  test('of a role that may not send them say that the role may not', async () => {
    await start();
    world.lab.sts.putRole({ ...logsRoleOf({ trusted: true }), policies: [] });
    write(0);
    const shipping = ship();
    const error = /: the role lacks the permission logs:PutLogEvents/;
    await vi.waitFor(() => expect(shipping.status().lastError).toMatch(error), patience);
  });
});

describe('the keys', () => {
  let clock: FakeClock;
  let log: MemoryLog;
  const create = () => {
    clock = createFakeClock(Date.now());
    log = createMemoryLog();
    const deps = { clock, random: createSeededRandom(1), log };
    return createAssumedRole(deps, { access, roleArn: logsRole, sessionName: one });
  };

  test('one call for all who ask at once, one refusal too, and none while it is fresh', async () => {
    using role = create();
    trust(false);
    const ask = () => role.credentials(false);
    const refusals = await Promise.allSettled(Array.from({ length: 10 }, ask));
    expect(new Set(refusals.map(({ status }) => status))).toEqual(new Set(['rejected']));
    await expect(ask()).rejects.toMatchObject({ code: 'aws-denied', retryable: false });
    expect(calls('sts')).toHaveLength(1);
    trust(true);
    clock.advance(1_000);
    const all = await Promise.all(Array.from({ length: 10 }, ask));
    expect(new Set(all.map(({ accessKeyId }) => accessKeyId)).size).toBe(1);
    expect(calls('sts')).toHaveLength(2);
  });

  test('are asked for more and more rarely, and not by all instances at once', async () => {
    using role = create();
    trust(false);
    let waits = 0;
    const startMs = clock.monotonicMs();
    for (; clock.monotonicMs() - startMs < 10 * minuteMs; waits++) {
      await role.credentials(false).catch(() => undefined);
      clock.advance(500);
    }
    expect(waits).toBe(1_200);
    // 1, 2, 4, ... 60 s, each between half and whole.
    expect(calls('sts').length).toBeGreaterThan(12);
    expect(calls('sts').length).toBeLessThan(30);
  });

  test('are renewed when a quarter to half of their time is left, in the background', async () => {
    using role = create();
    const { accessKeyId: first } = await role.credentials(false);
    clock.advance(30 * minuteMs - 1_000);
    await role.credentials(false);
    expect(calls('sts')).toHaveLength(1);
    clock.advance(15 * minuteMs + 1_000);
    expect((await role.credentials(false)).accessKeyId).toBe(first);
    await vi.waitFor(async () => {
      expect((await role.credentials(false)).accessKeyId).not.toBe(first);
    }, patience);
    expect(assumed()).toHaveLength(2);
  });

  test('that nobody asked for until their end are waited for', async () => {
    using role = create();
    const { accessKeyId: first } = await role.credentials(false);
    clock.advance(hourMs);
    expect((await role.credentials(false)).accessKeyId).not.toBe(first);
  });

  test('of a shorter session are renewed in its time', async () => {
    world.lab.sts.dials.sessionMs = 10 * minuteMs;
    using role = create();
    const { accessKeyId: first } = await role.credentials(false);
    // Answers tell the time to the second.
    clock.advance(10 * minuteMs + 2_000);
    expect((await role.credentials(false)).accessKeyId).not.toBe(first);
  });

  test('that CloudWatch refuses are replaced at once, but not more than once a minute', async () => {
    using role = create();
    const keys = new Set<string>();
    const refuse = async () => void keys.add((await role.credentials(true)).accessKeyId);
    await refuse();
    await refuse();
    clock.advance(59_000);
    await refuse();
    expect(keys.size).toBe(1);
    clock.advance(1_000);
    await refuse();
    await refuse();
    expect(keys.size).toBe(2);
  });

  test('of the instance are read anew where STS refuses them', async () => {
    using role = create();
    fail(1, { kind: 'error', status: 403, code: 'ExpiredToken' });
    await expect(role.credentials(false)).rejects.toThrow(/the clock \(ExpiredToken/);
    clock.advance(1_000);
    await role.credentials(false);
    expect(asked[0]).toBe(false);
    expect(asked).toContain(true);
  });

  test('come although the clock is 20 min or hours off: STS tells the time', async () => {
    await world[Symbol.asyncDispose]();
    await createWorld(15 * minuteMs);
    for (const offMs of [20 * minuteMs, -20 * minuteMs, -5 * hourMs]) {
      labAheadMs = offMs;
      using role = create();
      const before = assumed().length;
      await expect(role.credentials(false)).rejects.toThrow(/the clock \(SignatureDoesNotMatch/);
      clock.advance(1_000);
      await role.credentials(false);
      // Neither at their end already, nor good for longer than they are.
      await role.credentials(false);
      clock.advance(29 * minuteMs);
      await role.credentials(false);
      expect(assumed().length).toBe(before + 1);
      clock.advance(31 * minuteMs);
      await role.credentials(false);
      expect(assumed().length).toBe(before + 2);
    }
  });

  test('come from the first Region of the partition where the account has turned STS off', async () => {
    using role = create();
    fail(1, { kind: 'error', status: 403, code: 'RegionDisabledException' });
    await role.credentials(false);
    expect(calls('sts').map(({ region, status }) => [region, status])).toEqual([
      ['eu-west-1', 403],
      ['us-east-1', 200],
    ]);
  });

  test('an ARN that STS does not take needs a person', async () => {
    clock = createFakeClock(Date.now());
    const deps = { clock, random: createSeededRandom(1), log: createMemoryLog() };
    const roleArn = 'arn:aws:iam::999988887777:user/logs';
    using role = createAssumedRole(deps, { access, roleArn, sessionName: one });
    await expect(role.credentials(false)).rejects.toMatchObject({
      code: 'aws-invalid',
      message: expect.stringMatching(/^cannot assume the role .*user\/logs: .*ValidationError/),
    });
  });

  test('are in no log', async () => {
    using role = create();
    fail(1, throttling);
    await role.credentials(false).catch(() => undefined);
    clock.advance(1_000);
    const { secretAccessKey, sessionToken } = await role.credentials(false);
    const text = JSON.stringify(log.lines);
    expect(text).toContain('assumed the role that the logs are sent with');
    expect(text).not.toContain(secretAccessKey);
    expect(text).not.toContain(sessionToken);
  });
});
