// What the name of a log group or stream may be, with its placeholders filled in (logs.md section 1).
import * as v from 'valibot';
import { fillPlaceholders, type Filled, type PlaceholderFacts } from './placeholders.ts';

/** PutLogEvents and CreateLogGroup. */
const logGroupName = v.pipe(
  v.string(),
  v.regex(/^[.\-_/#A-Za-z0-9]{1,512}$/, 'must be 1 to 512 of A-Z a-z 0-9 . - _ / #'),
  v.regex(/^(?!aws\/)/, 'must not begin with aws/'),
);
const logStreamName = v.pipe(
  v.string(),
  v.regex(/^[^:*]{1,512}$/, 'must be 1 to 512 characters without : and *'),
);

/** A name with its placeholders filled in, and what is wrong with it. */
export type ResolvedName = Filled & { readonly problem: string | undefined };

export function resolveName(
  kind: 'group' | 'stream',
  template: string,
  facts: PlaceholderFacts,
): ResolvedName {
  const filled = fillPlaceholders(template, facts);
  const schema = kind === 'group' ? logGroupName : logStreamName;
  return { ...filled, problem: v.safeParse(schema, filled.text).issues?.[0].message };
}

/** No value of a placeholder holds what a name may not: where the instance is decides about the length alone. */
const anywhere: PlaceholderFacts = { identity: undefined, localHostname: undefined, nowMs: 0 };

export const nameTemplate = (kind: 'group' | 'stream') =>
  v.pipe(
    v.string(),
    v.minLength(1),
    v.maxLength(512),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      const { problem, unknown } = resolveName(kind, dataset.value, anywhere);
      const left = unknown.length === 0 ? '' : `; ${unknown.join(', ')} is no placeholder`;
      if (problem !== undefined) addIssue({ message: `${problem}${left}` });
    }),
  );
