// The 15 cases of logs.md section 5 that no other test holds whole, under their numbers. The others: 1, 2, 4, 9, 11 in
// ship.test.ts and checkpoints.test.ts, 5 and 8 in outage.test.ts and crash.test.ts, 10 in case-10.test.ts.
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { checkConfig } from '../../src/boot/check-config.ts';
import type { LogSource } from '../../src/model/logs.ts';
import { systemLogFiles, type LogFiles } from '../../src/system/log-files.ts';
import { loadPatterns } from '../../src/system/patterns.ts';
import { createHastyClock } from '../fakes/hasty-clock.ts';
import { createRig, instanceId, intact, numbered, textOf, type Rig } from './rig.ts';

const patience = { timeout: 20_000, interval: 20 };
let rig: Rig;
beforeEach(async () => {
  rig = await createRig();
});
afterEach(() => rig[Symbol.asyncDispose]());

const write = (name: string, text: string | Buffer): void => appendFileSync(rig.path(name), text);
const source = (pattern: string, more: Partial<LogSource> = {}): LogSource =>
  rig.source(pattern, 'app', 'i-1', more);
const openLogs = (): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(rig.folder);
    } catch {
      return false;
    }
  }).length;

test('3. rotated twice while down, once to .gz: the tail of .1 first, then the new file', async () => {
  write('app.log', textOf(numbered(0, 100)));
  await rig.stop(rig.start());
  renameSync(rig.path('app.log'), rig.path('app.log.2'));
  writeFileSync(rig.path('app.log.2.gz'), gzipSync('compressed\n'));
  rmSync(rig.path('app.log.2'));
  write('app.log.1', textOf(numbered(100, 50)));
  write('app.log', textOf(numbered(150, 50)));
  rig.start();
  expect(await rig.delivery(numbered(0, 200))).toEqual(intact);
});

test('6. half of all calls throttled, 200 streams: all arrives, nothing is described', async () => {
  // The pace after so much throttling is slow by design.
  await using busy = await createRig({ haste: 200 });
  const names = Array.from({ length: 200 }, (_, index) => `s${index}`);
  for (const name of names) writeFileSync(busy.path(`${name}.log`), textOf(numbered(0, 20, name)));
  for (let call = 0; call < 150; call++) {
    const fault = { kind: 'error', status: 400, code: 'ThrottlingException' } as const;
    busy.front.fail({ match: 'logs:PutLogEvents', times: 1, fault });
  }
  busy.start({ sources: names.map((name) => busy.source(`${name}.log`, 'app', name)) });
  for (const name of names) {
    await vi.waitFor(() => expect(busy.arrived('app', name)).toHaveLength(20), patience);
    expect(busy.arrived('app', name)).toEqual(numbered(0, 20, name));
  }
  expect(busy.front.calls.filter(({ action }) => action.startsWith('Describe'))).toEqual([]);
}, 60_000);

test('7. 20 bad targets, 5 good ones: the good ones do not wait, the stop does not either', async () => {
  await using bad = await createRig({
    deniedGroups: Array.from({ length: 20 }, (_, index) => `denied-${index}`),
  });
  appendFileSync(bad.path('app.log'), textOf(numbered(0, 100)));
  const groups = [
    ...Array.from({ length: 20 }, (_, index) => `denied-${index}`),
    ...Array.from({ length: 5 }, (_, index) => `good-${index}`),
  ];
  const shipping = bad.start({ sources: groups.map((group) => bad.source('app.log', group)) });
  for (const group of groups.slice(20))
    await vi.waitFor(() => expect(bad.arrived(group)).toEqual(numbered(0, 100)), patience);
  expect(shipping.status().bytesBehind).toBeGreaterThan(0);
  await shipping.stop(AbortSignal.timeout(5_000));
  expect(bad.deadLetters()).toEqual([]);
  const saved = ['checkpoints.json', 'checkpoints.json.journal'].map((name) =>
    readFileSync(join(bad.stateDir, instanceId, name), { encoding: 'utf8', flag: 'a+' }),
  );
  const offsets = [...saved.join('').matchAll(/"group":"(good|denied)-\d+".*?"offset":(\d+)/g)];
  const unmoved = offsets.filter(([, group, offset]) => group === 'denied' && offset === '0');
  expect(unmoved).toHaveLength(offsets.filter(([, group]) => group === 'denied').length);
  expect(unmoved.length).toBeGreaterThanOrEqual(20);
});

const at = (ms: number): string => new Date(ms).toISOString().slice(0, 19);

