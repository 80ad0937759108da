// Parameter Store: one parameter or a tree of them, decrypted, and the meaning of its errors.
import { BerthError } from '../errors.ts';
import { awsClientConfig, awsCodeOf, classifyAwsError, type AwsAccess } from '../system/aws.ts';

export type Parameter = {
  readonly value: string;
  readonly version: number | undefined;
  /** A StringList: separated by commas. */
  readonly isList: boolean;
  /** A SecureString. */
  readonly isSecret: boolean;
};

export type ParameterStore = Disposable & {
  /**
   * `name` may end in `:VERSION` or `:LABEL`. undefined: there is no such parameter, version or label.
   * Throws `config-denied` (names the permission), `config-invalid` (an impossible name), `config-unavailable` (worth
   * repeating), and what the credentials throw.
   */
  get(name: string, signal: AbortSignal): Promise<Parameter | undefined>;
  /**
   * By their names as they were asked for, ten a call; one that is not there is missing. `decrypt`: they may be secrets,
   * which else are refused. Throws as `get` does.
   */
  several(
    names: ReadonlySet<string>,
    decrypt: boolean,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Parameter>>;
  /** All below `path`, which ends in `/`, by their names. None: there are none. Throws as `get` does. */
  tree(path: string, signal: AbortSignal): Promise<ReadonlyMap<string, Parameter>>;
};

/** The SDK client is loaded at the first call (boot.md 1.7). */
export function createParameterStore({ region, credentials }: AwsAccess): ParameterStore {
  let loading: ReturnType<typeof load> | undefined;
  /** AWS has refused the last credentials. */
  let refused = false;
  const access: AwsAccess = {
    region,
    credentials: (fresh) => {
      const given = credentials(fresh || refused);
      refused = false;
      return given;
    },
  };
  const classify = (action: string, error: unknown): BerthError => {
    const classified = classifyAwsError(action, error);
    if (classified.code === 'aws-credentials') refused = true;
    return classified;
  };

  const fetchParameter = async (name: string, decrypt: boolean, signal: AbortSignal) => {
    const { client, sdk } = await (loading ??= load(access));
    const command = new sdk.GetParameterCommand({ Name: name, WithDecryption: decrypt });
    const { Parameter } = await client.send(command, { abortSignal: signal });
    return Parameter;
  };

  /** Decryption and reading are refused by one code: what is readable without decryption lacks the key. */
  const lacksKey = async (name: string, signal: AbortSignal): Promise<boolean> => {
    try {
      return (await fetchParameter(name, false, signal))?.Type === 'SecureString';
    } catch {
      signal.throwIfAborted();
      return false;
    }
  };

  return {
    get: async (name, signal) => {
      let parameter: Awaited<ReturnType<typeof fetchParameter>>;
      try {
        parameter = await fetchParameter(name, true, signal);
      } catch (error) {
        signal.throwIfAborted();
        const code = awsCodeOf(error);
        if (code === 'ParameterNotFound' || code === 'ParameterVersionNotFound') return undefined;
        const classified = classify('ssm:GetParameter', error);
        if (code === 'InvalidKeyId') throw keyUnusable(name, error);
        if (classified.code === 'aws-denied' && (await lacksKey(name, signal))) {
          throw denied(name, 'kms:Decrypt on the key that encrypts it', error);
        }
        throw forConfig(name, classified);
      }
      if (parameter?.Value === undefined) throw forConfig(name, emptyAnswer());
      const { Value, Version, Type } = parameter;
      return { value: Value, version: Version, ...kindOf(Type) };
    },

    several: async (names, decrypt, signal) => {
      const found = new Map<string, Parameter>();
      for (const chunk of chunksOf(names)) {
        const list = chunk.join(', ');
        try {
          const { client, sdk } = await (loading ??= load(access));
          const command = new sdk.GetParametersCommand({ Names: chunk, WithDecryption: decrypt });
          const { Parameters = [] } = await client.send(command, { abortSignal: signal });
          for (const { Name, ARN, Selector = '', Value, Version, Type } of Parameters) {
            const says = [`${Name}${Selector}`, `${ARN}${Selector}`];
            for (const name of chunk.filter((one) => says.includes(one))) {
              if (Value === undefined) continue;
              if (Type === 'SecureString' && !decrypt) throw notSaidSecret(name);
              found.set(name, { value: Value, version: Version, ...kindOf(Type) });
            }
          }
        } catch (error) {
          signal.throwIfAborted();
          if (error instanceof BerthError && error.code === 'config-invalid') throw error;
          if (awsCodeOf(error) === 'InvalidKeyId') throw keyUnusable(list, error);
          const needs = decrypt ? ', or kms:Decrypt on a key of theirs' : '';
          const classified = classify('ssm:GetParameters', error);
          if (classified.code === 'aws-denied') {
            throw denied(list, `ssm:GetParameters on one of them${needs}`, error);
          }
          throw forConfig(list, classified);
        }
      }
      return found;
    },

    tree: async (path, signal) => {
      const found = new Map<string, Parameter>();
      let next: string | undefined;
      do {
        const { client, sdk } = await (loading ??= load(access));
        const command = new sdk.GetParametersByPathCommand({
          Path: path,
          Recursive: true,
          WithDecryption: true,
          ...(next === undefined ? {} : { NextToken: next }),
        });
        try {
          const page = await client.send(command, { abortSignal: signal });
          for (const { Name, Value, Version, Type } of page.Parameters ?? []) {
            if (Name === undefined || Value === undefined) continue;
            found.set(Name, { value: Value, version: Version, ...kindOf(Type) });
          }
          next = page.NextToken || undefined;
        } catch (error) {
          signal.throwIfAborted();
          if (awsCodeOf(error) === 'InvalidKeyId') throw keyUnusable(path, error);
          throw forConfig(path, classify('ssm:GetParametersByPath', error));
        }
      } while (next !== undefined);
      return found;
    },
    [Symbol.dispose]: () => {
      loading?.then(({ client }) => client.destroy()).catch(() => undefined);
    },
  };
}

async function load(access: AwsAccess) {
  const sdk = await import('./ssm-sdk.ts');
  return { sdk, client: new sdk.SSMClient(awsClientConfig(access)) };
}

function kindOf(type: string | undefined): Pick<Parameter, 'isList' | 'isSecret'> {
  return { isList: type === 'StringList', isSecret: type === 'SecureString' };
}

const namesInCall = 10;

/** No name twice in a call, in two versions: nothing says what AWS makes of that. */
function chunksOf(names: ReadonlySet<string>): readonly string[][] {
  const chunks: string[][] = [];
  for (const name of names) {
    const base = baseOf(name);
    const open = chunks.find(
      (chunk) => chunk.length < namesInCall && !chunk.some((one) => baseOf(one) === base),
    );
    if (open === undefined) chunks.push([name]);
    else open.push(name);
  }
  return chunks;
}

/** Without a version or label. */
function baseOf(name: string): string {
  return name.startsWith('arn:') ? name.split(':').slice(0, 6).join(':') : name.split(':')[0]!;
}

function notSaidSecret(name: string): BerthError {
  return new BerthError(
    'config-invalid',
    `cannot use {{ssm:${name}}}: it is a SecureString; write {{ssm-secure:${name}}}`,
  );
}

function forConfig(name: string, error: BerthError): BerthError {
  const options = { cause: error, retryable: error.retryable, details: error.details };
  switch (error.code) {
    case 'aws-denied':
      return denied(name, String(error.details['action']), error);
    case 'aws-invalid':
      return new BerthError(
        'config-invalid',
        `cannot read the parameter ${name}: ${error.message}`,
        options,
      );
    case 'aws-credentials':
    case 'aws-throttled':
    case 'aws-unavailable':
    case 'aws-unknown-outcome':
      return new BerthError(
        'config-unavailable',
        `cannot read the parameter ${name}: ${error.message}`,
        options,
      );
    default:
      // Out of the credentials: it says what to do already.
      return error;
  }
}

function denied(name: string, permission: string, cause: unknown): BerthError {
  return new BerthError(
    'config-denied',
    `cannot read the parameter ${name}: the instance role lacks ${permission}; add it to the role's policy`,
    { cause },
  );
}

function keyUnusable(name: string, cause: unknown): BerthError {
  return new BerthError(
    'config-denied',
    `cannot decrypt the parameter ${name}: its KMS key is disabled, deleted or in another account; enable it or encrypt anew`,
    { cause },
  );
}

function emptyAnswer(): BerthError {
  return new BerthError('aws-unknown-outcome', 'the answer holds no value', { retryable: true });
}
