// The clients with which probes ask: the real SDK, one attempt a call, and what came over the wire.
import { Agent as TlsAgent } from 'node:https';
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { EC2Client } from '@aws-sdk/client-ec2';
import { SSMClient } from '@aws-sdk/client-ssm';

export type Credentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
};

export type ProbeTarget = {
  /** undefined: AWS itself. */
  readonly endpoint: string | undefined;
  readonly region: string;
  /** In place of those of the environment. */
  readonly credentials?: Credentials;
  readonly profile?: string;
  /** PEM of the authority that signed the endpoint's certificate. */
  readonly ca?: string;
  /** No further call begins once it is aborted; one under way is never cut, so that its outcome is known. */
  readonly signal?: AbortSignal;
  /** Throttling is waited out on AWS; elsewhere an answer is an answer. */
  readonly maxAttempts?: number;
};

export type Clients = Disposable & {
  readonly ec2: EC2Client;
  readonly ssm: SSMClient;
  readonly logs: CloudWatchLogsClient;
  /** Of the last answer. */
  readonly last: { contentType: string };
};

export function createClients(target: ProbeTarget): Clients {
  const { endpoint, region, credentials, profile, ca, signal } = target;
  const config = {
    region,
    maxAttempts: target.maxAttempts ?? 1,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
    ...(profile === undefined ? {} : { profile }),
    requestHandler: {
      // moto closes connections without a word.
      httpAgent: { keepAlive: false },
      ...(ca === undefined ? {} : { httpsAgent: new TlsAgent({ ca }) }),
    },
  };
  const last = { contentType: '' };
  const ec2 = new EC2Client(config);
  const ssm = new SSMClient(config);
  const logs = new CloudWatchLogsClient(config);
  for (const client of [ec2, ssm, logs]) {
    const stack = client.middlewareStack as EC2Client['middlewareStack'];
    stack.add(
      (next) => async (args) => {
        signal?.throwIfAborted();
        return next(args);
      },
      { step: 'initialize' },
    );
    stack.add(
      (next) => async (args) => {
        const result = await next(args);
        const { headers } = result.response as { headers?: Record<string, string> };
        last.contentType = headers?.['content-type'] ?? '';
        return result;
      },
      { step: 'deserialize', priority: 'low' },
    );
  }
  return {
    ec2,
    ssm,
    logs,
    last,
    [Symbol.dispose]: () => {
      for (const client of [ec2, ssm, logs]) client.destroy();
    },
  };
}
