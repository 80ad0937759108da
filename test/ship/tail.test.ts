// One file: lines from an offset, replaced content, lines without an end.
import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { identify, resumePosition } from '../../src/ship/identity.ts';
import { createSplitter, type HowFar } from '../../src/ship/splitter.ts';
import { createTail, startOfFile, type Tail } from '../../src/ship/tail.ts';
import { systemLogFiles } from '../../src/system/log-files.ts';
import { createFakeClock } from '../fakes/clock.ts';
import { scratch } from '../lab/environment.ts';

let folder: string;
let path: string;
let tail: Tail;
const splitter = createSplitter(
  {
    encoding: 'utf-8',
    startPattern: undefined,
    timestamp: undefined,
    json: undefined,
    filters: [],
  },
  undefined,
  undefined,
);
const onReplaced = vi.fn<() => void>();

beforeEach(async () => {
  folder = mkdtempSync(join(scratch, 'berth-tail-'));
  path = join(folder, 'app.log');
  writeFileSync(path, '');
  onReplaced.mockClear();
  const file = (await systemLogFiles.open(path))!;
  const stat = await file.stat();
  tail = createTail(
    { clock: createFakeClock(), file, splitter, onReplaced },
    { position: startOfFile, stat },
  );
});
afterEach(async () => {
  await tail[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Reads to the end and takes it all. */
async function drain(howFar: HowFar = 'more'): Promise<readonly string[]> {
  const messages: string[] = [];
  for (;;) {
    const lines = await tail.read(howFar);
    if (lines.length === 0) return messages;
    messages.push(...lines.map(({ message }) => message));
    tail.take(lines.at(-1)!.end);
  }
}

describe('lines', () => {
  test('come again until they are taken, and after a rewind until they are acknowledged', async () => {
    appendFileSync(path, 'a\nb\n');
    expect(await tail.read('more')).toHaveLength(2);
    const [first] = await tail.read('more');
    tail.ack(tail.take(first!.end));
    expect(await drain()).toEqual(['b']);
    tail.rewind();
    expect(await drain()).toEqual(['b']);
  });

  test('without an end wait for it, unless it is final', async () => {
    appendFileSync(path, 'half');
    expect(await drain()).toEqual([]);
    expect(await drain('all')).toEqual(['half']);
    appendFileSync(path, ' line\n');
    expect(await drain()).toEqual([' line']);
  });

  test('cross the borders of what is read at once', async () => {
    const lines = Array.from(
      { length: 20_000 },
      (_, index) => `${index} ${'x'.repeat(index % 97)}`,
    );
    appendFileSync(path, lines.map((line) => `${line}\n`).join(''));
    expect(await drain()).toEqual(lines);
  });

  test('longer than the limit wait for their end in small memory, however it grows', async () => {
    appendFileSync(path, 'x'.repeat(3_000_000));
    expect(await drain()).toEqual([]);
    appendFileSync(path, 'x'.repeat(2_000_000));
    expect(await drain()).toEqual([]);
    appendFileSync(path, '\nnext\n');
    const [long, next] = await drain();
    expect(long!.length).toBeLessThan(1_100_000);
    expect(next).toBe('next');
    expect(tail.position.offset).toBe(5_000_006);
  });
});

describe('replaced content', () => {
  test.each([
    ['shorter', 'new\n'],
    ['as long', 'b'.repeat(99) + '\n'],
    ['longer', 'b'.repeat(200) + '\n'],
  ])('that is %s is read from its beginning', async (_, content) => {
    appendFileSync(path, 'a'.repeat(99) + '\n');
    await drain();
    const before = tail.position;
    truncateSync(path);
    await vi.waitFor(async () => {
      // The same size within one tick of the kernel's clock cannot be seen.
      writeFileSync(path, content);
      expect(await drain()).toEqual([content.trim()]);
    });
    expect(onReplaced).toHaveBeenCalledTimes(1);
    tail.ack(before);
    expect(tail.acked.offset, 'the answer for the old content is no news').toBe(0);
  });
});

const resume = async () => {
  const identity = await identify(tail, undefined);
  return async () => {
    await using file = (await systemLogFiles.open(path))!;
    return await resumePosition(file, await file.stat(), identity);
  };
};
const sendAll = async (text: string): Promise<void> => {
  appendFileSync(path, text);
  await drain();
  tail.ack(tail.position);
};

describe('resumePosition', () => {
  test('is the place where CloudWatch was, also when the file grew', async () => {
    await sendAll('a\nb\n');
    const again = await resume();
    appendFileSync(path, 'c\n');
    expect(await again()).toMatchObject({ offset: 4 });
  });

  test.each([
    ['its head', `A${'x'.repeat(2_000)}\n`],
    ['what stands before the offset', `a${'x'.repeat(1_990)}${'y'.repeat(10)}\n`],
    ['its size', 'a\n'],
  ])('is undefined where %s differs', async (_, content) => {
    await sendAll(`a${'x'.repeat(2_000)}\n`);
    const again = await resume();
    expect(await again()).toBeDefined();
    writeFileSync(path, content);
    expect(await again()).toBeUndefined();
  });

  test('is undefined for a file born at another time with the same content', async () => {
    await sendAll('a\n');
    const identity = { ...(await identify(tail, undefined)), birthNs: '1' };
    await using file = (await systemLogFiles.open(path))!;
    const stat = { ...(await file.stat()), birthNs: '2' };
    expect(await resumePosition(file, stat, identity)).toBeUndefined();
    expect(await resumePosition(file, { ...stat, birthNs: undefined }, identity)).toBeDefined();
  });
});
