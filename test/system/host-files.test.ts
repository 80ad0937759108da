// Files of the host as they are, and of what is far too large no more than is needed to see that.
import { symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isSameFile, systemHostFiles } from '../../src/system/host-files.ts';
import { temporaryFolder, type TemporaryFolder } from '../fixtures/temporary-folder.ts';

let folder: TemporaryFolder;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder[Symbol.dispose]());

test('the largest that berth writes is read whole', async () => {
  const content = '€'.repeat(1_048_576);
  const path = join(folder.path, 'a');
  writeFileSync(path, content, { mode: 0o640 });
  const found = (await systemHostFiles.read(path))!;
  expect(found.mode).toBe(0o640);
  expect(isSameFile(found, { ...found, content: Buffer.from(content) })).toBe(true);
});

test('of what is larger than memory the beginning is read', async () => {
  const path = join(folder.path, 'a');
  writeFileSync(path, '');
  truncateSync(path, 3_000_000_000);
  const found = await systemHostFiles.read(path);
  expect(found!.content.length).toBeLessThan(4_000_000);
});

test('a link and nothing are no file', async () => {
  const path = join(folder.path, 'a');
  symlinkSync('/etc/hostname', path);
  expect(await systemHostFiles.read(path)).toBeUndefined();
  expect(await systemHostFiles.read(join(folder.path, 'none'))).toBeUndefined();
});
