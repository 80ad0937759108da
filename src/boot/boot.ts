// Who am I, what was I told: identity, credentials and configuration.
import type { Identity, LoadedConfig } from '../model.ts';
import type { Phase } from '../model.ts';
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

export type Booted = LoadedConfig & {
  readonly imds: Imds;
  readonly identity: Identity;
  readonly access: AwsAccess;
};

/** The configuration while berth runs. */
export type ConfigReader = {
  /** Throws as `loadConfig`, and never takes the last good copy. */
  fetch(signal: AbortSignal): Promise<FetchedConfig>;
  /** Throws `config-invalid`, and what IMDS throws. */
  judge(fetched: FetchedConfig, signal: AbortSignal): Promise<LoadedConfig>;
};

/** Throws what readIdentity, the credentials and loadConfig throw. Safe to call again. */
export function boot(deps: BootDeps, input: BootInput, signal: AbortSignal): Promise<Booted> {
  return bootWithin(deps, { ...input, patienceMs: imdsDefaults.patienceMs }, signal);
}

/** `patienceMs`: so long may the metadata service fail; somebody may sit and wait. Throws like `boot`. */
export async function bootWithin(
  deps: BootDeps,
  input: BootInput & { readonly patienceMs: number },
  signal: AbortSignal,
): Promise<Booted> {
  const { clock, log, progress } = deps;
  const sinceStartMs = (): number => Math.round(clock.monotonicMs());
  const { patienceMs } = input;
  const endpoints = imdsEndpoints(input.environment);
  const imds = createImds(deps, { ...imdsDefaults, endpoints, patienceMs });
  progress('identifying', 'asking the instance metadata service who we are');
  const identity = await readIdentity(deps, imds, signal);
  log.info(
    { step: 'identity', sinceStartMs: sinceStartMs() },
    `${identity.instanceId}, ${identity.instanceType} in ${identity.availabilityZone}`,
  );
  progress('configuring', 'looking for the configuration');
  const access = {
    region: identity.region,
    credentials: createRoleCredentials(deps, imds, signal),
  };
  const { configFlag, stateDir } = input;
  const loaded = await loadConfig(deps, { identity, imds, configFlag, stateDir, access }, signal);
  const { source } = loaded;
  log.info(
    { step: 'config', sinceStartMs: sinceStartMs(), ...source },
    `configuration from ${source.name}`,
  );
  return { imds, identity, access, ...loaded };
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
