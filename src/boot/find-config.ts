// Looks for the configuration place by place; nobody has judged yet what it finds.
//
// The first place that has one wins:
//   1. --config FILE or --config ssm:NAME
//   2. the key `berth:` of #cloud-config user data
//   3. the instance tag berth:config, which names a parameter
//   4. the parameter /berth/config
//   5. the instance tag berth:pool: it names the pool, the rest is default
// The tag berth:pool also names the pool where a configuration leaves it open.
//
// Wherever a parameter is named there may be several, separated by spaces or commas: later ones win. A name that ends in
// `/` stands for the tree of parameters below it.
import { BerthError, hasCode } from '../errors.ts';
import type { Log } from '../log.ts';
import type { ConfigSource, Identity } from '../model.ts';
import { tagPrefix } from '../system/aws.ts';
import type { Clock } from '../system/clock.ts';
import type { Files } from '../system/files.ts';
import type { Random } from '../system/random.ts';
import { retry } from '../system/retry.ts';
import type { Imds } from './imds.ts';
import { readLastGood } from './last-good.ts';
import { mergeValues, treeOf, valueOf } from './merge-config.ts';
import type { ParameterStore } from './parameter-store.ts';
import { parseUserData } from './user-data.ts';

export type FindDeps = {
  readonly files: Files;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly store: ParameterStore;
};

export type FindInput = {
  readonly identity: Identity;
  readonly imds: Imds;
  /** The value of --config. */
  readonly configFlag: string | undefined;
  readonly stateDir: string;
  /** Where Parameter Store is out of reach; else that is thrown. */
  readonly mayUseLastGood: boolean;
};

export type FoundConfig = {
  readonly source: ConfigSource;
  /** JSON text, or a value that was parsed already. */
  readonly value: unknown;
  /** Name of the parameter that it came from just now. */
  readonly parameter: string | undefined;
};

export const poolTag = `${tagPrefix}pool`;
const configTag = `${tagPrefix}config`;
const defaultParameter = '/berth/config';

/** Boot goes on with the last good configuration after this. */
export const storePatienceMs = 10_000;
export const storeBackoff = { firstMs: 250, factor: 2, capMs: 2_000 };

/** Throws `config-missing`, `config-denied`, `config-unavailable`, `config-invalid`, `disk`, and what IMDS and the credentials throw. */
export async function findConfig(
  deps: FindDeps,
  input: FindInput,
  signal: AbortSignal,
): Promise<FoundConfig> {
  const { identity, imds, configFlag } = input;
  if (configFlag?.startsWith('ssm:') === true) {
    return namedParameter(deps, input, configFlag, '--config', signal);
  }
  if (configFlag !== undefined) return fromFile(deps.files, configFlag);

  const bytes = await imds.readBytes('user-data', signal);
  const userData = await parseUserData(bytes ?? Buffer.of());
  if (userData.kind === 'config') return found('user data', userData.value);
  if (userData.kind === 'parameter') {
    return namedParameter(deps, input, userData.name, 'the key berth: of user data', signal);
  }
  if (userData.warning !== undefined) {
    deps.log.warn(`${userData.warning}: nothing in it is used; check the key berth:`);
  }

  const named = tagOf(identity, configTag);
  if (named !== undefined) {
    return namedParameter(deps, input, named, `the instance tag ${configTag}`, signal);
  }
  return defaultOrTag(deps, input, signal);
}

/** Neither the default parameter nor the right to read it has to be there where the tag names the pool. */
async function defaultOrTag(
  deps: FindDeps,
  input: FindInput,
  signal: AbortSignal,
): Promise<FoundConfig> {
  const pool = tagOf(input.identity, poolTag);
  let why = 'there is none';
  try {
    const found = await fromParameter(deps, input, defaultParameter, signal);
    if (found !== undefined) return found;
  } catch (error) {
    if (pool === undefined || !hasCode(error, 'config-denied')) throw error;
    why = error.message;
  }
  if (pool !== undefined) {
    deps.log.info({ why }, `no parameter ${defaultParameter}; the tag ${poolTag} names the pool`);
    return found(`instance tag ${poolTag}`, {});
  }
  const tags =
    input.identity.tags === undefined
      ? 'instance tags (not enabled in the metadata: InstanceMetadataTags)'
      : `instance tags ${configTag} and ${poolTag}`;
  throw new BerthError(
    'config-missing',
    `cannot find a configuration: looked at --config, the key berth: of #cloud-config user data, the ${tags}, and the parameter ${defaultParameter}; put one of them there`,
  );
}

