// Files of the host as they are, and of what is far too large no more than is needed to see that.
import { execFileSync } from 'node:child_process';
import { linkSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { isSameFile, systemHostFiles } from '../../src/system/host-files.ts';
import { hungMount, noHungMount } from '../fixtures/hung-mount.ts';
import { temporaryFolder, type TemporaryFolder } from '../fixtures/temporary-folder.ts';

let folder: TemporaryFolder;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder[Symbol.dispose]());

const at = (name: string): string => join(folder.path, name);

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

test('a link, a hard link, a pipe that nobody writes to, and nothing are no file', async () => {
  const path = join(folder.path, 'a');
  symlinkSync('/etc/hostname', path);
  writeFileSync(at('b'), '');
  linkSync(at('b'), at('c'));
  execFileSync('mkfifo', [at('pipe')]);
  for (const one of [path, at('b'), at('c'), at('pipe'), at('none')]) {
    expect({ one, found: await systemHostFiles.read(one) }).toEqual({ one, found: undefined });
  }
});

test.skipIf(noHungMount !== '')(
  `a file system that does not answer is named, waited for once, and read when it does${noHungMount}`,
  async () => {
    writeFileSync(at('fine'), 'fine');
    const message = (name: string): string =>
      `cannot read ${at(name)}: its file system does not answer`;
    {
      await using _hung = await hungMount(at('dead'));
      await expect(systemHostFiles.read(at('dead/a'))).rejects.toThrow(message('dead/a'));
      // More than Node has threads for.
      const many = Array.from({ length: 8 }, (_, i) => `dead/${i}/b`);
      for (const name of many) {
        await expect(systemHostFiles.read(at(name))).rejects.toThrow(message(name));
      }
      expect((await systemHostFiles.read(at('fine')))?.content.toString()).toBe('fine');
      // A third would take the threads of the logs.
      await using _second = await hungMount(at('gone'));
      await expect(systemHostFiles.read(at('gone/a'))).rejects.toThrow(message('gone/a'));
      await expect(systemHostFiles.read(at('fine'))).rejects.toThrow(
        `cannot read ${at('fine')} before the file systems of ${at('dead/a')}, ${at('gone/a')} answer`,
      );
    }
    await vi.waitFor(
      async () => expect((await systemHostFiles.read(at('fine')))?.content.toString()).toBe('fine'),
      { timeout: 60_000 },
    );
  },
  120_000,
);
