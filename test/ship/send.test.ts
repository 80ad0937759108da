// One batch on its way, over the real SDK and the wire: what comes back is accepted or refused, and nothing else.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BerthError, hasCode } from '../../src/errors.ts';
import type { LogEntity } from '../../src/model/logs.ts';
import { createEvent, maxMessageBytes, type LogEvent } from '../../src/ship/batch.ts';
import { createCloudWatchLogs, type CloudWatchLogs } from '../../src/ship/cloudwatch.ts';
import { createTargetMaker } from '../../src/ship/create-target.ts';
import { Postponed, sendEvents, type Sent, type Standing } from '../../src/ship/send.ts';
import { systemClock, type Clock } from '../../src/system/clock.ts';
import { systemResolve } from '../../src/system/resolve.ts';
import { createFakeClock, type FakeClock } from '../fakes/clock.ts';
import { createSeededRandom } from '../fakes/random.ts';
import { logsConfig, plainGroup } from '../fixtures/log-source.ts';
import { createRig, credentials, type Rig } from './rig.ts';

const dayMs = 24 * 3_600_000;
const target = { group: 'app', stream: 'i-1' };
const entity: LogEntity = {
  service: 'shop',
  environment: 'prod',
  accountId: undefined,
  instanceId: undefined,
  autoScalingGroup: undefined,
};
const never = new AbortController().signal;
/** Of berth; the lab keeps the real time, but for tests that set it off. */
let clock: FakeClock;
let labOffsetMs: number;
let rig: Rig;
let cloudwatch: CloudWatchLogs & Disposable;
let failures: BerthError[];
let standing: Standing;
/** How often credentials were asked for because AWS refused the ones before. */
let askedForNew: number;

beforeEach(async () => {
  labOffsetMs = 0;
  failures = [];
  standing = { refusedInARow: 0, entityProblem: undefined, failures: 0 };
  askedForNew = 0;
  clock = createFakeClock(Date.now());
  const labClock: Clock = { ...systemClock, nowMs: () => clock.nowMs() + labOffsetMs };
  rig = await createRig({ labClock, deniedGroups: ['denied'] });
  const access = {
    region: 'eu-central-1',
    credentials: async (fresh: boolean) => {
      if (fresh) askedForNew++;
      return { ...credentials, expiresAtMs: Date.now() + 3_600_000 };
    },
  };
  const deps = { clock: systemClock, resolve: systemResolve };
  cloudwatch = createCloudWatchLogs(deps, access, logsConfig({}));
});
afterEach(async () => {
  cloudwatch[Symbol.dispose]();
  await rig[Symbol.asyncDispose]();
});

const events = (...messages: readonly string[]): readonly LogEvent[] =>
  messages.map((message) => createEvent(message, clock.nowMs()));

async function send(
  batch: readonly LogEvent[],
  options: {
    via?: CloudWatchLogs;
    to?: typeof target;
    ending?: AbortSignal;
    mayPostpone?: boolean;
    entity?: LogEntity;
  } = {},
): Promise<Sent> {
  const via = options.via ?? cloudwatch;
  const makeTarget = createTargetMaker(via, () => undefined);
  const deps = {
    clock,
    random: createSeededRandom(1),
    cloudwatch: via,
    createTarget: (of: typeof target, signal: AbortSignal) => makeTarget(of, plainGroup, signal),
    onFailure: (error: BerthError) => void failures.push(error),
  };
  const input = {
    target: options.to ?? target,
    entity: options.entity,
    standing,
    events: batch,
    failure: undefined,
    mayPostpone: options.mayPostpone ?? false,
    ending: options.ending ?? never,
  };
  return await sendEvents(deps, input, AbortSignal.timeout(15_000));
}

const codes = () => failures.map(({ code }) => code);

/** CloudWatch, but with a dislike. */
const picky = (dislikes: (message: string) => boolean, code: 'log-rejected' | 'log-too-large') => {
  const calls: number[] = [];
  const via: CloudWatchLogs = {
    ...cloudwatch,
    putEvents: (target, events, entity, signal) => {
      calls.push(events.length);
      if (events.some(({ message }) => dislikes(message))) throw new BerthError(code, 'no');
      return cloudwatch.putEvents(target, events, entity, signal);
    },
  };
  return { via, calls };
};

