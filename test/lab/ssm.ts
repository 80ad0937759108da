// The lab's Parameter Store as a service: reads a call, and shapes the answer.
import type { LabService } from './service.ts';
import { describeParameters, pageOf, parameterHistory, type PageDials } from './ssm-listing.ts';
import {
  createParameters,
  parameterTypes,
  ssmFault,
  ssmInvalid,
  type FoundParameter,
  type NewParameter,
  type ParameterType,
} from './ssm-parameters.ts';

export type LabSsm = LabService & {
  /** As PutParameter with Overwrite; returns the version. */
  put(parameter: NewParameter): number;
  /** The same below `/aws/`: public parameters, and secrets of Secrets Manager below `/aws/reference/secretsmanager/`. */
  reserve(parameter: NewParameter): number;
  /** As DeleteParameter. */
  remove(name: string): void;
  /** Puts a label on a version (default: the latest), away from the version that had it. */
  label(name: string, label: string, version?: number): void;
  readonly dials: PageDials & {
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

type Input = Readonly<Record<string, unknown>>;
type Answer = Readonly<Record<string, unknown>>;

export function createSsmService(options: LabSsmOptions): LabSsm {
  const { partition, region, accountId } = options;
  const arnPrefix = `arn:${partition}:ssm:${region}:${accountId}:parameter`;
  const parameters = createParameters(options.clock, arnPrefix);
  const dials: LabSsm['dials'] = { mayDecrypt: true, emptyPages: 0 };
  const arnOf = (name: string): string => `${arnPrefix}/${name.replace(/^\//, '')}`;

  const shapeOf = ({ name, version, selector }: FoundParameter, input: Input) => {
    const decrypt = input['WithDecryption'] === true;
    const secret = version.type === 'SecureString';
    // "Referencing AWS Secrets Manager secrets from Parameter Store parameters" of the User Guide.
    if (name.startsWith('/aws/reference/secretsmanager/') && !decrypt) {
      throw ssmInvalid('WithDecryption flag must be True for retrieving a Secret Manager secret.');
    }
    if (secret && decrypt && !dials.mayDecrypt) {
      throw ssmFault(
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
      ARN: arnOf(name),
      DataType: 'text',
    };
  };

  const getParameters = (input: Input): Answer => {
    const names = texts(input, 'Names');
    if (names.length > 10) throw ssmInvalid('Names must have length less than or equal to 10');
    const found = names.map((name) => {
      try {
        return parameters.find(name);
      } catch {
        return name;
      }
    });
    return {
      Parameters: found
        .filter((entry) => typeof entry !== 'string')
        .map((entry) => shapeOf(entry, input)),
      ...unlessEmpty(
        'InvalidParameters',
        found.filter((entry) => typeof entry === 'string'),
      ),
    };
  };

  const byPath = (input: Input): Answer => {
    const path = text(input, 'Path');
    if (!path.startsWith('/')) {
      throw ssmInvalid(`The parameter doesn't meet the requirements: ${path}`);
    }
    const prefix = path.endsWith('/') ? path : `${path}/`;
    const names = parameters
      .names()
      .filter((name) => name.startsWith(prefix))
      .filter((name) => input['Recursive'] === true || !name.slice(prefix.length).includes('/'))
      .toSorted();
    const page = pageOf(input, names, (name) => name, 10, dials);
    return {
      Parameters: page.items.map((name) => shapeOf(parameters.find(name), input)),
      ...page.more,
    };
  };

  const putParameter = (input: Input): Answer => {
    const name = text(input, 'Name');
    const known = parameters.latest(name);
    if (known !== undefined && input['Overwrite'] !== true) {
      throw ssmFault(
        'ParameterAlreadyExists',
        'The parameter already exists. To overwrite this value, set the overwrite option in the request to true.',
      );
    }
    const type = input['Type'] ?? known?.type;
    if (typeof type !== 'string' || !parameterTypes.includes(type)) {
      throw ssmInvalid('A parameter type is required when you create a parameter.');
    }
    const tier = input['Tier'] === 'Advanced' ? 'Advanced' : 'Standard';
    const value = text(input, 'Value');
    const version = parameters.put({ name, value, type: type as ParameterType, tier });
    return { Version: version, Tier: tier };
  };

  const operations: Readonly<Record<string, (input: Input) => Answer>> = {
    GetParameter: (input) => ({
      Parameter: shapeOf(parameters.find(text(input, 'Name')), input),
    }),
    GetParameters: getParameters,
    GetParametersByPath: byPath,
    GetParameterHistory: (input) =>
      parameterHistory(parameters, input, dials, (found) => shapeOf(found, input).Value),
    DescribeParameters: (input) => describeParameters(parameters, input, dials, arnOf),
    PutParameter: putParameter,
    DeleteParameters: (input) => {
      const names = texts(input, 'Names');
      if (names.length > 10) throw ssmInvalid('Names must have length less than or equal to 10');
      const deleted = names.filter((name) => parameters.delete(name));
      return {
        ...unlessEmpty('DeletedParameters', deleted),
        ...unlessEmpty(
          'InvalidParameters',
          names.filter((name) => !deleted.includes(name)),
        ),
      };
    },
    LabelParameterVersion: (input) => {
      const asked = input['ParameterVersion'];
      const { version, invalid } = parameters.label(
        text(input, 'Name'),
        texts(input, 'Labels'),
        typeof asked === 'number' ? asked : undefined,
      );
      return { ParameterVersion: version, ...unlessEmpty('InvalidLabels', invalid) };
    },
  };

  return {
    dials,
    put: (parameter) => parameters.put(parameter),
    reserve: (parameter) => parameters.reserve(parameter),
    remove: (name) => void parameters.delete(name),
    label: (name, label, version) => void parameters.label(name, [label], version),
    handle: async ({ action, input }) => {
      const operation = Object.hasOwn(operations, action) ? operations[action] : undefined;
      if (operation === undefined) {
        throw ssmFault('UnknownOperationException', `The lab's SSM has no ${action}`);
      }
      return operation(input);
    },
  };
}

/** The API models want one entry at least in a list of names. */
function unlessEmpty(key: string, list: readonly string[]): Answer {
  return list.length === 0 ? {} : { [key]: list };
}

/** Long, and without the value in it. */
function cipher(value: string): string {
  const bytes = Buffer.from(value).map((byte) => byte ^ 0x5a);
  return `AQICAHh${Buffer.from(bytes).toString('base64')}`;
}

function text(input: Input, name: string): string {
  const value = input[name];
  if (typeof value !== 'string') throw ssmInvalid(`${name} is missing`);
  return value;
}

function texts(input: Input, name: string): readonly string[] {
  const values = input[name];
  if (!Array.isArray(values) || values.length === 0) throw ssmInvalid(`${name} is missing`);
  return values.filter((value) => typeof value === 'string');
}
