// A proxy in front of the lab (or any AWS endpoint, or an IMDS) that breaks calls as networks and AWS do.
import {
  Agent,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { systemClock } from '../../src/system/clock.ts';
import { errorAnswer, type WireAnswer } from './chaos-errors.ts';
import { createMemory, memoryKey } from './chaos-memory.ts';
import { nameOf, readOperation } from './chaos-operation.ts';
import type { ChaosInput } from './chaos-options.ts';
import { createSchedule, type ChaosKind } from './chaos-schedule.ts';
import type { LabJudge } from './judge-record.ts';

export type ChaosOptions = ChaosInput & {
  /** `http://127.0.0.1:4566` */
  readonly target: string;
  /** Of the errors that the proxy makes itself; the other answers are judged where they come from. */
  readonly judge: Pick<LabJudge, 'hear'> | undefined;
  /** Default: any free port of 127.0.0.1. */
  readonly host?: string;
  readonly port?: number;
};

export type Injected = {
  readonly atMs: number;
  /** `ec2:AttachNetworkInterface` */
  readonly name: string;
  /** Its address. */
  readonly caller: string;
  readonly kind: ChaosKind;
};

export type Chaos = AsyncDisposable & {
  /** For AWS_ENDPOINT_URL. */
  readonly endpoint: string;
  readonly injected: readonly Injected[];
  /** Calls that came in, broken or not. */
  readonly calls: () => number;
};

const slowMs = { least: 300, most: 2_300 };
const wrongByMs = 20 * 60_000;
/** Of the connection, not of the message. */
const hopHeaders = ['connection', 'keep-alive', 'transfer-encoding', 'expect', 'content-length'];

export async function createChaos(options: ChaosOptions): Promise<Chaos> {
  const schedule = createSchedule(options.seed, options.rules);
  const memory = createMemory(() => systemClock.monotonicMs());
  const agent = new Agent({ keepAlive: true });
  const injected: Injected[] = [];
  const deadSockets = new WeakSet<Socket>();
  const stopping = new AbortController();
  let calls = 0;

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { socket } = request;
    const body = await readAll(request);
    calls++;
    if (deadSockets.has(socket)) return;
    const operation = readOperation(request, body);
    const name = nameOf(operation);
    const caller = socket.remoteAddress ?? '';
    const key = memoryKey(operation, request.headers.authorization, body);
    const earlier = key === undefined ? undefined : memory.recall(key);
    const drawn = schedule.draw(name, caller);
    // What was never asked before has no stale answer.
    const kind = drawn?.kind === 'stale' && earlier === undefined ? undefined : drawn?.kind;
    const amount = drawn?.amount ?? 0;
    if (kind !== undefined) injected.push({ atMs: systemClock.nowMs(), name, caller, kind });

    const forwarded = async (): Promise<WireAnswer> => {
      const answer = await forward(agent, options.target, request, body);
      if (key !== undefined && answer.status === 200) memory.keep(key, answer);
      return answer;
    };
    switch (kind) {
      case 'throttle':
      case '500':
      case '503': {
        const answer = errorAnswer(operation, kind);
        const { method = '', url: path = '', headers } = request;
        if (operation.protocol !== 'imds') {
          options.judge?.hear({ request: { method, path, headers, body }, answer });
        }
        return send(response, answer);
      }
      case 'reset-before':
        socket.resetAndDestroy();
        return undefined;
      case 'black-hole':
        return undefined;
      case 'stale':
        return send(response, earlier!);
      case 'reset-after':
        await forwarded();
        socket.resetAndDestroy();
        return undefined;
      case 'lost-answer':
        await forwarded();
        return undefined;
      case 'truncated':
        return sendHalf(response, await forwarded());
      case 'half-open':
        send(response, await forwarded());
        deadSockets.add(socket);
        return undefined;
      case 'wrong-date': {
        const answer = await forwarded();
        const wrongMs = systemClock.nowMs() + (amount < 0.5 ? -wrongByMs : wrongByMs);
        const date = new Date(wrongMs).toUTCString();
        return send(response, { ...answer, headers: { ...answer.headers, date } });
      }
      case 'slow': {
        const answer = await forwarded();
        const delayMs = slowMs.least + amount * (slowMs.most - slowMs.least);
        await systemClock.sleep(delayMs, stopping.signal);
        return send(response, answer);
      }
      case undefined:
        return send(response, await forwarded());
    }
  };

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      if (!stopping.signal.aborted && !request.socket.destroyed) console.error('chaos:', error);
      request.socket.destroy();
    });
  });
  // Else the connections of slow clients would end by themselves.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, options.host ?? '127.0.0.1', resolve);
  });
  const { address, port } = server.address() as AddressInfo;
  return {
    endpoint: `http://${address}:${port}`,
    injected,
    calls: () => calls,
    [Symbol.asyncDispose]: async () => {
      stopping.abort(new Error('the chaos proxy is stopping'));
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      agent.destroy();
      await closed;
    },
  };
}

/** `9 faults in 41 calls: throttle 4 (ec2:CreateTags, ...), ...` */
export function summaryOf({ injected, calls }: Pick<Chaos, 'injected' | 'calls'>): string {
  const kinds = Map.groupBy(injected, ({ kind }) => kind);
  const parts = [...kinds].map(([kind, faults]) => {
    const names = new Set(faults.map(({ name }) => name.replace(/^\w+:/, '')));
    return `${kind} ${faults.length} (${[...names].join(', ')})`;
  });
  return `${injected.length} faults in ${calls()} calls${parts.length === 0 ? '' : `: ${parts.join(', ')}`}`;
}

/** The host stays as the client wrote it: it is signed. */
async function forward(
  agent: Agent,
  target: string,
  request: IncomingMessage,
  body: Buffer,
): Promise<WireAnswer> {
  const headers = {
    ...Object.fromEntries(
      Object.entries(request.headers).filter(([name]) => !hopHeaders.includes(name)),
    ),
    'content-length': String(body.length),
  };
  const { method } = request;
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    httpRequest(new URL(request.url ?? '/', target), { method, headers, agent }, resolve)
      .once('error', reject)
      .end(body);
  });
  return {
    status: answer.statusCode ?? 0,
    headers: Object.fromEntries(
      Object.entries(answer.headers)
        .filter(([name]) => !hopHeaders.includes(name))
        .map(([name, value]) => [name, String(value)]),
    ),
    body: await readAll(answer),
  };
}

async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function send(response: ServerResponse, { status, headers, body }: WireAnswer): void {
  response.writeHead(status, { ...headers, 'content-length': body.length }).end(body);
}

function sendHalf(response: ServerResponse, { status, headers, body }: WireAnswer): void {
  response.writeHead(status, { ...headers, 'content-length': body.length });
  response.write(body.subarray(0, Math.ceil(body.length / 2)), () => response.destroy());
}
