// The least that shipping can cost, as a contestant of `npm run bench:ship`: bodies made beforehand, then nothing but
// (gzip,) SHA-256, the SigV4 header and a POST by node:http. `node ship-floor.ts plain|gzip FILE ...`; until it is killed.
import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { maxBatchBytes, maxBatchEvents, perEventBytes } from './ship-limits.ts';

const inFlight = 2;
const scopeEnd = 'eu-central-1/logs/aws4_request';
const target = 'Logs_20140328.PutLogEvents';
const [encoding, ...paths] = process.argv.slice(2);
const isPacked = encoding === 'gzip';
const endpoint = new URL(process.env['AWS_ENDPOINT_URL']!);
const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
const pack = promisify(gzip) as (body: Buffer, options: { level: number }) => Promise<Buffer>;

/** The memory of the lines is free again before the first body is sent. */
function bodiesOf(path: string): readonly Buffer[] {
  const bodies: Buffer[] = [];
  let [events, bytes]: [{ timestamp: number; message: string }[], number] = [[], 0];
  const end = (): void => {
    const body = { logGroupName: 'bench', logStreamName: basename(path), logEvents: events };
    bodies.push(Buffer.from(JSON.stringify(body)));
    [events, bytes] = [[], 0];
  };
  for (const message of readFileSync(path, 'utf8').split('\n')) {
    if (message === '') continue;
    const size = Buffer.byteLength(message) + perEventBytes;
    if (bytes + size > maxBatchBytes || events.length === maxBatchEvents) end();
    events.push({ timestamp: Date.now(), message });
    bytes += size;
  }
  if (events.length > 0) end();
  return bodies;
}

function signed(body: Buffer): Readonly<Record<string, string | number>> {
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const scope = `${date.slice(0, 8)}/${scopeEnd}`;
  const names = 'host;x-amz-date;x-amz-target';
  const canonical = `POST\n/\n\nhost:${endpoint.host}\nx-amz-date:${date}\nx-amz-target:${target}\n\n${names}\n${sha256(body)}`;
  const toSign = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha256(canonical)}`;
  const secret = `AWS4${process.env['AWS_SECRET_ACCESS_KEY']}`;
  let key: Buffer | string = secret;
  for (const part of scope.split('/')) key = createHmac('sha256', key).update(part).digest();
  const signature = createHmac('sha256', key).update(toSign).digest('hex');
  return {
    'content-type': 'application/x-amz-json-1.1',
    'content-length': body.length,
    'x-amz-date': date,
    'x-amz-target': target,
    authorization: `AWS4-HMAC-SHA256 Credential=${process.env['AWS_ACCESS_KEY_ID']}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
    ...(isPacked ? { 'content-encoding': 'gzip' } : {}),
  };
}

function sha256(data: Buffer | string): string {
  return createHash('sha256').update(data).digest('hex');
}

function post(body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = endpoint;
    const call = request({ hostname, port, agent, method: 'POST', headers: signed(body) });
    call.on('error', reject);
    call.on('response', (response) => response.resume().on('end', () => resolve()));
    call.end(body);
  });
}

const bodies = paths.flatMap(bodiesOf);
await Promise.all(
  Array.from({ length: inFlight }, async () => {
    for (let body = bodies.pop(); body !== undefined; body = bodies.pop()) {
      await post(isPacked ? await pack(body, { level: 1 }) : body);
    }
  }),
);
setInterval(() => undefined, 60_000);
