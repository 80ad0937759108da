// Looks for where the configuration is, place by place; what lies in Parameter Store is fetched elsewhere.
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
import { BerthError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Identity } from '../model/instance.ts';
import { tagPrefix } from '../system/aws.ts';
import type { Files } from '../system/files.ts';
import type { Imds } from './imds.ts';
import { parseUserData } from './user-data.ts';

export type FindDeps = { readonly files: Files; readonly log: Log };

export type FindInput = {
  readonly identity: Identity;
  readonly imds: Imds;
  /** The value of --config. */
  readonly configFlag: string | undefined;
};

/** A configuration, or the parameters that hold it. */
export type Place = FoundValue | StoredPlace;

export type FoundValue = {
  readonly kind: 'value';
  /** `file /etc/berth/config.json`, `user data`, ... */
  readonly name: string;
  /** JSON text, or a value that was parsed already. */
  readonly value: unknown;
};

export type StoredPlace = {
  readonly kind: 'parameters';
  readonly names: readonly string[];
  /** Who names them; undefined: nobody, and they need not be there where a tag names the pool. */
  readonly namedBy: string | undefined;
};

export const poolTag = `${tagPrefix}pool`;
const configTag = `${tagPrefix}config`;
const defaultParameter = '/berth/config';

/** Throws `config-missing`, `disk`, and what IMDS throws. */
export async function findConfig(
  deps: FindDeps,
  { identity, imds, configFlag }: FindInput,
  signal: AbortSignal,
): Promise<Place> {
  if (configFlag?.startsWith('ssm:') === true) return stored(configFlag, '--config');
  if (configFlag !== undefined) return fromFile(deps.files, configFlag);

  const bytes = await imds.readBytes('user-data', signal);
  const userData = await parseUserData(bytes ?? Buffer.of());
  if (userData.kind === 'config') {
    return { kind: 'value', name: 'user data', value: userData.value };
  }
  if (userData.kind === 'parameter') return stored(userData.name, 'the key berth: of user data');
  if (userData.warning !== undefined) {
    deps.log.warn(`${userData.warning}: nothing in it is used; check the key berth:`);
  }

  const named = tagOf(identity, configTag);
  return named === undefined
    ? stored(defaultParameter, undefined)
    : stored(named, `the instance tag ${configTag}`);
}

/** `ssm:/a, ssm:/b/` -> `/a`, `/b/` */
function stored(names: string, namedBy: string | undefined): StoredPlace {
  const list = names
    .split(/[\s,]+/)
    .filter(Boolean)
    .map((name) => name.replace(/^ssm:/, ''));
  return { kind: 'parameters', names: list, namedBy };
}

async function fromFile(files: Files, path: string): Promise<FoundValue> {
  const text = await files.readText(path);
  if (text === undefined) {
    throw new BerthError(
      'config-missing',
      `cannot find the configuration file ${path}: create it, or correct --config`,
    );
  }
  return { kind: 'value', name: `file ${path}`, value: text };
}

/** Nothing is where it could be. */
export function missing({ names, namedBy }: StoredPlace, { region, tags }: Identity): BerthError {
  if (namedBy !== undefined) {
    return new BerthError(
      'config-missing',
      `cannot find the parameter ${names.join(', ')}, which ${namedBy} names, in ${region}: create it, or correct the name`,
    );
  }
  const looked =
    tags === undefined
      ? 'instance tags (not enabled in the metadata: InstanceMetadataTags)'
      : `instance tags ${configTag} and ${poolTag}`;
  return new BerthError(
    'config-missing',
    `cannot find a configuration: looked at --config, the key berth: of #cloud-config user data, the ${looked}, and the parameter ${defaultParameter}; put one of them there`,
  );
}

/** A tag without a value says nothing. */
export function tagOf({ tags }: Identity, key: string): string | undefined {
  const value = tags?.[key] ?? '';
  return value === '' ? undefined : value;
}
