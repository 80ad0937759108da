// What the unit gives the daemon beside its command line: the environment of /etc/default/berth, and the flags in it. Whoever
// examines the daemon goes by the same.
import { messageOf } from '../errors.ts';
import { systemLogFiles, type LogFiles } from '../system/log-files.ts';
import { defaultRuntimeDir, defaultStateDir, parseFlags, text, type Parsed } from './flags.ts';

/** systemd/berth.service: EnvironmentFile=, and $BERTH_FLAGS behind "berth run". */
export const unitFile = '/etc/default/berth';
const flagsKey = 'BERTH_FLAGS';

export type UnitEnvironment = {
  readonly environment: Readonly<Record<string, string>>;
  readonly config: string | undefined;
  readonly stateDir: string | undefined;
  readonly runtimeDir: string | undefined;
  /** The daemon does not start with these flags. */
  readonly problem: string | undefined;
};

export const noUnit: UnitEnvironment = {
  environment: {},
  config: undefined,
  stateDir: undefined,
  runtimeDir: undefined,
  problem: undefined,
};

/** `own`: of this process, counts before the file's. Throws `not-permitted`, `disk`. */
export async function readUnitEnvironment(
  files: LogFiles,
  path: string,
  own: Readonly<Record<string, string | undefined>>,
): Promise<UnitEnvironment> {
  return unitOf({ ...parseEnvironment(await readWhole(files, path)), ...definedIn(own) });
}

function unitOf(environment: Readonly<Record<string, string>>): UnitEnvironment {
  try {
    const parsed = parseFlags(wordsOf(environment[flagsKey] ?? ''), {
      config: { type: 'string' },
      'state-dir': { type: 'string' },
      'runtime-dir': { type: 'string' },
      'log-level': { type: 'string' },
    });
    return {
      environment,
      config: text(parsed, 'config'),
      stateDir: text(parsed, 'state-dir'),
      runtimeDir: text(parsed, 'runtime-dir'),
      problem: undefined,
    };
  } catch (error) {
    return { ...noUnit, environment, problem: `${flagsKey} of ${unitFile}: ${messageOf(error)}` };
  }
}

function definedIn(
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(environment).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, value]],
    ),
  );
}

export type Places = {
  readonly configFlag: string | undefined;
  readonly stateDir: string;
  readonly runtimeDir: string;
};

/**
 * Not by $RUNTIME_DIRECTORY and its like: where an application's unit runs `berth wait`, those are the application's.
 */
export function placesIn(parsed: Parsed, unit: UnitEnvironment): Places {
  return {
    configFlag: text(parsed, 'config') ?? unit.config,
    stateDir: text(parsed, 'state-dir') ?? unit.stateDir ?? defaultStateDir,
    runtimeDir: text(parsed, 'runtime-dir') ?? unit.runtimeDir ?? defaultRuntimeDir,
  };
}

/** What Node and OpenSSL read once, as the process starts. */
const readAtStart = /^(NODE_|OPENSSL_|SSL_CERT_)/;

/**
 * Where the daemon of this host has its things: by the command line, else by what the unit gives it, whose environment
 * counts here as well, so that whoever asks sees what the daemon sees: this process begins anew with it, where that is
 * needed. Never throws: what cannot be read is said.
 */
export async function placesOf(parsed: Parsed): Promise<Places> {
  const own = definedIn(process.env);
  const unit = await readUnitEnvironment(systemLogFiles, unitFile, own).catch((error: unknown) => {
    // Its own unit may have had it read.
    if (own[flagsKey] === undefined) say(messageOf(error));
    return unitOf(own);
  });
  const { environment, problem } = unit;
  if (Object.keys(environment).some((key) => readAtStart.test(key) && own[key] === undefined)) {
    const argv = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
    process.execve!(process.execPath, argv, environment);
  }
  if (problem !== undefined) say(problem);
  Object.assign(process.env, environment);
  return placesIn(parsed, unit);
}

function say(why: string): void {
  process.stderr.write(`berth: ${why}; it is left out here\n`);
}

/** Not of a FIFO: that would never end. Empty where there is none. */
async function readWhole(files: LogFiles, path: string): Promise<string> {
  await using file = await files.open(path);
  if (file === undefined) return '';
  const { size } = await file.stat();
  return (await file.read(0, size)).toString();
}

/** As systemd.exec(5) has it: comments by `#` and `;`, a value in quotes or bare, a line goes on behind a backslash. Pure. */
export function parseEnvironment(file: string): Readonly<Record<string, string>> {
  const lines = file.replaceAll('\\\n', '').split('\n');
  return Object.fromEntries(
    lines.flatMap((line) => {
      const [, key, value] = /^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line) ?? [];
      return key === undefined ? [] : [[key, unquoted(value!.trim())]];
    }),
  );
}

function unquoted(value: string): string {
  const [, single, double] = /^(?:'([^']*)'|"((?:[^"\\]|\\.)*)")$/.exec(value) ?? [];
  return single ?? double?.replaceAll(/\\(.)/g, '$1') ?? value;
}

/** systemd.service(5): a variable alone is split at white space, but for what stands in quotes. Pure. */
export function wordsOf(flags: string): readonly string[] {
  const words = flags.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? [];
  return words.map((word) => word.replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2'));
}
