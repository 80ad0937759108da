// The parameters behind the lab's Parameter Store: versions, labels and the limits of the tiers.
import { AwsFault } from './service.ts';

export type ParameterType = 'String' | 'StringList' | 'SecureString';
export const parameterTypes: readonly string[] = ['String', 'StringList', 'SecureString'];

export type NewParameter = {
  readonly name: string;
  readonly value: string;
  /** Default: String. */
  readonly type?: ParameterType;
  /** Default: Standard. */
  readonly tier?: 'Standard' | 'Advanced';
};

export type ParameterVersion = {
  readonly version: number;
  readonly value: string;
  readonly type: ParameterType;
  readonly tier: 'Standard' | 'Advanced';
  readonly modifiedAtMs: number;
  labels: readonly string[];
};

export type FoundParameter = {
  readonly name: string;
  readonly version: ParameterVersion;
  /** The version or label that was asked for. */
  readonly selector: string | undefined;
};

/** Methods throw AwsFault. */
export type Parameters = {
  names(): readonly string[];
  latest(name: string): ParameterVersion | undefined;
  /** Oldest first. */
  versions(name: string): readonly ParameterVersion[];
  /** `name`, `name:3`, `name:label`, or an ARN that begins with `arnPrefix`. */
  find(reference: string): FoundParameter;
  /** A new version; returns its number. */
  put(parameter: NewParameter): number;
  /** The same below `/aws/`, which is for AWS alone. */
  reserve(parameter: NewParameter): number;
  /** With all its versions; false: there is none. */
  delete(name: string): boolean;
  /** Moves the labels to a version (default: the latest); returns it and the labels that are none. */
  label(
    name: string,
    labels: readonly string[],
    version: number | undefined,
  ): { readonly version: number; readonly invalid: readonly string[] };
};

const maxCharacters = { Standard: 4096, Advanced: 8192 };
const maxVersions = 100;
const maxLabels = 10;

export const ssmFault = (code: string, message: string): AwsFault =>
  new AwsFault(400, code, message);
export const ssmInvalid = (message: string): AwsFault => ssmFault('ValidationException', message);

export function createParameters(clock: { nowMs(): number }, arnPrefix: string): Parameters {
  const parameters = new Map<string, ParameterVersion[]>();
  const versionsOf = (name: string): ParameterVersion[] => {
    const versions = parameters.get(name);
    if (versions === undefined) {
      throw ssmFault('ParameterNotFound', `Parameter ${name} not found.`);
    }
    return versions;
  };

  const put: Parameters['put'] = ({ name, value, type = 'String', tier = 'Standard' }) => {
    if (value === '') throw ssmInvalid('Value must have length greater than or equal to 1');
    if (value.length > maxCharacters[tier]) {
      throw ssmInvalid(
        `${tier} tier parameters support a maximum parameter value of ${maxCharacters[tier]} characters.`,
      );
    }
    const versions = parameters.get(name) ?? [];
    if (versions.length === maxVersions) {
      if (versions[0]!.labels.length > 0) {
        throw ssmFault(
          'ParameterMaxVersionLimitExceeded',
          `The oldest version of ${name} has a label and cannot be deleted.`,
        );
      }
      versions.shift();
    }
    const version = (versions.at(-1)?.version ?? 0) + 1;
    versions.push({ version, value, type, tier, modifiedAtMs: clock.nowMs(), labels: [] });
    parameters.set(name, versions);
    return version;
  };

  return {
    names: () => [...parameters.keys()],
    latest: (name) => parameters.get(name)?.at(-1),
    versions: (name) => versionsOf(name),

    find: (reference) => {
      const plain = reference.startsWith(arnPrefix) ? reference.slice(arnPrefix.length) : reference;
      const [path = '', selector] = plain.split(':');
      // The ARN of a name without a path has a slash before it all the same.
      const name = parameters.has(path) ? path : path.replace(/^\/(?=[^/]*$)/, '');
      const versions = versionsOf(name);
      const version =
        selector === undefined
          ? versions.at(-1)
          : versions.find(
              (entry) => String(entry.version) === selector || entry.labels.includes(selector),
            );
      if (version === undefined) throw notFound(name, selector ?? '');
      return { name, version, selector };
    },

    reserve: put,

    put: (parameter) => {
      checkName(parameter.name);
      return put(parameter);
    },

    delete: (name) => parameters.delete(name),

    label: (name, labels, version) => {
      const versions = versionsOf(name);
      const target =
        version === undefined
          ? versions.at(-1)!
          : versions.find((entry) => entry.version === version);
      if (target === undefined) throw notFound(name, String(version));
      const good = labels.filter((text) => isLabel(text));
      if (new Set([...target.labels, ...good]).size > maxLabels) {
        throw ssmFault('ParameterVersionLabelLimitExceeded', 'A version has 10 labels at most.');
      }
      for (const entry of versions) {
        entry.labels = entry.labels.filter((text) => !good.includes(text));
      }
      target.labels = [...target.labels, ...good];
      return { version: target.version, invalid: labels.filter((text) => !good.includes(text)) };
    },
  };
}

function notFound(name: string, version: string): AwsFault {
  return ssmFault(
    'ParameterVersionNotFound',
    `Systems Manager could not find version ${version} of ${name}. Verify the version and try again.`,
  );
}

function checkName(name: string): void {
  if (/^\/aws\//i.test(name)) {
    throw ssmFault('AccessDeniedException', `No access to reserved parameter name: ${name}.`);
  }
  if (!/^[a-zA-Z0-9_.\-/]{1,1011}$/.test(name) || (name.includes('/') && !name.startsWith('/'))) {
    throw ssmInvalid(`Parameter name: can't be "${name}".`);
  }
  if (/^\/?(aws|ssm)/i.test(name)) {
    throw ssmInvalid(`Parameter name: can't be prefixed with "aws" or "ssm" (case-insensitive).`);
  }
}

function isLabel(label: string): boolean {
  return /^(?!aws|ssm|\d)[a-zA-Z0-9_.-]{1,100}$/i.test(label);
}
