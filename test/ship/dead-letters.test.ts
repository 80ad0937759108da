// The dead-letter file: what it says in the log and in the status.
import { describe, expect, test } from 'vitest';
import { createEvent } from '../../src/ship/batch.ts';
import { createDeadLetters } from '../../src/ship/dead-letters.ts';
import { createFakeClock } from '../fakes/clock.ts';
import { createMemoryLog } from '../fakes/log.ts';
import { createSeededRandom } from '../fakes/random.ts';

const { signal } = new AbortController();
const target = { group: 'app', stream: 'i-1' };
const refused = [{ event: createEvent('line', 0), reason: 'older than 14 days' }];

function setUp(replaced: boolean) {
  const log = createMemoryLog();
  const deps = {
    clock: createFakeClock(),
    random: createSeededRandom(1),
    log,
    logFiles: { append: () => Promise.resolve({ replaced }) },
  };
  return { log, deadLetters: createDeadLetters(deps, '/state/dead-letters.jsonl') };
}

describe('dead letters', () => {
  test('say in the status what was refused', async () => {
    const { deadLetters } = setUp(false);
    expect(deadLetters.last()).toBeUndefined();
    await deadLetters.put(target, refused, signal);
    expect(deadLetters.last()).toBe(
      'CloudWatch refused lines for app i-1: older than 14 days; they are kept in /state/dead-letters.jsonl',
    );
  });

  test('say in the log that the oldest are gone', async () => {
    const { deadLetters, log } = setUp(true);
    await deadLetters.put(target, refused, signal);
    expect(log.lines).toMatchObject([
      { level: 'warn', msg: expect.stringMatching(/oldest refused lines.*are gone/) as unknown },
      { level: 'warn', lines: 1 },
    ]);
  });
});
