// `berth check-config`: judges a configuration anywhere, with no instance and no network.
import { hostname } from 'node:os';
import { text as readAll } from 'node:stream/consumers';
import { checkConfig } from '../boot/check-config.ts';
import { BerthError, exitCodes } from '../errors.ts';
import { systemClock } from '../system/clock.ts';
import { systemFiles } from '../system/files.ts';
import { loadPatterns } from '../system/patterns.ts';
import type { Run } from './command.ts';
import { parseFlags } from './flags.ts';

export const run: Run = async (args) => {
  const parsed = parseFlags(args, { json: { type: 'boolean' } }, 1);
  const [file] = parsed.positionals;
  if (file === undefined)
    throw new BerthError('usage', 'check-config needs a FILE, or "-" for standard input');
  const content = file === '-' ? await readAll(process.stdin) : await systemFiles.readText(file);
  if (content === undefined) throw new BerthError('usage', `cannot find the file ${file}`);
  // Placeholders get their values on the instance.
  const facts = { identity: undefined, localHostname: hostname(), nowMs: systemClock.nowMs() };
  const checked = checkConfig(content, facts, await loadPatterns());
  const issues = checked.ok ? [] : checked.issues;
  if (parsed.values['json'] === true) {
    process.stdout.write(
      `${JSON.stringify({ ok: checked.ok, issues, warnings: checked.warnings }, undefined, 2)}\n`,
    );
  } else {
    for (const { message } of issues) process.stderr.write(`${file}: error: ${message}\n`);
    for (const { message } of checked.warnings)
      process.stderr.write(`${file}: warning: ${message}\n`);
    process.stdout.write(
      checked.ok ? `${file}: a valid configuration\n` : `${file}: ${issues.length} to put right\n`,
    );
  }
  return checked.ok ? exitCodes.stopped : exitCodes.configuration;
};
