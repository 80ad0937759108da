// State files: whole or not at all, and for berth alone.
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { diskError, systemFiles } from '../../src/system/files.ts';
import { temporaryFolder, type TemporaryFolder } from '../fixtures/temporary-folder.ts';

let folder: TemporaryFolder;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder[Symbol.dispose]());

const modeOf = (path: string): number => statSync(path).mode & 0o777;

describe('writeAtomic', () => {
  test('makes folders for berth alone, and the file with its mode', async () => {
    const path = join(folder.path, 'i-1', 'deep', 'claim.json');
    await systemFiles.writeAtomic(path, 'one', 0o600);
    expect(readFileSync(path, 'utf8')).toBe('one');
    expect(modeOf(path)).toBe(0o600);
    expect(modeOf(join(folder.path, 'i-1'))).toBe(0o700);
  });

  test('replaces what is there, and a file that a crash left aside', async () => {
    const path = folder.file('state', 'old and longer');
    folder.file('state.new', 'half of');
    await systemFiles.writeAtomic(path, 'new', 0o640);
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(modeOf(path)).toBe(0o640);
    expect(readdirSync(folder.path)).toEqual(['state']);
  });

  test('fails with the path, and leaves nothing aside', async () => {
    const path = join(folder.path, 'state');
    mkdirSync(join(path, 'in the way'), { recursive: true });
    await expect(systemFiles.writeAtomic(path, 'new', 0o600)).rejects.toMatchObject({
      code: 'disk',
      retryable: true,
      details: { path },
    });
    expect(readdirSync(folder.path)).toEqual(['state']);
  });

  test('a full disk is named so', () => {
    const full = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
    expect(diskError('write', '/x', full).message).toBe(
      'cannot write /x: the disk is full, free some space (ENOSPC: no space left)',
    );
  });
});

describe('readText and remove', () => {
  test('no such file is no error', async () => {
    const nowhere = join(folder.file('file', 'text'), 'below');
    expect(await systemFiles.readText(join(folder.path, 'none'))).toBeUndefined();
    expect(await systemFiles.readText(nowhere)).toBeUndefined();
    await systemFiles.remove(join(folder.path, 'none'));
  });

  test('reads and removes', async () => {
    const path = folder.file('file', 'text');
    expect(await systemFiles.readText(path)).toBe('text');
    await systemFiles.remove(path);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test('anything else is an error with the path', async () => {
    const { path } = folder;
    await expect(systemFiles.readText(path)).rejects.toMatchObject({ code: 'disk' });
    await expect(systemFiles.remove(path)).rejects.toMatchObject({ code: 'disk' });
  });
});
