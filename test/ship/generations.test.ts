// Which names are older generations of a log file.
import { describe, expect, test, vi } from 'vitest';
import { findGenerations, isGenerationName } from '../../src/ship/generations.ts';
import type { LogFileStat } from '../../src/system/log-files.ts';

test.each([
  'app.log.1',
  'app.log.10',
  'app.log-20260131',
  'app.log-20260131-1200',
  'app.log.2026-01-31',
  'app.log.1769860800',
  'app-20260131.log',
  'app.2026-01-31.log',
])('%s is one', (name) => expect(isGenerationName('/var/log/app.log', name)).toBe(true));

test.each([
  'app.log',
  'app.log.1.gz',
  'app.log-20260131.zst',
  'app.log.bak',
  'app.logs.1',
  'app-2.log',
  'app-worker.log',
  'other.log.1',
  'app.log.audit.1',
])('%s is none', (name) => expect(isGenerationName('/var/log/app.log', name)).toBe(false));

const stat = (inode: string, mtimeMs: number, birthNs?: string): LogFileStat => ({
  inode,
  device: '1',
  birthNs,
  size: 0,
  mtimeMs,
  links: 1,
});

describe('findGenerations', () => {
  test('puts the oldest first: by birth, else by change, else by number', async () => {
    const folder: Readonly<Record<string, LogFileStat>> = {
      'app.log': stat('d', 30, '40'),
      'app.log.1': stat('c', 30, '30'),
      'app.log.2': stat('b', 20),
      'app.log.10': stat('a', 20),
    };
    const logFiles = {
      list: async () => Object.keys(folder),
      stat: async (path: string) => folder[path.slice(1)],
    };
    const found = await findGenerations(logFiles, '/app.log');
    expect(found?.map((one) => one.stat.inode)).toEqual(['a', 'b', 'c', 'd']);
  });

  test('looks again while names move', async () => {
    const looks = [['app.log'], ['app.log', 'app.log.1'], ['app.log', 'app.log.1']];
    const list = vi.fn<() => Promise<string[]>>(async () => looks.shift() ?? []);
    const found = await findGenerations({ list, stat: async (path) => stat(path, 0) }, '/app.log');
    expect(found).toHaveLength(2);
    expect(list).toHaveBeenCalledTimes(3);
  });
});
