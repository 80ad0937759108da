// Notices of AWS as IMDS has them: what they say, and when they are heard.
import { describe, expect, test } from 'vitest';
import { parseNotices, watchNotices } from '../../src/boot/notices.ts';
import type { Imds } from '../../src/boot/imds.ts';
import { BerthError } from '../../src/errors.ts';
import type { Notice, NoticeKind } from '../../src/model.ts';
import { createFakeClock } from '../fakes/clock.ts';
import { createMemoryLog } from '../fakes/log.ts';
import { createSeededRandom } from '../fakes/random.ts';

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
) {
  const clock = createFakeClock();
  const log = createMemoryLog();
  const end = new AbortController();
  const heard: { readonly atMs: number; readonly kinds: readonly string[] }[] = [];
  let look = 0;
  const read = async (path: string): Promise<string | undefined> => {
    const said = script[look]?.[path];
    if (said instanceof Error) throw said;
    return said;
  };
  const imds: Imds = { readText: read, readBytes: () => Promise.resolve(undefined) };
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
    expect(heard.map(({ kinds }) => kinds)).toEqual([['spot'], ['spot', 'termination'], []]);
    expect(heard[0]!.atMs).toBeLessThanOrEqual(10_000);
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
