// `npm run bench:metrics`: what part of a core collecting all metrics costs, each 60 s and each second, on this machine.
// `--runs N`: collections that are measured, 300 by default.
import { readdirSync, rmSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { checkConfig } from '../../src/boot/check-config.ts';
import { measurements } from '../../src/boot/metric-names.ts';
import { createLog } from '../../src/log.ts';
import { createMetrics } from '../../src/ship/metrics.ts';
import { createSpool } from '../../src/ship/spool.ts';
import { createPorts } from '../../src/system/ports.ts';
import { tableLines } from './bench-statistics.ts';
import { usageOf } from './bench-usage.ts';
import { hasProgram } from './environment.ts';

const { values } = parseArgs({ options: { runs: { type: 'string', default: '300' } } });
const runs = Number(values.runs);
const { signal } = new AbortController();
const log = createLog('error', (line) => process.stderr.write(line));
using ports = createPorts(log);
const folder = mkdtempSync(join(tmpdir(), 'berth-bench-'));

/** Everything that there is, of each core, disk and interface. */
const all: Readonly<Record<string, object>> = {
  ...Object.fromEntries(
    Object.entries(measurements).map(([kind, fields]) => [
      kind,
      { measurement: Object.keys(fields), ...(kind === 'cpu' ? { resources: ['*'] } : {}) },
    ]),
  ),
  ...(hasProgram('ethtool') ? { ethtool: {} } : {}),
};

type Measured = {
  /** User and system time of this process and its children. */
  readonly cpuMs: number;
  readonly bytes: number;
  readonly metrics: number;
};

/** What a collection and its append to the spool cost, on average. */
async function measure(collected: object): Promise<Measured> {
  const checked = checkConfig(
    { metrics: { metrics_collected: collected } },
    { identity: undefined, localHostname: 'bench', nowMs: 0 },
    undefined,
  );
  if (!checked.ok) throw new Error(JSON.stringify(checked.issues));
  const metrics = createMetrics(
    { ...ports, log },
    {
      config: checked.config.metrics!,
      health: () => ({ pools: [], logs: undefined, metrics: { refused: 0, dropped: 0 } }),
      write: async () => undefined,
    },
  );
  const path = join(folder, 'metrics.log');
  const spool = createSpool(ports, { path, isDelivered: () => true });
  for (let i = 0; i < 20; i++) await spool.append(await metrics.collect(signal));
  const before = (await usageOf(process.pid)).cpuSeconds;
  let documents: readonly string[] = [];
  for (let i = 0; i < runs; i++) {
    documents = await metrics.collect(signal);
    await spool.append(documents);
  }
  const cpuMs = (((await usageOf(process.pid)).cpuSeconds - before) * 1000) / runs;
  if (metrics.error !== undefined) throw new Error(metrics.error);
  return {
    cpuMs,
    bytes: Buffer.byteLength(documents.join('\n')) + 1,
    metrics: documents.reduce((sum, one) => sum + one.split('"Name":').length - 1, 0),
  };
}

const percent = (share: number): string => `${(100 * share).toFixed(4)} %`;
const kinds = [...Object.keys(all), 'all'];
const rows: string[][] = [];
try {
  for (const kind of kinds) {
    const { cpuMs, bytes, metrics } = await measure(kind === 'all' ? all : { [kind]: all[kind] });
    const share = cpuMs / 1000;
    rows.push([
      kind,
      String(metrics),
      String(bytes),
      `${cpuMs.toFixed(3)} ms`,
      percent(share / 60),
      percent(share),
    ]);
  }
} finally {
  rmSync(folder, { recursive: true });
}

const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length;
console.log(
  `${runs} collections each, ${processes} processes on this host; berth's own metrics are in each row`,
);
const heading = [
  'metrics of',
  'metrics',
  'bytes',
  'CPU each time',
  'of a core, each 60 s',
  'of a core, each second',
];
if (!hasProgram('ethtool')) console.log('without ethtool, which is not installed here');
for (const line of tableLines([heading, ...rows])) console.log(line);
