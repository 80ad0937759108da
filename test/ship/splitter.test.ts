// Bytes into events: lines that belong together, encodings, filters, and patterns that would backtrack for ever.
import { describe, expect, test } from 'vitest';
import type { LogSource } from '../../src/model/logs.ts';
import { maxMessageBytes } from '../../src/ship/batch.ts';
import { createSplitter, type HowFar } from '../../src/ship/splitter.ts';
import { loadCodePages } from '../../src/system/code-pages.ts';
import { loadPatterns } from '../../src/system/patterns.ts';
import { logSource } from '../fixtures/log-source.ts';

const compile = await loadPatterns();
const codePages = await loadCodePages();
const nowMs = Date.UTC(2026, 10, 21, 12);
const agentDefault = String.raw`^[\S]`;

const splitterOf = (more: Partial<LogSource>) =>
  createSplitter(
    logSource({ filePath: '/x', logGroupName: 'g', logStreamName: 's', ...more }),
    compile,
    codePages,
  );
const messages = (text: string | Buffer, more: Partial<LogSource>, howFar: HowFar = 'more') =>
  splitterOf(more)
    .split(Buffer.from(text), howFar, nowMs)
    .map(({ message }) => message)
    .filter((message) => message !== '');

describe('multi-line', () => {
  test("the agent's default joins indented and empty lines, and waits for the next event", () => {
    const text = 'Error: x\n  at a\n\tat b\n\nnext\r\n\r\nlast\n';
    const more = { startPattern: agentDefault };
    expect(messages(text, more)).toEqual(['Error: x\n  at a\n\tat b\n', 'next\n']);
    expect(messages(text, more, 'last')).toEqual(['Error: x\n  at a\n\tat b\n', 'next\n', 'last']);
  });

  test('an indented line at the beginning is an event, an empty one is none', () => {
    expect(messages('\n\n  a\nb\n', { startPattern: agentDefault }, 'last')).toEqual(['  a', 'b']);
  });

  test('a pattern of Go, with what JavaScript does not know', () => {
    const more = { startPattern: String.raw`(?i)^(?P<level>info|warn)\b` };
    expect(messages('INFO a\nb\nc\nwarn d\ne\n', more)).toEqual(['INFO a\nb\nc']);
  });

  test('{timestamp_format}', () => {
    const more = {
      startPattern: '{timestamp_format}',
      timestamp: { format: '%H:%M:%S', zone: 'utc', trim: false },
    } as const;
    expect(messages('10:00:00 a\nb\n\n10:00:01 c\n', more, 'last')).toEqual([
      '10:00:00 a\nb\n',
      '10:00:01 c',
    ]);
  });

  test('what would be too long goes on in the next event: nothing is lost', () => {
    const line = `  ${'x'.repeat(99_998)}`;
    const text = `start\n${`${line}\n`.repeat(30)}end\n`;
    const pieces = messages(text, { startPattern: agentDefault }, 'last');
    expect(pieces.every((piece) => Buffer.byteLength(piece) <= maxMessageBytes)).toBe(true);
    expect(pieces.length).toBe(4);
    expect(pieces.join('\n')).toBe(text.slice(0, -1));
  });

  test('offsets tell where an event begins and ends', () => {
    const pieces = splitterOf({ startPattern: agentDefault }).split(
      Buffer.from('\na\n b\nc\n'),
      'last',
      nowMs,
    );
    expect(pieces.map(({ start, end }) => [start, end])).toEqual([
      [0, 1],
      [1, 6],
      [6, 8],
    ]);
  });
});

describe('filters', () => {
  const filters = [
    { type: 'include', expression: 'ERROR|WARN' },
    { type: 'exclude', expression: 'noise' },
  ] as const;
  test('all have to let an event pass, on the whole event without its time', () => {
    expect(messages('ERROR a\nINFO b\nWARN noise\nWARN c\n', { filters })).toEqual([
      'ERROR a',
      'WARN c',
    ]);
    const timestamp = { format: '%H:%M', zone: 'utc', trim: true } as const;
    const excluded = [{ type: 'exclude', expression: '^10:' }] as const;
    expect(messages('10:00 a\n', { timestamp, filters: excluded })).toEqual(['a']);
  });

  test('a pattern that backtracks for ever elsewhere takes linear time', () => {
    const evil = [{ type: 'include', expression: '^(a+)+$' }] as const;
    expect(messages(`${'a'.repeat(50_000)}!\n${'a'.repeat(50)}\n`, { filters: evil })).toEqual([
      'a'.repeat(50),
    ]);
  });
});

describe('encodings', () => {
  test.each([
    ['utf-16le', Buffer.from('\ufeffa\u010a\u0a0ab\r\nc\n', 'utf16le')],
    ['utf-16be', Buffer.from('\ufeffa\u010a\u0a0ab\r\nc\n', 'utf16le').swap16()],
  ])('%s: a newline is two bytes at an even place', (encoding, data) => {
    expect(messages(data, { encoding })).toEqual(['a\u010a\u0a0ab', 'c']);
  });

  test.each([
    ['latin1', [0xe9, 0x0a], 'é'],
    ['shift_jis', [0x83, 0x65, 0x83, 0x58, 0x83, 0x67, 0x0a], 'テスト'],
    ['gbk', [0xd6, 0xd0, 0x0a], '中'],
    ['ascii', [0xc3, 0xa9, 0x0a], 'é'],
    ['utf-8', [0x61, 0xff, 0x62, 0x0d, 0x0a], 'a\ufffdb'],
    ['IBM437', [0x47, 0x72, 0x81, 0xe1, 0x65, 0x0a], 'Grüße'],
    ['cp850', [0x9b, 0x20, 0xa0, 0x0a], 'ø á'],
    ['IBM00858', [0xd5, 0x0a], '€'],
    ['cp865', [0x9d, 0x0a], 'Ø'],
  ])('%s', (encoding, bytes, expected) => {
    expect(messages(Buffer.from(bytes), { encoding })).toEqual([expected]);
  });
});

test('an event has the time that it says, or none', () => {
  const timestamp = { format: '%H:%M', zone: 'utc', trim: true } as const;
  const pieces = splitterOf({ timestamp }).split(Buffer.from('10:00 a\n99:00 b\n'), 'more', nowMs);
  expect(pieces.map(({ message, timestampMs }) => [message, timestampMs])).toEqual([
    ['a', Date.UTC(2026, 0, 1, 10)],
    ['99:00 b', undefined],
  ]);
});
