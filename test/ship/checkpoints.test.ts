// The state file: survives a restart, shares writes, and never fails the shipping.
import { describe, expect, test } from 'vitest';
import { BerthError } from '../../src/errors.ts';
import type { Checkpoint } from '../../src/ship/checkpoint-records.ts';
import { loadCheckpoints } from '../../src/ship/checkpoints.ts';
import type { Files } from '../../src/system/files.ts';
import type { LogFiles } from '../../src/system/log-files.ts';
import { createMemoryLog } from '../fakes/log.ts';

const checkpoint = (offset: number, inode = '7'): Checkpoint => ({
  family: 'app:i-1',
  group: 'app',
  stream: 'i-1',
  source: '/x/*.log',
  path: '/x/app.log',
  origin: '/x/app.log',
  copied: false,
  inode,
  device: '1',
  birthNs: undefined,
  mtimeMs: 1,
  times: [[10, 1_800_000_000_000]],
  lastMs: 0,
  headBytes: 4,
  headHash: 'h',
  offset,
  markerBytes: 4,
  markerHash: 'm',
});

function createDisk() {
  const content = new Map<string, string>();
  const disk = { content, writes: 0, full: false };
  /** Takes a moment, in which others may ask for the same. */
  const write = async (path: string, text: string): Promise<void> => {
    disk.writes++;
    await new Promise((resolve) => setImmediate(resolve));
    if (disk.full) throw new BerthError('disk', 'cannot write: the disk is full');
    content.set(path, text);
  };
  const files: Files = {
    readText: async (path) => content.get(path),
    writeAtomic: write,
    remove: async (path) => void content.delete(path),
  };
  const log = createMemoryLog();
  const logFiles: Pick<LogFiles, 'openAppend'> = {
    openAppend: async (path) => ({
      append: (text) => write(path, (content.get(path) ?? '') + text),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
  };
  const load = () => loadCheckpoints({ files, logFiles, log }, '/state');
  return { disk, log, load };
}

describe('checkpoints', () => {
  test('are there after a restart, by inode and family', async () => {
    const { load } = createDisk();
    const first = await load();
    expect(first.isFirstStart).toBe(true);
    first.set(checkpoint(10));
    first.set(checkpoint(20, '8'));
    await first.save();
    const second = await load();
    expect(second.isFirstStart).toBe(false);
    expect(second.find('7', 'app:i-1')).toEqual([checkpoint(10)]);
    expect(second.find('7', 'app:i-2')).toEqual([]);
    second.delete(checkpoint(10));
    expect(second.all()).toEqual([checkpoint(20, '8')]);
  });

  test('the first write is of everything, the next ones of what changed', async () => {
    const { disk, load } = createDisk();
    const checkpoints = await load();
    for (let inode = 0; inode < 1_000; inode++) checkpoints.set(checkpoint(1, String(inode)));
    await checkpoints.save();
    const whole = disk.content.get('/state')!;
    checkpoints.set(checkpoint(2, '5'));
    checkpoints.delete(checkpoint(1, '6'));
    await checkpoints.save();
    expect(disk.content.get('/state')).toBe(whole);
    expect(disk.content.get('/state.journal')!.length).toBeLessThan(1_000);
    const again = await load();
    expect(again.find('5', 'app:i-1')).toEqual([checkpoint(2, '5')]);
    expect(again.find('6', 'app:i-1')).toEqual([]);
    expect(again.all()).toHaveLength(999);
  });

  test('a journal that has grown is written anew, and its changes count once', async () => {
    const { disk, load } = createDisk();
    const checkpoints = await load();
    for (let offset = 1; offset <= 5_000; offset++) {
      checkpoints.set(checkpoint(offset));
      await checkpoints.save();
    }
    expect(disk.content.get('/state.journal')!.length).toBeLessThan(1024 * 1024);
    expect((await load()).all()).toEqual([checkpoint(5_000)]);
  });

  test('saved at the same time share a write that has them all', async () => {
    const { disk, load } = createDisk();
    const checkpoints = await load();
    const saves = [1, 2, 3, 4, 5].map(async (offset) => {
      checkpoints.set(checkpoint(offset));
      await checkpoints.save();
      return (await load()).all();
    });
    const seen = await Promise.all(saves);
    for (const [index, all] of seen.entries()) {
      expect(all[0]!.offset).toBeGreaterThanOrEqual(index + 1);
    }
    expect(disk.writes).toBeLessThanOrEqual(2);
    await checkpoints.save();
    expect(disk.writes, 'nothing new, nothing written').toBeLessThanOrEqual(2);
  });

  test('on a full disk say so once, go on, and are written whole afterwards', async () => {
    const { disk, log, load } = createDisk();
    const checkpoints = await load();
    checkpoints.set(checkpoint(1, '1'));
    await checkpoints.save();
    disk.full = true;
    checkpoints.set(checkpoint(2, '2'));
    await checkpoints.save();
    await checkpoints.save();
    expect(checkpoints.error).toMatch(/disk is full/);
    disk.full = false;
    await checkpoints.save();
    expect(checkpoints.error).toBeUndefined();
    expect((await load()).all()).toEqual([checkpoint(1, '1'), checkpoint(2, '2')]);
    expect(log.lines.map(({ level }) => level)).toEqual(['error', 'info']);
  });
});

const written = async () => {
  const disk = createDisk();
  const checkpoints = await disk.load();
  for (const offset of [1, 2, 3]) {
    checkpoints.set(checkpoint(offset));
    await checkpoints.save();
  }
  return { ...disk, text: disk.disk.content.get('/state.journal')! };
};

describe('a journal of positions', () => {
  test('cut at any byte by a power cut gives the position before, and no complaint', async () => {
    const { disk, log, load, text } = await written();
    const offsets = new Set<number>();
    for (let length = 0; length <= text.length; length++) {
      disk.content.set('/state.journal', text.slice(0, length));
      const [one] = (await load()).all();
      offsets.add(one!.offset);
    }
    expect([...offsets]).toEqual([1, 2, 3]);
    expect(log.lines).toEqual([]);
  });

  test('damaged in its middle loses that line alone, and says so', async () => {
    const { disk, log, load, text } = await written();
    disk.content.set('/state.journal', text.replace('"offset":2', '"offset":9'));
    expect((await load()).all()).toEqual([checkpoint(3)]);
    expect(log.lines.map(({ level }) => level)).toEqual(['warn']);
  });

  test('makes good for a damaged snapshot', async () => {
    const { disk, log, load } = await written();
    disk.content.set('/state', '{"version":1,"checkp');
    expect((await load()).all()).toEqual([checkpoint(3)]);
    expect(log.lines.map(({ level }) => level)).toEqual(['warn']);
  });
});
