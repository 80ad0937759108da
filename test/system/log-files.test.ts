// The port to log files against real files.
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemLogFiles, type LogFile } from '../../src/system/log-files.ts';
import { scratch } from '../lab/environment.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(scratch, 'berth-log-files-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const path = (name: string): string => join(folder, name);

async function opened(name: string): Promise<LogFile> {
  const file = await systemLogFiles.open(path(name));
  if (file === undefined) throw new Error(`${name} is not a file`);
  return file;
}

describe('expand', () => {
  test('finds files and links to files, and nothing else', async () => {
    mkdirSync(path('folder.log'));
    execFileSync('mkfifo', [path('fifo.log')]);
    for (const name of ['a.log', 'b.log', 'c.txt', 'folder.log/d.log']) {
      writeFileSync(path(name), '');
    }
    symlinkSync(path('c.txt'), path('link.log'));
    symlinkSync(path('none'), path('dangling.log'));
    symlinkSync(path('folder.log'), path('folder-link.log'));
    expect(await systemLogFiles.expand(path('*.log'))).toEqual(
      ['a.log', 'b.log', 'link.log'].map(path),
    );
    expect(await systemLogFiles.expand(path('**/d.log'))).toEqual([path('folder.log/d.log')]);
  });

  test('takes a plain path as it is, and finds nothing where nothing is', async () => {
    writeFileSync(path('a.log'), '');
    expect(await systemLogFiles.expand(path('a.log'))).toEqual([path('a.log')]);
    expect(await systemLogFiles.expand(path('none/*.log'))).toEqual([]);
    expect(await systemLogFiles.expand(path('none.log'))).toEqual([]);
  });

  test.each(['gz', 'zip', 'bz2', 'tar', 'zst', 'rar'])('skips .%s', async (end) => {
    writeFileSync(path(`app.log.${end}`), '');
    expect(await systemLogFiles.expand(path('app.log*'))).toEqual([]);
  });
});

describe('open', () => {
  test('holds the file through rename and deletion', async () => {
    writeFileSync(path('a'), 'one\n');
    await using file = await opened('a');
    const { inode } = await file.stat();
    renameSync(path('a'), path('b'));
    appendFileSync(path('b'), 'two\n');
    expect(String(await file.read(4, 100))).toBe('two\n');
    rmSync(path('b'));
    expect(await file.stat()).toMatchObject({ inode, links: 0, size: 8 });
    expect(String(await file.read(0, 3))).toBe('one');
    expect(await file.read(8, 10)).toHaveLength(0);
  });

  test('is undefined for what is no file, without waiting for the FIFO', async () => {
    mkdirSync(path('folder'));
    execFileSync('mkfifo', [path('fifo')]);
    for (const name of ['folder', 'fifo', 'none', 'none/below']) {
      expect(await systemLogFiles.open(path(name))).toBeUndefined();
      expect(await systemLogFiles.stat(path(name))).toBeUndefined();
    }
  });

  test('the birth of a file stays when it grows, and is another for another file', async () => {
    const birthOf = async (name: string): Promise<string> => {
      appendFileSync(path(name), 'x');
      return (await systemLogFiles.stat(path(name)))!.birthNs!;
    };
    const first = await birthOf('a');
    expect(BigInt(first)).toBeGreaterThan(0n);
    appendFileSync(path('a'), 'y');
    expect(await birthOf('a')).toBe(first);
    rmSync(path('a'));
    // The kernel's clock for files ticks each 4 ms.
    await vi.waitFor(async () => {
      rmSync(path('b'), { force: true });
      expect(await birthOf('b')).not.toBe(first);
    });
  });

  test('says whose rights are missing', async () => {
    writeFileSync(path('secret'), 'x', { mode: 0o000 });
    // Root reads everything: a child without root asks.
    const script = `
      const { systemLogFiles } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/system/log-files.ts'))});
      if (process.getuid() === 0) process.setuid(65534);
      await systemLogFiles.open(${JSON.stringify(path('secret'))}).then(console.log, (e) => console.log(e.code, e.message));`;
    execFileSync('chmod', ['755', folder]);
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    expect(said).toMatch(/^not-permitted cannot read .*secret: berth's user may not/);
  });
});

describe('watch', () => {
  test('tells growth from coming and going', async () => {
    writeFileSync(path('a'), '');
    const said = new Set<string>();
    const listener = (kind: string, name: string | undefined): void =>
      void said.add(`${kind} ${name}`);
    using watching = systemLogFiles.watch(folder, listener);
    expect(watching).toBeDefined();
    appendFileSync(path('a'), 'x');
    await vi.waitFor(() => expect(said).toContain('data a'));
    renameSync(path('a'), path('b'));
    await vi.waitFor(() => expect(said).toContain('list b'));
  });

  test('is undefined without a folder', () => {
    expect(systemLogFiles.watch(path('none'), () => undefined)).toBeUndefined();
  });
});

describe('append', () => {
  test('keeps the file private and rotates it once', async () => {
    await systemLogFiles.append(path('dead'), '12345\n', 10);
    await systemLogFiles.append(path('dead'), '678\n', 10);
    expect(readFileSync(path('dead'), 'utf8')).toBe('12345\n678\n');
    expect(await systemLogFiles.append(path('dead'), 'next\n', 10)).toEqual({ replaced: false });
    expect(readFileSync(path('dead'), 'utf8')).toBe('next\n');
    expect(readFileSync(path('dead.1'), 'utf8')).toBe('12345\n678\n');
    expect(statSync(path('dead')).mode & 0o777).toBe(0o600);
  });

  test('says that it replaced the one before', async () => {
    const replaced = [];
    for (const text of ['123456\n', 'second\n', 'third\n']) {
      replaced.push((await systemLogFiles.append(path('dead'), text, 10)).replaced);
    }
    expect(replaced).toEqual([false, false, true]);
    expect(readFileSync(path('dead.1'), 'utf8')).toBe('second\n');
  });

  test('says when it cannot', async () => {
    writeFileSync(path('file'), '');
    await expect(systemLogFiles.append(path('file/dead'), 'x', 10)).rejects.toThrow(
      /^cannot write .*file\/dead/,
    );
  });
});
