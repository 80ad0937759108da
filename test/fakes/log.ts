// A log that keeps its lines for assertions.
import { createLog, type Log } from '../../src/log.ts';

export type MemoryLog = Log & { readonly lines: readonly Readonly<Record<string, unknown>>[] };

export function createMemoryLog(): MemoryLog {
  const lines: Readonly<Record<string, unknown>>[] = [];
  const log = createLog('debug', (line) => {
    lines.push(JSON.parse(line) as Readonly<Record<string, unknown>>);
  });
  return Object.assign(log, { lines });
}
