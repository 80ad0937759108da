// Who am I, what was I told: identity, credentials and configuration.
import type { LoadedConfig } from '../model/config.ts';
import type { Identity } from '../model/instance.ts';
import type { Phase } from '../model/status.ts';
import type { AwsAccess } from '../system/aws.ts';
import type { Clock } from '../system/clock.ts';
import type { Files } from '../system/files.ts';
import type { Http } from '../system/http.ts';
import type { Random } from '../system/random.ts';
import type { Log } from '../log.ts';
import { createRoleCredentials } from './credentials.ts';
import { readIdentity } from './identity.ts';
import { imdsEndpoints } from './imds-endpoint.ts';
import { createImds, imdsDefaults, type Imds } from './imds.ts';
import {
  fetchConfig,
  judgeConfig,
  loadConfig,
  type FetchedConfig,
  type LoadConfigDeps,
} from './load-config.ts';

export type BootDeps = {
  readonly http: Http;
  readonly clock: Clock;
  readonly random: Random;
  readonly files: Files;
  readonly log: Log;
  /** For the status: what is going on. */
  readonly progress: (phase: Phase, message: string) => void;
};

export type BootInput = {
  readonly configFlag: string | undefined;
  readonly stateDir: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
};

/** Who am I: enough to call AWS. */
export type Identified = {
  readonly imds: Imds;
  readonly identity: Identity;
  readonly access: AwsAccess;
};

export type Booted = LoadedConfig & Identified;

/** The configuration while berth runs. */
export type ConfigReader = {
  /** Throws as `loadConfig`, and never takes the last good copy. */
  fetch(signal: AbortSignal): Promise<FetchedConfig>;
  /** Throws `config-invalid`, and what IMDS throws. */
  judge(fetched: FetchedConfig, signal: AbortSignal): Promise<LoadedConfig>;
};

/**
 * `patienceMs`: so long may the metadata service fail; somebody may sit and wait. Throws what `identify` and `configure`
 * throw. Safe to call again.
 */
export async function bootWithin(
  deps: BootDeps,
  input: BootInput & { readonly patienceMs: number },
  signal: AbortSignal,
): Promise<Booted> {
  return configure(deps, input, await identify(deps, input, signal), signal);
}

/** Throws what readIdentity throws. Safe to call again. */
export async function identify(
  deps: BootDeps,
  { environment, patienceMs }: Pick<BootInput, 'environment'> & { readonly patienceMs: number },
  signal: AbortSignal,
): Promise<Identified> {
  const { log, progress } = deps;
  const endpoints = imdsEndpoints(environment);
  const imds = createImds(deps, { ...imdsDefaults, endpoints, patienceMs });
  progress('identifying', 'asking the instance metadata service who we are');
  const credentials = createRoleCredentials(deps, imds, signal);
  // Read beside the identity. Whoever needs them asks again, and hears what is wrong.
  credentials().catch(() => undefined);
  const identity = await readIdentity(deps, imds, signal);
  const { instanceId, instanceType, availabilityZone, region } = identity;
  log.info(
    { step: 'identity', sinceStartMs: sinceStartMs(deps) },
    `${instanceId}, ${instanceType} in ${availabilityZone}`,
  );
  return { imds, identity, access: { region, credentials } };
}

/** Throws what the credentials and loadConfig throw. */
export async function configure(
  deps: BootDeps,
  { configFlag, stateDir }: Pick<BootInput, 'configFlag' | 'stateDir'>,
  identified: Identified,
  signal: AbortSignal,
): Promise<Booted> {
  const { log, progress } = deps;
  progress('configuring', 'looking for the configuration');
  const loaded = await loadConfig(deps, { ...identified, configFlag, stateDir }, signal);
  const { source } = loaded;
  log.info(
    { step: 'config', sinceStartMs: sinceStartMs(deps), ...source },
    `configuration from ${source.name}`,
  );
  return { ...identified, ...loaded };
}

function sinceStartMs({ clock }: BootDeps): number {
  return Math.round(clock.monotonicMs());
}

/** Where the first one was found, with the tags that the instance had then. */
export function createConfigReader(
  deps: LoadConfigDeps,
  { imds, identity, access }: Booted,
  { configFlag, stateDir }: BootInput,
): ConfigReader {
  const input = { imds, identity, access, configFlag, stateDir };
  return {
    fetch: (signal) => fetchConfig(deps, input, signal),
    judge: (fetched, signal) => judgeConfig(deps, input, fetched, signal),
  };
}
