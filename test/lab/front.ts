// The lab's one HTTP server: speaks AWS JSON 1.1 and Query, knows the caller by its key and signature, records
// every call, and injects latency and wire faults.
import { randomUUID } from 'node:crypto';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import type { Clock } from '../../src/system/clock.ts';
import {
  accept,
  faultedOutcome,
  isCut,
  refuse,
  send,
  type Outcome,
  type Sent,
} from './front-answer.ts';
import { identifyCaller, type IdentityDeps } from './front-identity.ts';
import { parseQuery, type QueryService } from './front-query.ts';
import { parseSignature } from './front-signature.ts';
import type { LabCall, LabFaultRule, LabRequest, LabService } from './service.ts';

export type ServiceName = LabCall['service'];

export type FrontOptions = IdentityDeps & {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly services: Readonly<Partial<Record<ServiceName, LabService>>>;
  /** Throws AwsFault if the caller may not do this. Those of Query judge for themselves: they know the resources. */
  authorize?(service: ServiceName, request: LabRequest): void;
  /** Hears of each exchange as it was on the wire, before the client can act on the answer. */
  onExchange?(exchange: FrontExchange): void;
  readonly clock: Clock;
};

export type FrontExchange = {
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: IncomingHttpHeaders;
    readonly body: Buffer;
  };
  /** undefined: a fault rule cut it, or put a page of HTML in its place. */
  readonly answer: Sent | undefined;
};

/** Delays of the answer; the work is done before. */
export type Latency = { describeMs: number; tagMs: number; attachMs: number; otherMs: number };

export type Front = AsyncDisposable & {
  /** `http://127.0.0.1:4566` */
  readonly endpoint: string;
  /**
   * In the order in which they ended. Where the answer was cut, `status` is 0 and `code` the kind of the fault;
   * `html` likewise for an HTML page.
   */
  readonly calls: readonly LabCall[];
  /** The listener hears of a call when it has ended; returns the way to stop. */
  onCall(listener: (call: LabCall) => void): () => void;
  /** One rule to a call: the first that matches and is not used up. */
  fail(rule: LabFaultRule): void;
  clearFaults(): void;
  readonly latency: Latency;
};

type Parsed = Pick<LabRequest, 'action' | 'input'> & { readonly service: ServiceName };

export async function createFront(options: FrontOptions): Promise<Front> {
  const { clock } = options;
  const calls: LabCall[] = [];
  const listeners = new Set<(call: LabCall) => void>();
  const rules: { readonly rule: LabFaultRule; left: number }[] = [];
  const latency: Latency = { describeMs: 0, tagMs: 0, attachMs: 0, otherMs: 0 };
  const stopping = new AbortController();

  const takeFault = ({ service, action }: Parsed): LabFaultRule['fault'] | undefined => {
    const names = [`${service}:${action}`, `${service}:*`, '*'];
    const found = rules.find((entry) => entry.left > 0 && names.includes(entry.rule.match));
    if (found !== undefined) found.left--;
    return found?.rule.fault;
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readBody(request);
    const atMs = clock.nowMs();
    const headers = { 'x-amzn-requestid': randomUUID(), date: new Date(atMs).toUTCString() };
    const hear = (answer: Sent | undefined): void => {
      const { method = '', url: path = '' } = request;
      options.onExchange?.({ request: { method, path, headers: request.headers, body }, answer });
    };
    const parsed = parseRequest(request, body);
    if (parsed === undefined) {
      const refusal = { status: 400, type: 'text/plain', body: 'not AWS\n' };
      hear(send(response, refusal, undefined, headers));
      return;
    }
    const { service, action, input } = parsed;
    const call = { service, action, requestId: headers['x-amzn-requestid'] };
    const fault = takeFault(parsed);
    let instanceId: string | undefined;
    let roleArn: string | undefined;
    const handle = async (): Promise<Outcome> => {
      try {
        const caller = await identifyCaller(options, atMs, service, request, body);
        instanceId = caller.instanceId;
        roleArn = caller.session?.roleArn;
        const faulted = faultedOutcome(call, fault);
        if (faulted !== undefined) return faulted;
        const labRequest = { action, input, caller };
        options.authorize?.(service, labRequest);
        const target = options.services[service];
        if (target === undefined) throw new Error(`this lab has no ${service}`);
        return accept(call, await target.handle(labRequest));
      } catch (error) {
        return refuse(call, error);
      }
    };
    const { answer, code } = await handle();
    const delayMs = latency[latencyKind(action)] + (fault?.kind === 'slow' ? fault.ms : 0);
    if (delayMs > 0) await clock.sleep(delayMs, stopping.signal);

    const record: LabCall = {
      atMs,
      endMs: clock.nowMs(),
      compressed: request.headers['content-encoding'] === 'gzip',
      service,
      action,
      instanceId,
      roleArn,
      region: parseSignature(request)?.region,
      input,
      status: isCut(fault) ? 0 : answer.status,
      code: isCut(fault) ? fault.kind : code,
    };
    calls.push(record);
    for (const listener of listeners) listener(record);
    const sent = send(response, answer, fault, headers);
    hear(code === 'html' ? undefined : sent);
  };

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      if (!stopping.signal.aborted && !request.socket.destroyed) console.error('lab:', error);
      request.socket.destroy();
    });
  });
  // Else a client that keeps its connections for longer would see resets that no rule asked for.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const { address, port } = server.address() as AddressInfo;

  return {
    endpoint: `http://${address}:${port}`,
    calls,
    latency,
    onCall: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    fail: (rule) => void rules.push({ rule, left: rule.times }),
    clearFaults: () => void rules.splice(0),
    [Symbol.asyncDispose]: async () => {
      stopping.abort(new Error('the lab is stopping'));
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const targets = new Map<string, ServiceName>([
  ['AmazonSSM', 'ssm'],
  ['Logs_20140328', 'logs'],
]);

/** By the version of their API. */
export const queryVersions = new Map<string, 'ec2' | QueryService>([
  ['2016-11-15', 'ec2'],
  ['2011-06-15', 'sts'],
  ['2010-05-15', 'cloudformation'],
  ['2011-01-01', 'autoscaling'],
]);

/** undefined: no request of a service that the lab plays. */
function parseRequest(request: IncomingMessage, raw: Buffer): Parsed | undefined {
  try {
    const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw;
    const text = body.toString();
    const target = request.headers['x-amz-target'];
    if (typeof target === 'string') {
      const [prefix = '', action = ''] = target.split('.');
      const service = targets.get(prefix);
      const input = (text === '' ? {} : JSON.parse(text)) as Parsed['input'];
      return service === undefined ? undefined : { service, action, input };
    }
    const { Action, Version, ...input } = parseQuery(text);
    const service = typeof Version === 'string' ? queryVersions.get(Version) : undefined;
    if (typeof Action !== 'string' || service === undefined) return undefined;
    return { service, action: Action, input };
  } catch {
    return undefined;
  }
}

function latencyKind(action: string): keyof Latency {
  if (action.startsWith('Describe')) return 'describeMs';
  if (action === 'CreateTags' || action === 'DeleteTags') return 'tagMs';
  if (/^(Attach|Detach)/.test(action)) return 'attachMs';
  return 'otherMs';
}
