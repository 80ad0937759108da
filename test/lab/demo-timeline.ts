// A boot's timeline, read from the daemon's own log.
import type { LogLine } from './daemon-process.ts';

/** One row a step, in milliseconds since `fromMs` (0: the start of the process). */
export function timelineOf(lines: readonly LogLine[], fromMs: number): readonly string[] {
  return lines
    .filter((line) => numberOf(line, 'sinceStartMs') >= fromMs)
    .map((line) => {
      const at = Math.round(numberOf(line, 'sinceStartMs') - fromMs).toString();
      const name = textOf(line, 'step') ?? textOf(line, 'phase') ?? '';
      const outcome = textOf(line, 'outcome');
      const what =
        outcome === undefined ? (line.msg ?? '') : `took ${numberOf(line, 'ms')} ms: ${outcome}`;
      const version = numberOf(line, 'version');
      const suffix = Number.isNaN(version) ? '' : `, version ${version}`;
      return `${at.padStart(6)} ms  ${name.padEnd(29)} ${what}${suffix}`;
    });
}

/** NaN where the line has no such number. */
function numberOf(line: LogLine, key: string): number {
  const value = line[key];
  return typeof value === 'number' ? value : Number.NaN;
}

function textOf(line: LogLine, key: string): string | undefined {
  const value = line[key];
  return typeof value === 'string' ? value : undefined;
}