describe('a missing target', () => {
  test('is made, the batch sent again, and no time is lost', async () => {
    expect(await send(events('a', 'b'))).toMatchObject({ accepted: 2, refused: [] });
    expect(rig.front.calls.map(({ action }) => action)).toEqual([
      'PutLogEvents',
      'CreateLogStream',
      'CreateLogGroup',
      'CreateLogStream',
      'PutLogEvents',
    ]);
    expect(clock.slept).toEqual([]);
  });

  test('whose streams are wanted at the same time gets its group once', async () => {
    const maker = createTargetMaker(cloudwatch, () => undefined);
    // So long that all find the group missing before it is made.
    rig.front.latency.otherMs = 100;
    const streams = ['a', 'b', 'c', 'd'];
    await Promise.all(streams.map((stream) => maker({ group: 'app', stream }, plainGroup, never)));
    expect(rig.logs.streams('app').toSorted()).toEqual(streams);
    expect(rig.calls('CreateLogGroup')).toHaveLength(1);
    expect(rig.calls('CreateLogStream')).toHaveLength(8);
  });
});

test('an entity that CloudWatch refuses is left out from then on', async () => {
  const seen: unknown[] = [];
  const via: CloudWatchLogs = {
    ...cloudwatch,
    putEvents: async (target, events, entity, signal) => {
      seen.push(entity);
      const answer = await cloudwatch.putEvents(target, events, entity, signal);
      return { ...answer, entityProblem: entity === undefined ? undefined : 'InvalidEntity' };
    },
  };
  expect(await send(events('a'), { via, entity })).toMatchObject({ accepted: 1 });
  expect(await send(events('b'), { via, entity })).toMatchObject({ accepted: 1 });
  // The first time for the missing group, the second for the events.
  expect(seen).toEqual([entity, entity, undefined]);
  expect(standing.entityProblem).toBe('InvalidEntity');
});

