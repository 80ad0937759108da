// What was I told: finds the configuration, judges it, and keeps it for a boot that finds none it could use.
import { BerthError, hasCode, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { ConfigSource, LoadedConfig } from '../model/config.ts';
import { rememberSecret } from '../secrets.ts';
import type { AwsAccess } from '../system/aws.ts';
import type { Clock } from '../system/clock.ts';
import type { Files } from '../system/files.ts';
import { loadPatterns } from '../system/patterns.ts';
import type { Random } from '../system/random.ts';
import { checkConfig, hasPatterns } from './check-config.ts';
import { onePool } from './claim-config.ts';
import {
  findConfig,
  poolTag,
  tagOf,
  type FindInput,
  type Place,
  type StoredPlace,
} from './find-config.ts';
import { readLastGood, removeLastGood, writeLastGood } from './last-good.ts';
import type { ConfigIssue } from './config-schema.ts';
import { valueOf } from './merge-config.ts';
import { fillPinTags } from './pin-tags.ts';
import { readFillings, writeFillings, type Fillings } from './reference-cache.ts';
import { resolveReferences } from './resolve-references.ts';
import { createParameterStore } from './parameter-store.ts';
import { fetchStored, storePatienceMs, type StoredConfig } from './stored-config.ts';

export type LoadConfigDeps = {
  readonly files: Files;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
};

export type LoadConfigInput = FindInput & {
  readonly stateDir: string;
  readonly access: AwsAccess;
};

/** What lies there now; nobody has judged it. */
export type FetchedConfig = {
  readonly source: ConfigSource;
  /** JSON text, or a value that was parsed already; references are resolved. */
  readonly value: unknown;
  /** What is wrong with the references. */
  readonly issues: readonly ConfigIssue[];
  readonly isStored: boolean;
  /** Keeps it for a boot that finds none it could use. Never throws. */
  keep(): Promise<void>;
};

/** Where a copy is at hand: an operator who changes a parameter and starts berth anew means the new one. */
const keptPatienceMs = 2_000;

/**
 * What was good last time goes on where Parameter Store is out of reach, and where what lies there cannot be used.
 *
 * Throws `config-invalid` (every issue at once), `config-missing`, `config-denied`, `config-unavailable`, each where there
 * is no last good configuration; `disk`, and what IMDS and the credentials throw.
 */
export async function loadConfig(
  deps: LoadConfigDeps,
  input: LoadConfigInput,
  signal: AbortSignal,
): Promise<LoadedConfig> {
  const place = await findConfig(deps, input, signal);
  const kept = await readKept(deps, input, place);
  const patienceMs = kept === undefined ? storePatienceMs : keptPatienceMs;
  let version: StoredConfig['version'];
  try {
    const fetched = await fetchFrom(deps, input, { place, patienceMs, kept }, signal);
    ({ version } = fetched.source);
    const loaded = await judgeConfig(deps, input, fetched, signal);
    await fetched.keep();
    return loaded;
  } catch (error) {
    signal.throwIfAborted();
    if (kept === undefined || !isOfConfig(error)) throw error;
    const before = await judgeKept(deps, input, kept, signal).catch((why: unknown) => {
      signal.throwIfAborted();
      // The metadata service, say: not now is not never.
      if (why instanceof BerthError && why.retryable) throw why;
      return undefined;
    });
    if (before === undefined) throw error;
    if (hasCode(error, 'config-unavailable')) {
      deps.log.warn(
        { err: error },
        'Parameter Store is out of reach: using the last good configuration',
      );
      return before;
    }
    const reason = messageOf(error);
    deps.log.error({ version }, `${reason}; using the last good configuration`);
    return { ...before, rejected: { version, reason } };
  }
}

function isOfConfig(error: unknown): boolean {
  return hasCode(error, 'config-unavailable', 'config-invalid', 'config-missing', 'config-denied');
}

/** Throws as `loadConfig`, and never takes what was good last time; not for what is wrong with the value. */
export async function fetchConfig(
  deps: LoadConfigDeps,
  input: LoadConfigInput,
  signal: AbortSignal,
): Promise<FetchedConfig> {
  const place = await findConfig(deps, input, signal);
  const kept = await readKept(deps, input, place);
  return fetchFrom(deps, input, { place, patienceMs: storePatienceMs, kept }, signal);
}

type FetchFrom = {
  readonly place: Place;
  readonly patienceMs: number;
  readonly kept: Kept | undefined;
};

async function fetchFrom(
  deps: LoadConfigDeps,
  input: LoadConfigInput,
  { place, patienceMs, kept }: FetchFrom,
  signal: AbortSignal,
): Promise<FetchedConfig> {
  const { stateDir, identity } = input;
  const { instanceId } = identity;
  using store = createParameterStore(input.access);
  const storeDeps = { ...deps, store };
  const stored =
    place.kind === 'value'
      ? undefined
      : await fetchStored(
          storeDeps,
          { place, identity, patienceMs, hasCopy: kept !== undefined },
          signal,
        );
  stored?.secrets.forEach(rememberSecret);
  // Without a parameter the tag names the pool, and all else is default.
  const written = place.kind === 'value' ? place.value : (stored?.value ?? {});
  const wanted = { ...input, value: written, kept: undefined, patienceMs };
  const { value, issues, fillings } = await resolveReferences(storeDeps, wanted, signal);
  const keep = async (): Promise<void> => {
    // With its references, whose meaning is kept elsewhere.
    if (place.kind === 'parameters' && stored !== undefined) {
      const lastGood = { parameter: parameterOf(place), ...stored };
      await writeLastGood(deps, { stateDir, instanceId, lastGood });
    }
    // It was deleted, and the tag names the pool.
    if (place.kind === 'parameters' && stored === undefined && kept !== undefined) {
      await removeLastGood(deps, { stateDir, instanceId });
    }
    await writeFillings(deps, { stateDir, instanceId, fillings });
  };
  const name =
    place.kind === 'parameters' && stored === undefined
      ? `instance tag ${poolTag}`
      : nameOfPlace(place);
  return {
    source: { name, version: stored?.version, lastKnownGood: false },
    value,
    issues,
    isStored: stored !== undefined || fillings.size > 0,
    keep,
  };
}

function parameterOf({ names }: StoredPlace): string {
  return names.join(', ');
}

function nameOfPlace(place: Place): string {
  return place.kind === 'value' ? place.name : `parameter ${parameterOf(place)}`;
}

type Kept = {
  readonly name: string;
  readonly value: unknown;
  readonly version: StoredConfig['version'];
  readonly secrets: readonly string[];
  readonly fillings: Fillings;
};

/** What was good last time, as far as Parameter Store gave it. Never throws. */
async function readKept(
  deps: LoadConfigDeps,
  { stateDir, identity: { instanceId } }: LoadConfigInput,
  place: Place,
): Promise<Kept | undefined> {
  const fillings = await readFillings(deps, { stateDir, instanceId });
  const name = nameOfPlace(place);
  if (place.kind === 'value') {
    const { value } = place;
    return fillings.size === 0
      ? undefined
      : { name, value, version: undefined, secrets: [], fillings };
  }
  const parameter = parameterOf(place);
  const lastGood = await readLastGood(deps, { stateDir, instanceId, parameter });
  return lastGood === undefined ? undefined : { ...lastGood, name, fillings };
}

/** Throws as `judgeConfig`. */
async function judgeKept(
  deps: LoadConfigDeps,
  input: LoadConfigInput,
  { name, value: written, version, secrets, fillings }: Kept,
  signal: AbortSignal,
): Promise<LoadedConfig> {
  secrets.forEach(rememberSecret);
  using store = createParameterStore(input.access);
  const wanted = { ...input, value: written, kept: fillings, patienceMs: 0 };
  const { value, issues } = await resolveReferences({ ...deps, store }, wanted, signal);
  const source = { name, version, lastKnownGood: true };
  return judgeConfig(deps, input, { source, value, issues, isStored: true }, signal);
}

/** Throws `config-invalid` (every issue at once), and what IMDS throws. */
export async function judgeConfig(
  deps: LoadConfigDeps,
  { identity, imds }: Pick<LoadConfigInput, 'identity' | 'imds'>,
  { source, value, issues, isStored }: Omit<FetchedConfig, 'keep'>,
  signal: AbortSignal,
): Promise<LoadedConfig> {
  const { files, clock, log } = deps;
  if (issues.length > 0) throw invalid(source, issues);
  const facts = { identity, localHostname: await localHostname(files), nowMs: clock.nowMs() };
  const compile = hasPatterns(value) ? await loadPatterns() : undefined;
  const checked = checkConfig(value, facts, compile);
  for (const { message } of checked.warnings) log.warn(message);
  if (!checked.ok) throw invalid(source, checked.issues);
  const tag = tagOf(identity, poolTag);
  const named = checked.config.pools.length > 0 || tag === undefined;
  const wanted = named ? checked.config.pools : [onePool(tag)];
  const pools = await fillPinTags(imds, wanted, signal);
  const parsed = typeof value === 'string' ? valueOf(source.name, value) : value;
  return {
    config: { ...checked.config, pools },
    source,
    value: parsed,
    isStored,
    rejected: undefined,
  };
}

function invalid(source: ConfigSource, issues: readonly ConfigIssue[]): BerthError {
  const problems = issues.map(({ message }) => message);
  return new BerthError(
    'config-invalid',
    `cannot use the configuration from ${nameOf(source)}: ${problems.join('; ')}`,
    { details: { source: source.name, version: source.version, issues } },
  );
}

function nameOf({ name, version, lastKnownGood }: ConfigSource): string {
  const details = [
    ...(version === undefined ? [] : [`version ${version}`]),
    ...(lastKnownGood ? ['last good copy'] : []),
  ];
  return details.length === 0 ? name : `${name} (${details.join(', ')})`;
}

/** By the file, so that no further port is needed. */
async function localHostname(files: Files): Promise<string | undefined> {
  const text = await files.readText('/proc/sys/kernel/hostname').catch(() => undefined);
  return text?.trim();
}
