// What udev's database says of a device.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createUdev } from '../../src/system/udev.ts';
import { scratch } from '../lab/environment.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(scratch, 'udev-'));
  await mkdir(join(folder, 'data'));
});
afterEach(() => rm(folder, { recursive: true }));

test('no control socket: no udev, whatever the database says', async () => {
  await writeFile(join(folder, 'data', 'n3'), 'I:1234\n');
  expect(await createUdev(folder).stateOf(3)).toBe('absent');
});

test.each([
  [undefined, 'busy'],
  ['E:ID_NET_NAME=ens6\n', 'busy'],
  ['I:1234567\nE:ID_NET_NAME=ens6\n', 'done'],
  ['E:ID_NET_DRIVER=ena\nI:1234567\nG:systemd\n', 'done'],
])('a database of %j is %s', async (text, state) => {
  await writeFile(join(folder, 'control'), '');
  if (text !== undefined) await writeFile(join(folder, 'data', 'n3'), text);
  expect(await createUdev(folder).stateOf(3)).toBe(state);
});
