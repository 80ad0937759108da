// The fast path and the ordinary one, side by side on the same bytes: the events are the same.
import { appendFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createSeededRandom } from '../fakes/random.ts';
import { createRig, type Rig } from './rig.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await createRig();
});
afterEach(() => rig[Symbol.asyncDispose]());

const parts = [
  'plain text ',
  '"quoted" ',
  'C:\\path ',
  '\t',
  '\u0001\u001f',
  'é€🚢 ',
  '\0',
  '{"a":1} ',
  ' ',
];

function corpus(seed: number, bytes: number): Buffer {
  const random = createSeededRandom(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)]!;
  const lines: string[] = [];
  for (let size = 0; size < bytes;) {
    const words = Math.floor(random.next() ** 3 * 60);
    const line =
      Array.from({ length: words }, () => pick(parts)).join('') + pick(['\n', '\n', '\n', '\r\n']);
    lines.push(line);
    size += Buffer.byteLength(line);
  }
  return Buffer.from(lines.join(''));
}

describe.each([
  ['each line an event', undefined],
  ["the agent's default", String.raw`^[\S]`],
])('%s', (_, startPattern) => {
  test.each([1, 2, 3])('seed %i', async (seed) => {
    writeFileSync(rig.path('app.log'), corpus(seed, 3_000_000));
    const ordinary = { startPattern, filters: [{ type: 'include', expression: '' }] } as const;
    const sources = [
      rig.source('app.log', 'fast', 's', { startPattern }),
      rig.source('app.log', 'ordinary', 's', ordinary),
    ];
    await rig.stop(rig.start({ sources }));
    const fast = rig.arrived('fast', 's');
    expect(fast.length).toBeGreaterThan(1_000);
    expect(fast).toEqual(rig.arrived('ordinary', 's'));
    expect(rig.deadLetters()).toEqual([]);
  });
});

test('what cannot be sent at once goes the ordinary way, in order and once', async () => {
  const lines = Array.from({ length: 60_000 }, (_, i) => `line ${i} ${'x'.repeat(40)}`);
  writeFileSync(rig.path('app.log'), `${lines.join('\n')}\n`);
  const fault = { kind: 'error', status: 500, code: 'InternalFailure' } as const;
  rig.front.fail({ match: 'logs:PutLogEvents', times: 3, fault });
  rig.start();
  await vi.waitFor(() => expect(rig.arrived()).toHaveLength(lines.length), 10_000);
  expect(rig.arrived()).toEqual(lines);
});

test('targets that nobody may write to do not hold up a good one', async () => {
  const groups = Array.from({ length: 6 }, (_, index) => `denied-${index}`);
  await using bad = await createRig({ deniedGroups: groups });
  const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i} ${'x'.repeat(40)}`);
  writeFileSync(bad.path('app.log'), `${lines.join('\n')}\n`);
  const sources = [...groups, 'app'].map((group) => bad.source('app.log', group));
  bad.start({ sources });
  await vi.waitFor(() => expect(bad.arrived()).toHaveLength(lines.length), 10_000);
  appendFileSync(bad.path('app.log'), `${lines.join('\n')}\n`);
  await vi.waitFor(() => expect(bad.arrived()).toHaveLength(2 * lines.length), 10_000);
});
