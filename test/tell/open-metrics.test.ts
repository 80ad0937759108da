// The OpenMetrics text, read by the Prometheus client's own parser, and the Grafana dashboard that stands on it.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Status } from '../../src/model/status.ts';
import { families, renderOpenMetrics, sampleNameOf } from '../../src/tell/open-metrics.ts';
import { statusWith } from '../fixtures/status.ts';
import { pythonEnvironment } from '../lab/api-models.ts';

const python = join(pythonEnvironment, 'bin', 'python');
const hasParser =
  existsSync(python) &&
  (() => {
    try {
      execFileSync(python, ['-c', 'import prometheus_client'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  })();

const eni = {
  eniId: 'eni-1',
  mac: '02:00:00:00:00:01',
  ipv4: ['10.0.1.50'],
  ipv6: [],
  device: 'eth1',
  table: 20_001,
  routing: { picture: [], commands: [] },
  epoch: 7,
};
/** Everything is known, and a name that has to be escaped. */
const full: Status = statusWith({
  phase: 'ready',
  ready: true,
  readyAfterMs: 380,
  instanceId: 'i-1',
  config: {
    name: 'parameter /berth/config',
    version: 3,
    lastKnownGood: false,
    rejected: undefined,
    restartNeeded: [],
  },
  pools: [
    { pool: 'db', phase: 'ready', ready: true, message: 'served', eni },
    { pool: 'a "b"\\\n', phase: 'gave-up', ready: false, message: 'empty', eni: undefined },
  ],
  logs: {
    files: 4,
    eventsSent: 1_000_000,
    eventsRefused: 2,
    batchesSent: 90,
    bytesBehind: 512,
    bytesDropped: 0,
    lastError: undefined,
  },
  notices: [{ kind: 'spot', message: 'going', at: undefined }],
  metrics: { documents: 5, refused: 1, dropped: 0, lastError: undefined },
});

/** `name{label="value",...} value`, as the parser understood them. */
function parsed(text: string): readonly string[] {
  const script = [
    'import sys, json',
    'from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse',
    'print(json.dumps([[s.name, s.labels, s.value] for f in parse(sys.stdin.read()) for s in f.samples]))',
  ].join('\n');
  const out = execFileSync(python, ['-c', script], { input: text, encoding: 'utf8' });
  const samples = JSON.parse(out) as readonly [string, Record<string, string>, number][];
  return samples.map(([name, labels, value]) => `${name} ${JSON.stringify(labels)} ${value}`);
}

describe.skipIf(!hasParser)(
  `OpenMetrics${hasParser ? '' : ' (skipped: no prometheus_client, see .ci/run)'}`,
  () => {
    test('the parser of Prometheus reads all of it', () => {
      const samples = parsed(renderOpenMetrics(full));
      expect(samples).toEqual(
        expect.arrayContaining([
          'berth_info {"version":"1.2.3","instance_id":"i-1"} 1',
          'berth_start_time_seconds {} 1800000000',
          'berth_ready {} 1',
          'berth_ready_after_seconds {} 0.38',
          'berth_config_version {} 3',
          'berth_pool_claimed {"pool":"db","eni":"eni-1"} 1',
          'berth_pool_claimed {"pool":"a \\"b\\"\\\\\\n","eni":""} 0',
          'berth_pool_epoch {"pool":"db"} 7',
          'berth_pool_phase {"pool":"db","berth_pool_phase":"ready"} 1',
          'berth_pool_phase {"pool":"db","berth_pool_phase":"lost"} 0',
          'berth_log_behind_bytes {} 512',
          'berth_log_events_sent_total {} 1000000',
          'berth_metric_documents_dropped_total {} 0',
        ]),
      );
      for (const family of families) {
        expect(samples).toContainEqual(expect.stringMatching(`^${sampleNameOf(family)} `));
      }
    });

    test('of a daemon that has only just started: what is known', () => {
      const names = parsed(renderOpenMetrics(statusWith())).map((line) => line.split(' ')[0]);
      expect(names).toEqual(['berth_info', 'berth_start_time_seconds', 'berth_ready']);
    });
  },
);

describe('the Grafana dashboard', () => {
  const text = readFileSync(
    join(import.meta.dirname, '..', '..', 'packaging', 'grafana-dashboard.json'),
    'utf8',
  );
  const { panels } = JSON.parse(text) as {
    readonly panels: readonly {
      readonly title: string;
      readonly targets: readonly { readonly expr: string }[];
      readonly gridPos: {
        readonly x: number;
        readonly y: number;
        readonly w: number;
        readonly h: number;
      };
    }[];
  };
  const expressions = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  const shown = new Set(expressions.flatMap((expr) => expr.match(/\bberth_\w+/g) ?? []));
  const sent = families.map(sampleNameOf);

  test('shows each metric that berth has, and no other', () => {
    expect([...shown].filter((name) => !sent.includes(name))).toEqual([]);
    expect(sent.filter((name) => !shown.has(name))).toEqual([]);
  });

  test('a counter is shown as a rate or an increase', () => {
    const bare = expressions.filter(
      (expr) => /_total\b/.test(expr) && !/\b(rate|increase)\(/.test(expr),
    );
    expect(bare).toEqual([]);
  });

  test('no panel lies on another', () => {
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)} ${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true);
  });
});