async function namedParameter(
  deps: FindDeps,
  input: FindInput,
  name: string,
  namedBy: string,
  signal: AbortSignal,
): Promise<FoundConfig> {
  const found = await fromParameter(deps, input, name, signal);
  if (found !== undefined) return found;
  throw new BerthError(
    'config-missing',
    `cannot find the parameter ${listOf(name).join(', ')}, which ${namedBy} names, in ${input.identity.region}: create it, or correct the name`,
  );
}

type Fetched = {
  /** JSON text, or a value that was parsed already. */
  readonly value: unknown;
  readonly version: number | undefined;
};

/** `names`: one, or a list. undefined: there is no such parameter; of a list, none of them. */
async function fromParameter(
  deps: FindDeps,
  { identity, stateDir, mayUseLastGood }: FindInput,
  names: string,
  signal: AbortSignal,
): Promise<FoundConfig | undefined> {
  const { log } = deps;
  const list = listOf(names);
  const name = list.join(', ');
  const sourceOf = (version: number | undefined, lastKnownGood: boolean): ConfigSource => ({
    name: `parameter ${name}`,
    version,
    lastKnownGood,
  });
  let fetched: Fetched | undefined;
  try {
    fetched = await retry(
      deps,
      {
        backoff: storeBackoff,
        totalMs: storePatienceMs,
        onRetry: (error) => log.debug({ err: error }, 'asking Parameter Store again'),
      },
      (signal) => fetchAll(deps.store, list, signal),
      signal,
    );
  } catch (error) {
    if (!mayUseLastGood || !hasCode(error, 'config-unavailable')) throw error;
    const { instanceId } = identity;
    const kept = await readLastGood(deps, { stateDir, instanceId, parameter: name });
    if (kept === undefined) throw error;
    log.warn({ err: error }, 'Parameter Store is out of reach: using the last good configuration');
    return { source: sourceOf(kept.version, true), value: kept.value, parameter: undefined };
  }
  if (fetched === undefined) return undefined;
  const { value, version } = fetched;
  return { source: sourceOf(version, false), value, parameter: name };
}

/** `ssm:/a, ssm:/b/` -> `/a`, `/b/` */
function listOf(names: string): readonly string[] {
  return names
    .split(/[\s,]+/)
    .filter(Boolean)
    .map((name) => name.replace(/^ssm:/, ''));
}

/** One alone is handed on as its text, so that what is wrong with it is told by line and column. */
async function fetchAll(
  store: ParameterStore,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Fetched | undefined> {
  const [first] = names;
  if (names.length === 1 && first !== undefined && !first.endsWith('/')) {
    const parameter = await store.get(first, signal);
    if (parameter?.isList === true) throw noObject(first);
    return parameter;
  }
  const values = await Promise.all(names.map((name) => fetchOne(store, name, signal)));
  const missing = names.filter((_, i) => values[i] === undefined);
  if (missing.length === names.length) return undefined;
  if (missing.length > 0) {
    throw new BerthError(
      'config-missing',
      `cannot find the parameter ${missing.join(', ')}: create it, or take it from the list ${names.join(', ')}`,
    );
  }
  return { value: JSON.stringify(mergeValues(values)), version: undefined };
}

async function fetchOne(
  store: ParameterStore,
  name: string,
  signal: AbortSignal,
): Promise<unknown> {
  if (!name.endsWith('/')) {
    const parameter = await store.get(name, signal);
    if (parameter === undefined) return undefined;
    if (parameter.isList) throw noObject(name);
    return valueOf(name, parameter.value);
  }
  const found = await store.tree(name, signal);
  if (found.size === 0) return undefined;
  const leaves = Array.from(found, ([full, parameter]) => ({
    path: full.slice(name.length),
    parameter,
  }));
  return treeOf(name, leaves);
}

function noObject(name: string): BerthError {
  return new BerthError(
    'config-invalid',
    `cannot use the parameter ${name}: it is a StringList; make it a String (or SecureString) that holds JSON`,
  );
}

async function fromFile(files: Files, path: string): Promise<FoundConfig> {
  const text = await files.readText(path);
  if (text === undefined) {
    throw new BerthError(
      'config-missing',
      `cannot find the configuration file ${path}: create it, or correct --config`,
    );
  }
  return found(`file ${path}`, text);
}

function found(name: string, value: unknown): FoundConfig {
  const source = { name, version: undefined, lastKnownGood: false };
  return { source, value, parameter: undefined };
}

/** A tag without a value says nothing. */
export function tagOf({ tags }: Identity, key: string): string | undefined {
  const value = tags?.[key] ?? '';
  return value === '' ? undefined : value;
}
