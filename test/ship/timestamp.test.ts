// timestamp_format: every directive of the agent, zones, years that are not there, and times that do not exist.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTimestampParser } from '../../src/ship/timestamp.ts';

const nowMs = Date.UTC(2026, 10, 21, 12, 0, 0);
const iso = (format: string, text: string, zone: 'utc' | 'local' = 'utc', at = nowMs) => {
  const { timestampMs } = createTimestampParser({ format, zone, trim: false }).parse(text, at);
  return timestampMs === undefined ? undefined : new Date(timestampMs).toISOString();
};

describe('directives', () => {
  test.each([
    ['%Y-%m-%d %H:%M:%S', '2026-11-21 08:09:10 hello', '2026-11-21T08:09:10.000Z'],
    ['%Y-%m-%d %H:%M:%S,%f', '2026-11-21 08:09:10,1', '2026-11-21T08:09:10.100Z'],
    ['%Y-%m-%dT%H:%M:%S.%f%z', '2026-11-21T08:09:10.123456789+0200', '2026-11-21T06:09:10.123Z'],
    ['%Y-%m-%d %H:%M:%S %z', 'x 2026-11-21 08:09:10 -0530', '2026-11-21T13:39:10.000Z'],
    [
      '%d/%b/%Y:%H:%M:%S %z',
      '1.2.3.4 - - [21/Nov/2026:08:09:10 +0000]',
      '2026-11-21T08:09:10.000Z',
    ],
    ['%b %d %H:%M:%S', 'Nov  2 08:09:10 host', '2026-11-02T08:09:10.000Z'],
    ['%B %-d, %Y', 'September 3, 2026', '2026-09-03T00:00:00.000Z'],
    ['%A %d %B %y', 'Saturday 21 November 26', '2026-11-21T00:00:00.000Z'],
    ['%a %b %d %I:%M:%S %p %Y', 'Sat Nov 21 12:09:10 AM 2026', '2026-11-21T00:09:10.000Z'],
    ['%-m/%-d/%y %-I:%-M:%-S %p', '1/2/99 3:4:5 pm', '1999-01-02T15:04:05.000Z'],
    ['%Y.%m.%d (%H:%M)', '2026.11.21 (08:09)', '2026-11-21T08:09:00.000Z'],
    ['%H:%M:%S %Z %d %b %Y', '08:09:10 UTC 21 Nov 2026', '2026-11-21T08:09:10.000Z'],
    ['%m-%d-%Y', ' 1- 2-2026', '2026-01-02T00:00:00.000Z'],
  ])('%s in "%s"', (format, text, expected) => {
    expect(iso(format, text)).toBe(expected);
  });

  test('what is none stands for itself', () => {
    expect(iso('%Y-%m-%d %T %-H', 'x 2026-11-21 %T %-H')).toBe('2026-11-21T00:00:00.000Z');
    expect(iso('%Y-%m-%d %T', '2026-11-21 08:09:10')).toBeUndefined();
  });

  test('what is special in a regular expression is text in a format', () => {
    expect(iso('[%Y+%m]', 'a [2026+11] b')).toBe('2026-11-01T00:00:00.000Z');
    expect(iso('[%Y+%m]', 'a 202611 b')).toBeUndefined();
  });
});

describe('no time at all', () => {
  test.each([
    ['%Y-%m-%d', 'nothing here'],
    ['%Y-%m-%d', '2026-13-01'],
    ['%Y-%m-%d', '2026-02-30'],
    ['%Y-%m-%d', '2026-00-10'],
    ['%Y-%m-%d %H:%M', '2026-11-21 24:00'],
    ['%Y-%m-%d %H:%M', '2026-11-21 23:60'],
    ['%H:%M:%S', '10:10:61'],
    ['%I:%M %p', '13:00 PM'],
    ['%I:%M %p', '11:00 XM'],
    ['%d %b %Y', '21 Foo 2026'],
  ])('%s in "%s"', (format, text) => {
    expect(iso(format, text)).toBeUndefined();
  });
});

describe('without a year', () => {
  test.each([
    ['in the same year', Date.UTC(2026, 5, 1), 'May 30 10:00:00', '2026-05-30T10:00:00.000Z'],
    ['at the new year', Date.UTC(2027, 0, 1, 0, 5), 'Dec 31 23:59:59', '2026-12-31T23:59:59.000Z'],
    ['a little ahead', Date.UTC(2026, 5, 1), 'Jun 20 10:00:00', '2026-06-20T10:00:00.000Z'],
    ['on a leap day', Date.UTC(2025, 2, 1), 'Feb 29 10:00:00', '2024-02-29T10:00:00.000Z'],
  ])('%s', (_, at, text, expected) => {
    expect(iso('%b %d %H:%M:%S', text, 'utc', at)).toBe(expected);
  });
});

describe('the zone of the host', () => {
  const before = process.env['TZ'];
  beforeAll(() => {
    process.env['TZ'] = 'Europe/Berlin';
  });
  afterAll(() => {
    if (before === undefined) delete process.env['TZ'];
    else process.env['TZ'] = before;
  });
  test.each([
    ['winter', '%Y-%m-%d %H:%M', '2026-01-15 12:00', '2026-01-15T11:00:00.000Z'],
    ['summer', '%Y-%m-%d %H:%M', '2026-07-15 12:00', '2026-07-15T10:00:00.000Z'],
    ['an offset wins', '%Y-%m-%d %H:%M %z', '2026-07-15 12:00 +0000', '2026-07-15T12:00:00.000Z'],
    [
      'a name that is not of here is UTC',
      '%H:%M %Z %Y-%m-%d',
      '12:00 PST 2026-07-15',
      '2026-07-15T12:00:00.000Z',
    ],
  ])('%s', (_, format, text, expected) => {
    expect(iso(format, text, 'local')).toBe(expected);
  });
});

test('trim cuts the time and the blanks in front of what is left', () => {
  const parser = createTimestampParser({ format: '%H:%M', zone: 'utc', trim: true });
  expect(parser.parse('10:11 \thello', nowMs).message).toBe('hello');
  expect(parser.parse('say 10:11 hello', nowMs).message).toBe('say  hello');
  expect(parser.parse('99:99 hello', nowMs).message).toBe('99:99 hello');
});
