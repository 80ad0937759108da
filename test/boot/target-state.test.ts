// Whether the instance is in a warm pool, and what IMDS that fails makes of it.
import { describe, expect, test } from 'vitest';
import type { Imds } from '../../src/boot/imds.ts';
import { untilInService } from '../../src/boot/target-state.ts';
import { BerthError } from '../../src/errors.ts';
import { createFakeClock } from '../fakes/clock.ts';
import { createMemoryLog } from '../fakes/log.ts';
import { createSeededRandom } from '../fakes/random.ts';

const away = new BerthError('imds-unavailable', 'IMDS is away');

/** `script`: what each read finds; `hangs`: until its time is over. */
async function wait(...script: readonly (string | Error | undefined)[]) {
  const clock = createFakeClock();
  const log = createMemoryLog();
  const heard: string[] = [];
  const left = [...script];
  const imds = {
    readText: async (_path: string, signal: AbortSignal) => {
      const next = left.shift();
      if (next instanceof Error) throw next;
      if (next !== 'hangs') return next;
      clock.advance(3_000);
      throw signal.reason;
    },
  } as Imds;
  const deps = { clock, random: createSeededRandom(1), log, imds };
  const { signal } = new AbortController();
  await untilInService(deps, (state) => heard.push(state), signal);
  return { heard, left, log, clock };
}

describe('untilInService', () => {
  test.each(['InService', 'Terminated', 'Standby', undefined])('%s: at once', async (state) => {
    const { heard, clock } = await wait(state);
    expect([heard, clock.slept]).toEqual([[], []]);
  });

  test('waits while it is warm, tells each state once, looks each five seconds', async () => {
    const { heard, left, clock } = await wait(
      'Warmed:Stopped',
      'Warmed:Stopped',
      'Warmed:Terminated',
      'InService',
      'Warmed:Stopped',
    );
    expect(heard).toEqual(['Warmed:Stopped', 'Warmed:Terminated']);
    expect(left).toEqual(['Warmed:Stopped']);
    expect(clock.slept.every((ms) => ms >= 4_000 && ms <= 5_000)).toBe(true);
    expect(clock.slept).toHaveLength(3);
  });

  test('a first read that fails or hangs is in nobody’s way', async () => {
    expect((await wait(away)).heard).toEqual([]);
    const { heard, log } = await wait('hangs');
    expect(heard).toEqual([]);
    expect(log.lines).toMatchObject([{ level: 'warn' }]);
  });

  test('a later one changes nothing', async () => {
    const { heard, left } = await wait('Warmed:Running', away, 'hangs', 'InService', 'x');
    expect(heard).toEqual(['Warmed:Running']);
    expect(left).toEqual(['x']);
  });

  test('a stop ends the waiting', async () => {
    const stop = new AbortController();
    const clock = createFakeClock();
    const imds = { readText: async () => 'Warmed:Running' } as unknown as Imds;
    const deps = { clock, random: createSeededRandom(1), log: createMemoryLog(), imds };
    const onWarm = (): void => stop.abort(new Error('stop'));
    await expect(untilInService(deps, onWarm, stop.signal)).rejects.toThrow('stop');
  });
});