describe('a failure on the way', () => {
  test.each([
    ['aws-throttled', { kind: 'error', status: 400, code: 'ThrottlingException' }],
    ['aws-unavailable', { kind: 'error', status: 503, code: 'ServiceUnavailableException' }],
    ['aws-unavailable', { kind: 'error', status: 500, code: 'InternalFailure' }],
    ['aws-unavailable', { kind: 'html', status: 502 }],
    ['aws-unknown-outcome', { kind: 'reset-before' }],
  ] as const)('is tried again: %s %o', async (code, fault) => {
    rig.front.fail({ match: 'logs:PutLogEvents', times: 4, fault });
    expect(await send(events('a', 'b'))).toMatchObject({ accepted: 2, refused: [] });
    expect(codes()).toEqual([code, code, code, code]);
    expect(rig.arrived()).toEqual(['a', 'b']);
    expect(clock.slept.every((ms, index) => index === 0 || ms > clock.slept[index - 1]!)).toBe(
      true,
    );
  });

  test('on the way to a target, because another makes it too, is tried again', async () => {
    const fault = { kind: 'error', status: 400, code: 'OperationAbortedException' } as const;
    rig.front.fail({ match: 'logs:CreateLogGroup', times: 2, fault });
    expect(await send(events('a'))).toMatchObject({ accepted: 1, refused: [] });
    expect(codes()).toEqual(['aws-unavailable', 'aws-unavailable']);
  });

  test.each([{ kind: 'reset-after' }, { kind: 'truncated' }] as const)(
    'that hides the answer (%o) repeats this batch and no other',
    async (fault) => {
      await send(events('first'));
      rig.front.fail({ match: 'logs:PutLogEvents', times: 1, fault });
      expect(await send(events('a', 'b'))).toMatchObject({ accepted: 2 });
      expect(rig.arrived()).toEqual(['first', 'a', 'b', 'a', 'b']);
    },
  );

  test.each(['DataAlreadyAcceptedException', 'InvalidSequenceTokenException'])(
    'is none where CloudWatch has it already: %s',
    async (code) => {
      await send(events('first'));
      rig.front.fail({
        match: 'logs:PutLogEvents',
        times: 1,
        fault: { kind: 'error', status: 400, code },
      });
      expect(await send(events('a'))).toEqual({ accepted: 1, calls: 1, refused: [] });
      expect(codes()).toEqual([]);
    },
  );

  test('with the credentials asks for new ones', async () => {
    await send(events('a'));
    expect(askedForNew).toBe(0);
    const fault = { kind: 'error', status: 400, code: 'ExpiredTokenException' } as const;
    rig.front.fail({ match: 'logs:PutLogEvents', times: 1, fault });
    await send(events('b'));
    expect(askedForNew).toBeGreaterThan(0);
    expect(codes()).toEqual(['aws-credentials']);
  });

  test('need not wait in memory: it is postponed, longer each time until one is accepted', async () => {
    const fault = { kind: 'error', status: 500, code: 'InternalFailure' } as const;
    rig.front.fail({ match: 'logs:PutLogEvents', times: 3, fault });
    const delays: number[] = [];
    for (let times = 0; times < 3; times++) {
      const postponed = await send(events('a'), { mayPostpone: true }).catch(
        (error: unknown) => error,
      );
      expect(postponed).toBeInstanceOf(Postponed);
      delays.push((postponed as Postponed).delayMs);
    }
    expect(delays[1]).toBeGreaterThanOrEqual(500);
    expect(delays[2]).toBeGreaterThanOrEqual(1_000);
    expect(clock.slept).toEqual([]);
    await send(events('a'), { mayPostpone: true });
    rig.front.fail({ match: 'logs:PutLogEvents', times: 1, fault });
    const again = await send(events('b'), { mayPostpone: true }).catch((error: unknown) => error);
    expect((again as Postponed).delayMs).toBeLessThanOrEqual(500);
    expect(rig.arrived()).toEqual(['a']);
  });

  test('of which a part is there already is not postponed, nor at the end', async () => {
    const fault = { kind: 'error', status: 500, code: 'InternalFailure' } as const;
    let calls = 0;
    const { via } = picky((message) => {
      // The half that it does not dislike.
      if (++calls === 2) rig.front.fail({ match: 'logs:PutLogEvents', times: 1, fault });
      return message === 'bad';
    }, 'log-rejected');
    const sent = await send(events('bad', 'good'), { via, mayPostpone: true });
    expect(sent).toMatchObject({ accepted: 1, refused: [{ event: { message: 'bad' } }] });
    rig.front.fail({ match: 'logs:PutLogEvents', times: 1, fault });
    await send(events('c'), { mayPostpone: true, ending: AbortSignal.abort() });
    expect(rig.arrived()).toEqual(['good', 'c']);
  });

  test('that needs a person is tried again rarely, and given up when shipping ends', async () => {
    const fault = { kind: 'error', status: 400, code: 'AccessDeniedException' } as const;
    rig.front.fail({ match: 'logs:PutLogEvents', times: 2, fault });
    await send(events('a'));
    expect(clock.slept.map((ms) => ms >= 30_000)).toEqual([true, true]);
    const sending = send(events('b'), {
      to: { group: 'denied', stream: 's' },
      ending: AbortSignal.abort(),
    });
    await expect(sending).rejects.toSatisfy((error) => hasCode(error, 'aws-denied'));
  });
});

