// The whole stage with real files and the real SDK: what is written arrives, in order, and little of it twice.
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { BerthError } from '../../src/errors.ts';
import { systemFiles } from '../../src/system/files.ts';
import { systemLogFiles, type LogFiles } from '../../src/system/log-files.ts';
import { createHastyClock } from '../fakes/hasty-clock.ts';
import { createRig, instanceId, intact, numbered, textOf, type Rig } from './rig.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await createRig();
});
afterEach(() => rig[Symbol.asyncDispose]());

const write = (name: string, lines: readonly string[]): void =>
  appendFileSync(rig.path(name), textOf(lines));

/** No word of changes: only the sweep looks. */
const blind: LogFiles = { ...systemLogFiles, watch: () => ({ [Symbol.dispose]: () => undefined }) };

const restart = async (between: () => void): Promise<void> => {
  await rig.stop(rig.start());
  between();
  rig.start();
};

describe('following a file', () => {
  test('sends what is there and what comes, and makes group and stream once', async () => {
    write('app.log', numbered(0, 100));
    const shipping = rig.start();
    expect(await rig.delivery(numbered(0, 100))).toEqual(intact);
    write('app.log', numbered(100, 100));
    expect(await rig.delivery(numbered(0, 200))).toEqual(intact);
    expect(rig.calls('CreateLogGroup')).toHaveLength(1);
    expect(rig.front.calls.filter(({ action }) => action.startsWith('Describe'))).toEqual([]);
    await vi.waitFor(() =>
      expect(shipping.status()).toMatchObject({
        files: 1,
        eventsSent: 200,
        eventsRefused: 0,
        bytesBehind: 0,
        lastError: undefined,
      }),
    );
    const times = rig.logs.events('app', 'i-1').map(({ timestamp }) => timestamp);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(Math.abs(times[0]! - Date.now())).toBeLessThan(60_000);
  });

  test('sends a file that comes later, and one of a folder that comes later', async () => {
    rig.start({ sources: [rig.source('later/*.log')] });
    await vi.waitFor(() => expect(rig.logged()).toContain('no file matches yet'));
    mkdirSync(rig.path('later'));
    write('later/a.log', numbered(0, 10));
    expect(await rig.delivery(numbered(0, 10))).toEqual(intact);
    rmSync(rig.path('later'), { recursive: true });
    mkdirSync(rig.path('later'));
    write('later/a.log', numbered(10, 10));
    expect(await rig.delivery(numbered(0, 20))).toEqual(intact);
  });

  test('cuts carriage returns, skips empty lines, replaces what is no UTF-8', async () => {
    writeFileSync(
      rig.path('app.log'),
      Buffer.concat([
        Buffer.from('one\r\n\n\r\ntwo\n'),
        Buffer.from([0x61, 0xff, 0xc3, 0x62, 0x0a]),
        Buffer.from('nul \0 inside\nunfinished'),
      ]),
    );
    rig.start();
    expect(await rig.delivery(['one', 'two', 'a\ufffd\ufffdb', 'nul \0 inside'])).toEqual(intact);
    appendFileSync(rig.path('app.log'), ' line\n');
    expect(
      await rig.delivery(['one', 'two', 'a\ufffd\ufffdb', 'nul \0 inside', 'unfinished line']),
    ).toEqual(intact);
  });

  test('cuts a line of 2 MB, marks it, and goes on behind it', async () => {
    write('app.log', ['before', 'x'.repeat(2_000_000), 'after', 'é'.repeat(700_000), 'end']);
    rig.start();
    await vi.waitFor(() => expect(rig.arrived()).toHaveLength(5), 10_000);
    const [before, long, after, wide, end] = rig.arrived();
    expect([before, after, end]).toEqual(['before', 'after', 'end']);
    for (const cut of [long!, wide!]) {
      expect(cut.endsWith('[Truncated...]')).toBe(true);
      expect(Buffer.byteLength(cut)).toBeGreaterThan(1_048_500);
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(1_048_576 - 26);
    }
    expect(wide).toMatch(/^é+\[Truncated/);
  });

  test('counts a batch after the replacement of broken bytes', async () => {
    const broken = Buffer.alloc(600_000, 0xff);
    writeFileSync(rig.path('app.log'), Buffer.concat([broken, Buffer.from('\nend\n')]));
    rig.start();
    await vi.waitFor(() => expect(rig.arrived().at(-1)?.slice(0, 9)).toBe('end'), 10_000);
    expect(rig.arrived()[0]).toMatch(/^\ufffd+\[Truncated/);
    expect(rig.deadLetters()).toEqual([]);
  });

  test('one file for two targets keeps two places', async () => {
    write('app.log', numbered(0, 50));
    const sources = [rig.source('app.log'), rig.source('*.log', 'other', 'i-1')];
    const first = rig.start({ sources: sources.slice(0, 1) });
    expect(await rig.delivery(numbered(0, 50))).toEqual(intact);
    await rig.stop(first);
    rig.start({ sources });
    await vi.waitFor(() => expect(rig.arrived('other')).toEqual(numbered(0, 50)));
    expect(await rig.delivery(numbered(0, 50))).toEqual(intact);
  });

  test('two patterns of one target send the file once', async () => {
    write('app.log', numbered(0, 50));
    const shipping = rig.start({ sources: [rig.source('app.log'), rig.source('*.log')] });
    expect(await rig.delivery(numbered(0, 50))).toEqual(intact);
    expect(shipping.status().files).toBe(1);
  });
});

describe('rotation', () => {
  test('by renaming under load: every line once, in order, the unfinished last ones too', async () => {
    const shipping = rig.start();
    writeFileSync(rig.path('app.log'), '');
    await vi.waitFor(() => expect(shipping.status().files).toBe(1));
    const lines: string[] = [];
    for (let round = 0; round < 50; round++) {
      const part = numbered(round * 400, 400);
      lines.push(...part);
      for (let at = 0; at < 400; at += 100) {
        const text = textOf(part.slice(at, at + 100));
        appendFileSync(rig.path('app.log'), at === 300 ? text.slice(0, -1) : text);
        await new Promise((resolve) => setImmediate(resolve));
      }
      for (let n = Math.min(round, 8); n > 0; n--) {
        renameSync(rig.path(`app.log.${n}`), rig.path(`app.log.${n + 1}`));
      }
      renameSync(rig.path('app.log'), rig.path('app.log.1'));
      writeFileSync(rig.path('app.log'), '');
      // As a rule a rotation does not delete what is not read yet; 9 generations are kept.
      await vi.waitFor(() => expect(rig.arrived().length).toBeGreaterThan((round - 8) * 400), {
        timeout: 15_000,
        interval: 5,
      });
    }
    expect(await rig.delivery(lines)).toEqual(intact);
    await rig.stop(shipping);
    expect(await rig.delivery(lines)).toEqual(intact);
  });

  test('twice between two looks: the generation that nobody saw is sent as well', async () => {
    write('app.log', numbered(0, 10));
    rig.start({ deps: { logFiles: blind } });
    expect(await rig.delivery(numbered(0, 10))).toEqual(intact);
    write('app.log', numbered(10, 10));
    renameSync(rig.path('app.log'), rig.path('app.log.1'));
    write('app.log', numbered(20, 10));
    renameSync(rig.path('app.log.1'), rig.path('app.log.2'));
    renameSync(rig.path('app.log'), rig.path('app.log.1'));
    write('app.log', numbered(30, 10));
    expect(await rig.delivery(numbered(0, 40))).toEqual(intact);
  });

  test('a writer that goes on with the renamed file is heard', async () => {
    write('app.log', numbered(0, 10));
    rig.start();
    expect(await rig.delivery(numbered(0, 10))).toEqual(intact);
    renameSync(rig.path('app.log'), rig.path('app.log.1'));
    write('app.log.1', numbered(10, 10));
    expect(await rig.delivery(numbered(0, 20))).toEqual(intact);
    write('app.log', numbered(20, 10));
    expect(await rig.delivery(numbered(0, 30))).toEqual(intact);
  });

  test('by copying and truncating', async () => {
    write('app.log', numbered(0, 1000));
    rig.start();
    expect(await rig.delivery(numbered(0, 1000))).toEqual(intact);
    copyFileSync(rig.path('app.log'), rig.path('app.log.1'));
    truncateSync(rig.path('app.log'));
    write('app.log', numbered(1000, 10));
    expect(await rig.delivery(numbered(0, 1010))).toEqual(intact);
  });

  test('by truncating, grown beyond the old size before anyone looks', async () => {
    write('app.log', numbered(0, 10));
    rig.start({ deps: { logFiles: blind } });
    expect(await rig.delivery(numbered(0, 10))).toEqual(intact);
    truncateSync(rig.path('app.log'));
    write('app.log', numbered(10, 100));
    expect(await rig.delivery(numbered(0, 110))).toEqual(intact);
  });

  test('a file that was let go is forgotten, also by what happens to the one that has its name now', async () => {
    write('app.log', numbered(0, 10));
    rig.start({ deps: { clock: createHastyClock(200) } });
    expect(await rig.delivery(numbered(0, 10))).toEqual(intact);
    renameSync(rig.path('app.log'), rig.path('app.log.1'));
    const lines = [...numbered(10, 10)];
    write('app.log', lines);
    await vi.waitFor(() => expect(rig.arrived()).toHaveLength(20));
    rmSync(rig.path('app.log.1'));
    const letGo = (): number =>
      rig.logged().filter((msg) => String(msg).endsWith('is read to its end')).length;
    for (let more = 0; more < 20;) {
      const line = `later ${lines.length}`;
      lines.push(line);
      write('app.log', [line]);
      await new Promise((resolve) => setImmediate(resolve));
      if (letGo() > 0) more++;
      await vi.waitFor(() => expect(rig.arrived()).toContain(line));
    }
    expect(letGo()).toBe(1);
    expect(await rig.delivery([...numbered(0, 10), ...lines])).toEqual(intact);
  });

  test('a deleted file is read to its end and then let go', async () => {
    rig.front.latency.otherMs = 100;
    // Five minutes of quiet shall not be that long.
    const shipping = rig.start({ deps: { clock: createHastyClock(200) } });
    write('app.log', numbered(0, 20_000));
    await vi.waitFor(() => expect(rig.front.calls.length).toBeGreaterThan(0));
    appendFileSync(rig.path('app.log'), 'unfinished');
    rmSync(rig.path('app.log'));
    expect(await rig.delivery([...numbered(0, 20_000), 'unfinished'])).toEqual(intact);
    await vi.waitFor(() => expect(shipping.status().files).toBe(0), 10_000);
    expect(rig.logged()).toContain('a log file that was renamed or deleted is read to its end');
  });
});

describe('a restart', () => {
  test('goes on where CloudWatch is', async () => {
    write('app.log', numbered(0, 100));
    await restart(() => write('app.log', numbered(100, 100)));
    expect(await rig.delivery(numbered(0, 200))).toEqual(intact);
  });

  test('sends the rest of the renamed file first, then the generations between, then the new one', async () => {
    write('app.log', numbered(0, 100));
    await restart(() => {
      write('app.log', numbered(100, 50));
      appendFileSync(rig.path('app.log'), 'unfinished');
      renameSync(rig.path('app.log'), rig.path('app.log.2'));
      write('app.log', numbered(150, 50));
      renameSync(rig.path('app.log'), rig.path('app.log.1'));
      write('app.log', numbered(200, 50));
    });
    expect(await rig.delivery([...numbered(0, 150), 'unfinished', ...numbered(150, 100)])).toEqual(
      intact,
    );
  });

  test('remembers over several starts what of the renamed files is not sent yet', async () => {
    write('app.log', numbered(0, 100));
    await rig.stop(rig.start());
    const fault = { kind: 'error', status: 500, code: 'InternalFailure' } as const;
    rig.front.fail({ match: 'logs:*', times: 10_000, fault });
    for (let round = 1; round <= 3; round++) {
      write('app.log', numbered(round * 100, 100));
      for (let n = round; n > 1; n--) {
        renameSync(rig.path(`app.log.${n - 1}`), rig.path(`app.log.${n}`));
      }
      renameSync(rig.path('app.log'), rig.path('app.log.1'));
      write('app.log', [`round ${round}`]);
      const shipping = rig.start();
      await vi.waitFor(() => expect(shipping.status().files).toBe(round + 1));
      await expect(shipping.stop(AbortSignal.timeout(100))).rejects.toThrow(/in time/);
    }
    // The names stay as they are.
    rig.front.clearFaults();
    rig.start();
    const lines = [1, 2, 3].flatMap((round) => [...numbered(round * 100, 100), `round ${round}`]);
    expect(await rig.delivery([...numbered(0, 100), ...lines])).toEqual(intact);
  });

  test('reads a truncated file from its beginning, however long it is now', async () => {
    write('app.log', numbered(0, 100));
    await restart(() => {
      copyFileSync(rig.path('app.log'), rig.path('app.log.1'));
      truncateSync(rig.path('app.log'));
      write('app.log', numbered(100, 200));
    });
    expect(await rig.delivery(numbered(0, 300))).toEqual(intact);
  });

  test('does not take a new file for the old one because of its inode or first line', async () => {
    write('app.log', ['header', ...numbered(0, 100)]);
    await rig.stop(rig.start());
    const { ino } = statSync(rig.path('app.log'));
    // Same inode, same head: as if the number had been used again.
    writeFileSync(rig.path('app.log'), textOf(['header', ...numbered(100, 200)]));
    expect(statSync(rig.path('app.log')).ino).toBe(ino);
    rig.start();
    expect(await rig.delivery(['header', ...numbered(0, 300)])).toEqual({ ...intact, repeats: 1 });
  });

  test.each([
    ['torn', '{"version":1,"checkpoints":[{"gro'],
    ['empty', ''],
    ['of another kind', '{"version":1,"checkpoints":[{"offset":"much"}]}'],
  ])('with a state file that is %s starts at the beginning and says so', async (_, content) => {
    write('app.log', numbered(0, 100));
    await restart(() => {
      const state = join(rig.stateDir, instanceId, 'checkpoints.json');
      writeFileSync(state, content);
      rmSync(`${state}.journal`, { force: true });
    });
    await vi.waitFor(() => expect(rig.arrived()).toHaveLength(200));
    expect(await rig.delivery(numbered(0, 100))).toEqual({ ...intact, repeats: 100 });
    expect(rig.logged()).toContain(
      'cannot use the saved positions: every log file is sent from its beginning',
    );
  });

  test('without a state file starts at the beginning', async () => {
    write('app.log', numbered(0, 100));
    await restart(() => rmSync(rig.stateDir, { recursive: true }));
    await vi.waitFor(() => expect(rig.arrived()).toHaveLength(200));
  });

  test('keeps no line of a log in its state, and keeps the state private', async () => {
    write('app.log', ['password=hunter2', ...numbered(0, 100)]);
    await rig.stop(rig.start());
    const path = join(rig.stateDir, instanceId, 'checkpoints.json');
    expect(readFileSync(path, 'utf8')).not.toContain('hunter2');
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
});

describe('files that cannot be read', () => {
  test('folders, FIFOs and archives are left alone', async () => {
    mkdirSync(rig.path('folder.log'));
    execFileSync('mkfifo', [rig.path('fifo.log')]);
    writeFileSync(rig.path('old.log.gz'), 'x\n');
    write('a.log', numbered(0, 10));
    const shipping = rig.start({ sources: [rig.source('*.log*'), rig.source('fifo.log', 'f')] });
    expect(await rig.delivery(numbered(0, 10))).toEqual(intact);
    expect(shipping.status()).toMatchObject({ files: 1, lastError: undefined });
  });

  test('an unreadable file is said once, tried again, and sent when it can be read', async () => {
    let denied = true;
    const logFiles: LogFiles = {
      ...systemLogFiles,
      open: (path) => {
        if (denied) throw new BerthError('not-permitted', `cannot read ${path}: no right`);
        return systemLogFiles.open(path);
      },
    };
    write('app.log', numbered(0, 10));
    const shipping = rig.start({ deps: { logFiles } });
    const complaints = () => rig.log.lines.filter(({ error }) => /no right/.test(String(error)));
    await vi.waitFor(() => expect(shipping.status().lastError).toMatch(/no right/));
    // A file that comes makes it look again.
    for (const name of ['b', 'c', 'd']) {
      writeFileSync(rig.path(name), '');
      await new Promise((resolve) => setImmediate(resolve));
    }
    denied = false;
    expect(await rig.delivery(numbered(0, 10))).toEqual(intact);
    expect(complaints()).toHaveLength(1);
    expect(shipping.status().lastError).toBeUndefined();
  });
});

describe('a full disk', () => {
  test('at the positions: said once, shipping goes on, mended later', async () => {
    let full = true;
    let tried = 0;
    const files = {
      ...systemFiles,
      writeAtomic: async (path: string, content: string, mode: number) => {
        tried++;
        if (full) throw new BerthError('disk', `cannot write ${path}: the disk is full`);
        await systemFiles.writeAtomic(path, content, mode);
      },
    };
    write('app.log', numbered(0, 10));
    const shipping = rig.start({ deps: { files } });
    expect(await rig.delivery(numbered(0, 10))).toEqual(intact);
    write('app.log', numbered(10, 10));
    expect(await rig.delivery(numbered(0, 20))).toEqual(intact);
    expect(shipping.status().lastError).toMatch(/disk is full/);
    expect(rig.log.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
    full = false;
    await vi.waitFor(() => expect(shipping.status().lastError).toBeUndefined());
    expect(tried).toBeGreaterThan(2);
    await rig.stop(shipping);
    rig.start();
    write('app.log', ['end']);
    expect(await rig.delivery([...numbered(0, 20), 'end'])).toEqual(intact);
  });
});
