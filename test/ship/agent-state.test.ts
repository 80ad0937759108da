// The first start takes over where the CloudWatch agent was: no gap, no replay.
import { appendFileSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
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
