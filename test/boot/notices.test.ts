// Notices of AWS as IMDS has them: what they say, and when they are heard.
import { afterEach, describe, expect, test } from 'vitest';
import { parseNotices, watchNotices } from '../../src/boot/notices.ts';
import { createImds, imdsDefaults, type Imds } from '../../src/boot/imds.ts';
import { BerthError } from '../../src/errors.ts';
import type { Notice, NoticeKind } from '../../src/model/instance.ts';
import { createHttp } from '../../src/system/http.ts';
import { createFakeClock } from '../fakes/clock.ts';
import { createMemoryLog } from '../fakes/log.ts';
import { createSeededRandom } from '../fakes/random.ts';
import { imdsView } from '../fixtures/imds-view.ts';
import { createImdsServer, type ImdsServer } from '../lab/imds.ts';

const event = (State: string): object => ({
  NotBefore: '21 Jan 2027 09:00:43 GMT',
  Code: 'system-reboot',
  Description: 'scheduled reboot',
  EventId: 'instance-event-0d59937288b749b32',
  NotAfter: '21 Jan 2027 09:17:23 GMT',
  State,
});

describe('the texts of the guide', () => {
  type Source = Exclude<NoticeKind, 'warm-pool'>;
  const cases: readonly (readonly [Source, string, readonly Omit<Notice, 'kind'>[]])[] = [
    [
      'spot',
      '{"action": "terminate", "time": "2027-09-18T08:22:00Z"}',
      [{ message: 'EC2 is going to terminate this Spot instance', at: '2027-09-18T08:22:00.000Z' }],
    ],
    [
      'spot',
      '{"action": "hibernate"}',
      [{ message: 'EC2 is going to hibernate this Spot instance', at: undefined }],
    ],
    [
      'rebalance',
      '{"noticeTime": "2027-11-05T08:22:00Z"}',
      [
        {
          message: 'EC2 sees a higher risk that this Spot instance is interrupted',
          at: undefined,
        },
      ],
    ],
    [
      'termination',
      'Terminated',
      [{ message: 'Auto Scaling terminates this instance', at: undefined }],
    ],
    ['termination', 'InService', []],
    ['termination', 'Standby', []],
    ['maintenance', '[]', []],
    ['maintenance', JSON.stringify([event('completed'), event('canceled')]), []],
    [
      'maintenance',
      JSON.stringify([event('active')]),
      [{ message: 'EC2 has scheduled: system-reboot', at: '2027-01-21T09:00:43.000Z' }],
    ],
  ];
  test.each(cases)('%s: %s', (kind, text, expected) => {
    expect(parseNotices(kind, text)).toEqual(expected.map((one) => ({ kind, ...one })));
  });

  test('an instance that its group takes back', () => {
    const message = 'Auto Scaling takes this instance into its warm pool';
    expect(parseNotices('termination', 'Warmed:Stopped')).toEqual([
      { kind: 'warm-pool', message, at: undefined },
    ]);
  });

  test.each([
    ['spot', '[]'],
    ['spot', '{"action": "rm -rf /"}'],
    ['spot', 'terminate'],
    ['rebalance', 'null'],
    ['maintenance', '{}'],
    ['maintenance', '[{"State": "active"}]'],
  ] as const)('%s: %s is none', (kind, text) => {
    expect(() => parseNotices(kind, text)).toThrow(/wrong form|JSON/);
  });
});

const lifecycle = 'meta-data/autoscaling/target-lifecycle-state';
const spot = 'meta-data/spot/instance-action';

/** `script`: what each look finds; the watch ends with it. */
async function watch(
  script: readonly Readonly<Record<string, string | Error>>[],
  wantedUntil = Infinity,
  readMs = 0,
) {
  const clock = createFakeClock();
  const log = createMemoryLog();
  const end = new AbortController();
  const heard: { readonly atMs: number; readonly kinds: readonly string[] }[] = [];
  let look = 0;
  const read = async (path: string): Promise<string | undefined> => {
    clock.advance(readMs);
    const said = script[look]?.[path];
    if (said instanceof Error) throw said;
    return said;
  };
  const imds: Imds = {
    tryText: read,
    readText: () => Promise.reject(new Error('too patient')),
    readBytes: () => Promise.resolve(undefined),
  };
  const sleep: typeof clock.sleep = async (ms, signal) => {
    look += 1;
    if (look === script.length) end.abort(new Error('over'));
    return clock.sleep(ms, signal);
  };
  await watchNotices(
    { clock: { ...clock, sleep }, random: createSeededRandom(1), log },
    imds,
    {
      isWanted: () => look < wantedUntil,
      onChange: (notices) =>
        heard.push({ atMs: clock.monotonicMs(), kinds: notices.map(({ kind }) => kind) }),
    },
    end.signal,
  ).catch(() => undefined);
  return { heard, log };
}

