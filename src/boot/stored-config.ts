// The configuration that lies in Parameter Store: fetches its parameters and puts them together. Nobody has judged it yet.
import { createHash } from 'node:crypto';
import { BerthError, hasCode } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Identity } from '../model/instance.ts';
import type { Clock } from '../system/clock.ts';
import type { Random } from '../system/random.ts';
import { retry } from '../system/retry.ts';
import { missing, poolTag, tagOf, type StoredPlace } from './find-config.ts';
import { mergeValues, treeOf, valueOf, type Leaf } from './merge-config.ts';
import type { Parameter, ParameterStore } from './parameter-store.ts';
import { placedTexts } from './text-places.ts';

export type StoreDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly store: ParameterStore;
};

export type StoredConfig = {
  /** JSON text. */
  readonly value: string;
  /** Of one parameter its own; of several and of trees eight hex digits that change with each of them. */
  readonly version: number | string | undefined;
  /** Texts of it that were encrypted, where secrets may stand. */
  readonly secrets: readonly string[];
};

/** Where no copy is at hand. */
export const storePatienceMs = 10_000;
const backoff = { firstMs: 250, factor: 2, capMs: 2_000 };

/** Asks until Parameter Store answers. Throws `config-unavailable` after `patienceMs`, and what `work` throws. */
export async function askStore<T>(
  deps: Pick<StoreDeps, 'clock' | 'random' | 'log'>,
  patienceMs: number,
  work: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const onRetry = (error: unknown): void =>
    deps.log.debug({ err: error }, 'asking Parameter Store again');
  using deadline = deps.clock.deadline(patienceMs, signal);
  try {
    return await retry(deps, { backoff, totalMs: patienceMs, onRetry }, work, deadline.signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!deadline.expired) throw error;
    throw new BerthError(
      'config-unavailable',
      `cannot ask Parameter Store: no answer within ${patienceMs / 1_000} s`,
      { retryable: true, cause: error },
    );
  }
}

/**
 * undefined: there is none, and none is needed. Throws `config-missing`, `config-denied`, `config-unavailable`,
 * `config-invalid`, and what the credentials throw.
 */
export async function fetchStored(
  deps: StoreDeps,
  {
    place,
    identity,
    patienceMs,
    hasCopy,
  }: {
    readonly place: StoredPlace;
    readonly identity: Identity;
    readonly patienceMs: number;
    /** It was there once: that it may not be read any more is a slip, and no reason to go by the tag. */
    readonly hasCopy: boolean;
  },
  signal: AbortSignal,
): Promise<StoredConfig | undefined> {
  const { names, namedBy } = place;
  const fetchOnce = (within: AbortSignal) => fetchAll(deps.store, names, within);
  const hasPool = namedBy === undefined && tagOf(identity, poolTag) !== undefined;
  let why = 'there is none';
  try {
    const found = await askStore(deps, patienceMs, fetchOnce, signal);
    if (found !== undefined) return found;
  } catch (error) {
    if (!hasPool || hasCopy || !hasCode(error, 'config-denied')) throw error;
    why = error.message;
  }
  if (!hasPool) throw missing(place, identity);
  deps.log.info({ why }, `no parameter ${names.join(', ')}; the tag ${poolTag} names the pool`);
  return undefined;
}

/** undefined: there is none of them. One alone is handed on as its text, so that what is wrong with it is told by line and column. */
async function fetchAll(
  store: ParameterStore,
  names: readonly string[],
  signal: AbortSignal,
): Promise<StoredConfig | undefined> {
  const all = await Promise.all(names.map((name) => fetchOne(store, name, signal)));
  const lacking = names.filter((_, i) => all[i] === undefined);
  if (lacking.length === names.length) return undefined;
  if (lacking.length > 0) {
    throw new BerthError(
      'config-missing',
      `cannot find the parameter ${lacking.join(', ')}: create it, or take it from the list ${names.join(', ')}`,
    );
  }
  const found = all.filter((one) => one !== undefined);
  const secrets = found.flatMap((one) => secretsOf(one));
  const [first] = found;
  if (found.length === 1 && first?.kind === 'one') {
    const { value, version } = first.parameter;
    return { value, version, secrets };
  }
  const value = JSON.stringify(mergeValues(found.map((one) => valueIn(one))));
  return { value, version: versionOf(found), secrets };
}

type Fetched =
  | { readonly kind: 'one'; readonly name: string; readonly parameter: Parameter }
  | { readonly kind: 'tree'; readonly name: string; readonly leaves: readonly Leaf[] };

async function fetchOne(
  store: ParameterStore,
  name: string,
  signal: AbortSignal,
): Promise<Fetched | undefined> {
  if (!name.endsWith('/')) {
    const parameter = await store.get(name, signal);
    if (parameter?.isList === true) throw noObject(name);
    return parameter === undefined ? undefined : { kind: 'one', name, parameter };
  }
  const found = await store.tree(name, signal);
  const leaves = Array.from(found, ([full, parameter]) => ({
    path: full.slice(name.length),
    parameter,
  }));
  return leaves.length === 0 ? undefined : { kind: 'tree', name, leaves };
}

/** Throws `config-invalid`. */
function valueIn(found: Fetched): unknown {
  return found.kind === 'one'
    ? valueOf(found.name, found.parameter.value)
    : treeOf(found.name, found.leaves);
}

/** Of the encrypted ones among them. What is no JSON is told of without a piece of it. */
function secretsOf(found: Fetched): readonly string[] {
  try {
    if (found.kind === 'tree') {
      const leaves = found.leaves.filter(({ parameter }) => parameter.isSecret);
      return placedTexts(treeOf(found.name, leaves));
    }
    return found.parameter.isSecret ? placedTexts(valueIn(found)) : [];
  } catch {
    return [];
  }
}

/** Each put raises the version of one; what comes or goes counts too. */
function versionOf(found: readonly Fetched[]): string {
  const lines = found.flatMap((one) =>
    one.kind === 'one'
      ? [`${one.name} ${one.parameter.version}`]
      : one.leaves.map(({ path, parameter }) => `${one.name}${path} ${parameter.version}`),
  );
  return createHash('sha256').update(lines.toSorted().join('\n')).digest('hex').slice(0, 8);
}

function noObject(name: string): BerthError {
  return new BerthError(
    'config-invalid',
    `cannot use the parameter ${name}: it is a StringList; make it a String (or SecureString) that holds JSON`,
  );
}
