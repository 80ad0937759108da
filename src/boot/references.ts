// References inside the values of a configuration: `{{ssm:/x}}`, `{{ssm-secure:/y}}`, `{{tag:Role}}`, `{{imds:mac}}`. Finds
// and replaces them; what they stand for comes from elsewhere. Pure. What was filled in is not looked at again.
import type { ConfigIssue } from './config-schema.ts';
import { secretPlace, textPlace } from './text-places.ts';

export type Reference = {
  readonly scheme: 'ssm' | 'ssm-secure' | 'tag' | 'imds';
  /** Of the parameter with its version or label, of the tag; or the path below meta-data. */
  readonly name: string;
};

/** Where one stands: `hooks.environment.TOKEN`. */
export type Placed = Reference & { readonly path: string };

/** What it stands for; a StringList is a list. */
export type Filling = string | readonly string[];

const schemes = ['ssm', 'ssm-secure', 'tag', 'imds'] as const;
/** What has no scheme is none of ours: `{{.Names}}` of docker, say. */
const reference = /\{\{([a-zA-Z][\w-]*):([^{}]*)\}\}/g;
/** With a version or label. Secrets Manager has names with more characters, and what is shared has an ARN. */
const parameter =
  /^([A-Za-z0-9_.\-/@+=]{1,1011}|arn:[\w-]+:ssm:[\w-]+:\d{12}:parameter\/[A-Za-z0-9_.\-/]{1,1011})(:[\w.-]{1,100})?$/;
const forms: Readonly<Record<Reference['scheme'], RegExp>> = {
  ssm: parameter,
  'ssm-secure': parameter,
  tag: /^[\p{L}\p{N} _.:/=+\-@]{1,128}$/u,
  imds: /^[A-Za-z0-9-]+(\/(?!\.+(\/|$))[A-Za-z0-9_.:-]+)*$/,
};
/** Secrets Manager by way of Parameter Store. */
const secretsManager = '/aws/reference/secretsmanager/';
/** Keys, in the metadata service. */
const keys = /^(iam|identity-credentials)(\/|$)/;

export function isSecret({ scheme, name }: Reference): boolean {
  return scheme === 'ssm-secure' || name.startsWith(secretsManager);
}

/** `{{ssm:/x}}` */
export function textOf({ scheme, name }: Reference): string {
  return `{{${scheme}:${name}}}`;
}

export function hasReferences(text: string): boolean {
  return text.search(reference) !== -1;
}

/** Issues name the path and never the reference, which may be a secret in the wrong place. */
export function findReferences(value: unknown): {
  readonly references: readonly Placed[];
  readonly issues: readonly ConfigIssue[];
} {
  const references: Placed[] = [];
  const issues: ConfigIssue[] = [];
  eachText(value, '', (text, path) => {
    for (const [, scheme = '', name = ''] of text.matchAll(reference)) {
      const problem = problemOf(scheme, name, path);
      if (problem === undefined) {
        references.push({ scheme: scheme as Reference['scheme'], name, path });
      } else issues.push({ path, message: `${path}: ${problem}` });
    }
  });
  return { references, issues };
}

function problemOf(scheme: string, name: string, path: string): string | undefined {
  const known = schemes.find((one) => one === scheme);
  if (known === undefined) {
    return `there is no such reference; there are ${schemes.map((one) => `{{${one}:...}}`).join(', ')}`;
  }
  if (!forms[known].test(name)) {
    return `{{${known}:...}} names nothing that there can be`;
  }
  if (known === 'imds' && keys.test(name)) return 'keys of a role are no part of a configuration';
  if (isSecret({ scheme: known, name }) && !secretPlace.test(path)) {
    return 'a secret can stand in hooks.environment and files[].content alone: all else is shown in places';
  }
  return undefined;
}

/**
 * A value that is one reference to a parameter and nothing else is what the parameter would be in a tree: a list, a
 * number, true, ...; of any other it is a text.
 */
export function fillReferences(
  value: unknown,
  fillingOf: (reference: Reference) => Filling,
  leafOf: (filling: Filling) => unknown,
): unknown {
  const fill = (text: string, path: string): unknown => {
    const [first] = text.matchAll(reference);
    if (first?.[0] === text && !textPlace.test(path)) {
      const one = { scheme: first[1] as Reference['scheme'], name: first[2]! };
      const filling = fillingOf(one);
      return one.scheme === 'ssm' ? leafOf(filling) : String(filling);
    }
    return text.replaceAll(reference, (_, scheme: Reference['scheme'], name: string) =>
      String(fillingOf({ scheme, name })),
    );
  };
  const walk = (inner: unknown, path: string): unknown => {
    if (typeof inner === 'string') return fill(inner, path);
    if (Array.isArray(inner)) return inner.map((item, i) => walk(item, `${path}[${i}]`));
    if (typeof inner !== 'object' || inner === null) return inner;
    return Object.fromEntries(
      Object.entries(inner).map(([key, one]) => [key, walk(one, below(path, key))]),
    );
  };
  return walk(value, '');
}

function eachText(value: unknown, path: string, hear: (text: string, path: string) => void): void {
  if (typeof value === 'string') hear(value, path);
  else if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) eachText(item, `${path}[${i}]`, hear);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      eachText(inner, below(path, key), hear);
    }
  }
}

function below(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}
