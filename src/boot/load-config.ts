// What was I told: finds the configuration, judges it, and keeps it for a boot without Parameter Store.
import { BerthError } from '../errors.ts';
import type { ConfigSource, LoadedConfig } from '../model.ts';
import type { AwsAccess } from '../system/aws.ts';
import type { Files } from '../system/files.ts';
import { loadPatterns } from '../system/patterns.ts';
import { checkConfig, hasPatterns } from './check-config.ts';
import { onePool } from './claim-config.ts';
import { findConfig, poolTag, tagOf, type FindDeps, type FindInput } from './find-config.ts';
import { writeLastGood } from './last-good.ts';
import type { ConfigIssue } from './config-schema.ts';
import { valueOf } from './merge-config.ts';
import { fillPinTags } from './pin-tags.ts';
import { writeFillings } from './reference-cache.ts';
import { resolveReferences } from './resolve-references.ts';
import { createParameterStore } from './parameter-store.ts';

export type LoadConfigDeps = Omit<FindDeps, 'store'>;

export type LoadConfigInput = Omit<FindInput, 'mayUseLastGood'> & { readonly access: AwsAccess };

/** What lies there now; nobody has judged it. */
export type FetchedConfig = {
  readonly source: ConfigSource;
  /** JSON text, or a value that was parsed already; references are resolved. */
  readonly value: unknown;
  /** What is wrong with the references. */
  readonly issues: readonly ConfigIssue[];
  readonly isStored: boolean;
  /** Keeps it for a boot without Parameter Store. Never throws. */
  keep(): Promise<void>;
};

/**
 * Throws `config-invalid` (every issue at once), `config-missing`, `config-denied`, `config-unavailable` (Parameter
 * Store is out of reach, and there is no last good configuration), `disk`, and what IMDS and the credentials throw.
 */
export async function loadConfig(
  deps: LoadConfigDeps,
  input: LoadConfigInput,
  signal: AbortSignal,
): Promise<LoadedConfig> {
  const fetched = await fetchConfig(deps, { ...input, mayUseLastGood: true }, signal);
  const loaded = await judgeConfig(deps, input, fetched, signal);
  await fetched.keep();
  return loaded;
}

/** Throws as `loadConfig`; not for what is wrong with the value. */
export async function fetchConfig(
  deps: LoadConfigDeps,
  input: LoadConfigInput & Pick<FindInput, 'mayUseLastGood'>,
  signal: AbortSignal,
): Promise<FetchedConfig> {
  const { stateDir } = input;
  const { instanceId } = input.identity;
  using store = createParameterStore(input.access);
  const found = await findConfig({ ...deps, store }, input, signal);
  const { parameter } = found;
  const resolved = await resolveReferences(
    { ...deps, store },
    { ...input, value: found.value },
    signal,
  );
  const { value, issues, fillings, fromCache } = resolved;
  const keep = async (): Promise<void> => {
    // With its references, whose meaning is kept elsewhere.
    if (parameter !== undefined && typeof found.value === 'string') {
      const lastGood = { parameter, version: found.source.version, value: found.value };
      await writeLastGood(deps, { stateDir, instanceId, lastGood });
    }
    await writeFillings(deps, { stateDir, instanceId, fillings });
  };
  const { lastKnownGood } = found.source;
  return {
    source: { ...found.source, lastKnownGood: lastKnownGood || fromCache },
    value,
    issues,
    isStored: parameter !== undefined || lastKnownGood,
    keep,
  };
}

/** Throws `config-invalid` (every issue at once), and what IMDS throws. */
export async function judgeConfig(
  deps: LoadConfigDeps,
  { identity, imds }: Pick<LoadConfigInput, 'identity' | 'imds'>,
  { source, value, issues, isStored }: FetchedConfig,
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
  return { config: { ...checked.config, pools }, source, value: parsed, isStored };
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
