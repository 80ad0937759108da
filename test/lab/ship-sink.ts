// A CloudWatch Logs that accepts everything and counts it, as a process of its own, so that its cost is nobody's.
// With each body it notes the time and what the contestant's process has cost by then. Spoken to by messages.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { parseCpuSeconds } from './bench-usage.ts';

export type ToSink =
  /** A new round; `check`: keep what arrives, and compare it with the lines of these files. */
  | {
      readonly kind: 'begin';
      readonly events: number;
      readonly check: readonly string[] | undefined;
    }
  | { readonly kind: 'watch'; readonly pid: number }
  /** The contestant ended, or took too long. */
  | { readonly kind: 'end' };

export type FromSink =
  | { readonly kind: 'listening'; readonly port: number }
  | ({ readonly kind: 'done' } & Arrivals);

export type Arrivals = {
  readonly bodies: readonly Body[];
  readonly events: number;
  readonly wireBytes: number;
  readonly check: Check | undefined;
};

export type Body = { readonly atMs: number; readonly cpuSeconds: number; readonly events: number };
export type Check = {
  readonly missing: number;
  readonly repeated: number;
  readonly foreign: number;
};

/** Compressed bodies are opened when nothing has come for this long. */
const quietMs = 50;
/** Nothing has come for so long: nothing will. */
const stallMs = 30_000;
const mark = Buffer.from('"message":');

type Arrived = { atMs: number; cpuSeconds: number; events: number };
type Round = {
  readonly wanted: number;
  readonly check: readonly string[] | undefined;
  readonly bodies: Arrived[];
  readonly packed: { readonly body: Buffer; readonly arrived: Arrived }[];
  readonly hashes: Map<string, number>;
  pid: number | undefined;
  events: number;
  wireBytes: number;
  lastMs: number;
};
let round: Round | undefined;

const server = createServer((request, response) => {
  void receive(request, response).catch(() => response.destroy());
});
server.keepAliveTimeout = 600_000;
server.requestTimeout = 0;
server.listen(0, '127.0.0.1', () => {
  tell({ kind: 'listening', port: (server.address() as AddressInfo).port });
});
process.on('message', (message: ToSink) => {
  if (message.kind === 'begin') {
    const { events, check } = message;
    const [bodies, packed, hashes] = [[], [], new Map<string, number>()];
    const lastMs = performance.now();
    round = {
      wanted: events,
      check,
      bodies,
      packed,
      hashes,
      pid: undefined,
      events: 0,
      wireBytes: 0,
      lastMs,
    };
  } else if (message.kind === 'watch') {
    if (round !== undefined) round.pid = message.pid;
  } else finish();
});
process.on('disconnect', () => process.exit());
setInterval(() => {
  if (round === undefined) return;
  const quiet = performance.now() - round.lastMs;
  if (quiet < quietMs) return;
  unpack(round);
  if (round.events >= round.wanted || quiet > stallMs) finish();
}, quietMs / 2);

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const action = String(request.headers['x-amz-target']).split('.').at(-1)!;
  if (action === 'PutLogEvents' && round !== undefined) {
    take(round, Buffer.concat(chunks), request.headers['content-encoding'] === 'gzip');
  }
  const answer = answers[action] ?? '{}';
  response.writeHead(200, {
    'content-type': 'application/x-amz-json-1.1',
    'content-length': answer.length,
    'x-amzn-requestid': '00000000-0000-0000-0000-000000000000',
  });
  response.end(answer);
}
const answers: Readonly<Record<string, string>> = {
  DescribeLogGroups: '{"logGroups":[]}',
  DescribeLogStreams: '{"logStreams":[]}',
};

function take(to: Round, body: Buffer, isPacked: boolean): void {
  const atMs = performance.timeOrigin + performance.now();
  const arrived = { atMs, cpuSeconds: cpuSecondsOf(to.pid), events: 0 };
  to.bodies.push(arrived);
  to.wireBytes += body.length;
  to.lastMs = performance.now();
  if (isPacked) to.packed.push({ body, arrived });
  else count(to, body, arrived);
}

function unpack(to: Round): void {
  for (const { body, arrived } of to.packed.splice(0)) count(to, gunzipSync(body), arrived);
}

function count(to: Round, body: Buffer, arrived: Arrived): void {
  if (to.check === undefined) {
    for (let at = body.indexOf(mark); at !== -1; at = body.indexOf(mark, at + mark.length)) {
      arrived.events++;
    }
  } else {
    const { logEvents } = JSON.parse(body.toString()) as { logEvents: { message: string }[] };
    arrived.events = logEvents.length;
    for (const { message } of logEvents) {
      const hash = hashOf(message);
      to.hashes.set(hash, (to.hashes.get(hash) ?? 0) + 1);
    }
  }
  to.events += arrived.events;
}

function finish(): void {
  const ended = round;
  round = undefined;
  if (ended === undefined) return;
  unpack(ended);
  const { bodies, events, wireBytes } = ended;
  tell({ kind: 'done', bodies, events, wireBytes, check: compare(ended) });
}

/** Every line is once in its corpus. */
function compare({ check, hashes }: Round): Check | undefined {
  if (check === undefined) return undefined;
  let [missing, repeated, known] = [0, 0, 0];
  for (const path of check) {
    for (const line of readFileSync(path, 'utf8').split('\n').slice(0, -1)) {
      const times = hashes.get(hashOf(line)) ?? 0;
      if (times === 0) missing++;
      else known++;
      repeated += Math.max(0, times - 1);
    }
  }
  return { missing, repeated, foreign: hashes.size - known };
}

function hashOf(line: string): string {
  return createHash('sha1').update(line).digest('base64').slice(0, 12);
}

function cpuSecondsOf(pid: number | undefined): number {
  if (pid === undefined) return 0;
  try {
    return parseCpuSeconds(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return 0;
  }
}

function tell(message: FromSink): void {
  process.send?.(message);
}
