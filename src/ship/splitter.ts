// Bytes of a file into events, the ordinary way: decodes lines, joins those of one event, finds its time, cuts out fields,
// drops what the filters do not want. Pure, but for what it remembers of its compiled patterns.
import type { LogFilter, LogSource } from '../model/logs.ts';
import { unindented, type CompilePattern } from '../system/patterns.ts';
import { maxMessageBytes, truncationMark } from './batch.ts';
import type { DecodeCodePage } from '../system/code-pages.ts';
import { createDecoder, type Decoder } from './decoder.ts';
import { createJsonReader } from './json-fields.ts';
import { createTimestampParser } from './timestamp.ts';

/** An event in a file. */
export type Piece = {
  /** Empty: no event, but bytes that are done with. */
  readonly message: string;
  /** By the event itself; undefined: it says no time. */
  readonly timestampMs: number | undefined;
  /** Offsets in the data: of its first byte, and behind its last. */
  readonly start: number;
  readonly end: number;
};

/**
 * `more`: events of which the end is there. `last`: the last one too, since nobody will add to it or it is too long to wait
 * for, but not a line without its newline. `all`: that as well.
 */
export type HowFar = 'more' | 'last' | 'all';

export type Splitter = {
  readonly decoder: Decoder;
  split(data: Buffer, howFar: HowFar, nowMs: number): readonly Piece[];
  /** The beginning of a line that is beyond the limit. */
  whole(head: string, end: number, nowMs: number): Piece;
};

type Line = { readonly message: string; readonly start: number; readonly end: number };
export type SplitterOptions = Pick<
  LogSource,
  'encoding' | 'startPattern' | 'timestamp' | 'json' | 'filters'
>;

/** `compile`, `codePages`: undefined only if nothing of the source needs them, see `needsPatterns` and `isCodePage`. */
export function createSplitter(
  source: SplitterOptions,
  compile: CompilePattern | undefined,
  codePages: DecodeCodePage | undefined,
): Splitter {
  const decoder = createDecoder(source.encoding, codePages);
  const time = source.timestamp === undefined ? undefined : createTimestampParser(source.timestamp);
  const readJson = source.json === undefined ? undefined : createJsonReader(source.json);
  const passes = createFilter(source.filters, compile);
  const isStart = ((): ((line: string) => boolean) | undefined => {
    switch (source.startPattern) {
      case undefined:
        return undefined;
      case unindented:
        return startsEvent;
      case '{timestamp_format}':
        return (line) => time?.matches(line) === true;
      default: {
        const pattern = compile!(source.startPattern);
        return (line) => pattern.test(line);
      }
    }
  })();

  const finish = (text: string, start: number, end: number, nowMs: number): Piece => {
    const read = readJson?.(text) ?? { message: text, timestampMs: undefined };
    // A field that says the time is no guess.
    const { message, timestampMs } =
      read.timestampMs === undefined ? (time?.parse(read.message, nowMs) ?? read) : read;
    return { message: passes(message) ? message : '', timestampMs, start, end };
  };

  const split = (data: Buffer, howFar: HowFar, nowMs: number): readonly Piece[] => {
    const pieces: Piece[] = [];
    let lines: Line[] = [];
    let bytes = 0;
    const close = (): void => {
      if (lines.length === 0) return;
      const text =
        lines.length === 1 ? lines[0]!.message : lines.map(({ message }) => message).join('\n');
      pieces.push(finish(text, lines[0]!.start, lines.at(-1)!.end, nowMs));
      lines = [];
      bytes = 0;
    };
    const add = (line: Line): void => {
      const isFirst = lines.length === 0;
      if (!isFirst && (isStart === undefined || isStart(line.message))) close();
      // What would be too long for CloudWatch goes on in the next event: nothing is lost.
      else if (!isFirst && bytes + (line.end - line.start) > maxMessageBytes) close();
      // Empty lines in front of an event are none of it.
      if (lines.length === 0 && line.message === '') {
        pieces.push({ message: '', timestampMs: undefined, start: line.start, end: line.end });
        return;
      }
      lines.push(line);
      bytes += line.end - line.start;
      if (isStart === undefined) close();
    };
    let start = 0;
    for (let end = decoder.endOfLine(data, 0); end !== -1; end = decoder.endOfLine(data, start)) {
      add({ message: decoder.decode(data.subarray(start, end)), start, end });
      start = end;
    }
    if (howFar === 'all' && start < data.length)
      add({ message: decoder.decode(data.subarray(start)), start, end: data.length });
    if (howFar !== 'more') close();
    return pieces;
  };

  return {
    decoder,
    split,
    whole: (head, end, nowMs) => {
      const piece = finish(head, 0, end, nowMs);
      // What was cut out of it, or its encoding, may have brought it below the limit.
      return piece.message === '' ? piece : { ...piece, message: piece.message + truncationMark };
    },
  };
}

/** Do its patterns need the engine? */
export function needsPatterns({ startPattern, filters }: SplitterOptions): boolean {
  const isPlain = [undefined, unindented, '{timestamp_format}'].includes(startPattern);
  return !isPlain || filters.length > 0;
}

/** All have to let it pass (logs.md section 2). */
function createFilter(
  filters: readonly LogFilter[],
  compile: CompilePattern | undefined,
): (message: string) => boolean {
  const tests = filters.map(({ type, expression }) => {
    const pattern = compile!(expression);
    return (message: string) => pattern.test(message) === (type === 'include');
  });
  return (message) => tests.every((test) => test(message));
}

/** `^[\S]` of Go, whose white space is this. */
function startsEvent(line: string): boolean {
  return line !== '' && !'\t\n\f\r '.includes(line[0]!);
}
