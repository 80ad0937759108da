// The journal as a source: a real journald and journalctl, the local CloudWatch Logs, and restarts between them.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { JournalSource } from '../../src/model/logs.ts';
import { systemLines } from '../../src/system/lines.ts';
import { plainGroup } from '../fixtures/log-source.ts';
import { createJournalHost, whyNoJournal, type JournalHost } from '../lab/journal-host.ts';
import { createRig, instanceId, type Rig } from './rig.ts';

const journal = (more: Partial<JournalSource> = {}): JournalSource => ({
  logGroupName: 'journal',
  logStreamName: 'i-1',
  groupOptions: plainGroup,
  units: [],
  priority: 'debug',
  matches: [],
  filters: [],
  entity: undefined,
  ...more,
});

describe.skipIf(whyNoJournal !== undefined)(
  `the journal${whyNoJournal === undefined ? '' : ` (skipped: ${whyNoJournal})`}`,
  () => {
    let host: JournalHost;
    let rig: Rig;
    let round = 0;
    /** Each test has entries of its own. */
    let tag: string;

    beforeAll(async () => {
      host = await createJournalHost();
    }, 30_000);
    afterAll(() => host[Symbol.asyncDispose]());
    beforeEach(async () => {
      rig = await createRig();
      tag = `berth-${++round}`;
    });
    afterEach(() => rig[Symbol.asyncDispose]());

    const start = (more: Partial<JournalSource> = {}, forceFlushMs = 50) =>
      rig.start({
        sources: [],
        forceFlushMs,
        logs: { journals: [journal({ matches: [{ SYSLOG_IDENTIFIER: tag }], ...more })] },
        deps: { lines: host.lines },
      });
    const write = (message: string, fields: Record<string, string> = {}): Promise<void> =>
      host.write({ SYSLOG_IDENTIFIER: tag, PRIORITY: '6', ...fields, MESSAGE: message });
    const entries = () =>
      rig.arrived('journal').map((text) => JSON.parse(text) as Record<string, unknown>);
    const messages = () => entries().map(({ MESSAGE }) => MESSAGE);
    /** The messages, once there are so many. */
    const arrived = async (count: number): Promise<readonly unknown[]> => {
      await vi
        .waitFor(() => expect(rig.arrived('journal').length).toBeGreaterThanOrEqual(count), 15_000)
        .catch(() => undefined);
      return messages();
    };

    test('what was there before the first start arrives, and what comes', async () => {
      await write('before');
      await host.settled(tag, 1);
      start();
      expect(await arrived(1)).toEqual(['before']);
      await write('after');
      expect(await arrived(2)).toEqual(['before', 'after']);
      const [entry] = entries();
      expect(entry).toMatchObject({ MESSAGE: 'before', SYSLOG_IDENTIFIER: tag, PRIORITY: '6' });
      expect(entry).toHaveProperty('__CURSOR');
      const [event] = rig.logs.events('journal', 'i-1');
      expect(Math.abs(event!.timestamp - Date.now())).toBeLessThan(60_000);
    });

    test('a restart goes on where CloudWatch is, with what was written meanwhile', async () => {
      await write('one');
      const first = start();
      expect(await arrived(1)).toEqual(['one']);
      await rig.stop(first);
      await write('two');
      await host.settled(tag, 2);
      start();
      expect(await arrived(2)).toEqual(['one', 'two']);
    });

    test('the cursor is saved after the acceptance only: a stop in an outage repeats, and loses nothing', async () => {
      await write('one');
      const first = start();
      expect(await arrived(1)).toEqual(['one']);
      const fault = { kind: 'error', status: 500, code: 'InternalFailure' } as const;
      rig.front.fail({ match: 'logs:*', times: 10_000, fault });
      await write('two');
      await vi.waitFor(() => expect(first.status().lastError).toMatch(/500/), 10_000);
      await expect(first.stop(AbortSignal.timeout(200))).rejects.toThrow(/in time/);
      rig.front.clearFaults();
      start();
      expect(await arrived(2)).toEqual(['one', 'two']);
    });

    test('what journald has deleted meanwhile is counted, and the rest arrives', async () => {
      const gap = /^the journal has deleted entries/;
      const gaps = () => rig.log.lines.filter(({ msg }) => gap.test(String(msg)));
      await write('one');
      const first = start();
      expect(await arrived(1)).toEqual(['one']);
      await rig.stop(first);
      for (const message of ['two', 'three', 'four']) await write(message);
      await host.settled(tag, 4);
      const second = start();
      expect(await arrived(4)).toHaveLength(4);
      await rig.stop(second);
      expect(gaps()).toEqual([]);
      for (const message of ['five', 'six', 'seven']) await write(message);
      await host.settled(tag, 7);
      await host.run('journalctl', '--rotate');
      await host.run('journalctl', '--vacuum-files=1');
      await write('eight');
      await host.settled(tag, 1);
      start();
      await vi.waitFor(() => expect(messages()).toContain('eight'), 15_000);
      expect(messages()).not.toContain('six');
      expect(gaps()).toHaveLength(1);
      expect(gaps()[0]!['missed']).toBeGreaterThanOrEqual(3);
    });

    test('units: of one of them, and all else has to hold too', async () => {
      const of = (unit: string, CLASS: string, PRIORITY = '6') => ({
        OBJECT_SYSTEMD_UNIT: `${tag}-${unit}.service`,
        CLASS,
        PRIORITY,
      });
      await write('web', of('web', 'a'));
      await write('of no unit', { CLASS: 'a' });
      await write('of another unit', of('cache', 'b'));
      await write('too chatty', of('db', 'b', '7'));
      await write('of another class', of('db', 'c'));
      await write('db', of('db', 'b'));
      start({
        units: [`${tag}-web.service`, `${tag}-db.service`],
        priority: 'info',
        matches: ['a', 'b'].map((CLASS) => ({ SYSLOG_IDENTIFIER: tag, CLASS })),
      });
      expect(await arrived(2)).toEqual(['web', 'db']);
    });

    test('a long field comes whole', async () => {
      const long = 'x'.repeat(50_000);
      await write('short', { LONG: long });
      await write(long);
      start();
      expect(await arrived(2)).toEqual(['short', long]);
      expect(entries()[0]).toMatchObject({ LONG: long });
    });

    test('by priority', async () => {
      await write('error', { PRIORITY: '3' });
      await write('debug', { PRIORITY: '7' });
      await write('end', { PRIORITY: '4' });
      start({ priority: 'warning' });
      expect(await arrived(2)).toEqual(['error', 'end']);
    });

    test('matches: all the fields of one of them', async () => {
      await write('a', { COLOR: 'red', SIZE: 'big' });
      await write('b', { COLOR: 'red', SIZE: 'small' });
      await write('c', { COLOR: 'blue' });
      start({
        matches: [
          { SYSLOG_IDENTIFIER: tag, COLOR: 'red', SIZE: 'big' },
          { SYSLOG_IDENTIFIER: tag, COLOR: 'blue' },
        ],
      });
      expect(await arrived(2)).toEqual(['a', 'c']);
    });

    test('filters: one include has to match, and no exclude', async () => {
      for (const text of ['login ok', 'Database failed', 'login noise', 'other']) await write(text);
      start({
        filters: [
          { type: 'include', expression: 'login' },
          { type: 'include', expression: 'Database.*failed' },
          { type: 'exclude', expression: 'noise' },
        ],
      });
      expect(await arrived(2)).toEqual(['login ok', 'Database failed']);
    });

    test('journalctl is killed: started again where it was', async () => {
      await write('one');
      start();
      expect(await arrived(1)).toEqual(['one']);
      await host.run('pkill', '-KILL', '-f', `SYSLOG_IDENTIFIER=${tag}`);
      await write('two');
      expect(await arrived(2)).toEqual(['one', 'two']);
    });

    test('a saved cursor of another journal is forgotten, and what there is is sent', async () => {
      await write('one');
      await rig.stop(start());
      expect(await arrived(1)).toEqual(['one']);
      const path = join(rig.stateDir, instanceId, 'journal-cursors.json');
      const saved = JSON.parse(readFileSync(path, 'utf8')) as { cursors: Record<string, string> };
      const [key] = Object.keys(saved.cursors);
      writeFileSync(path, JSON.stringify({ version: 1, cursors: { [key!]: 's=dead;i=1' } }));
      start();
      await vi.waitFor(() => expect(messages()).toEqual(['one', 'one']), 10_000);
      rmSync(path);
    });

    test('2,000 entries, in order and once', async () => {
      const texts = Array.from({ length: 2_000 }, (_, i) => `entry ${i}`);
      const argv = ['systemd-cat', '-t', tag, 'printf', String.raw`%s\n`, ...texts];
      await host.run(...argv);
      await host.settled(tag, texts.length);
      // Many to a batch: each is a call that the API models judge.
      start({}, 5_000);
      expect(await arrived(texts.length)).toEqual(texts);
    });
  },
);

test('without journalctl it is said once, and the files are shipped', async () => {
  await using rig = await createRig();
  writeFileSync(rig.path('app.log'), 'a\n');
  const shipping = rig.start({
    logs: { journals: [journal()] },
    deps: {
      lines: (_, signal) => systemLines(['berth-nothing'], signal),
    },
  });
  await vi.waitFor(() => expect(rig.arrived()).toEqual(['a']));
  await vi.waitFor(() => expect(shipping.status().lastError).toMatch(/not installed/));
  expect(rig.logged().filter((line) => /cannot read the journal/.test(String(line)))).toHaveLength(
    1,
  );
});
