// Judges a configuration where nobody knows what its references stand for: off the instance, or before its boot. Pure.
import type { CompilePattern } from '../system/patterns.ts';
import type { PlaceholderFacts } from './placeholders.ts';
import { checkConfig } from './check-config.ts';
import type { ConfigIssue } from './config-schema.ts';
import { openSecrets } from './files-config.ts';
import { findReferences } from './references.ts';

export type CheckedOpen = {
  /** Also those of the references themselves; none about a value that one stands for. */
  readonly issues: readonly ConfigIssue[];
  readonly warnings: readonly ConfigIssue[];
  readonly references: number;
};

export function checkOpen(
  content: string,
  facts: PlaceholderFacts,
  compile: CompilePattern | undefined,
): CheckedOpen {
  const checked = checkConfig(content, facts, compile);
  const value = valueOf(content);
  const { references, issues: bad } = findReferences(value);
  const isOpen = ({ path }: ConfigIssue): boolean =>
    references.some((one) => path === one.path || path.startsWith(`${one.path}.`));
  const issues = [...bad, ...(checked.ok ? [] : checked.issues.filter((one) => !isOpen(one)))];
  const warnings = [...checked.warnings, ...openSecrets(value, references)];
  return { issues, warnings, references: references.length };
}

/** What is no JSON has no references; what is wrong with it is said elsewhere. */
function valueOf(content: string): unknown {
  try {
    return JSON.parse(content.replace(/^\uFEFF/, '')) as unknown;
  } catch {
    return undefined;
  }
}
