// PutLogEvents with a body that is made already: the SDK's endpoint, headers, signature and sockets without its layers,
// which cost 2 ms a call and the garbage collector as much again: half of what all the rest of a full batch takes.
import type {
  CloudWatchLogsClient,
  PutLogEventsCommand,
  PutLogEventsCommandOutput,
} from '@aws-sdk/client-cloudwatch-logs';
import type { Clock } from '../system/clock.ts';
import type { Compressor } from './compression.ts';

/** What CloudWatch says of the events and the entity. Throws what `classifyLogsError` knows. */
export type PutBody = (
  body: Uint8Array,
  signal: AbortSignal,
) => Promise<Omit<PutLogEventsCommandOutput, '$metadata'>>;

type PutBodyDeps = {
  readonly clock: Clock;
  readonly compressor: Compressor;
  readonly client: CloudWatchLogsClient;
  /** Any, for the rest of its request; it is not sent. */
  readonly createCommand: () => PutLogEventsCommand;
};

/** As much of the SDK's request as is touched here. */
type WireRequest = Parameters<
  Awaited<ReturnType<CloudWatchLogsClient['config']['signer']>>['sign']
>[0];

/** Names of the error, by protocol of the SDK: of JSON 1.1, and of a proxy that speaks another. */
type WireError = {
  readonly __type?: string;
  readonly code?: string;
  readonly message?: string;
  readonly Message?: string;
};

export function createPutBody({ clock, compressor, client, createCommand }: PutBodyDeps): PutBody {
  let template: WireRequest | undefined;
  return async (body, signal) => {
    template ??= await requestOf(client, createCommand());
    const request = template;
    const packed = await compressor.compress(body, request.hostname);
    const sent = packed ?? body;
    const headers = {
      ...request.headers,
      'content-length': String(sent.length),
      ...(packed === undefined ? {} : { 'content-encoding': 'gzip' }),
    };
    const { config } = client;
    const signer = await config.signer();
    const signingDate = new Date(clock.nowMs() + config.systemClockOffset);
    const signed = await signer.sign({ ...request, headers, body: sent }, { signingDate });
    const { response } = await config.requestHandler.handle(signed, { abortSignal: signal });
    const answer = await textOf(response.body);
    const theirMs = Date.parse(response.headers['date'] ?? '');
    // As the SDK does it.
    if (!Number.isNaN(theirMs)) config.systemClockOffset = theirMs - clock.nowMs();
    if (response.statusCode === 200) return JSON.parse(answer);
    throw errorOf(response.statusCode, answer);
  };
}

/** What the SDK would sign and send, which depends on no more than the client, but for its body. */
async function requestOf(
  client: CloudWatchLogsClient,
  command: PutLogEventsCommand,
): Promise<WireRequest> {
  let request: WireRequest | undefined;
  command.middlewareStack.add(
    () => (args) => {
      request = args.request as WireRequest;
      return Promise.resolve({ response: undefined, output: { $metadata: {} } });
    },
    { step: 'build', priority: 'low', name: 'berthRequest' },
  );
  await client.send(command);
  return request!;
}

async function textOf(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function errorOf(status: number, answer: string): Error {
  const { __type, code = '', message, Message = '' } = jsonOf(answer);
  return Object.assign(new Error(message ?? Message), {
    name: (__type ?? code).split('#').at(-1)!,
    $metadata: { httpStatusCode: status },
  });
}

function jsonOf(text: string): WireError {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
