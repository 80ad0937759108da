// Entries of the systemd journal: how journalctl is asked for them, and what its lines say.
import type { JournalSource, LogFilter } from '../model/logs.ts';
import type { CompilePattern } from '../system/patterns.ts';
import { createEvent, type LogEvent } from './batch.ts';

export type JournalEntry = {
  /** undefined: it is not to be sent. */
  readonly event: LogEvent | undefined;
  readonly cursor: string;
};

/** Before the first cursor: what a boot has written until berth is up, and no whole journal of an old host. */
const firstSince = '-10min';

/** `-o json` gives each entry as one line. */
export function journalArgv(
  { units, priority, matches }: JournalSource,
  cursor: string | undefined,
): [string, ...string[]] {
  return [
    'journalctl',
    '--output=json',
    '--follow',
    '--no-tail',
    // Without it --follow means the boot of now alone: what the one before wrote last would be left out.
    '--merge',
    '--all',
    '--quiet',
    // Where its entry is deleted, --after-cursor leaves out the next one (systemd 252).
    ...(cursor === undefined ? [`--since=${firstSince}`] : [`--cursor=${cursor}`]),
    `--priority=${priority}`,
    ...units.map((unit) => `--unit=${unit}`),
    ...matches.flatMap((match, index) => [
      ...(index === 0 ? [] : ['+']),
      ...Object.entries(match).map(([field, value]) => `${field}=${value}`),
    ]),
  ];
}

/** Of a line; undefined: it is no entry. */
export function createEntryReader(
  filters: readonly LogFilter[],
  compile: CompilePattern | undefined,
): (line: string) => JournalEntry | undefined {
  const passes = createFilter(filters, compile);
  return (line) => {
    const fields = parseEntry(line);
    if (fields === undefined) return undefined;
    const { __CURSOR: cursor, __REALTIME_TIMESTAMP: realtime, ...body } = fields;
    if (typeof cursor !== 'string') return undefined;
    const message = JSON.stringify({ ...body, __CURSOR: cursor });
    const timestampMs = Math.floor(Number(realtime) / 1_000);
    const isGood = passes(message) && Number.isSafeInteger(timestampMs);
    return { cursor, event: isGood ? createEvent(message, timestampMs, true) : undefined };
  };
}

function parseEntry(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** One include has to match, if there is any, and no exclude (logs.md section 2). */
function createFilter(
  filters: readonly LogFilter[],
  compile: CompilePattern | undefined,
): (message: string) => boolean {
  const patternsOf = (type: LogFilter['type']) =>
    filters.filter((one) => one.type === type).map(({ expression }) => compile!(expression));
  const includes = patternsOf('include');
  const excludes = patternsOf('exclude');
  return (message) =>
    (includes.length === 0 || includes.some((pattern) => pattern.test(message))) &&
    !excludes.some((pattern) => pattern.test(message));
}
