// The daemon's own log: one JSON object a line on standard output, for the journal.
import { maskSecrets } from './secrets.ts';
import { pino, stdTimeFunctions, type Logger } from 'pino';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'> & {
  child(bindings: Readonly<Record<string, unknown>>): Log;
};

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Writes synchronously, so that the last line before a crash is there. */
export function createLog(level: LogLevel, write: (line: string) => void): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: [
        '*.secretAccessKey',
        '*.sessionToken',
        '*.token',
        'secretAccessKey',
        'sessionToken',
        'token',
      ],
    },
    { write: (line: string) => write(maskSecrets(line)) },
  );
}
