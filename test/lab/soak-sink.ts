// The CloudWatch Logs of `npm run soak`, as a process of its own: keeps every rule of PutLogEvents, knows every line that
// was written, and is away, slow or hostile as it is told. Spoken to by messages.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { maxKernels } from '../../src/ship/bulk.ts';
import { createSeededRandom } from '../fakes/random.ts';
import { createLogsService, type LabLogEvent } from './logs.ts';
import { AwsFault } from './service.ts';
import { createLedger, type Comparison } from './soak-ledger.ts';
import { parseLine, poisonMark } from './soak-line.ts';

export type SinkMode =
  | 'well'
  /** Nobody listens. */
  | 'refuse'
  /** Connections are made, and nothing ever comes back; CloudWatch has not got it. */
  | 'black-hole'
  /** The same, but CloudWatch has it. */
  | 'half-open'
  /** CloudWatch has it, and the connection is reset instead of an answer. */
  | 'reset-after'
  | 'error-500'
  /** All calls beyond `throttledTo`. */
  | 'throttle'
  | 'slow'
  /** Half of all calls. */
  | 'expired';

export type ToSink =
  | { readonly kind: 'mode'; readonly mode: SinkMode }
  /** The daemon was killed: what it had just sent may come again. */
  | { readonly kind: 'killed' }
  /** What was written, by writer; answered with `compared`. */
  | { readonly kind: 'compare'; readonly written: Readonly<Record<string, number>> };

export type FromSink =
  | { readonly kind: 'listening'; readonly port: number }
  | ({ readonly kind: 'progress' } & Progress)
  | ({ readonly kind: 'compared'; readonly refused: readonly string[] } & Comparison);

export type Progress = {
  /** Of the writers of which something came. */
  readonly moved: Readonly<Record<string, number>>;
  readonly calls: number;
  readonly arrived: number;
  readonly repeated: number;
  /** So many may have: the batches whose answer never came to the daemon, and those that it had just sent when it was killed. */
  readonly mayRepeat: number;
  readonly misplaced: number;
  readonly disorder: readonly string[];
  readonly refused: number;
  /** What is none of the lines written, or not whole; or breaks a rule of the API. A few of them. */
  readonly wrong: readonly string[];
  /** From the end of an outage to the first call that was answered well: the longest of each kind. */
  readonly resumedMs: Readonly<Partial<Record<SinkMode, number>>>;
};

const progressMs = 250;
/** A second, as a bucket of one second. */
const throttledTo = 40;
const slowMs = { least: 500, most: 6_000 };
const maxWrong = 20;
const outages: readonly SinkMode[] = ['refuse', 'black-hole', 'half-open'];

