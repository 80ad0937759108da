// `berth doctor`: what is wrong on this instance, and the exact fix. Reads, and changes nothing.
import { styleText } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };
import { examine } from '../doctor/examine.ts';
import type { Finding, Result } from '../doctor/finding.ts';
import { createLog } from '../log.ts';
import { createPorts } from '../system/ports.ts';
import type { Run } from './command.ts';
import { parseFlags, runtimeDirOf, stateDirOf, text } from './flags.ts';

export const run: Run = async (args, signal) => {
  const parsed = parseFlags(args, {
    config: { type: 'string' },
    'state-dir': { type: 'string' },
    'runtime-dir': { type: 'string' },
    json: { type: 'boolean' },
  });
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
    },
    signal,
  );
  const inColour = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;
  const failures = findings.filter(({ result }) => result === 'failure').length;
  process.stdout.write(
    parsed.values['json'] === true
      ? `${JSON.stringify({ ok: failures === 0, findings }, undefined, 2)}\n`
      : `${findings.map((finding) => lineOf(finding, inColour)).join('\n')}\n`,
  );
  return failures === 0 ? 0 : 1;
};

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
