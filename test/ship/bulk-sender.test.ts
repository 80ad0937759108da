// Several batches of a file under way at once: whatever order the answers come in, the lines keep theirs, and none is
// counted as sent before those in front of it.
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { maxKernels, createBulks } from '../../src/ship/bulk.ts';
import { createBulkSender } from '../../src/ship/bulk-sender.ts';
import type { Answer, CloudWatchLogs } from '../../src/ship/cloudwatch.ts';
import { createFollowed, type Followed } from '../../src/ship/followed.ts';
import type { Sent } from '../../src/ship/send.ts';
import { createSplitter } from '../../src/ship/splitter.ts';
import { createTail, startOfFile } from '../../src/ship/tail.ts';
import type { LogEvent } from '../../src/ship/batch.ts';
import { systemClock, type Clock } from '../../src/system/clock.ts';
import { systemLogFiles } from '../../src/system/log-files.ts';
import { logSource } from '../fixtures/log-source.ts';
import { temporaryFolder, type TemporaryFolder } from '../fixtures/temporary-folder.ts';
import { numbered, textOf } from './rig.ts';

type Call = {
  readonly events: readonly { readonly timestamp: number; readonly message: string }[];
  readonly accept: () => void;
  readonly fail: (error: Error) => void;
};

const target = { group: 'app', stream: 'i-1' };
/** Of 20 bytes: 10,000 make a batch. */
const lines = numbered(0, 70_000, 'line of 20');
const taken: Answer = { rejection: undefined, entityProblem: undefined };
const patience = { timeout: 15_000, interval: 2 };

let folder: TemporaryFolder;
let file: Followed;
/** It has the path of `file` now. */
let next: Followed;
/** Those under way, in the order in which they were made. */
let calls: Call[];
let acked: number[];
let delivered: LogEvent[][];
/** Of those, which may be read again instead. */
let postponable: boolean[];
let clock: Clock;
let life: AbortController;
/** What was acked is on the disk. */
let saved: PromiseWithResolvers<void>;