async function serve(): Promise<void> {
  const ledger = createLedger();
  const random = createSeededRandom(1);
  const wrong: string[] = [];
  /** By stream: how many events the last batches had that were answered; so many are under way or being noted. */
  const last = new Map<string, readonly number[]>();
  let mode: SinkMode = 'well';
  let calls = 0;
  let mayRepeat = 0;
  let bucket = { atMs: 0, left: throttledTo };
  let ended: { readonly mode: SinkMode; readonly atMs: number } | undefined;
  const resumedMs: Partial<Record<SinkMode, number>> = {};

  const mayCall = (): boolean => {
    const nowMs = performance.now();
    const { atMs, left } = bucket;
    bucket = {
      atMs: nowMs,
      left: Math.min(throttledTo, left + ((nowMs - atMs) / 1_000) * throttledTo),
    };
    if (bucket.left < 1) return false;
    bucket.left--;
    return true;
  };
  const complain = (what: string): void => {
    if (wrong.length < maxWrong) wrong.push(what.slice(0, 300));
  };
  const lineAt = ({ message, timestamp }: LabLogEvent) => {
    const line = parseLine(message);
    if (line === undefined || !line.intact) complain(`not a line that was written: ${message}`);
    else if (line.timestampMs !== undefined && line.timestampMs !== timestamp)
      complain(`the time ${timestamp} for: ${message}`);
    return line;
  };
  const logs = createLogsService({
    clock: { nowMs: () => Date.now() },
    arnPrefix: 'arn:aws:logs:eu-west-1:111122223333:log-group:',
    onAccepted: (events) => {
      for (const event of events) {
        const line = lineAt(event);
        if (line !== undefined) ledger.take(line.writer, line.seq, event.timestamp);
      }
    },
  });

  const put = async (input: Readonly<Record<string, unknown>>) => {
    const events = (input['logEvents'] ?? []) as readonly LabLogEvent[];
    const poisoned = events.find(({ message }) => message.includes(poisonMark));
    if (poisoned !== undefined) {
      if (events.length === 1) refuse(poisoned);
      throw new AwsFault(400, 'InvalidParameterException', 'Log event is not to our liking');
    }
    const answer = await handle('PutLogEvents', input);
    const info = answer['rejectedLogEventsInfo'] as Readonly<Record<string, number>> | undefined;
    const oldEnd = info?.['tooOldLogEventEndIndex'] ?? 0;
    const newStart = info?.['tooNewLogEventStartIndex'] ?? events.length;
    for (const event of [...events.slice(0, oldEnd), ...events.slice(newStart)]) refuse(event);
    return answer;
  };
  const refuse = (event: LabLogEvent): void => {
    const line = lineAt(event);
    if (line !== undefined) ledger.refuse(line.writer, line.seq);
  };
  const handle = async (action: string, input: Readonly<Record<string, unknown>>) => {
    try {
      const caller = { instanceId: undefined, instanceArn: undefined };
      return await logs.handle({ action, input, caller });
    } catch (error) {
      const code = error instanceof AwsFault ? error.code : String(error);
      if (code === 'InvalidParameterException' || !(error instanceof AwsFault))
        complain(`${action}: ${String(error)}`);
      throw error;
    }
  };

  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { socket } = request;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    calls++;
    // As it is now: the mode may change meanwhile.
    const now = mode;
    if (now === 'black-hole') return;
    const fault = faultOf(now, random.next(), mayCall);
    if (fault !== undefined) {
      reply(response, fault);
      return;
    }
    if (now === 'slow')
      await sleep(slowMs.least + random.next() * (slowMs.most - slowMs.least), undefined);
    const raw = Buffer.concat(chunks);
    const isPacked = request.headers['content-encoding'] === 'gzip';
    const body = (isPacked ? gunzipSync(raw) : raw).toString();
    const action = String(request.headers['x-amz-target']).split('.').at(-1)!;
    const input = JSON.parse(body) as Readonly<Record<string, unknown>>;
    const isPut = action === 'PutLogEvents';
    const events = isPut ? (input['logEvents'] as readonly unknown[]).length : 0;
    const answer = await (isPut ? put(input) : handle(action, input)).catch((error: unknown) =>
      error instanceof AwsFault ? error : new AwsFault(500, 'InternalFailure', String(error)),
    );
    if (!(answer instanceof AwsFault)) {
      const stream = `${String(input['logGroupName'])} ${String(input['logStreamName'])}`;
      if (isPut) last.set(stream, [...(last.get(stream) ?? []), events].slice(-(maxKernels + 1)));
      // Whoever hangs up has ended its side.
      if (now === 'half-open' || now === 'reset-after' || !socket.writable) {
        mayRepeat += events;
        if (now === 'reset-after') socket.resetAndDestroy();
        return;
      }
      if (ended !== undefined) {
        const ms = performance.now() - ended.atMs;
        resumedMs[ended.mode] = Math.max(resumedMs[ended.mode] ?? 0, ms);
      }
      ended = undefined;
    }
    // Until it is on its way: whoever hangs up before sends it again.
    response.once('close', () => {
      if (!response.writableFinished && !(answer instanceof AwsFault)) mayRepeat += events;
    });
    reply(response, answer);
  };

  const server = createServer((request, response) => {
    receive(request, response).catch(() => request.socket.destroy());
  });
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  const become = async (next: SinkMode): Promise<void> => {
    if (outages.includes(mode) && !outages.includes(next))
      ended = { mode, atMs: performance.now() };
    mode = next;
    if (next === 'refuse' && server.listening) {
      server.close();
      server.closeAllConnections();
    } else if (next !== 'refuse' && !server.listening) {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    }
  };
  /** One after the other. */
  let turns: Promise<void> = Promise.resolve();
  process.on('message', (message: ToSink) => {
    if (message.kind === 'mode') turns = turns.then(() => become(message.mode));
    else if (message.kind === 'killed') {
      for (const events of last.values()) for (const count of events) mayRepeat += count;
      last.clear();
    } else {
      const { refused } = ledger;
      report();
      tell({ kind: 'compared', refused, ...ledger.compare(message.written) });
    }
  });
  process.on('disconnect', () => process.exit());
  const report = (): void => {
    const { arrived, repeated, misplaced, disorder, refused } = ledger;
    const moved = ledger.moved();
    const counts = { arrived, repeated, misplaced, refused: refused.length, mayRepeat };
    tell({ kind: 'progress', moved, calls, ...counts, disorder, wrong, resumedMs });
  };
  setInterval(report, progressMs);
  tell({ kind: 'listening', port });
}

function faultOf(mode: SinkMode, drawn: number, mayCall: () => boolean): AwsFault | undefined {
  if (mode === 'error-500') return new AwsFault(500, 'InternalFailure', 'told to');
  if (mode === 'throttle' && !mayCall())
    return new AwsFault(400, 'ThrottlingException', 'Rate exceeded');
  if (mode === 'expired' && drawn < 0.5)
    return new AwsFault(400, 'ExpiredTokenException', 'told to');
  return undefined;
}

function reply(
  response: ServerResponse,
  answer: AwsFault | Readonly<Record<string, unknown>>,
): void {
  const isFault = answer instanceof AwsFault;
  const body = JSON.stringify(isFault ? { __type: answer.code, message: answer.message } : answer);
  response.writeHead(isFault ? answer.status : 200, {
    'content-type': 'application/x-amz-json-1.1',
    'content-length': Buffer.byteLength(body),
    'x-amzn-requestid': '00000000-0000-0000-0000-000000000000',
  });
  response.end(body);
}

function tell(message: FromSink): void {
  process.send?.(message);
}

await serve();
