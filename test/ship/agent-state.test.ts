// The first start takes over where the CloudWatch agent was: no gap, no replay.
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  renameSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createRig, type Rig } from './rig.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await createRig();
  mkdirSync(rig.path('agent-state'));
  writeFileSync(rig.path('app.log'), 'one\ntwo\nthree\n');
});
afterEach(() => rig[Symbol.asyncDispose]());

const agentSays = (text: string): void => {
  const name = rig.path('app.log').replaceAll(/[/ :]/g, '_');
  writeFileSync(join(rig.path('agent-state'), name), text);
};
const shipped = async (count: number): Promise<readonly string[]> => {
  await vi.waitFor(() => expect(rig.arrived().length).toBeGreaterThanOrEqual(count));
  return rig.arrived();
};

const born = (): number => {
  writeFileSync(rig.path('probe'), '');
  const { birthtimeMs } = statSync(rig.path('probe'));
  unlinkSync(rig.path('probe'));
  return birthtimeMs;
};
/** The kernel's clock for files, by more than a tick: so that it is seen which came later. */
const clockGoesOn = async (): Promise<void> => {
  const before = born();
  await vi.waitFor(() => expect(born()).toBeGreaterThan(before + 15), { interval: 5 });
};

describe('at the first start', () => {
  test('with the ranges of today', async () => {
    agentSays(`8\n${rig.path('app.log')}\n0-8`);
    rig.start();
    expect(await shipped(1)).toEqual(['three']);
    appendFileSync(rig.path('app.log'), 'four\n');
    expect(await shipped(2)).toEqual(['three', 'four']);
  });

  test('with the offset alone of older agents', async () => {
    agentSays(`4\n${rig.path('app.log')}`);
    rig.start();
    expect(await shipped(2)).toEqual(['two', 'three']);
  });

  test('what was sent out of turn is sent again: nothing is left out', async () => {
    agentSays(`14\n${rig.path('app.log')}\n0-4,8-14`);
    rig.start();
    expect(await shipped(2)).toEqual(['two', 'three']);
  });

  test.each([
    ['of another path', () => `8\n/var/log/other.log\n0-8`],
    ['beyond the end: a new file of the same name', () => `80\n${rig.path('app.log')}\n0-80`],
    ['in the middle of a line: another file', () => `6\n${rig.path('app.log')}\n0-6`],
    ['that is none', () => 'garbage'],
    ['that is empty', () => ''],
  ])('state %s: sent from the beginning', async (_, text) => {
    agentSays(text());
    rig.start();
    expect(await shipped(3)).toEqual(['one', 'two', 'three']);
  });
});

test('a file that came after the agent wrote its state is another one', async () => {
  agentSays(`8\n${rig.path('app.log')}\n0-8`);
  const name = rig.path('app.log').replaceAll(/[/ :]/g, '_');
  const before = Date.now() / 1000 - 60;
  utimesSync(join(rig.path('agent-state'), name), before, before);
  rig.start();
  expect(await shipped(3)).toEqual(['one', 'two', 'three']);
});

test.each([1, 3])(
  'what was left in a file that was rotated %i times since is sent, then the others',
  async (times) => {
    agentSays(`8\n${rig.path('app.log')}\n0-8`);
    const expected = ['three', 'late'];
    appendFileSync(rig.path('app.log'), 'late\n');
    for (let turn = times; turn > 0; turn--) {
      await clockGoesOn();
      for (let i = times; i > 0; i--) {
        const from = i === 1 ? rig.path('app.log') : rig.path(`app.log.${i - 1}`);
        if (existsSync(from)) renameSync(from, rig.path(`app.log.${i}`));
      }
      writeFileSync(rig.path('app.log'), `after ${turn}\n`);
      expected.push(`after ${turn}`);
    }
    const shipping = rig.start();
    expect(await shipped(expected.length)).toEqual(expected);
    await rig.stop(shipping);
    rig.start();
    appendFileSync(rig.path('app.log'), 'end\n');
    expect(await shipped(expected.length + 1)).toEqual([...expected, 'end']);
  },
);

test('UTF-16 goes on behind a line too', async () => {
  writeFileSync(rig.path('app.log'), 'one\ntwo\n', 'utf16le');
  agentSays(`8\n${rig.path('app.log')}\n0-8`);
  rig.start({ sources: [rig.source('app.log', 'app', 'i-1', { encoding: 'utf-16le' })] });
  expect(await shipped(1)).toEqual(['two']);
});

test('logs that are configured later, when berth has sent others: no replay either', async () => {
  writeFileSync(rig.path('other.log'), 'other\n');
  const other = rig.source('other.log', 'other');
  await rig.stop(rig.start({ sources: [other] }));
  agentSays(`8\n${rig.path('app.log')}\n0-8`);
  const app = rig.source('app.log');
  await rig.stop(rig.start({ sources: [other, app] }));
  expect(rig.arrived()).toEqual(['three']);
  // Another target is another source: its files come whole.
  await rig.stop(rig.start({ sources: [other, app, rig.source('app.log', 'again')] }));
  expect(rig.arrived('again')).toEqual(['one', 'two', 'three']);
});

test('later starts go by what berth knows', async () => {
  await rig.stop(rig.start());
  expect(rig.arrived()).toEqual(['one', 'two', 'three']);
  agentSays(`4\n${rig.path('app.log')}\n0-4`);
  appendFileSync(rig.path('app.log'), 'four\n');
  rig.start();
  expect(await shipped(4)).toEqual(['one', 'two', 'three', 'four']);
});
