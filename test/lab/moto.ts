// Runs moto, an AWS in Python by other hands, as a process on loopback; `.ci/run` makes its virtual environment.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import * as sdk from '@aws-sdk/client-ec2';
import type { Credentials } from './probe-clients.ts';
import type { Place, Powers } from './probe-ground.ts';

const environment =
  process.env['BERTH_PYTHON_ENV'] ?? join(import.meta.dirname, '..', '..', '.cache', 'python');
const server = join(environment, 'bin', 'moto_server');

export const hasMoto = existsSync(server);

/** Part of the name of a test that is skipped without it. */
export const needsMoto = hasMoto ? '' : ' (skipped: no moto_server, see .ci/run)';

export type Moto = AsyncDisposable & {
  readonly endpoint: string;
  readonly version: string;
  readonly region: string;
  readonly credentials: Credentials;
  readonly place: Place;
  readonly powers: Partial<Powers>;
};

const region = 'eu-west-1';
/** Before moto judges anybody. */
const anybody = { accessKeyId: 'AKIAANYBODY000000000', secretAccessKey: 'secret' };

export type MotoServer = AsyncDisposable & { readonly endpoint: string };

export type MotoServerInput = {
  /** Default: any free one. Its state machines need to know it. */
  readonly port?: number;
  /** Of the account that everything belongs to. Default: moto's own. */
  readonly accountId?: string;
};

export async function startMotoServer(input: MotoServerInput = {}): Promise<MotoServer> {
  await using undo = new AsyncDisposableStack();
  const child = spawn(server, ['-H', '127.0.0.1', '-p', String(input.port ?? 0)], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      PYTHONUNBUFFERED: '1',
      ...(input.accountId === undefined ? {} : { MOTO_ACCOUNT_ID: input.accountId }),
    },
  });
  const ended = once(child, 'exit');
  undo.defer(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const endpoint = await endpointOf(child.stderr, ended);
  const owned = undo.move();
  return { endpoint, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Whose client moto lets do everything, as long as it judges nobody. */
export function ec2OfMoto(endpoint: string): sdk.EC2Client & Disposable {
  const client = new sdk.EC2Client({ endpoint, region, credentials: anybody });
  return Object.assign(client, { [Symbol.dispose]: () => client.destroy() });
}

export async function startMoto(): Promise<Moto> {
  await using undo = new AsyncDisposableStack();
  const { endpoint } = undo.use(await startMotoServer());
  const everything = { Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] };
  const credentials = await createUser(endpoint, everything);
  const client = new sdk.EC2Client({ endpoint, region, credentials });
  undo.defer(() => client.destroy());

  const launch = async (SubnetId: string): Promise<string> => {
    const { Instances } = await client.send(
      new sdk.RunInstancesCommand({
        ImageId: 'ami-12c6146b',
        InstanceType: 't3.medium',
        MinCount: 1,
        MaxCount: 1,
        SubnetId,
      }),
    );
    return Instances![0]!.InstanceId!;
  };
  const subnetIn = async (zone: string): Promise<string> => {
    const Filters = [{ Name: 'availability-zone', Values: [zone] }];
    const { Subnets } = await client.send(new sdk.DescribeSubnetsCommand({ Filters }));
    return Subnets![0]!.SubnetId!;
  };
  const subnetId = await subnetIn(`${region}a`);
  const terminated = await launch(subnetId);
  await client.send(new sdk.TerminateInstancesCommand({ InstanceIds: [terminated] }));
  const place: Place = {
    instances: [await launch(subnetId), await launch(subnetId)],
    subnetId,
    farSubnetId: await subnetIn(`${region}b`),
  };
  const owned = undo.move();
  return {
    endpoint,
    version: await versionOf(),
    region,
    credentials,
    place,
    powers: {
      terminated,
      launch: () => launch(subnetId),
      limited: (policy) => createUser(endpoint, policy),
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Reads on to the end: a full pipe would stop moto. */
async function endpointOf(output: Readable, ended: Promise<unknown>): Promise<string> {
  const told = Promise.withResolvers<string>();
  createInterface({ input: output }).on('line', (line) => {
    const found = /http:\/\/127\.0\.0\.1:\d+/.exec(line);
    if (found !== null) told.resolve(found[0]);
  });
  const gone = ended.then(() => {
    throw new Error('cannot start moto_server');
  });
  return Promise.race([told.promise, gone]);
}

async function versionOf(): Promise<string> {
  const python = join(environment, 'bin', 'python');
  const child = spawn(python, ['-c', 'import moto; print(moto.__version__, end="")'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const chunk of child.stdout) text += String(chunk);
  return text;
}

/** A user with this policy alone. From then on moto judges every call by signature and policy. */
async function createUser(endpoint: string, policy: object): Promise<Credentials> {
  await judgeAfter(endpoint, 1e9);
  const name = `user-${crypto.randomUUID()}`;
  await iam(endpoint, { Action: 'CreateUser', UserName: name });
  await iam(endpoint, {
    Action: 'PutUserPolicy',
    UserName: name,
    PolicyName: 'own',
    PolicyDocument: JSON.stringify({ Version: '2012-10-17', ...policy }),
  });
  const text = await iam(endpoint, { Action: 'CreateAccessKey', UserName: name });
  await judgeAfter(endpoint, 0);
  const element = (tag: string): string => new RegExp(`<${tag}>([^<]+)</${tag}>`).exec(text)![1]!;
  return { accessKeyId: element('AccessKeyId'), secretAccessKey: element('SecretAccessKey') };
}

async function judgeAfter(endpoint: string, calls: number): Promise<void> {
  const answer = await fetch(`${endpoint}/moto-api/reset-auth`, {
    method: 'POST',
    body: String(calls),
  });
  if (!answer.ok) throw new Error(`cannot switch moto's IAM: ${answer.status}`);
}

async function iam(endpoint: string, input: Readonly<Record<string, string>>): Promise<string> {
  const scope = `20260101/${region}/iam/aws4_request`;
  const answer = await fetch(endpoint, {
    method: 'POST',
    headers: {
      authorization: `AWS4-HMAC-SHA256 Credential=${anybody.accessKeyId}/${scope}, SignedHeaders=host, Signature=0`,
    },
    body: new URLSearchParams({ Version: '2010-05-08', ...input }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`moto's IAM refused ${input['Action']}: ${text}`);
  return text;
}
