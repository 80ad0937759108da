// `berth check-config`: judges a configuration anywhere, with no instance and no network.
import { hostname } from 'node:os';
import { text as readAll } from 'node:stream/consumers';
import { checkConfig } from '../boot/check-config.ts';
import type { ConfigIssue } from '../boot/config-schema.ts';
import { findReferences } from '../boot/references.ts';
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
  const { references, issues: bad } = findReferences(valueOf(content));
  const isOpen = ({ path }: ConfigIssue): boolean =>
    references.some((one) => path === one.path || path.startsWith(`${one.path}.`));
  const issues = [...bad, ...(checked.ok ? [] : checked.issues.filter((one) => !isOpen(one)))];
  const ok = issues.length === 0;
  if (parsed.values['json'] === true) {
    process.stdout.write(
      `${JSON.stringify({ ok, issues, warnings: checked.warnings }, undefined, 2)}\n`,
    );
  } else {
    for (const { message } of issues) process.stderr.write(`${file}: error: ${message}\n`);
    for (const { message } of checked.warnings)
      process.stderr.write(`${file}: warning: ${message}\n`);
    process.stdout.write(
      ok
        ? `${file}: a valid configuration${openText(references.length)}\n`
        : `${file}: ${issues.length} to put right\n`,
    );
  }
  return ok ? exitCodes.stopped : exitCodes.configuration;
};

/** Only the instance knows what they stand for. */
function openText(references: number): string {
  return references === 0 ? '' : `, but for what its ${references} references stand for`;
}

/** What is no JSON has no references; what is wrong with it is said elsewhere. */
function valueOf(content: string): unknown {
  try {
    return JSON.parse(content.replace(/^\uFEFF/, '')) as unknown;
  } catch {
    return undefined;
  }
}