describe('12. times of every kind', () => {
  const timestamp = { format: '%Y-%m-%dT%H:%M:%S', zone: 'utc', trim: false } as const;

  test('too old and too new are counted and kept, their neighbours arrive, a span of days is split', async () => {
    const now = Date.now();
    const day = 86_400_000;
    const lines = [
      `${at(now)} now`,
      `${at(now - 20 * day)} too old`,
      `${at(now - 3 * day)} days ago`,
      `${at(now + day)} too new`,
      `${at(now - day / 2)} this morning`,
      'no time at all',
      '9999-99-99T99:99:99 nonsense',
      `${at(now + 60_000)} a minute ahead`,
    ];
    write('app.log', textOf(lines));
    const shipping = rig.start({ sources: [source('app.log', { timestamp })] });
    await vi.waitFor(
      () => expect(rig.arrived().length + rig.deadLetters().length).toBe(lines.length),
      patience,
    );
    const counts = { eventsRefused: 2, eventsSent: 6 };
    await vi.waitFor(() => expect(shipping.status()).toMatchObject(counts), patience);
    const refused = new Set(rig.deadLetters().map(({ message }) => message));
    expect(refused).toEqual(new Set([lines[1], lines[3]]));
    expect(new Set(rig.arrived())).toEqual(new Set(lines.filter((line) => !refused.has(line))));
    const timeOf = (text: string) =>
      rig.logs.events('app', 'i-1').find(({ message }) => message.endsWith(text))!.timestamp;
    expect(timeOf('days ago')).toBe(Math.floor((now - 3 * day) / 1_000) * 1_000);
    // Never the time of another event.
    expect(Math.abs(timeOf('at all') - now)).toBeLessThan(60_000);
    expect(Math.abs(timeOf('nonsense') - now)).toBeLessThan(60_000);
  });
});

test('13. 2,000 files in 100 folders: each is there, and a new one that comes', async () => {
  for (let folder = 0; folder < 100; folder++) {
    mkdirSync(rig.path(`d${folder}`));
    for (let file = 0; file < 20; file++)
      writeFileSync(rig.path(`d${folder}/${file}.log`), `${folder}-${file}\n`);
  }
  const shipping = rig.start({ sources: [source('*/*.log')] });
  await vi.waitFor(() => expect(shipping.status().files).toBe(2_000), patience);
  await vi.waitFor(() => expect(rig.arrived()).toHaveLength(2_000), patience);
  writeFileSync(rig.path('d50/new.log'), 'new\n');
  await vi.waitFor(() => expect(rig.arrived()).toContain('new'), { timeout: 5_000, interval: 20 });
}, 60_000);

test('13. a tree in which a look at everything takes a second: it is rare, and a new file is there at once', async () => {
  const haste = 100;
  await using large = await createRig({ haste });
  const clock = createHastyClock(haste);
  let looks = 0;
  const logFiles: LogFiles = {
    ...systemLogFiles,
    expand: async (pattern) => {
      looks++;
      await clock.sleep(1_000, AbortSignal.timeout(60_000));
      return await systemLogFiles.expand(pattern);
    },
  };
  mkdirSync(large.path('deep/down'), { recursive: true });
  writeFileSync(large.path('deep/down/first.log'), 'first\n');
  large.start({ sources: [large.source('**/*.log')], deps: { logFiles } });
  await vi.waitFor(() => expect(large.arrived()).toEqual(['first']), patience);
  const startMs = clock.monotonicMs();
  const before = looks;
  for (let index = 0; index < 20; index++) {
    writeFileSync(large.path(`deep/down/${index}.log`), `in ${index}\n`);
    await vi.waitFor(() => expect(large.arrived()).toContain(`in ${index}`), patience);
  }
  // One in new folders, too.
  for (let index = 0; index < 10; index++) {
    const path = large.path(`deep/new${index}/er`);
    mkdirSync(path, { recursive: true });
    writeFileSync(`${path}/new.log`, `new ${index}\n`);
    await vi.waitFor(() => expect(large.arrived()).toContain(`new ${index}`), patience);
    appendFileSync(`${path}/new.log`, `more ${index}\n`);
    await vi.waitFor(() => expect(large.arrived()).toContain(`more ${index}`), patience);
  }
  // Half a percent: a look in 200 s.
  const elapsedMs = clock.monotonicMs() - startMs;
  expect(looks - before).toBeLessThanOrEqual(1 + elapsedMs / 200_000);
}, 60_000);

