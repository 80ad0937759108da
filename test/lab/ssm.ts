// The lab's Parameter Store: versions, labels, secure strings and the limits of its tiers, in memory.
import { AwsFault, type LabService } from './service.ts';

export type NewParameter = {
  readonly name: string;
  readonly value: string;
  /** Default: String. */
  readonly type?: ParameterType;
  /** Default: Standard. */
  readonly tier?: 'Standard' | 'Advanced';
};

export type LabSsm = LabService & {
  /** As PutParameter with Overwrite; returns the version. */
  put(parameter: NewParameter): number;
  /** Puts a label on a version (default: the latest), away from the version that had it. */
  label(name: string, label: string, version?: number): void;
  readonly dials: {
    /** false: the caller's role lacks `kms:Decrypt` for the key of secure strings. */
    mayDecrypt: boolean;
  };
};

export type LabSsmOptions = {
  readonly clock: { nowMs(): number };
  readonly partition: string;
  readonly region: string;
  readonly accountId: string;
};

type ParameterType = 'String' | 'StringList' | 'SecureString';
type Version = {
  readonly version: number;
  readonly value: string;
  readonly type: ParameterType;
  readonly modifiedAtMs: number;
  labels: readonly string[];
};
type Input = Readonly<Record<string, unknown>>;

const types: readonly string[] = ['String', 'StringList', 'SecureString'];
const maxCharacters = { Standard: 4096, Advanced: 8192 };
const maxVersions = 100;
const maxLabels = 10;

