// A start after rotations: whatever moves meanwhile, and whichever inode is used again, each line comes.
import { appendFileSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { BerthError } from '../../src/errors.ts';
import { systemLogFiles, type LogFiles, type LogFileStat } from '../../src/system/log-files.ts';
import { createRig, intact, numbered, textOf, type Rig } from './rig.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await createRig();
});
afterEach(() => rig[Symbol.asyncDispose]());

const write = (name: string, lines: readonly string[]): void =>
  appendFileSync(rig.path(name), textOf(lines));
/** As logrotate: all names move on by one. */
const rotate = (): void => {
  const olderOnes = readdirSync(rig.folder).filter((name) => /^app\.log\.\d+$/.test(name));
  for (let n = olderOnes.length; n > 0; n--)
    renameSync(rig.path(`app.log.${n}`), rig.path(`app.log.${n + 1}`));
  renameSync(rig.path('app.log'), rig.path('app.log.1'));
};
/** Ends with `lines` in the file of which CloudWatch has nothing. */
const startInVain = async (lines: readonly string[]): Promise<void> => {
  const fault = { kind: 'error', status: 500, code: 'InternalFailure' } as const;
  rig.front.fail({ match: 'logs:*', times: 10_000, fault });
  write('app.log', lines);
  const shipping = rig.start();
  await shipping.started;
  await expect(shipping.stop(AbortSignal.timeout(50))).rejects.toThrow(/in time/);
  rig.front.clearFaults();
};
/** Calls before each question to the file system. */
const asking = (before: () => void): LogFiles => ({
  ...systemLogFiles,
  expand: (pattern) => {
    before();
    return systemLogFiles.expand(pattern);
  },
  list: (folder) => {
    before();
    return systemLogFiles.list(folder);
  },
  stat: (path) => {
    before();
    return systemLogFiles.stat(path);
  },
  open: (path) => {
    before();
    return systemLogFiles.open(path);
  },
});

test.each(Array.from({ length: 24 }, (_, n) => n))(
  'rotated at question %d to the file system: all comes, in order',
  async (question) => {
    await startInVain(numbered(0, 10));
    rotate();
    await startInVain(numbered(10, 10));
    rotate();
    write('app.log', numbered(20, 10));
    let asked = 0;
    const logFiles = asking(() => {
      if (asked++ !== question) return;
      rotate();
      write('app.log', numbered(30, 10));
    });
    rig.start({ deps: { logFiles } });
    expect(await rig.delivery(numbered(0, 40))).toEqual(intact);
    expect(asked).toBeGreaterThan(question);
  },
);

test('where the inode of the file that is gone is used again, by a generation that nobody saw', async () => {
  write('app.log', numbered(0, 10));
  const { ino } = statSync(rig.path('app.log'));
  const shipping = rig.start();
  expect(await rig.delivery(numbered(0, 10))).toEqual(intact);
  await rig.stop(shipping);
  rmSync(rig.path('app.log'));
  // So that it is another inode, whatever the file system likes.
  write('other', ['it takes the number']);
  write('app.log', numbered(10, 10));
  rotate();
  write('app.log', numbered(20, 10));
  const reused = String(statSync(rig.path('app.log.1')).ino);
  const renumbered = (stat: LogFileStat): LogFileStat =>
    stat.inode === reused ? { ...stat, inode: String(ino) } : stat;
  const logFiles: LogFiles = {
    ...systemLogFiles,
    stat: async (path) => {
      const stat = await systemLogFiles.stat(path);
      return stat === undefined ? undefined : renumbered(stat);
    },
    open: async (path) => {
      const file = await systemLogFiles.open(path);
      if (file === undefined) return undefined;
      return { ...file, stat: async () => renumbered(await file.stat()) };
    },
  };
  rig.start({ deps: { logFiles } });
  expect(await rig.delivery(numbered(0, 30))).toEqual(intact);
});

test('what cannot be read at one start is sent after another', async () => {
  await startInVain(numbered(0, 10));
  rotate();
  write('app.log', numbered(10, 10));
  const logFiles: LogFiles = {
    ...systemLogFiles,
    open: (path) =>
      path.endsWith('.1')
        ? Promise.reject(new BerthError('disk', `cannot read ${path}`))
        : systemLogFiles.open(path),
  };
  const shipping = rig.start({ deps: { logFiles } });
  await vi.waitFor(() => expect(rig.arrived()).toHaveLength(10));
  await rig.stop(shipping);
  rig.start();
  await vi.waitFor(() => expect(rig.arrived()).toHaveLength(20));
  expect(new Set(rig.arrived())).toEqual(new Set(numbered(0, 20)));
});

test('what waited for CloudWatch keeps its time', async () => {
  await startInVain(numbered(0, 10));
  const stoppedMs = Date.now();
  await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(stoppedMs));
  rig.start();
  expect(await rig.delivery(numbered(0, 10))).toEqual(intact);
  for (const { timestamp } of rig.logs.events('app', 'i-1'))
    expect(timestamp).toBeLessThanOrEqual(stoppedMs);
});
