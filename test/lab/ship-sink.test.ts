import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { scratch } from './environment.ts';
import { startSink, type Sink } from './ship-run.ts';
import type { Arrivals } from './ship-sink.ts';

let sink: Sink;
let folder: string;
beforeAll(async () => {
  sink = await startSink();
  folder = mkdtempSync(join(scratch, 'berth-sink-'));
});
afterAll(() => {
  sink[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

async function put(messages: readonly string[], isPacked = false): Promise<void> {
  const logEvents = messages.map((message) => ({ timestamp: 1, message }));
  const text = JSON.stringify({ logGroupName: 'g', logStreamName: 's', logEvents });
  const call = request(sink.endpoint, {
    method: 'POST',
    headers: {
      'x-amz-target': 'Logs_20140328.PutLogEvents',
      ...(isPacked ? { 'content-encoding': 'gzip' } : {}),
    },
  });
  call.end(isPacked ? gzipSync(text) : text);
  const [response] = await once(call, 'response');
  response.resume();
  expect(response.statusCode).toBe(200);
}

/** Ends with the last line, or where `isCut` with what there is by then. */
async function round(
  lines: readonly string[],
  work: () => Promise<void>,
  { check = false, isCut = false } = {},
): Promise<Arrivals> {
  const path = join(folder, 'file.log');
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
  sink.tell({ kind: 'begin', events: lines.length, check: check ? [path] : undefined });
  const done = sink.done();
  await work();
  if (isCut) sink.tell({ kind: 'end' });
  return done;
}

describe('the sink of bench:ship', () => {
  test('counts events, not the word in their text, in plain and compressed bodies', async () => {
    const tricky = ['{"message":"a"}', 'b "message": c', '\\"message":'];
    const { events, bodies } = await round([...tricky, 'd', 'e'], async () => {
      await put(tricky);
      await put(['d', 'e'], true);
    });
    expect(events).toBe(5);
    expect(bodies.map((body) => body.events)).toEqual([3, 2]);
  });

  test('says how many are missing when a contestant ends early', async () => {
    const { events } = await round(['a', 'b', 'c'], () => put(['a', 'b']), { isCut: true });
    expect(events).toBe(2);
  });

  test('finds what is missing, repeated and changed although the count is right', async () => {
    const { events, check } = await round(
      ['a', 'b', 'c', 'd'],
      () => put(['a', 'a', 'b', 'changed']),
      { check: true },
    );
    expect(events).toBe(4);
    expect(check).toEqual({ missing: 2, repeated: 1, foreign: 1 });
  });
});
