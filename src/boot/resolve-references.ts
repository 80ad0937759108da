// Puts what they stand for in the place of the references of a configuration, before anybody judges it.
import type { Identity } from '../model/instance.ts';
import { rememberSecret, shortestSecret } from '../secrets.ts';
import type { ConfigIssue } from './config-schema.ts';
import type { Imds } from './imds.ts';
import { leafOf } from './merge-config.ts';
import type { Fillings } from './reference-cache.ts';
import {
  fillReferences,
  findReferences,
  hasReferences,
  isSecret,
  textOf,
  type Filling,
  type Placed,
} from './references.ts';
import { askStore, type StoreDeps } from './stored-config.ts';

export type ResolveInput = {
  /** JSON text, or a value that was parsed already. */
  readonly value: unknown;
  readonly identity: Identity;
  readonly imds: Imds;
  /** What those of Parameter Store stood for last time: it is not asked. undefined: it is. */
  readonly kept: Fillings | undefined;
  readonly patienceMs: number;
};

export type Resolved = {
  readonly value: unknown;
  /** Those of Parameter Store, for the next boot. */
  readonly fillings: Fillings;
  readonly issues: readonly ConfigIssue[];
};

/**
 * What is wrong with a reference, or stands for nothing, is an issue; the value then is the one without any filled in.
 * Throws `config-denied`, `config-unavailable`, and what IMDS and the credentials throw.
 */
export async function resolveReferences(
  deps: StoreDeps,
  input: ResolveInput,
  signal: AbortSignal,
): Promise<Resolved> {
  const none = { value: input.value, fillings: new Map<string, Filling>() };
  const parsed = parsedWithReferences(input.value);
  if (parsed === undefined) return { ...none, issues: [] };
  const { references, issues } = findReferences(parsed);
  if (issues.length > 0) return { ...none, issues };

  const [ofStore, ofMetadata] = await Promise.all([
    fromStore(deps, input, references.filter(isOfStore), signal),
    fromMetadata(
      input.imds,
      references.filter((one) => !isOfStore(one)),
      signal,
    ),
  ]);
  const known = new Map<string, Filling>([...ofStore, ...ofMetadata]);
  const missing = references.filter((one) => !known.has(textOf(one)));
  const short = references.filter(
    (one) => isSecret(one) && String(known.get(textOf(one)) ?? '').length < shortestSecret,
  );
  if (missing.length > 0 || short.length > 0) {
    const { region } = input.identity;
    const said = [
      ...missing.map((one) => ({ ...one, why: whyMissing(one, region) })),
      ...short
        .filter((one) => !missing.includes(one))
        .map((one) => ({
          ...one,
          why: `${textOf(one)} has fewer than ${shortestSecret} characters: it cannot be kept out of texts`,
        })),
    ];
    return {
      ...none,
      issues: said.map(({ path, why }) => ({ path, message: `${path}: ${why}` })),
    };
  }
  const fillingOf = (one: Parameters<typeof textOf>[0]): Filling => known.get(textOf(one))!;
  const value = fillReferences(parsed, fillingOf, leafOf);
  return { fillings: ofStore, value, issues: [] };
}

/** undefined: there are none; or it is no JSON, which the judge says better. */
function parsedWithReferences(value: unknown): unknown {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (text === undefined || !hasReferences(text)) return undefined;
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(text.replace(/^\uFEFF/, '')) as unknown;
  } catch {
    return undefined;
  }
}

function isOfStore({ scheme }: Placed): boolean {
  return scheme === 'ssm' || scheme === 'ssm-secure';
}

function whyMissing(one: Placed, region: string): string {
  switch (one.scheme) {
    case 'tag':
      return `this instance has no tag ${one.name} in its metadata; set it, and allow tags in instance metadata`;
    case 'imds':
      return `the metadata service has no value ${one.name}`;
    default:
      return `there is no parameter ${one.name} in ${region}`;
  }
}

/** Secrets are known to the mask before anybody can speak of them. */
async function fromStore(
  deps: StoreDeps,
  { kept, patienceMs }: ResolveInput,
  references: readonly Placed[],
  signal: AbortSignal,
): Promise<Fillings> {
  const fetchAll = async (within: AbortSignal): Promise<Fillings> => {
    const fillings = new Map<string, Filling>();
    for (const secret of [false, true]) {
      const wanted = references.filter((one) => isSecret(one) === secret);
      const names = new Set(wanted.map(({ name }) => name));
      const found = await deps.store.several(names, secret, within);
      for (const one of wanted) {
        const parameter = found.get(one.name);
        if (parameter === undefined) continue;
        const { value, isList } = parameter;
        fillings.set(textOf(one), isList && !secret ? value.split(',') : value);
      }
    }
    return fillings;
  };
  if (references.length === 0) return new Map();
  const fillings = kept ?? (await askStore(deps, patienceMs, fetchAll, signal));
  for (const one of references.filter(isSecret)) {
    const filling = fillings.get(textOf(one));
    if (filling !== undefined) rememberSecret(String(filling));
  }
  return fillings;
}

async function fromMetadata(
  imds: Imds,
  references: readonly Placed[],
  signal: AbortSignal,
): Promise<Fillings> {
  const texts = new Map(references.map((one) => [textOf(one), one]));
  const found = await Promise.all(
    Array.from(texts, async ([text, { scheme, name }]) => {
      const path = scheme === 'tag' ? `tags/instance/${encodeURIComponent(name)}` : name;
      const value = await imds.readText(`meta-data/${path}`, signal);
      // What has several lines is the listing of a folder.
      return value === undefined || /\p{Cc}/u.test(value) ? [] : [[text, value] as const];
    }),
  );
  return new Map(found.flat());
}