describe('watching', () => {
  test('nobody wants them any more: they are no longer in force, and nothing is asked', async () => {
    const going = { [spot]: '{"action":"stop"}' };
    const { heard } = await watch([going, going, going, going], 2);
    expect(heard.map(({ kinds }) => kinds)).toEqual([['spot'], []]);
  });

  test('a notice is heard within five seconds, once, and its end too', async () => {
    const going = { [spot]: '{"action":"stop"}' };
    const { heard } = await watch([
      {},
      {},
      going,
      going,
      { ...going, [lifecycle]: 'Terminated' },
      {},
    ]);
    expect(heard.map(({ kinds }) => kinds)).toEqual([
      ['spot'],
      ['spot', 'termination'],
      ['termination'],
      [],
    ]);
    expect(heard[0]!.atMs).toBeLessThanOrEqual(10_000);
  });

  test('a slow answer makes no look later', async () => {
    const going = { [spot]: '{"action":"stop"}' };
    // Four paths.
    const { heard } = await watch([{}, {}, going], undefined, 700);
    expect(heard[0]!.atMs).toBeLessThanOrEqual(2 * 5_000 + 4 * 700);
  });

  test('what cannot be read is no end of a notice, and one line in the log', async () => {
    const failed = new BerthError('imds-unavailable', 'IMDS is away');
    const { heard, log } = await watch([
      { [spot]: '{"action":"stop"}' },
      { [spot]: failed },
      { [spot]: failed },
      { [spot]: 'garbage' },
    ]);
    expect(heard.map(({ kinds }) => kinds)).toEqual([['spot']]);
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });
});

describe('the metadata service fails at one path', () => {
  const bad = 'meta-data/events/recommendations/rebalance';
  const good = { status: 200, body: '{"action":"stop"}' };
  const stack: AsyncDisposable[] = [];
  afterEach(async () => {
    for (const each of stack.splice(0).toReversed()) await each[Symbol.asyncDispose]();
  });

  /** `onLook`: before each, from 0 on. Ends with the first notice, or after `looks`. */
  const watchLab = async (
    requestTimeoutMs: number,
    looks: number,
    onLook: (server: ImdsServer, look: number) => void,
  ) => {
    const clock = createFakeClock();
    const server = await createImdsServer({
      host: '127.0.0.1',
      port: 0,
      clock,
      viewOf: () => imdsView(),
    });
    const http = createHttp(4);
    stack.push(server, { [Symbol.asyncDispose]: () => Promise.resolve(http[Symbol.dispose]()) });
    const deps = { clock, random: createSeededRandom(1), log: createMemoryLog() };
    const limits = { ...imdsDefaults, requestTimeoutMs, endpoints: [server.endpoint] as const };
    const imds = createImds({ ...deps, http }, limits);
    const end = new AbortController();
    const heard: { readonly atMs: number; readonly kinds: readonly string[] }[] = [];
    let look = 0;
    const isWanted = (): boolean => {
      if (look === looks) end.abort(new Error('over'));
      onLook(server, look++);
      return true;
    };
    const onChange = (notices: readonly Notice[]): void => {
      heard.push({ atMs: clock.monotonicMs(), kinds: notices.map(({ kind }) => kind) });
      end.abort(new Error('heard'));
    };
    await watchNotices(deps, imds, { isWanted, onChange }, end.signal).catch(() => undefined);
    const askedOf = (path: string): number =>
      server.requests.filter((one) => one.path === `/latest/${path}`).length;
    return { heard, asked: { bad: askedOf(bad), spot: askedOf(spot) }, looks: look };
  };

  test('it answers 503: the notice of another is heard within five seconds', async () => {
    const { heard } = await watchLab(1_500, 3, ({ dials: { overrides } }, look) => {
      overrides.set(bad, { status: 503, body: '' });
      if (look === 1) overrides.set(spot, good);
    });
    expect(heard.map(({ kinds }) => kinds)).toEqual([['spot']]);
    expect(heard[0]!.atMs).toBeLessThanOrEqual(5_000);
  });

  test('it never answers: the notice of another does not wait for it', async () => {
    const { heard } = await watchLab(600_000, 3, ({ dials: { overrides } }) => {
      overrides.set(bad, 'silent');
      overrides.set(spot, good);
    });
    expect(heard.map(({ kinds }) => kinds)).toEqual([['spot']]);
  });

  test('it is asked as often as the others, though it fails', async () => {
    const { asked } = await watchLab(1_500, 5, ({ dials: { overrides } }) => {
      overrides.set(bad, { status: 503, body: '' });
    });
    expect(asked).toEqual({ bad: 5, spot: 5 });
  });
});
