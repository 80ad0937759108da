// JSON lines: the time out of a field and fields that are not sent, on strings and on real files over the wire.
import { appendFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import type { JsonFields } from '../../src/model/logs.ts';
import { truncationMark } from '../../src/ship/batch.ts';
import { createJsonReader } from '../../src/ship/json-fields.ts';
import { createRig } from './rig.ts';

const atMs = Date.UTC(2026, 10, 21, 12, 0, 0, 123);
const read = (text: string, json: Partial<JsonFields>) =>
  createJsonReader({ timestampField: undefined, removeFields: [], ...json })(text);
const timeIn = (value: string) => read(`{"a":1,"t":${value}}`, { timestampField: 't' }).timestampMs;
const without = (text: string, ...removeFields: readonly string[]) =>
  read(text, { removeFields }).message;

describe('the time', () => {
  test.each([
    ['seconds', '1795262400', atMs - 123],
    ['seconds with a fraction', '1795262400.123', atMs],
    ['a fraction after 2038, where doubles are coarser', '2158021525.568', 2158021525568],
    ['seconds as a float', '1.7952624e9', atMs - 123],
    ['milliseconds', '1795262400123', atMs],
    ['microseconds', '1795262400123456', atMs],
    ['nanoseconds', '1795262400123456789', atMs],
    ['nanoseconds that no double holds', '1795262400123000000', atMs],
    ['a number in quotes', '"1795262400123"', atMs],
    ['UTC', '"2026-11-21T12:00:00.123Z"', atMs],
    ['small letters', '"2026-11-21t12:00:00.123z"', atMs],
    ['a blank', '"2026-11-21 12:00:00.123Z"', atMs],
    ['nine digits', '"2026-11-21T12:00:00.123999999Z"', atMs],
    ['one digit', '"2026-11-21T12:00:00.1Z"', atMs - 23],
    ['an offset', '"2026-11-21T14:00:00.123+02:00"', atMs],
    ['an offset without colon', '"2026-11-21T06:30:00.123-0530"', atMs],
    ['blanks around', ' \t1795262400123 ', atMs],
    ['an escape', String.raw`"2026-11-21T12:00:00.123\u005a"`, atMs],
    ['a leap second', '"2026-12-31T23:59:60Z"', Date.UTC(2027, 0, 1)],
    ['a leap day', '"2028-02-29T00:00:00Z"', Date.UTC(2028, 1, 29)],
  ])('%s: %s', (_name, value, expected) => {
    expect(timeIn(value)).toBe(expected);
  });

  test.each([
    'null',
    'true',
    '""',
    '"soon"',
    '{"t":1795262400}',
    '[1795262400]',
    '-1795262400',
    '0',
    '5',
    '99999999',
    '1e20',
    '1e999',
    '12345678901234567890123',
    'NaN',
    '1795262400 # seconds',
    '"2026-02-30T00:00:00Z"',
    '"2026-13-01T00:00:00Z"',
    '"2026-00-01T00:00:00Z"',
    '"2026-11-21T24:00:00Z"',
    '"2026-11-21T12:60:00Z"',
    '"2026-11-21T12:00:61Z"',
    '"0099-11-21T12:00:00Z"',
    '"2026-11-21T12:00:00"',
    '"2026-11-21"',
    '"Sat, 21 Nov 2026 12:00:00 GMT"',
  ])('%s is none', (value) => {
    expect(timeIn(value)).toBeUndefined();
  });

  test('is that of the outermost object, by the whole name; of two, the last', () => {
    const json = { timestampField: 'log.time' };
    expect(read('{"log":{"time":1795262400},"x":{"log.time":1795262400}}', json)).toMatchObject({
      timestampMs: undefined,
    });
    expect(read('{"log.time":1,"log.time":1795262400123}', json).timestampMs).toBe(atMs);
    expect(read(String.raw`{"log\u002etime":1795262400123}`, json).timestampMs).toBe(atMs);
  });
});

describe('fields that are not sent', () => {
  test.each([
    ['{"a":1,"b":2,"c":3}', '{"a":1,"c":3}'],
    ['{"b":2,"c":3}', '{"c":3}'],
    ['{"a":1,"b":2}', '{"a":1}'],
    ['{"b":2}', '{}'],
    ['{"b":1,"a":2,"b":3}', '{"a":2}'],
    [' { "a" : 1 , "b" : { "b" : [ 1, {} ] } } ', ' { "a" : 1 } '],
    ['{"a":{"b":1},"b":[{"a":"}"}],"c":["b",2]}', '{"a":{"b":1},"c":["b",2]}'],
    [String.raw`{"a":"\\","b":"\\\"},","c":"\""}`, String.raw`{"a":"\\","c":"\""}`],
    [String.raw`{"\u0062":1,"a":2}`, '{"a":2}'],
    [
      '{"a":12345678901234567890123.10,"b":1,"z":1e999,"1":0}',
      '{"a":12345678901234567890123.10,"z":1e999,"1":0}',
    ],
    ['\uFEFF{"b":2}', '\uFEFF{}'],
    ['{"a":1,"b":NaN}', '{"a":1}'],
  ])('%s', (text, expected) => {
    expect(without(text, 'b')).toBe(expected);
  });

  test('also in a text that was cut, or is broken behind them', () => {
    expect(without('{"b":"secret","a":"the end is miss', 'b')).toBe('{"a":"the end is miss');
    expect(without('{"a":1,"b":"secret', 'b')).toBe('{"a":1');
    expect(without('{"a":1,"b":{"c":["secret', 'b')).toBe('{"a":1');
    expect(without('{"b":"secret","a":undefined} trailing', 'b')).toBe('{"a":undefined} trailing');
  });

  test.each([
    '',
    'b',
    '[{"b":1}]',
    '"b"',
    'INFO {"b":1}',
    '{b:1}',
    "{'b':1}",
    '{"b"=1}',
    '{',
    '{}',
    '{"b"',
    '\u0000{"b":1}',
    '}{"b":1}',
  ])('%j is no JSON line, or has none, and passes unchanged', (text) => {
    expect(read(text, { removeFields: ['b'], timestampField: 'b' })).toEqual({
      message: text,
      timestampMs: undefined,
    });
  });

  test('of any object, and nothing else of it changes', () => {
    const name = fc.oneof(fc.constantFrom('a', 'b', 'c', '__proto__', ''), fc.string());
    const object = fc.dictionary(name, fc.jsonValue(), { noNullPrototype: true });
    fc.assert(
      fc.property(object, fc.array(name), fc.constantFrom(0, 1, '\t'), (value, names, space) => {
        const text = JSON.stringify(value, undefined, space);
        const entries = Object.entries(JSON.parse(text) as object);
        const left = entries.filter(([key]) => !names.includes(key));
        const said = without(text, ...names);
        expect(Object.entries(JSON.parse(said) as object)).toEqual(left);
        for (const [key, kept] of left) {
          expect(said).toContain(
            JSON.stringify({ [key]: kept }, undefined, space)
              .slice(1, -1)
              .trim(),
          );
        }
        expect(said === text).toBe(left.length === entries.length);
      }),
    );
  });

  test('of any text at all: it ends, and gives nothing that was not there', () => {
    const text = fc.string({ unit: fc.constantFrom(...'{}[]",:\\ab1 '.split('')), maxLength: 200 });
    fc.assert(
      fc.property(text, (input) => {
        const { message } = read(`{"b":1,${input}`, { removeFields: ['b'], timestampField: 'a' });
        expect(message.length).toBeLessThan(input.length + 8);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('on their way', () => {
  const json: JsonFields = { timestampField: 'time', removeFields: ['password'] };

  test('lines of JSON, of text and of neither, each with its time', async () => {
    await using rig = await createRig();
    const hourAgoMs = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
    const startMs = Date.now();
    appendFileSync(
      rig.path('app.log'),
      Buffer.concat([
        Buffer.from(
          [
            `{"time":${hourAgoMs},"password":"hunter2","deep":{"password":"stays","n":[1,{"a":{}}]}}`,
            `{"time":"${new Date(hourAgoMs).toISOString()}","id":98765432109876543210}`,
            'no JSON, and no password',
            `{"time":${hourAgoMs / 1_000},"time":"nonsense"}`,
            '{"time":17,"password":"a","password":"b"}',
            '',
          ].join('\n'),
        ),
        Buffer.from(`{"time":${hourAgoMs},"password":"`),
        Buffer.from([0xff, 0xfe, 0x00]),
        Buffer.from('","a":"'),
        Buffer.from([0xc3, 0x28]),
        Buffer.from('"}\n'),
      ]),
    );
    rig.start({ sources: [rig.source('app.log', 'app', 'i-1', { json })] });
    await vi.waitFor(() => expect(rig.arrived()).toHaveLength(6), { timeout: 15_000 });
    const events = rig.logs.events('app', 'i-1');
    const dated = events.filter(({ timestamp }) => timestamp < startMs - 60_000);
    expect(dated).toEqual([
      {
        timestamp: hourAgoMs,
        message: `{"time":${hourAgoMs},"deep":{"password":"stays","n":[1,{"a":{}}]}}`,
      },
      {
        timestamp: hourAgoMs,
        message: `{"time":"${new Date(hourAgoMs).toISOString()}","id":98765432109876543210}`,
      },
      { timestamp: hourAgoMs, message: `{"time":${hourAgoMs},"a":"\uFFFD("}` },
    ]);
    expect(events.filter((event) => !dated.includes(event)).map(({ message }) => message)).toEqual([
      'no JSON, and no password',
      `{"time":${hourAgoMs / 1_000},"time":"nonsense"}`,
      '{"time":17}',
    ]);
  });

  test('a line of 5 MB is cut, and still hides what it shall', async () => {
    await using rig = await createRig();
    const timeMs = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
    const long = 'x'.repeat(5_000_000);
    appendFileSync(
      rig.path('app.log'),
      `{"time":${timeMs},"password":"hunter2","long":"${long}"}\n` +
        `{"a":1,"password":"${long}","time":${timeMs}}\nlast\n`,
    );
    rig.start({ sources: [rig.source('app.log', 'app', 'i-1', { json })] });
    await vi.waitFor(() => expect(rig.arrived()).toHaveLength(3), { timeout: 15_000 });
    const cut = rig.logs.events('app', 'i-1').find(({ message }) => message.includes('xxx'));
    expect(cut?.timestamp).toBe(timeMs);
    expect(cut?.message.startsWith(`{"time":${timeMs},"long":"xxx`)).toBe(true);
    expect(cut?.message.endsWith(truncationMark)).toBe(true);
    expect(rig.arrived()).toEqual(expect.arrayContaining([`{"a":1${truncationMark}`, 'last']));
    expect(rig.arrived().join('\n')).not.toContain('hunter2');
  });

  test('a field that has no time leaves it to timestamp_format; filters see what is sent', async () => {
    await using rig = await createRig();
    const timeMs = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
    const text = new Date(timeMs).toISOString().slice(0, 19).replace('T', ' ');
    appendFileSync(
      rig.path('app.log'),
      `{"time":"${text}","n":1}\n{"time":${timeMs - 1_000},"seen":"${text}","n":2}\n` +
        `{"password":"debug","n":3}\n{"level":"debug","n":4}\n`,
    );
    const more = {
      json,
      timestamp: { format: '%Y-%m-%d %H:%M:%S', zone: 'utc', trim: false },
      filters: [{ type: 'exclude', expression: 'debug' }],
    } as const;
    rig.start({ sources: [rig.source('app.log', 'app', 'i-1', more)] });
    await vi.waitFor(() => expect(rig.arrived()).toHaveLength(3), { timeout: 15_000 });
    const [second, first, third] = rig.logs.events('app', 'i-1');
    expect([second?.timestamp, first?.timestamp]).toEqual([timeMs - 1_000, timeMs]);
    expect(third?.message).toBe('{"n":3}');
  });
});
