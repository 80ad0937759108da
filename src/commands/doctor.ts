// `berth doctor`: what is wrong on this instance, and the exact fix. Reads, and changes nothing.
//
// A process of its own examines, since what hangs in the kernel (a resolver, a file server, a FIFO) keeps a process from
// ending: Node joins its threads at exit. This one only prints the report, and leaves in time.
import { styleText } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };
import type { Finding, Result } from '../doctor/finding.ts';
import { messageOf } from '../errors.ts';
import { createLog } from '../log.ts';
import { systemClock } from '../system/clock.ts';
import { firstLine } from '../system/first-line.ts';
import { systemLogFiles } from '../system/log-files.ts';
import { createPorts } from '../system/ports.ts';
import type { Run } from './command.ts';
import { parseFlags, runtimeDirOf, stateDirOf, text } from './flags.ts';
import {
  noUnit,
  placesIn,
  readUnitEnvironment,
  unitFile,
  type Places,
  type UnitEnvironment,
} from './unit-environment.ts';

/** From the start of each process. 15 s are promised. */
const examineMs = 13_000;
const reportMs = 14_300;

export const run: Run = async (args, signal) => {
  const parsed = parseFlags(args, {
    config: { type: 'string' },
    'state-dir': { type: 'string' },
    'runtime-dir': { type: 'string' },
    json: { type: 'boolean' },
    // Examines in this process: for ourselves.
    here: { type: 'boolean' },
  });
  if (parsed.values['here'] === true) return examineHere(parsed, signal);
  const unread: Finding[] = [];
  const unit = await readUnitEnvironment(systemLogFiles, unitFile, process.env).catch(
    (error: unknown) => {
      // For root alone, maybe: a finding, and not the end of the report.
      const fix = `sudo berth doctor; what the daemon gets from ${unitFile} is left out here`;
      unread.push({ check: 'config', result: 'warning', message: messageOf(error), fix });
      return noUnit;
    },
  );
  const answer = await askExaminer(placesIn(parsed, unit), unit, signal);
  // It has said why.
  if (typeof answer === 'number') return answer;
  const findings = [...unread, ...unitFindings(unit), ...answer];
  const inColour = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;
  const failures = findings.filter(({ result }) => result === 'failure').length;
  process.stdout.write(
    parsed.values['json'] === true
      ? `${JSON.stringify({ ok: failures === 0, findings }, undefined, 2)}\n`
      : `${findings.map((finding) => lineOf(finding, inColour)).join('\n')}\n`,
  );
  return failures === 0 ? 0 : 1;
};

/** A number: its exit code, since it could not begin. */
async function askExaminer(
  { configFlag, stateDir, runtimeDir }: Places,
  { environment }: UnitEnvironment,
  signal: AbortSignal,
): Promise<readonly Finding[] | number> {
  const flags = [
    ['--config', configFlag],
    ['--state-dir', stateDir],
    ['--runtime-dir', runtimeDir],
  ] as const;
  using deadline = systemClock.deadline(reportMs - systemClock.monotonicMs(), signal);
  try {
    const answer = await firstLine(
      {
        argv: [
          process.execPath,
          ...process.execArgv,
          process.argv[1]!,
          'doctor',
          '--here',
          ...flags.flatMap(([flag, value]) => (value === undefined ? [] : [`${flag}=${value}`])),
        ],
        environment: { ...environment, ...process.env },
      },
      deadline.signal,
    );
    return 'code' in answer ? answer.code : findingsOf(answer.line);
  } catch (error) {
    if (!deadline.expired) throw error;
    return unexamined(
      'the examination itself hangs, maybe in a file system',
      'ps -eo pid,stat,wchan:30,args shows who waits for one (D); mount it anew',
    );
  }
}

/** Of an examiner, whole or not. Pure. */
export function findingsOf(line: string): readonly Finding[] {
  try {
    return JSON.parse(line) as readonly Finding[];
  } catch {
    const message = 'the examination ended in the middle of its report: somebody killed it';
    return unexamined(message, 'journalctl --dmesg --grep=oom shows whether the kernel did');
  }
}

function unexamined(message: string, fix: string): readonly Finding[] {
  return [{ check: 'doctor', result: 'failure', message, fix }];
}

async function examineHere(
  parsed: ReturnType<typeof parseFlags>,
  signal: AbortSignal,
): Promise<number> {
  const { examine } = await import('../doctor/examine.ts');
  // Each finding says what there is to say.
  using ports = createPorts(createLog('silent', () => undefined));
  const findings = await examine(
    ports,
    {
      version: packageJson.version,
      configFlag: text(parsed, 'config'),
      stateDir: stateDirOf(parsed),
      runtimeDir: runtimeDirOf(parsed),
      environment: process.env,
      limitMs: examineMs - systemClock.monotonicMs(),
    },
    signal,
  );
  process.stdout.write(`${JSON.stringify(findings)}\n`);
  return 0;
}

function unitFindings({ problem }: UnitEnvironment): readonly Finding[] {
  if (problem === undefined) return [];
  const fix = `correct ${unitFile} ("berth run --help" has the flags), then systemctl restart berth`;
  return [{ check: 'config', result: 'failure', message: problem, fix }];
}

const colours: Readonly<Record<Result, 'green' | 'yellow' | 'red' | 'gray'>> = {
  ok: 'green',
  warning: 'yellow',
  failure: 'red',
  unknown: 'gray',
};

function lineOf({ check, result, message, fix }: Finding, inColour: boolean): string {
  const padded = result.padEnd(7);
  const coloured = inColour
    ? styleText(colours[result], padded, { validateStream: false })
    : padded;
  return `${coloured}  ${check.padEnd(11)}  ${message}${fix === undefined ? '' : `; fix: ${fix}`}`;
}
