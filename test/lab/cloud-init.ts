// Runs cloud-init's own code, which the distribution ships: its Ec2 data source against an IMDS of the lab, and what it
// makes of user data.
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemExec } from '../../src/system/exec.ts';
import { scratch } from './environment.ts';

/** Debian's Python finds the code of cloud-init; another one would not. */
const python = '/usr/bin/python3';
export const hasCloudInit = existsSync(
  '/usr/lib/python3/dist-packages/cloudinit/sources/DataSourceEc2.py',
);

/** Part of the name of a test that is skipped elsewhere. */
export const needsCloudInit = hasCloudInit
  ? ''
  : ' (skipped: the Debian package cloud-init is not installed)';

const timeoutMs = 60_000;

export type CrawlInput = {
  /** undefined: where cloud-init looks for itself, http://169.254.169.254. */
  readonly endpoint: string | undefined;
  /** Names of the NICs that the instance has, by MAC; the primary one first. */
  readonly nics: Readonly<Record<string, string>>;
  /** Goes before the program, e.g. to enter the namespace of an instance. */
  readonly prefix: readonly string[];
};

/** What the data source says; see cloud-init-crawl.py. */
export type Crawl = {
  readonly found: boolean;
  /** What it logged as a warning, or as something worse. */
  readonly warnings: readonly string[];
  readonly metaData: Readonly<Record<string, unknown>>;
} & Readonly<Record<string, unknown>>;

/** Throws if the program fails, or says something other than its report. */
export function crawlByCloudInit({ endpoint, nics, prefix }: CrawlInput): Promise<Crawl> {
  return report<Crawl>('cloud-init-crawl.py', {
    prefix,
    args: [endpoint ?? 'default', JSON.stringify(nics)],
    stdin: undefined,
  });
}

/** What cloud-init would do with user data; see cloud-init-read.py. */
export type ReadUserData = {
  readonly config: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
};

export function readByCloudInit(userData: string): Promise<ReadUserData> {
  return report<ReadUserData>('cloud-init-read.py', { prefix: [], args: [], stdin: userData });
}

type ReportInput = {
  readonly prefix: readonly string[];
  /** After a folder of its own. */
  readonly args: readonly string[];
  readonly stdin: string | undefined;
};

async function report<T>(program: string, { prefix, args, stdin }: ReportInput): Promise<T> {
  const folder = await mkdtemp(join(scratch, 'berth-cloud-init-'));
  try {
    const script = join(import.meta.dirname, program);
    const command = [python, script, folder, ...args] as const;
    const [first, ...rest] = prefix;
    const { code, stdout, stderr } = await systemExec.run(
      {
        argv: first === undefined ? command : [first, ...rest, ...command],
        stdin,
        timeoutMs,
      },
      new AbortController().signal,
    );
    if (code !== 0 || stderr !== '') throw new Error(`cloud-init ended with ${code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