test('14. 300 files born and deleted: all arrives, no file stays open, no stream is kept in memory', async () => {
  const sources = [source('*.log', { files: 'stream' })];
  // Five minutes of a deleted file's silence are to pass.
  const hasty = await createRig({ haste: 400 });
  await using _ = hasty;
  const shipping = hasty.start({
    sources: sources.map((one) => ({ ...one, filePath: hasty.path('*.log') })),
  });
  for (let round = 0; round < 10; round++) {
    const names = Array.from({ length: 30 }, (_unused, index) => `${round}-${index}.log`);
    for (const name of names) writeFileSync(hasty.path(name), `in ${name}\n`);
    const streamOf = (name: string): string => `i-1_${hasty.path(name).replaceAll('/', '_')}`;
    for (const name of names) {
      await vi.waitFor(
        () => expect(hasty.arrived('app', streamOf(name))).toEqual([`in ${name}`]),
        patience,
      );
      rmSync(hasty.path(name));
    }
  }
  await vi.waitFor(() => expect(shipping.status().files).toBe(0), patience);
  expect(shipping.status().eventsSent).toBe(300);
  expect(openLogs()).toBe(0);
}, 120_000);

describe('15. what does not end', () => {
  test('a line of 5 MB is cut and marked, and the next goes on', async () => {
    write('app.log', `before\n${'x'.repeat(5_000_000)}\nafter\n`);
    rig.start();
    await vi.waitFor(() => expect(rig.arrived()).toHaveLength(3), patience);
    const [before, long, after] = rig.arrived();
    expect([before, after]).toEqual(['before', 'after']);
    expect(long).toMatch(/^x+\[Truncated\.\.\.\]$/);
  });

  test('a pattern that never matches: lines go together, and all of them', async () => {
    const lines = numbered(0, 5_000);
    write('app.log', textOf(lines));
    rig.start({ sources: [source('app.log', { startPattern: 'NEVER' })] });
    await vi.waitFor(() => expect(rig.arrived().join('\n')).toBe(lines.join('\n')), patience);
  });
});

describe('bad input', () => {
  test('a binary file is sent as text, without harm to others', async () => {
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7919) % 256));
    write('a.bin', bytes);
    write('b.log', 'text\n');
    const shipping = rig.start({ sources: [rig.source('a.bin', 'bin'), rig.source('b.log')] });
    await vi.waitFor(() => expect(rig.arrived()).toEqual(['text']), patience);
    await vi.waitFor(() => expect(rig.arrived('bin').length).toBeGreaterThan(100), patience);
    expect(shipping.status().eventsRefused).toBe(0);
  });

  test('a device, a FIFO, a loop of links and a link to nowhere are left alone', async () => {
    execFileSync('mkfifo', [rig.path('fifo.log')]);
    symlinkSync('/dev/zero', rig.path('device.log'));
    symlinkSync(rig.path('loop-b.log'), rig.path('loop-a.log'));
    symlinkSync(rig.path('loop-a.log'), rig.path('loop-b.log'));
    symlinkSync('/nowhere', rig.path('nowhere.log'));
    symlinkSync('.', rig.path('itself'));
    write('good.log', 'good\n');
    const shipping = rig.start({ sources: [source('**/*.log')] });
    await vi.waitFor(() => expect(rig.arrived()).toEqual(['good']), patience);
    expect(shipping.status().files).toBe(1);
  });

  test('a configuration with 500 entries, two of them the same: each file arrives once, and a change of the last soon', async () => {
    const names = Array.from({ length: 500 }, (_, index) => `${index}.log`);
    for (const name of names) write(name, `in ${name}\n`);
    const list = names.map((name) => ({
      file_path: rig.path(name),
      log_group_name: `group-${name}`,
      multi_line_start_pattern: '^in',
      filters: [{ type: 'exclude', expression: '(a+)+$' }],
    }));
    const logs = { logs_collected: { files: { collect_list: [...list, list[0]] } } };
    const facts = { identity: undefined, localHostname: 'web-1', nowMs: Date.now() };
    const checked = checkConfig({ logs }, facts, await loadPatterns());
    expect(checked).toMatchObject({ ok: true, warnings: [{}] });
    const { sources } = (checked as Extract<typeof checked, { ok: true }>).config.logs;
    rig.start({ sources });
    const arrived = (name: string): readonly string[] => rig.arrived(`group-${name}`, 'i-UNKNOWN');
    const all = (): readonly string[] => names.flatMap(arrived);
    await vi.waitFor(() => expect(all()).toEqual(names.map((name) => `in ${name}`)), {
      timeout: 90_000,
      interval: 50,
    });
    write('499.log', `in the end ${'a'.repeat(50)}b\n`);
    await vi.waitFor(() => expect(arrived('499.log')).toHaveLength(2), patience);
    expect(all()).toHaveLength(501);
  }, 150_000);

  test('two entries for the same file and target send it once, by other targets twice', async () => {
    write('app.log', 'a\n');
    rig.start({ sources: [source('app.log'), source('app.*'), rig.source('app.log', 'other')] });
    await vi.waitFor(() => expect(rig.arrived('other')).toEqual(['a']), patience);
    await vi.waitFor(() => expect(rig.arrived()).toEqual(['a']), patience);
  });
});
