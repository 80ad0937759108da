// `npm run bench:kernel`: what it costs to make the events of a request from the bytes of a log file, by the WebAssembly
// kernel and by JSON.stringify for each line. Reading, hashing and sending are not in it.
import { createKernel } from '../../src/ship/kernel.ts';
import { eventOverheadBytes, maxBatchBytes, maxBatchEvents } from '../../src/ship/batch.ts';
import { spreadOf, spreadText, tableLines } from './bench-statistics.ts';

type Cost = { readonly seconds: number; readonly cpuSeconds: number };

type Path = {
  /** Brings a read to where the path finds it; not measured. */
  readonly load: (read: Buffer) => void;
  /** All lines of the read become bodies. */
  readonly take: () => void;
  readonly bodyBytes: () => number;
};

const runs = 5;
const corpusBytes = 64_000_000;
const readBytes = 1024 * 1024;
const timestampMs = 1_700_000_000_000;
const prefix = '{"logGroupName":"group","logStreamName":"stream","logEvents":[';
const suffix = ']}';

const corpora: Readonly<Record<string, (n: number) => string>> = {
  app: (n) =>
    `2026-07-21T10:${two(n)}:07.${100 + (n % 900)}Z INFO  [worker-${n % 32}] com.example.orders.OrderService - order ${n} of customer ${(n * 7919) % 100_003} accepted in ${n % 97} ms, 3 items, total ${n % 501}.20 EUR, trace 4bf92f3577b34da6a3ce929d0e0e4736`,
  nginx: (n) =>
    `10.0.${n % 256}.17 - - [21/Jul/2026:10:${two(n)}:07 +0000] "GET /api/v1/orders/${n}?page=${n % 9} HTTP/1.1" 200 ${(n * 7919) % 100_003} "https://shop.example.com/orders" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"`,
  json: (n) =>
    JSON.stringify({
      level: 'info',
      time: `2026-07-21T10:${two(n)}:07.000Z`,
      pid: n % 4096,
      hostname: 'ip-10-0-12-34',
      name: 'orders',
      requestId: `req-${n}`,
      method: 'GET',
      path: `/api/v1/orders/${n}`,
      status: 200,
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      msg: 'request completed',
    }),
};

function two(n: number): string {
  return String(n % 60).padStart(2, '0');
}

/** The corpus in reads of about 1 MiB that end with a line. */
function readsOf(line: (n: number) => string): readonly Buffer[] {
  const reads: Buffer[] = [];
  for (let [n, total] = [0, 0]; total < corpusBytes;) {
    const lines: string[] = [];
    for (let bytes = 0; bytes < readBytes - 1000; n++) {
      lines.push(`${line(n)}\n`);
      bytes += lines.at(-1)!.length;
    }
    reads.push(Buffer.from(lines.join('')));
    total += reads.at(-1)!.length;
  }
  return reads;
}

function kernelPath(): Path {
  const kernel = createKernel();
  let end = 0;
  let bodyBytes = 0;
  const part = { timestampMs, join: false, final: false };
  const send = (): void => {
    bodyBytes += kernel.body(prefix, suffix).length;
    kernel.reset();
  };
  return {
    load: (read) => {
      kernel.input.set(read);
      end = read.length;
    },
    take: () => {
      let start = 0;
      for (let why = ''; why !== 'end';) {
        ({ consumed: start, why } = kernel.add({ ...part, start, end }));
        if (why === 'full') send();
      }
      send();
    },
    bodyBytes: () => bodyBytes,
  };
}

function stringifyPath(): Path {
  let read: Buffer = Buffer.alloc(0);
  let bodyBytes = 0;
  const send = (events: readonly string[]): void => {
    bodyBytes += Buffer.from(prefix + events.join(',') + suffix).length;
  };
  return {
    load: (next) => {
      read = next;
    },
    take: () => {
      let events: string[] = [];
      let bytes = 0;
      for (const line of read.toString('utf8').split('\n')) {
        const message = line.endsWith('\r') ? line.slice(0, -1) : line;
        if (message === '') continue;
        const size = Buffer.byteLength(message) + eventOverheadBytes;
        if (events.length === maxBatchEvents || bytes + size > maxBatchBytes) {
          send(events);
          events = [];
          bytes = 0;
        }
        events.push(JSON.stringify({ timestamp: timestampMs, message }));
        bytes += size;
      }
      send(events);
    },
    bodyBytes: () => bodyBytes,
  };
}

function measure(reads: readonly Buffer[], { load, take }: Path): Cost {
  let seconds = 0;
  let cpuMicroseconds = 0;
  for (const read of reads) {
    load(read);
    const cpu = process.cpuUsage();
    const from = performance.now();
    take();
    seconds += (performance.now() - from) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    cpuMicroseconds += user + system;
  }
  return { seconds, cpuSeconds: cpuMicroseconds / 1_000_000 };
}

const rows = [['corpus', 'path', 'MB/s', 'CPU-s/GB']];
for (const [name, line] of Object.entries(corpora)) {
  const reads = readsOf(line);
  const bytes = reads.reduce((total, read) => total + read.length, 0);
  const paths = { kernel: kernelPath(), 'JSON.stringify': stringifyPath() };
  const costs: Record<string, Cost[]> = {};
  // The first run warms up.
  for (let run = 0; run <= runs; run++) {
    for (const [path, work] of Object.entries(paths)) {
      const cost = measure(reads, work);
      if (run > 0) (costs[path] ??= []).push(cost);
    }
  }
  const [one, other] = Object.values(paths).map((path) => path.bodyBytes());
  if (one !== other) throw new Error(`${name}: bodies of ${one} and of ${other} bytes`);
  for (const [path, samples] of Object.entries(costs)) {
    const speed = spreadOf(samples.map(({ seconds }) => bytes / 1_000_000 / seconds));
    const cpu = spreadOf(samples.map(({ cpuSeconds }) => (cpuSeconds * 1_000_000_000) / bytes));
    rows.push([name, path, spreadText(speed, 0), spreadText(cpu, 3)]);
  }
}
for (const row of tableLines(rows)) console.log(row);
