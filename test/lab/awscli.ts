// Runs the AWS CLI of the distribution against the lab, as nobody has configured it: what it prints is what it is.
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemExec } from '../../src/system/exec.ts';
import { scratch } from './environment.ts';
import type { Lab } from './lab.ts';

const program = '/usr/bin/aws';
export const hasAwsCli = existsSync(program);

/** Part of the name of a test that is skipped elsewhere. */
export const needsAwsCli = hasAwsCli
  ? ''
  : ' (skipped: the Debian package awscli is not installed)';

/** It starts in a second, and two of them where the machine is busy take their time. */
const timeoutMs = 60_000;

/** Runs the words of the template; a value is one word or part of one, a list is words. */
export type AwsCli = (
  text: TemplateStringsArray,
  ...values: readonly (string | readonly string[])[]
) => Promise<AwsCliEnd>;
export type AwsCliEnd = {
  /** 0, or 252 usage, 254 refused by AWS, 255 anything else. */
  readonly code: number;
  readonly stdout: string;
  /** Without the empty line that comes before an error. */
  readonly stderr: string;
};

export type AwsClis = AsyncDisposable & {
  readonly operator: AwsCli;
  /** With the keys that IMDS gives to the instance. */
  of(instanceId: string): AwsCli;
  /** With keys that nobody issued. */
  readonly stranger: AwsCli;
  /** Programs run so far. */
  calls(): number;
};

type Keys = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
};

/** A folder of its own stands for the home of the user; nothing of the caller's environment gets in. */
export async function createAwsClis(lab: Lab): Promise<AwsClis> {
  const home = await mkdtemp(join(scratch, 'berth-awscli-'));
  const config = join(home, 'config');
  const credentials = join(home, 'credentials');
  await writeFile(config, `[default]\nregion = ${lab.region}\noutput = json\ncli_pager =\n`);
  await writeFile(credentials, '');
  let calls = 0;

  const runner = (keys: Keys): AwsCli => {
    const environment = {
      PATH: '/usr/bin:/bin',
      HOME: home,
      LANG: 'C.UTF-8',
      AWS_CONFIG_FILE: config,
      AWS_SHARED_CREDENTIALS_FILE: credentials,
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_ACCESS_KEY_ID: keys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
      ...(keys.sessionToken === undefined ? {} : { AWS_SESSION_TOKEN: keys.sessionToken }),
    };
    const env = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    return async (text, ...values) => {
      calls++;
      const args = wordsOf(text, values);
      const { code, stdout, stderr } = await systemExec.run(
        {
          stdin: undefined,
          argv: ['/usr/bin/env', '-i', ...env, program, '--endpoint-url', lab.endpoint, ...args],
          timeoutMs,
        },
        new AbortController().signal,
      );
      return { code, stdout, stderr: stderr.trim() };
    };
  };

  return {
    operator: runner(lab.operator),
    of: (instanceId) => runner(lab.credentialsFor(instanceId)),
    stranger: runner({ accessKeyId: 'AKIASTRANGER00000000', secretAccessKey: 'nobody' }),
    calls: () => calls,
    [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true }),
  };
}

function wordsOf(
  text: TemplateStringsArray,
  values: readonly (string | readonly string[])[],
): readonly string[] {
  const left = [...values];
  return text
    .join('\0')
    .trim()
    .split(/\s+/)
    .flatMap((word) =>
      word === '\0' ? left.shift()! : word.replaceAll('\0', () => String(left.shift())),
    );
}

/** What it printed. Throws if it did not end with 0, or printed a warning. */
export async function printed(run: Promise<AwsCliEnd>): Promise<string> {
  const { code, stdout, stderr } = await run;
  if (code !== 0 || stderr !== '') throw new Error(`aws ended with ${code}: ${stderr}`);
  return stdout;
}

/** As `printed`, of output in JSON. */
export async function parsed(run: Promise<AwsCliEnd>): Promise<unknown> {
  return JSON.parse(await printed(run));
}

/** The end of a call that AWS refuses with this error. */
export function refusal(operation: string, code: string, message: string): AwsCliEnd {
  const stderr = `An error occurred (${code}) when calling the ${operation} operation: ${message}`;
  return { code: 254, stdout: '', stderr };
}
