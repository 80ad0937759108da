// The spool on a real folder: its bound, its rotation, and what a cut-off write leaves.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createSpool, spoolSource } from '../../src/ship/spool.ts';
import { systemFiles } from '../../src/system/files.ts';
import { systemSpoolFiles, type SpoolFiles } from '../../src/system/spool-files.ts';
import { createMemoryLog } from '../fakes/log.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { logSource } from '../fixtures/log-source.ts';

const line = 'x'.repeat(99);

const linesOf = (name: string): readonly string[] =>
  readFileSync(name, 'utf8').split('\n').filter(Boolean);

/** 100 bytes a line; rotated at 300, bounded at 1000. */
function setUp(folder: string, change: Partial<SpoolFiles> = {}) {
  const log = createMemoryLog();
  const path = join(folder, 'spool', 'metrics.log');
  const shipped: { isDelivered: boolean | undefined } = { isDelivered: false };
  const spool = createSpool(
    { spoolFiles: { ...systemSpoolFiles, ...change }, files: systemFiles, log },
    { path, isDelivered: () => shipped.isDelivered, rotateBytes: 300, maxBytes: 1000 },
  );
  const fill = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await spool.append([line]);
  };
  return { log, path, spool, shipped, fill, lines: () => linesOf(path), older: `${path}.1` };
}

describe('the spool', () => {
  test('appends lines to a private file', async () => {
    using folder = temporaryFolder();
    const { spool, path } = setUp(folder.path);
    await Promise.all([spool.append(['a', 'b']), spool.append([]), spool.append(['c'])]);
    expect(readFileSync(path, 'utf8')).toBe('a\nb\nc\n');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder.path, 'spool')).mode & 0o777).toBe(0o700);
    expect([spool.written, spool.dropped, spool.error]).toEqual([3, 0, undefined]);
  });

  test('is rotated once it is large', async () => {
    using folder = temporaryFolder();
    const { fill, lines, older } = setUp(folder.path);
    await fill(3);
    expect(existsSync(older)).toBe(false);
    await fill(1);
    expect(statSync(older).size).toBe(300);
    expect(lines()).toHaveLength(1);
  });

  test('keeps the older part until CloudWatch has it', async () => {
    using folder = temporaryFolder();
    const { fill, lines, older, shipped } = setUp(folder.path);
    await fill(8);
    expect(statSync(older).size).toBe(300);
    expect(lines()).toHaveLength(5);
    shipped.isDelivered = true;
    await fill(1);
    // The part that grew meanwhile is the older one now.
    expect(statSync(older).size).toBe(500);
    expect(lines()).toHaveLength(1);
  });

  test('removes the older part as soon as CloudWatch has it', async () => {
    using folder = temporaryFolder();
    const { fill, older, shipped } = setUp(folder.path);
    await fill(4);
    shipped.isDelivered = true;
    await fill(1);
    expect(existsSync(older)).toBe(false);
  });

  test('never takes more than its bound; what comes beyond is dropped, counted and said once', async () => {
    using folder = temporaryFolder();
    const { spool, fill, lines, log, older, shipped, path } = setUp(folder.path);
    await fill(14);
    expect(statSync(path).size + statSync(older).size).toBe(1000);
    expect([spool.written, spool.dropped]).toEqual([10, 4]);
    expect(spool.error).toMatch(/is full \(1000 bytes\) and CloudWatch does not take it$/);
    expect(log.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
    shipped.isDelivered = true;
    await fill(1);
    expect(lines()).toHaveLength(1);
    expect([spool.written, spool.dropped, spool.error]).toEqual([11, 4, undefined]);
    expect(log.lines.at(-1)).toMatchObject({ level: 'info', dropped: 4 });
  });

  test('counts what it has just rotated', async () => {
    using folder = temporaryFolder();
    const { spool, fill, shipped, older } = setUp(folder.path);
    await fill(10);
    shipped.isDelivered = true;
    await spool.append([line, line, line, line]);
    expect(statSync(older).size).toBe(700);
    expect([spool.written, spool.dropped]).toEqual([10, 4]);
  });

  test('an older part that nobody ships is only given up when it is in the way', async () => {
    using folder = temporaryFolder();
    const { fill, log, older, shipped } = setUp(folder.path);
    await fill(4);
    shipped.isDelivered = undefined;
    await fill(1);
    expect(statSync(older).size).toBe(300);
    await fill(2);
    expect(log.lines).toMatchObject([{ level: 'warn', path: older }]);
    expect(statSync(older).size).toBe(300);
  });

  test('a disk that is full: dropped, counted, and the next line begins anew', async () => {
    using folder = temporaryFolder();
    let isFull = true;
    const { spool, lines } = setUp(folder.path, {
      append: async (path, text) => {
        await systemSpoolFiles.append(path, isFull ? text.slice(0, 2) : text);
        if (isFull) throw new Error('ENOSPC');
      },
    });
    await spool.append(['{"a":1}']);
    expect([spool.written, spool.dropped, spool.error]).toEqual([
      0,
      1,
      'cannot keep metrics or EMF documents: ENOSPC',
    ]);
    isFull = false;
    await spool.append(['{"b":2}']);
    expect(lines()).toEqual(['{"', '{"b":2}']);
  });

  test('after a crash in the middle of a line the next one begins anew', async () => {
    using folder = temporaryFolder();
    await setUp(folder.path).spool.append(['whole']);
    const { path, spool, lines } = setUp(folder.path);
    await systemSpoolFiles.append(path, 'hal');
    await spool.append(['next']);
    await spool.append(['last']);
    expect(lines()).toEqual(['whole', 'hal', 'next', 'last']);
  });
});

test('its source is the file, sent to the target', () => {
  const target = { logGroupName: '/berth/metrics', logStreamName: 'i-1' };
  expect(spoolSource('/state/metrics.log', target)).toEqual(
    logSource({ filePath: '/state/metrics.log', ...target }),
  );
});
