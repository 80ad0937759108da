// JSON lines: takes the time of an event out of a field, and cuts fields out. The text is read field by field and never
// written anew: what stays is what the application wrote, huge numbers, order and all. Pure.
import type { JsonFields } from '../model/logs.ts';
import type { Timestamped } from './timestamp.ts';

/** A field of the outermost object, as places in the text. */
type Field = {
  readonly name: string;
  /** Behind the `{` or the comma in front of it. */
  readonly start: number;
  /** Behind its colon. */
  readonly value: number;
  /** Of the comma or `}` behind it, or of the end of a text that was cut. */
  readonly end: number;
};

/**
 * What does not begin as an object does passes unchanged. A text that was cut, or is broken further behind, is read as far
 * as it goes: a line that is too long must not show what was to be cut out.
 */
export function createJsonReader({
  timestampField,
  removeFields,
}: JsonFields): (text: string) => Timestamped {
  const removed = new Set(removeFields);
  return (text) => {
    const fields = fieldsOf(text);
    const kept = fields.filter(({ name }) => !removed.has(name));
    // Of two with one name the last counts, as for every reader of JSON.
    const dated = fields.findLast(({ name }) => name === timestampField);
    const timestampMs = dated && timeOf(text.slice(dated.value, dated.end));
    if (kept.length === fields.length) return { message: text, timestampMs };
    const rest = kept.map(({ start, end }) => text.slice(start, end)).join(',');
    const message = text.slice(0, fields[0]!.start) + rest + text.slice(fields.at(-1)!.end);
    return { message, timestampMs };
  };
}

const quoteCode = 0x22;
const commaCode = 0x2c;
const colonCode = 0x3a;
const openListCode = 0x5b;
const backslashCode = 0x5c;
const closeListCode = 0x5d;
const openCode = 0x7b;
const closeCode = 0x7d;

function fieldsOf(text: string): readonly Field[] {
  const fields: Field[] = [];
  // A file may begin with a byte order mark.
  const open = skipBlanks(text, text.startsWith('\uFEFF') ? 1 : 0);
  if (text.charCodeAt(open) !== openCode) return fields;
  for (let start = open + 1; ;) {
    const quote = skipBlanks(text, start);
    const nameEnd = text.charCodeAt(quote) === quoteCode ? endOfString(text, quote) : -1;
    const colon = nameEnd === -1 ? -1 : skipBlanks(text, nameEnd);
    if (text.charCodeAt(colon) !== colonCode) return fields;
    const value = colon + 1;
    const end = endOfValue(text, value);
    const raw = text.slice(quote + 1, nameEnd - 1);
    const name = raw.includes('\\') ? String(valueOf(`"${raw}"`)) : raw;
    fields.push({ name, start, value, end });
    if (text.charCodeAt(end) !== commaCode) return fields;
    start = end + 1;
  }
}

function skipBlanks(text: string, from: number): number {
  for (let at = from; ; at++) {
    const code = text.charCodeAt(at);
    if (code !== 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d) return at;
  }
}

/** Behind its closing quote; -1: there is none. `quote`: the opening one. */
function endOfString(text: string, quote: number): number {
  for (let at = text.indexOf('"', quote + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(at - 1 - backslashes) === backslashCode) backslashes++;
    if (backslashes % 2 === 0) return at + 1;
  }
  return -1;
}

function endOfValue(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case quoteCode: {
        const end = endOfString(text, at);
        if (end === -1) return text.length;
        at = end - 1;
        break;
      }
      case openListCode:
      case openCode:
        depth++;
        break;
      case commaCode:
        if (depth === 0) return at;
        break;
      case closeListCode:
      case closeCode:
        if (depth === 0) return at;
        depth--;
        break;
      default:
    }
  }
  return text.length;
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const rfc3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):?(\d\d))$/;

/** undefined: no time that exists, or none since 1973. */
function timeOf(text: string): number | undefined {
  const value = valueOf(text);
  if (typeof value === 'number') return epochOf(value);
  if (typeof value !== 'string') return undefined;
  if (/^\d+(?:\.\d+)?$/.test(value)) return epochOf(Number(value));
  const match = rfc3339.exec(value);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [fraction = '', sign, zoneHours, zoneMinutes] = match.slice(7);
  // A leap second is the next one.
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const atMs = Date.UTC(year, month - 1, day, hour, minute, second);
  const isDay = new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day;
  if (!isDay || month < 1 || month > 12 || year < 1973) return undefined;
  const zoneMs = (Number(zoneHours ?? 0) * 60 + Number(zoneMinutes ?? 0)) * 60_000;
  const fractionMs = Number(fraction.padEnd(3, '0').slice(0, 3));
  return atMs + fractionMs + (sign === '-' ? zoneMs : -zoneMs);
}

/** The unit shows in the size: as seconds 1e8 is in 1973 and 1e11 in the year 5138, and so on in steps of a thousand. */
function epochOf(value: number): number | undefined {
  for (const [least, perMicrosecond] of [
    [1e8, 1e6],
    [1e11, 1e3],
    [1e14, 1],
    [1e17, 1e-3],
  ] as const) {
    // By microseconds: a number of JSON has no room for single nanoseconds.
    if (value >= least && value < least * 1e3)
      return Math.floor(Math.round(value * perMicrosecond) / 1e3);
  }
  return undefined;
}
