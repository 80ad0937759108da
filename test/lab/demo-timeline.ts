// A boot's timeline, read from the daemon's own log.
import type { LogLine } from './daemon-process.ts';

/** One row a step, in milliseconds since `fromMs` (0: the start of the process). */
export function timelineOf(lines: readonly LogLine[], fromMs: number): readonly string[] {
  return lines
    .filter((line) => Number(line['sinceStartMs']) >= fromMs)
    .map((line) => {
      const at = String(Math.round(Number(line['sinceStartMs']) - fromMs)).padStart(6);
      const name = String(line['step'] ?? line['phase']).padEnd(29);
      const what =
        line['ms'] === undefined ? line.msg : `took ${line['ms']} ms: ${line['outcome']}`;
      const version = line['version'] === undefined ? '' : `, version ${line['version']}`;
      return `${at} ms  ${name} ${what}${version}`;
    });
}
