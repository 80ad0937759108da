// The command line of `npm run conformance`.
import { parseArgs } from 'node:util';

export const usage = `usage: npm run conformance -- --endpoint URL | --really
         [--mode read-only|full|clean] [--region NAME] [--ca FILE] [--profile NAME]
         [--instances ID,ID [--as PROFILE,PROFILE [--pool NAME]]] [--answers FILE]

Asks an AWS, or what plays one, the questions that documents leave open, and writes the answers.
  read-only  creates nothing (the default)
  full       makes ENIs, parameters and log groups, takes them away; needs two running instances of one subnet
  clean      takes away what a killed run left
  --as       profiles with the keys of the roles of the two instances, who have packaging/iam/base.json for the pool
  --really   talk to AWS itself; asks before it begins`;

export type Mode = 'read-only' | 'full' | 'clean';

export type ConformanceOptions = {
  readonly mode: Mode;
  /** undefined: AWS by the SDK's own rules. */
  readonly endpoint: string | undefined;
  /** AWS itself: it may cost money, and is asked first. */
  readonly real: boolean;
  readonly region: string;
  readonly caFile: string | undefined;
  readonly profile: string | undefined;
  readonly instances: readonly [string, string] | undefined;
  readonly roleProfiles: readonly [string, string] | undefined;
  readonly pool: string;
  readonly answersFile: string;
};

export class UsageError extends Error {}

/** Throws UsageError. */
export function readOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ConformanceOptions {
  const values = parse(args);
  const { mode, endpoint } = values;
  if (mode !== 'read-only' && mode !== 'full' && mode !== 'clean') {
    throw new UsageError(`no mode ${mode}`);
  }
  const real = endpoint === undefined || isOfAws(endpoint);
  if (real && values.really !== true) {
    throw new UsageError('cannot talk to AWS itself without --really');
  }
  const region = values.region ?? env['AWS_REGION'] ?? (real ? undefined : 'eu-west-1');
  if (region === undefined) throw new UsageError('--region is missing');
  const instances = pair('instances', values.instances);
  const roleProfiles = pair('as', values.as);
  if (mode === 'full' && instances === undefined) {
    throw new UsageError('the mode full needs --instances');
  }
  return {
    mode,
    endpoint,
    real,
    region,
    caFile: values.ca,
    profile: values.profile,
    instances,
    roleProfiles,
    pool: values.pool,
    answersFile: values.answers,
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        endpoint: text,
        really: { type: 'boolean' },
        mode: { ...text, default: 'read-only' },
        region: text,
        ca: text,
        profile: text,
        instances: text,
        as: text,
        pool: { ...text, default: 'db' },
        answers: { ...text, default: 'conformance.json' },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function isOfAws(endpoint: string): boolean {
  if (!URL.canParse(endpoint)) throw new UsageError(`not a URL: ${endpoint}`);
  return /(^|\.)(amazonaws\.com(\.cn)?|api\.aws|amazonaws\.eu)$/.test(new URL(endpoint).hostname);
}

function pair(name: string, text: string | undefined): readonly [string, string] | undefined {
  if (text === undefined) return undefined;
  const [first = '', second = '', ...more] = text.split(',');
  if (first === '' || second === '' || more.length > 0 || first === second) {
    throw new UsageError(`--${name} takes two, with a comma`);
  }
  return [first, second];
}
