// `berth check-config`: judges a configuration anywhere, with no instance and no network.
import { hostname } from 'node:os';
import { text as readAll } from 'node:stream/consumers';
import { checkOpen } from '../boot/check-open.ts';
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
  const { issues, warnings, references } = checkOpen(content, facts, await loadPatterns());
  const ok = issues.length === 0;
  if (parsed.values['json'] === true) {
    process.stdout.write(`${JSON.stringify({ ok, issues, warnings }, undefined, 2)}\n`);
  } else {
    for (const { message } of issues) process.stderr.write(`${file}: error: ${message}\n`);
    for (const { message } of warnings) process.stderr.write(`${file}: warning: ${message}\n`);
    process.stdout.write(
      ok
        ? `${file}: a valid configuration${openText(references)}\n`
        : `${file}: ${issues.length} to put right\n`,
    );
  }
  return ok ? exitCodes.stopped : exitCodes.configuration;
};

/** Only the instance knows what they stand for. */
function openText(references: number): string {
  return references === 0 ? '' : `, but for what its ${references} references stand for`;
}