describe('refused events', () => {
  test('too old for CloudWatch: come back with the reason, and their neighbours arrive', async () => {
    const now = clock.nowMs();
    const batch = [
      createEvent('old', now - 14 * dayMs - 60_000),
      createEvent('a', now - 1_000),
      createEvent('b', now),
    ];
    const sent = await send(batch);
    expect(sent).toMatchObject({ accepted: 2, refused: [{ reason: 'older than 14 days' }] });
    expect(sent.refused[0]!.event.message).toBe('old');
    expect(rig.arrived()).toEqual(['a', 'b']);
  });

  test('too far ahead: since our clock is wrong', async () => {
    labOffsetMs = -3 * 3_600_000;
    const sent = await send(events('a', 'b'));
    expect(sent.accepted).toBe(0);
    expect(sent.refused.map(({ reason }) => reason)).toEqual([
      'more than 2 hours in the future: set the clock',
      'more than 2 hours in the future: set the clock',
    ]);
  });

  test('read long ago take the time of sending', async () => {
    const batch = events('a', 'b');
    clock.advance(20 * dayMs);
    expect(await send(batch)).toMatchObject({ accepted: 2, refused: [] });
    expect(rig.logs.events('app', 'i-1').at(-1)?.timestamp).toBe(clock.nowMs());
  });

  test('by an error for the whole batch: the batch is halved until the event stands alone', async () => {
    const messages = Array.from({ length: 100 }, (_, index) => `line ${index}`);
    const { via } = picky((message) => message === 'line 42', 'log-rejected');
    const sent = await send(events(...messages), { via });
    expect(sent.accepted).toBe(99);
    expect(sent.refused).toMatchObject([{ event: { message: 'line 42' }, reason: 'no' }]);
    expect(rig.arrived()).toEqual(messages.filter((message) => message !== 'line 42'));
  });

  test('since the request is too large: sent in halves', async () => {
    const messages = ['a', 'b', 'c'].map((unit) => unit.repeat(300_000));
    const { via } = picky(() => false, 'log-too-large');
    const small: CloudWatchLogs = {
      ...via,
      putEvents: (target, events, entity, signal) => {
        if (events.length > 1) throw new BerthError('log-too-large', 'too large');
        return cloudwatch.putEvents(target, events, entity, signal);
      },
    };
    expect(await send(events(...messages), { via: small })).toMatchObject({ accepted: 3 });
    expect(rig.arrived()).toEqual(messages);
  });

  test('since it is larger than 256 KB: cut once, and marked', async () => {
    const { via } = picky((message) => message.length > 262_144 - 26, 'log-rejected');
    const sent = await send(events('a'.repeat(maxMessageBytes)), { via });
    expect(sent).toMatchObject({ accepted: 1, refused: [] });
    expect(rig.arrived()[0]).toMatch(/^a+\[Truncated\.\.\.\]$/);
  });

  test('one after the other condemn the target, not the lines', async () => {
    let broken = true;
    const { via, calls } = picky(() => broken, 'log-rejected');
    const messages = Array.from({ length: 50 }, (_, index) => `line ${index}`);
    const sleep = clock.sleep.bind(clock);
    // Somebody puts it right while berth waits.
    clock.sleep = async (ms, signal) => {
      broken = false;
      await sleep(ms, signal);
    };
    const sent = await send(events(...messages), { via });
    expect(sent).toMatchObject({ accepted: 50, refused: [] });
    expect(rig.arrived()).toEqual(messages);
    expect(failures[0]!.message).toMatch(/refuses one line after the other/);
    expect(clock.slept[0]).toBeGreaterThanOrEqual(30_000);
    expect(calls.length).toBeLessThan(30);
  });

  test('condemn it at one line a batch too, until a line is accepted', async () => {
    const { via } = picky((message) => message.startsWith('bad'), 'log-rejected');
    for (let n = 0; n < 7; n++) await send(events(`bad ${n}`), { via });
    expect(standing.refusedInARow).toBe(7);
    await send(events('good'), { via });
    expect(standing.refusedInARow).toBe(0);
    for (let n = 0; n < 7; n++) await send(events(`bad ${n}`), { via });
    const eighth = send(events('bad 7'), { via, ending: AbortSignal.abort() });
    await expect(eighth).rejects.toThrow(/refuses one line after the other/);
    // It was that line after all: the ones behind it go through.
    const sent = await send(events('bad 7', 'good'), { via });
    expect(sent).toMatchObject({ accepted: 1, refused: [{ event: { message: 'bad 7' } }] });
  });
});