beforeEach(async () => {
  folder = temporaryFolder();
  calls = [];
  acked = [];
  delivered = [];
  postponable = [];
  life = new AbortController();
  saved = Promise.withResolvers();
  saved.resolve();
  // It stands still: what keeps the order is not that time passes.
  clock = { ...systemClock, nowMs: () => 1_800_000_000_000, monotonicMs: () => 0 };
  file = await follow('app.log', lines, undefined);
  next = await follow('next.log', numbered(70_000, 20_000, 'line of 20'), file);
});
afterEach(async () => {
  life.abort();
  for (const { tail } of [file, next]) await tail[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

async function follow(
  name: string,
  content: readonly string[],
  predecessor: Followed | undefined,
): Promise<Followed> {
  const path = join(folder.path, name);
  writeFileSync(path, textOf(content));
  const source = logSource({ filePath: path, logGroupName: 'app', logStreamName: 'i-1' });
  const open = (await systemLogFiles.open(path))!;
  const tail = createTail(
    {
      clock,
      file: open,
      splitter: createSplitter(source, undefined, undefined),
      onReplaced: vi.fn(),
    },
    { position: startOfFile, stat: await open.stat() },
  );
  const followed = createFollowed(clock, {
    tail,
    source,
    target,
    path,
    origin: path,
    copied: false,
    detached: false,
    predecessor,
    times: [],
    lastMs: 0,
    onError: vi.fn(),
    onDirty: vi.fn(),
  });
  followed.timesSavedTo = Infinity;
  await followed.look();
  return followed;
}

async function onAcked([one]: readonly Followed[]): Promise<void> {
  acked.push(one!.tail.acked.offset);
  await saved.promise;
}

function createSender(
  deliver?: (events: readonly LogEvent[]) => Promise<Sent>,
  files: readonly Followed[] = [file],
) {
  const cloudwatch = {
    clockOffsetMs: 0,
    putBody: (body: Uint8Array, signal: AbortSignal) =>
      new Promise<Answer>((resolve, reject) => {
        const { logEvents: events } = JSON.parse(Buffer.from(body).toString()) as {
          logEvents: Call['events'];
        };
        calls.push({ events, accept: () => resolve(taken), fail: reject });
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      }),
  } as Pick<CloudWatchLogs, 'clockOffsetMs' | 'putBody'> as CloudWatchLogs;
  return createBulkSender(
    { clock, cloudwatch, bulks: createBulks(), onAcked },
    {
      target,
      entity: undefined,
      standing: { refusedInARow: 0, entityProblem: undefined, failures: 0 },
      files: new Set(files),
      deliver: async (events, _failure, mayPostpone) => {
        delivered.push([...events]);
        postponable.push(mayPostpone);
        return (await deliver?.(events)) ?? { accepted: events.length, calls: 1, refused: [] };
      },
      settle: () => Promise.resolve(),
    },
  );
}

const made = (count: number) => vi.waitFor(() => expect(calls).toHaveLength(count), patience);
/** Each that is accepted makes room for one more. */
async function widen(): Promise<void> {
  await made(1);
  calls[0]!.accept();
  await made(3);
  calls[1]!.accept();
  await made(5);
  calls[2]!.accept();
  await made(7);
}
/** So long that what wants to begin has begun. */
async function aWhile(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await file.look();
}
const firstOf = (index: number): string => calls[index]!.events[0]!.message;

test('one more is under way for each that is accepted, as many as there are kernels at most', async () => {
  const sending = createSender().send(life.signal);
  await made(1);
  for (const [index, count] of [3, 5, 7].entries()) {
    expect(calls).toHaveLength(index * 2 + 1);
    calls[index]!.accept();
    await made(count);
  }
  expect(calls.length - 3).toBe(maxKernels);
  for (const { accept } of calls) accept();
  expect(await sending).toBe(7);
});

test('nothing overtakes what a crash would give another time', async () => {
  file.timesSavedTo = 0;
  const sending = createSender().send(life.signal);
  await made(1);
  calls[0]!.accept();
  await made(2);
  await aWhile();
  expect(calls).toHaveLength(2);
  // As far as the third batch, behind which one more may go.
  file.timesSavedTo = lines.indexOf(firstOf(1)) * 19 * 3;
  calls[1]!.accept();
  await made(4);
  await aWhile();
  expect(calls).toHaveLength(4);
  file.timesSavedTo = Infinity;
  while (acked.length < 7) {
    for (const { accept } of calls) accept();
    await aWhile();
  }
  await sending;
});

test('each batch that overtakes another is later than it, to the millisecond', async () => {
  const sending = createSender().send(life.signal);
  await widen();
  for (const [index, { events }] of calls.entries()) {
    const before = calls[index - 1]?.events.at(-1)?.timestamp ?? 0;
    // The second began when nothing else was under way.
    expect(events[0]!.timestamp - before).toBeGreaterThanOrEqual(index === 1 ? 0 : 1);
  }
  const [first, ...others] = calls;
  const came = [first!, ...others.toReversed()].flatMap(({ events }) => events);
  for (const { accept } of calls) accept();
  await sending;
  const seen = came.toSorted((a, b) => a.timestamp - b.timestamp);
  expect(seen.map(({ message }) => message)).toEqual(lines);
});

test('answers in the wrong order: the file moves on in its own', async () => {
  const sending = createSender().send(life.signal);
  await widen();
  expect(acked).toHaveLength(3);
  for (const index of [6, 5, 4]) calls[index]!.accept();
  await vi.waitFor(() => expect(acked).toHaveLength(3), patience);
  const { offset } = file.tail.acked;
  expect(offset).toBe(lines.indexOf(firstOf(3)) * 19);
  calls[3]!.accept();
  await sending;
  expect(acked).toEqual(acked.toSorted((a, b) => a - b));
  expect(file.tail.acked.offset).toBe(file.tail.stat.size);
});

test('one fails while those behind it are accepted: it is delivered with its own times', async () => {
  const gate = Promise.withResolvers<Sent>();
  const sending = createSender(() => gate.promise).send(life.signal);
  await widen();
  for (const index of [4, 5, 6]) calls[index]!.accept();
  calls[3]!.fail(new Error('500'));
  await vi.waitFor(() => expect(delivered).toHaveLength(1), patience);
  expect(acked).toHaveLength(3);
  const again = delivered[0]!.map(({ timestampMs: timestamp, message }) => ({
    timestamp,
    message,
  }));
  expect(again).toEqual(calls[3]!.events);
  gate.resolve({ accepted: again.length, calls: 1, refused: [] });
  await sending;
  expect(delivered).toHaveLength(1);
  expect(postponable).toEqual([false]);
  expect(file.tail.acked.offset).toBe(file.tail.stat.size);
});

test('all fail: nothing more is read until they are there, and then one goes by one', async () => {
  const gate = Promise.withResolvers<void>();
  const sending = createSender(async ({ length }) => {
    await gate.promise;
    return { accepted: length, calls: 1, refused: [] };
  }).send(life.signal);
  await widen();
  for (const { fail } of calls.slice(3)) fail(new Error('500'));
  await vi.waitFor(() => expect(delivered).toHaveLength(1), patience);
  appendFileSync(file.path, textOf(numbered(70_000, 20_000, 'line of 20')));
  await aWhile();
  expect(calls).toHaveLength(7);
  gate.resolve();
  await made(8);
  expect(postponable).toEqual([true, true, true, true]);
  expect(firstOf(7)).toBe('line of 20 0070000');
  await aWhile();
  expect(calls).toHaveLength(8);
  calls[7]!.accept();
  await made(9);
  calls[8]!.accept();
  await sending;
  expect(file.tail.acked.offset).toBe(file.tail.stat.size);
});

test('the end comes while some are under way: what was not settled is not moved over', async () => {
  const sending = createSender().send(life.signal);
  await widen();
  saved = Promise.withResolvers();
  calls[3]!.accept();
  await vi.waitFor(() => expect(acked).toHaveLength(4), patience);
  calls[6]!.accept();
  life.abort(new Error('over'));
  const ended = vi.fn();
  const over = sending.catch(ended);
  await aWhile();
  // The file is closed next.
  expect(ended).not.toHaveBeenCalled();
  saved.resolve();
  await over;
  expect(ended).toHaveBeenCalledWith(new Error('over'));
  expect(file.tail.acked.offset).toBe(lines.indexOf(firstOf(4)) * 19);
});

test('the file that took its path goes behind it, to the millisecond too, and again behind it after a failure', async () => {
  /** What the shipper finds when there is nothing more. */
  const drain = async (): Promise<void> => void (await file.read());
  const failing = createSender(() => Promise.reject(new Error('postponed')), [file, next]);
  const sending = failing.send(life.signal);
  await widen();
  expect(next.readable).toBe(false);
  for (const index of [3, 4]) calls[index]!.accept();
  await vi.waitFor(() => expect(acked).toHaveLength(5), patience);
  await drain();
  // All of it is read, and the last of it under way.
  expect([file.drained, file.settled, next.readable]).toEqual([true, false, true]);
  calls[5]!.accept();
  await made(9);
  expect(calls[7]!.events[0]!.timestamp).toBeGreaterThan(calls[6]!.events.at(-1)!.timestamp);
  for (const { fail } of calls.slice(6)) fail(new Error('500'));
  await expect(sending).rejects.toThrow('postponed');
  for (const one of [file, next]) one.rewind();
  expect(next.readable).toBe(false);
  calls = [];
  const again = createSender(undefined, [file, next]).send(life.signal);
  await made(1);
  await drain();
  expect(next.readable).toBe(true);
  calls[0]!.accept();
  await made(2);
  const [last, first] = [calls[0]!.events.at(-1)!, calls[1]!.events[0]!];
  expect([last.message, first.message]).toEqual(['line of 20 0069999', 'line of 20 0070000']);
  for (const { accept } of calls) accept();
  await made(3);
  for (const { accept } of calls) accept();
  await again;
  expect(next.settled || next.tail.acked.offset === next.tail.stat.size).toBe(true);
});
