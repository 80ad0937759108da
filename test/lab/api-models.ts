// The official API models as the Python package botocore brings them: finds them, says their version, and gives one
// operation at a time out of a small cache, since the model of EC2 alone takes a quarter of a second to read.
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { LabCall } from './service.ts';

type ServiceName = LabCall['service'];

/** What the validation reads of a botocore shape; documentation stays out. */
export type ApiShape = {
  readonly type: string;
  readonly members?: Readonly<Record<string, ApiMember>>;
  readonly required?: readonly string[];
  readonly member?: ApiMember;
  readonly key?: ApiMember;
  readonly value?: ApiMember;
  readonly min?: number;
  readonly max?: number;
  readonly pattern?: string;
  readonly enum?: readonly string[];
  readonly union?: boolean;
  readonly error?: { readonly code?: string; readonly httpStatusCode?: number };
  /** Of an error: the fault is the server's. */
  readonly fault?: boolean;
};

export type ApiMember = {
  readonly shape: string;
  readonly locationName?: string;
  readonly queryName?: string;
};

/** One operation, and all the shapes that it can reach. */
export type ApiOperation = {
  readonly apiVersion: string;
  readonly input: string | undefined;
  /** Of the element around the output of a Query service; undefined: there is none. */
  readonly resultWrapper?: string | undefined;
  readonly output: string | undefined;
  readonly errors: readonly string[];
  readonly shapes: Readonly<Record<string, ApiShape>>;
};

export type ApiModels = {
  /** `botocore 1.44.5` */
  readonly version: string;
  /** undefined: the service has no such operation. */
  operation(service: ServiceName, action: string): ApiOperation | undefined;
};

type ServiceModel = {
  readonly metadata: { readonly apiVersion: string };
  readonly operations: Readonly<
    Record<
      string,
      {
        input?: ApiMember;
        output?: ApiMember & { readonly resultWrapper?: string };
        errors?: readonly ApiMember[];
      }
    >
  >;
  readonly shapes: Readonly<Record<string, ApiShape>>;
};

/** Before, the models lack members that the SDK sends and reads (reference/proof.md, section 5). */
const oldestVersion = [1, 43] as const;
const project = join(import.meta.dirname, '..', '..');

/** Where `.ci/run` makes the Python environment. */
export const pythonEnvironment = process.env['BERTH_PYTHON_ENV'] ?? join(project, '.cache/python');

export type ApiModelsFolders = {
  /** Folders of Python packages, the best first. */
  readonly packages: readonly string[];
  /** undefined: nothing is kept. */
  readonly cache: string | undefined;
};

/** The models, or why there are none. */
export function findApiModels(folders: ApiModelsFolders = hostFolders()): ApiModels | string {
  const reasons: string[] = [];
  for (const folder of folders.packages) {
    const version = versionIn(join(folder, 'botocore/__init__.py'));
    if (version === undefined) continue;
    const [major = 0, minor = 0] = version.split('.').map(Number);
    if (major < oldestVersion[0] || (major === oldestVersion[0] && minor < oldestVersion[1])) {
      reasons.push(`botocore ${version} in ${folder} is older than ${oldestVersion.join('.')}`);
      continue;
    }
    return openModels(version, join(folder, 'botocore/data'), folders.cache);
  }
  return reasons.join('; ') || `botocore is not in ${pythonEnvironment}, see .ci/run`;
}

function hostFolders(): ApiModelsFolders {
  const lib = join(pythonEnvironment, 'lib');
  const own = list(lib).map((name) => join(lib, name, 'site-packages'));
  return {
    packages: [...own, '/usr/lib/python3/dist-packages'],
    cache: join(project, '.cache/api-models'),
  };
}

function openModels(version: string, data: string, cacheRoot: string | undefined): ApiModels {
  const cache = cacheRoot === undefined ? undefined : join(cacheRoot, `botocore-${version}`);
  const whole = new Map<ServiceName, ServiceModel>();
  const known = new Map<string, ApiOperation | undefined>();
  const modelOf = (service: ServiceName): ServiceModel => {
    const model = whole.get(service) ?? readModel(join(data, service));
    whole.set(service, model);
    return model;
  };
  const read = (service: ServiceName, action: string): ApiOperation | undefined => {
    // What comes from the wire must not name a file.
    if (!/^[A-Za-z0-9]+$/.test(action)) return undefined;
    const file = cache === undefined ? undefined : join(cache, `${service}.${action}.json`);
    const cached = file === undefined ? undefined : readText(file);
    if (cached !== undefined) return JSON.parse(cached) as ApiOperation;
    const found = extract(modelOf(service), action);
    if (file !== undefined && found !== undefined) keep(file, found);
    return found;
  };
  return {
    version: `botocore ${version}`,
    operation: (service, action) => {
      const name = `${service}.${action}`;
      if (!known.has(name)) known.set(name, read(service, action));
      return known.get(name);
    },
  };
}

function extract(model: ServiceModel, action: string): ApiOperation | undefined {
  if (!Object.hasOwn(model.operations, action)) return undefined;
  const { input, output, errors = [] } = model.operations[action]!;
  const shapes: Record<string, ApiShape> = {};
  const take = (member: ApiMember | undefined): void => {
    if (member === undefined || member.shape in shapes) return;
    const shape = model.shapes[member.shape]!;
    shapes[member.shape] = shape;
    for (const inner of Object.values(shape.members ?? {})) take(inner);
    for (const inner of [shape.member, shape.key, shape.value]) take(inner);
  };
  for (const member of [input, output, ...errors]) take(member);
  return {
    apiVersion: model.metadata.apiVersion,
    input: input?.shape,
    output: output?.shape,
    resultWrapper: output?.resultWrapper,
    errors: errors.map(({ shape }) => shape),
    shapes,
  };
}

function readModel(folder: string): ServiceModel {
  const latest = list(folder).toSorted().at(-1) ?? '';
  const plain = readText(join(folder, latest, 'service-2.json'));
  const text =
    plain ?? gunzipSync(readFileSync(join(folder, latest, 'service-2.json.gz'))).toString();
  return JSON.parse(text, (key, value: unknown) =>
    key === 'documentation' && typeof value === 'string' ? undefined : value,
  ) as ServiceModel;
}

/** Many test processes do this at once: a file is whole or not there. A cache that cannot be written is none. */
function keep(file: string, operation: ApiOperation): void {
  try {
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(`${file}.${process.pid}`, JSON.stringify(operation));
    renameSync(`${file}.${process.pid}`, file);
  } catch {
    // The next process reads the whole model again.
  }
}

function versionIn(file: string): string | undefined {
  return /^__version__ = '([\d.]+)'/m.exec(readText(file) ?? '')?.[1];
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
