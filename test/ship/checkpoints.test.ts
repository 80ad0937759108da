// The state file: survives a restart, shares writes, and never fails the shipping.
import { describe, expect, test } from 'vitest';
import { BerthError } from '../../src/errors.ts';
import { loadCheckpoints, type Checkpoint } from '../../src/ship/checkpoints.ts';
import type { Files } from '../../src/system/files.ts';
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
  headBytes: 4,
  headHash: 'h',
  offset,
  markerBytes: 4,
  markerHash: 'm',
});

function createDisk() {
  const disk = {
    content: undefined as string | undefined,
    writes: 0,
    full: false,
    /** Held back until called. */
    finish: undefined as (() => void) | undefined,
  };
  const files: Files = {
    readText: async () => disk.content,
    writeAtomic: async (_path, content) => {
      disk.writes++;
      await new Promise<void>((resolve) => {
        disk.finish = resolve;
        setImmediate(resolve);
      });
      if (disk.full) throw new BerthError('disk', 'cannot write: the disk is full');
      disk.content = content;
    },
    remove: async () => undefined,
  };
  return { disk, files };
}

describe('checkpoints', () => {
  test('are there after a restart, by inode and family', async () => {
    const { files } = createDisk();
    const log = createMemoryLog();
    const first = await loadCheckpoints({ files, log }, '/state');
    first.set(checkpoint(10));
    first.set(checkpoint(20, '8'));
    await first.save();
    const second = await loadCheckpoints({ files, log }, '/state');
    expect(second.find('7', 'app:i-1')).toEqual([checkpoint(10)]);
    expect(second.find('7', 'app:i-2')).toEqual([]);
    second.delete(checkpoint(10));
    expect(second.all()).toEqual([checkpoint(20, '8')]);
  });

  test('saved at the same time share a write that has them all', async () => {
    const { disk, files } = createDisk();
    const checkpoints = await loadCheckpoints({ files, log: createMemoryLog() }, '/state');
    const saves = [1, 2, 3, 4, 5].map(async (offset) => {
      checkpoints.set(checkpoint(offset));
      await checkpoints.save();
      return JSON.parse(disk.content!) as { checkpoints: { offset: number }[] };
    });
    const seen = await Promise.all(saves);
    for (const [index, { checkpoints }] of seen.entries()) {
      expect(checkpoints[0]!.offset).toBeGreaterThanOrEqual(index + 1);
    }
    expect(disk.writes).toBeLessThanOrEqual(2);
    await checkpoints.save();
    expect(disk.writes, 'nothing new, nothing written').toBeLessThanOrEqual(2);
  });

  test('on a full disk say so once, and go on', async () => {
    const { disk, files } = createDisk();
    const log = createMemoryLog();
    const checkpoints = await loadCheckpoints({ files, log }, '/state');
    disk.full = true;
    checkpoints.set(checkpoint(1));
    await checkpoints.save();
    await checkpoints.save();
    expect(checkpoints.error).toMatch(/disk is full/);
    disk.full = false;
    await checkpoints.save();
    expect(checkpoints.error).toBeUndefined();
    expect(disk.content).toContain('"offset":1');
    expect(log.lines.map(({ level }) => level)).toEqual(['error', 'info']);
  });
});
