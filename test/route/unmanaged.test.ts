// The markers of unmanaged devices: where udev's rule looks for them, and a disk that fails.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createUnmanaged, leaveManaged } from '../../src/route/unmanaged.ts';
import { BerthError } from '../../src/errors.ts';
import { systemFiles } from '../../src/system/files.ts';
import { createMemoryLog } from '../fakes/log.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const mac = '02:00:00:00:01:20';

test('a marker is a file named by the MAC, where the packaged rule looks; it goes with unmark', async () => {
  using folder = temporaryFolder();
  const log = createMemoryLog();
  const unmanaged = createUnmanaged({ files: systemFiles, log }, { stateDir: folder.path });
  await unmanaged.mark(mac);
  await unmanaged.mark(mac);
  expect(readFileSync(join(folder.path, 'claim', mac), 'utf8')).toBe('');
  await unmanaged.unmark(mac);
  await unmanaged.unmark(mac);
  expect(() => readFileSync(join(folder.path, 'claim', mac))).toThrow('ENOENT');
  expect(log.lines).toEqual([]);
});

test('where another tool sets the routes, a marker of earlier times goes', async () => {
  using folder = temporaryFolder();
  const deps = { files: systemFiles, log: createMemoryLog() };
  const unmanaged = createUnmanaged(deps, { stateDir: folder.path });
  await unmanaged.mark(mac);
  await leaveManaged(unmanaged).mark(mac);
  expect(() => readFileSync(join(folder.path, 'claim', mac))).toThrow('ENOENT');
});

const full = (): Promise<never> =>
  Promise.reject(new BerthError('disk', 'cannot write: the disk is full'));

test('a disk that fails is said, with the file, and stops nothing', async () => {
  const log = createMemoryLog();
  const files = { ...systemFiles, writeAtomic: full, remove: full };
  const unmanaged = createUnmanaged({ files, log }, { stateDir: '/state' });
  await unmanaged.mark(mac);
  await unmanaged.unmark(mac);
  expect(log.lines.map((line) => line['path'])).toEqual([
    `/state/claim/${mac}`,
    `/state/claim/${mac}`,
  ]);
  expect(log.lines[0]!['msg']).toContain('the disk is full; the claim goes on');
});
