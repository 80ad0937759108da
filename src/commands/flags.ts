// Flags from the command line, by node:util parseArgs; misuse is one line that says what to do.
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { BerthError, messageOf } from '../errors.ts';
import { logLevels, type LogLevel } from '../log.ts';

export type FlagTypes = NonNullable<ParseArgsConfig['options']>;

export type Parsed = {
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly positionals: readonly string[];
};

/** Throws `usage`. */
export function parseFlags(
  args: readonly string[],
  options: FlagTypes,
  maxPositionals = 0,
): Parsed {
  let parsed;
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new BerthError('usage', firstSentence(messageOf(error)));
  }
  const extra = parsed.positionals[maxPositionals];
  if (extra !== undefined) throw new BerthError('usage', `unexpected argument "${extra}"`);
  return parsed as Parsed;
}

function firstSentence(text: string): string {
  return text.split(/\.\s/)[0]!.replace(/\.$/, '');
}

export function text(parsed: Parsed, name: string): string | undefined {
  const value = parsed.values[name];
  return typeof value === 'string' ? value : undefined;
}

/** Throws `usage`. */
export function logLevelOf(parsed: Parsed): LogLevel {
  const level = text(parsed, 'log-level') ?? 'info';
  if ((logLevels as readonly string[]).includes(level)) return level as LogLevel;
  throw new BerthError('usage', `--log-level must be one of ${logLevels.join(', ')}`);
}

export const defaultStateDir = '/var/lib/berth';
export const defaultRuntimeDir = '/run/berth';

/** Of the daemon: systemd gives the folders of its unit in the environment. */
export function stateDirOf(parsed: Parsed): string {
  return text(parsed, 'state-dir') ?? process.env['STATE_DIRECTORY'] ?? defaultStateDir;
}

export function runtimeDirOf(parsed: Parsed): string {
  return text(parsed, 'runtime-dir') ?? process.env['RUNTIME_DIRECTORY'] ?? defaultRuntimeDir;
}
