// Finds the time in an event by the CloudWatch agent's timestamp_format (logs.md section 2), and cuts it out if wanted.
// Unlike the agent it takes every month by its whole name, and what is no time is none: the event then has the time at
// which it was seen, never that of another event (its #198).
import type { TimestampFormat } from '../model/logs.ts';

export type Timestamped = {
  readonly message: string;
  /** undefined: no time in it, or none that exists. */
  readonly timestampMs: number | undefined;
};

export type TimestampParser = {
  /** Does the format match anywhere? */
  matches(text: string): boolean;
  parse(message: string, nowMs: number): Timestamped;
};

const directives: Readonly<Record<string, string>> = {
  B: '(?<B>[A-Za-z]{3,9})',
  b: String.raw`(?<b>\w{3})`,
  m: String.raw`\s?(?<m>\d{1,2})`,
  A: String.raw`\w{6,9}`,
  a: String.raw`\w{3}`,
  d: String.raw`\s?(?<d>\d{1,2})`,
  H: String.raw`(?<H>\d{2})`,
  I: String.raw`(?<I>\d{2})`,
  '-I': String.raw`(?<I>\d{1,2})`,
  M: String.raw`(?<M>\d{2})`,
  '-M': String.raw`(?<M>\d{1,2})`,
  S: String.raw`(?<S>\d{2})`,
  '-S': String.raw`(?<S>\d{1,2})`,
  Y: String.raw`(?<Y>\d{4})`,
  y: String.raw`(?<y>\d{2})`,
  p: String.raw`(?<p>\w{2})`,
  Z: String.raw`(?<Z>\w{3})`,
  z: String.raw`(?<z>[+-]\d{4})`,
  f: String.raw`(?<f>\d{1,9})`,
};
const months = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ');
const wholeMonths =
  'january february march april may june july august september october november december'.split(
    ' ',
  );
const dayMs = 86_400_000;

export function createTimestampParser({ format, zone, trim }: TimestampFormat): TimestampParser {
  const pattern = new RegExp(patternOf(format));
  return {
    matches: (text) => pattern.test(text),
    parse: (message, nowMs) => {
      const match = pattern.exec(message);
      const timestampMs = match?.groups && timeOf(match.groups, zone, nowMs);
      if (match === null || timestampMs === undefined) return { message, timestampMs: undefined };
      if (!trim) return { message, timestampMs };
      const rest = message.slice(0, match.index) + message.slice(match.index + match[0].length);
      return { message: rest.replace(/^[ \t\n\r]+/, ''), timestampMs };
    },
  };
}

/** What is none of the agent's stands for itself. */
function directiveOf(name: string): string | undefined {
  return directives[name] ?? (/^-[md]$/.test(name) ? directives[name.slice(1)] : undefined);
}

/** A directive that stands twice counts where it stands first. */
function patternOf(format: string): string {
  const used = new Set<string>();
  const text = format.replaceAll(
    /%(-?[A-Za-z])|[\\^.*?+|[\](){}$]/g,
    (whole, directive?: string) => {
      if (directive === undefined) return `\\${whole}`;
      const part = directiveOf(directive);
      if (part === undefined) return whole;
      return part.replace(/\?<(\w)>/, (named, name: string) => {
        if (used.has(name)) return '?:';
        used.add(name);
        return named;
      });
    },
  );
  // A blank in front of a month or day belongs to the text before it, if there is any.
  return text.replace(/^\\s\?/, '');
}

/** undefined: there is no such time. */
function timeOf(
  parts: Readonly<Record<string, string | undefined>>,
  zone: 'utc' | 'local',
  nowMs: number,
): number | undefined {
  const number = (name: string, otherwise: number): number =>
    parts[name] === undefined ? otherwise : Number(parts[name]);
  const month = monthOf(parts);
  const hour = hourOf(parts);
  if (month === undefined || hour === undefined) return undefined;
  const day = number('d', 1);
  const minute = number('M', 0);
  const second = number('S', 0);
  const ms = Number((parts['f'] ?? '').padEnd(3, '0').slice(0, 3));
  if (minute > 59 || second > 59) return undefined;

  const at = (year: number): number | undefined => {
    // Local years below 100 would be taken for 19xx.
    const utc = new Date(0);
    utc.setUTCFullYear(year, month, day);
    utc.setUTCHours(hour, minute, second, ms);
    if (utc.getUTCMonth() !== month || utc.getUTCDate() !== day) return undefined;
    const offsetMs = offsetOf(parts);
    if (offsetMs !== undefined) return utc.getTime() - offsetMs;
    if (zone === 'utc' && parts['Z'] === undefined) return utc.getTime();
    const local = new Date(year, month, day, hour, minute, second, ms);
    const named = parts['Z'];
    return named === undefined || named === abbreviationOf(local) ? local.getTime() : utc.getTime();
  };

  if (parts['Y'] !== undefined) return at(number('Y', 0));
  if (parts['y'] !== undefined) {
    const short = number('y', 0);
    return at(short < 69 ? 2000 + short : 1900 + short);
  }
  const year = new Date(nowMs).getFullYear();
  const thisYear = at(year);
  const isAhead = thisYear === undefined || thisYear - nowMs > 30 * dayMs;
  return isAhead ? at(year - 1) : thisYear;
}

/** From 0. */
function monthOf(parts: Readonly<Record<string, string | undefined>>): number | undefined {
  const { B, b, m } = parts;
  if (B !== undefined) return found(wholeMonths.indexOf(B.toLowerCase()));
  if (b !== undefined) return found(months.indexOf(b.toLowerCase()));
  if (m === undefined) return 0;
  return Number(m) >= 1 && Number(m) <= 12 ? Number(m) - 1 : undefined;
}

function found(index: number): number | undefined {
  return index === -1 ? undefined : index;
}

function hourOf(parts: Readonly<Record<string, string | undefined>>): number | undefined {
  const { H, I, p } = parts;
  if (H !== undefined) return Number(H) <= 23 ? Number(H) : undefined;
  if (I === undefined) return 0;
  const hour = Number(I);
  if (hour > 12 || !/^(?:[AP]M)?$/i.test(p ?? '')) return undefined;
  return (hour % 12) + (p?.toUpperCase() === 'PM' ? 12 : 0);
}

function offsetOf({ z }: Readonly<Record<string, string | undefined>>): number | undefined {
  if (z === undefined) return undefined;
  const minutes = Number(z.slice(1, 3)) * 60 + Number(z.slice(3));
  return (z.startsWith('-') ? -minutes : minutes) * 60_000;
}

/** Like CET; a name that is not this zone's counts as UTC, as Go has it. */
function abbreviationOf(local: Date): string | undefined {
  return new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' })
    .formatToParts(local)
    .find(({ type }) => type === 'timeZoneName')?.value;
}