export function createSsmService(options: LabSsmOptions): LabSsm {
  const parameters = new Map<string, Version[]>();
  const dials: LabSsm['dials'] = { mayDecrypt: true };
  const { partition, region, accountId } = options;

  const versionsOf = (name: string): Version[] => {
    const versions = parameters.get(name);
    if (versions === undefined) throw fault('ParameterNotFound', `Parameter ${name} not found.`);
    return versions;
  };

  /** `name`, `name:3`, `name:label`, or an ARN. */
  const find = (reference: string): Found => {
    const prefix = `arn:${partition}:ssm:${region}:${accountId}:parameter`;
    const [path = '', selector] = (
      reference.startsWith(prefix) ? reference.slice(prefix.length) : reference
    ).split(':');
    const name = parameters.has(path) ? path : path.replace(/^\/(?=[^/]*$)/, '');
    const versions = versionsOf(name);
    const version =
      selector === undefined
        ? versions.at(-1)
        : versions.find(
            (entry) => String(entry.version) === selector || entry.labels.includes(selector),
          );
    if (version === undefined) {
      throw fault(
        'ParameterVersionNotFound',
        `Systems Manager could not find version ${selector} of ${name}. Verify the version and try again.`,
      );
    }
    return { name, version, selector };
  };

  const shapeOf = ({ name, version, selector }: Found, decrypt: boolean) => {
    const secret = version.type === 'SecureString';
    if (secret && decrypt && !dials.mayDecrypt) {
      throw fault(
        'AccessDeniedException',
        'The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.',
      );
    }
    return {
      Name: name,
      Type: version.type,
      Value: secret && !decrypt ? cipher(version.value) : version.value,
      Version: version.version,
      ...(selector === undefined ? {} : { Selector: `:${selector}` }),
      LastModifiedDate: version.modifiedAtMs / 1000,
      ARN: `arn:${partition}:ssm:${region}:${accountId}:parameter/${name.replace(/^\//, '')}`,
      DataType: 'text',
    };
  };

  const put = ({ name, value, type = 'String', tier = 'Standard' }: NewParameter): number => {
    if (!/^[a-zA-Z0-9_.\-/]{1,1011}$/.test(name) || (name.includes('/') && !name.startsWith('/'))) {
      throw invalid(`Parameter name: can't be "${name}".`);
    }
    if (/^\/?(aws|ssm)/i.test(name)) {
      throw invalid(`Parameter name: can't be prefixed with "aws" or "ssm" (case-insensitive).`);
    }
    if (value === '') throw invalid('Value must have length greater than or equal to 1');
    if (value.length > maxCharacters[tier]) {
      throw invalid(
        `${tier} tier parameters support a maximum parameter value of ${maxCharacters[tier]} characters.`,
      );
    }
    const versions = parameters.get(name) ?? [];
    if (versions.length === maxVersions) {
      if (versions[0]!.labels.length > 0) {
        throw fault(
          'ParameterMaxVersionLimitExceeded',
          `The oldest version of ${name} has a label and cannot be deleted.`,
        );
      }
      versions.shift();
    }
    const version = (versions.at(-1)?.version ?? 0) + 1;
    versions.push({ version, value, type, modifiedAtMs: options.clock.nowMs(), labels: [] });
    parameters.set(name, versions);
    return version;
  };

  const label = (name: string, labels: readonly string[], version: number | undefined): Answer => {
    const versions = versionsOf(name);
    const target =
      version === undefined
        ? versions.at(-1)!
        : versions.find((entry) => entry.version === version);
    if (target === undefined) {
      throw fault('ParameterVersionNotFound', `Version ${version} of ${name} not found.`);
    }
    const good = labels.filter((text) => isLabel(text));
    if (new Set([...target.labels, ...good]).size > maxLabels) {
      throw fault('ParameterVersionLabelLimitExceeded', 'A version has 10 labels at most.');
    }
    for (const entry of versions) {
      entry.labels = entry.labels.filter((text) => !good.includes(text));
    }
    target.labels = [...target.labels, ...good];
    return {
      InvalidLabels: labels.filter((text) => !good.includes(text)),
      ParameterVersion: target.version,
    };
  };

  const byPath = (input: Input): Answer => {
    const path = text(input, 'Path');
    if (!path.startsWith('/'))
      throw invalid(`The parameter doesn't meet the requirements: ${path}`);
    const prefix = path.endsWith('/') ? path : `${path}/`;
    const most = input['MaxResults'] ?? 10;
    if (typeof most !== 'number' || most < 1 || most > 10) {
      throw invalid('MaxResults must have value between 1 and 10');
    }
    const token = input['NextToken'];
    const after = typeof token === 'string' ? Buffer.from(token, 'base64url').toString() : '';
    if (token !== undefined && !parameters.has(after)) {
      throw fault('InvalidNextToken', 'The specified token is not valid.');
    }
    const names = [...parameters.keys()]
      .filter((name) => name.startsWith(prefix) && name > after)
      .filter((name) => input['Recursive'] === true || !name.slice(prefix.length).includes('/'))
      .toSorted();
    const page = names.slice(0, most);
    return {
      Parameters: page.map((name) => shapeOf(find(name), input['WithDecryption'] === true)),
      ...(page.length < names.length
        ? { NextToken: Buffer.from(page.at(-1)!).toString('base64url') }
        : {}),
    };
  };

  const operations: Readonly<Record<string, (input: Input) => Answer>> = {
    GetParameter: (input) => ({
      Parameter: shapeOf(find(text(input, 'Name')), input['WithDecryption'] === true),
    }),
    GetParameters: (input) => {
      const names = texts(input, 'Names');
      if (names.length > 10) throw invalid('Names must have length less than or equal to 10');
      const found = names.map((name) => {
        try {
          return find(name);
        } catch {
          return name;
        }
      });
      return {
        Parameters: found
          .filter((entry) => typeof entry !== 'string')
          .map((entry) => shapeOf(entry, input['WithDecryption'] === true)),
        InvalidParameters: found.filter((entry) => typeof entry === 'string'),
      };
    },
    GetParametersByPath: byPath,
    PutParameter: (input) => {
      const name = text(input, 'Name');
      const known = parameters.get(name)?.at(-1);
      if (known !== undefined && input['Overwrite'] !== true) {
        throw fault(
          'ParameterAlreadyExists',
          'The parameter already exists. To overwrite this value, set the overwrite option in the request to true.',
        );
      }
      const type = input['Type'] ?? known?.type;
      if (typeof type !== 'string' || !types.includes(type)) {
        throw invalid('A parameter type is required when you create a parameter.');
      }
      const tier = input['Tier'] === 'Advanced' ? 'Advanced' : 'Standard';
      const version = put({ name, value: text(input, 'Value'), type: type as ParameterType, tier });
      return { Version: version, Tier: tier };
    },
    LabelParameterVersion: (input) => {
      const version = input['ParameterVersion'];
      return label(
        text(input, 'Name'),
        texts(input, 'Labels'),
        typeof version === 'number' ? version : undefined,
      );
    },
  };

  return {
    dials,
    put,
    label: (name, text, version) => void label(name, [text], version),
    handle: async ({ action, input }) => {
      const operation = Object.hasOwn(operations, action) ? operations[action] : undefined;
      if (operation === undefined) {
        throw fault('UnknownOperationException', `The lab's SSM has no ${action}`);
      }
      return operation(input);
    },
  };
}

type Found = {
  readonly name: string;
  readonly version: Version;
  readonly selector: string | undefined;
};
type Answer = Readonly<Record<string, unknown>>;

function fault(code: string, message: string): AwsFault {
  return new AwsFault(400, code, message);
}

function invalid(message: string): AwsFault {
  return fault('ValidationException', message);
}

/** Long, and without the value in it. */
function cipher(value: string): string {
  const bytes = Buffer.from(value).map((byte) => byte ^ 0x5a);
  return `AQICAHh${Buffer.from(bytes).toString('base64')}`;
}

function isLabel(label: string): boolean {
  return /^(?!aws|ssm|\d)[a-zA-Z0-9_.-]{1,100}$/i.test(label);
}

function text(input: Input, name: string): string {
  const value = input[name];
  if (typeof value !== 'string') throw invalid(`${name} is missing`);
  return value;
}

function texts(input: Input, name: string): readonly string[] {
  const values = input[name];
  if (!Array.isArray(values) || values.length === 0) throw invalid(`${name} is missing`);
  return values.filter((value) => typeof value === 'string');
}
