// The CloudWatch dashboard of packaging/: a valid body, which shows only metrics that berth sends, and all of berth's own.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { enaAllowances, measurements } from '../src/boot/metric-names.ts';
import { checkConfig } from '../src/boot/check-config.ts';
import { poolMetrics, processMetrics } from '../src/ship/health.ts';
import { identityOf } from './fixtures/identity.ts';

type Metric = readonly [{ readonly expression: string; readonly id: string }];
type Widget = {
  readonly type: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly properties: {
    readonly title?: string;
    readonly region?: string;
    readonly markdown?: string;
    readonly metrics?: readonly Metric[];
  };
};

const root = join(import.meta.dirname, '..');
const text = readFileSync(join(root, 'packaging', 'cloudwatch-dashboard.json'), 'utf8');
const { widgets } = JSON.parse(text) as { readonly widgets: readonly Widget[] };
const graphs = widgets.filter(({ type }) => type === 'metric');
const expressions = graphs.flatMap(({ properties }) =>
  properties.metrics!.map(([{ expression }]) => expression),
);
const shown = new Set(
  expressions.flatMap((one) =>
    [...one.matchAll(/Namespace="([^"]+)" MetricName="([^"]+)"/g)].map(
      ([, namespace, name]) => `${namespace} ${name}`,
    ),
  ),
);
const own = Object.keys({ ...poolMetrics, ...processMetrics }).map((name) => `Berth ${name}`);
const ofHost = [
  ...Object.entries(measurements).flatMap(([kind, fields]) =>
    Object.keys(fields).map((field) => `CWAgent ${kind}_${field}`),
  ),
  ...enaAllowances.map((name) => `CWAgent ethtool_${name}`),
];

describe('the dashboard', () => {
  test('shows only what berth sends', () => {
    expect(shown.size).toBeGreaterThan(30);
    expect([...shown].filter((name) => !own.includes(name) && !ofHost.includes(name))).toEqual([]);
  });

  test("shows all of berth's own metrics, something of each section, and the allowances", () => {
    expect(own.filter((name) => !shown.has(name))).toEqual([]);
    for (const kind of [...Object.keys(measurements), 'ethtool']) {
      expect([...shown]).toContainEqual(expect.stringMatching(new RegExp(`^CWAgent ${kind}_`)));
    }
    expect(enaAllowances.filter((name) => !shown.has(`CWAgent ethtool_${name}`))).toEqual([]);
  });

  test('the example of docs/configuration.md collects all that it shows', () => {
    const page = readFileSync(join(root, 'docs', 'configuration.md'), 'utf8');
    const example = [...page.matchAll(/```json\n([\s\S]*?)```/g)].find(([, json]) =>
      json!.includes('metrics_collected'),
    )?.[1];
    const checked = checkConfig(
      example,
      {
        identity: identityOf(),
        localHostname: undefined,
        nowMs: 0,
      },
      undefined,
    );
    const sections = checked.ok ? checked.config.metrics!.sections : [];
    const collected = sections.flatMap(({ kind, metrics }) =>
      metrics.map(({ name, field }) => `CWAgent ${kind === 'ethtool' ? name + field : name}`),
    );
    expect([...shown].filter((name) => !own.includes(name) && !collected.includes(name))).toEqual(
      [],
    );
  });

  test('every widget has its place on the 24 columns, and none lies on another', () => {
    const cells = widgets.flatMap(({ x, y, width, height }) =>
      Array.from(
        { length: width * height },
        (_, i) => `${x + (i % width)} ${y + Math.floor(i / width)}`,
      ),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(widgets.every(({ x, width }) => x >= 0 && x + width <= 24)).toBe(true);
  });

  test('every graph has a title, a region to fill in, and expressions with ids of their own', () => {
    for (const { properties } of graphs) {
      expect(properties).toMatchObject({ title: expect.any(String) as string, region: 'REGION' });
      const ids = properties.metrics!.map(([{ id }]) => id);
      expect(new Set(ids).size).toBe(ids.length);
      expect(ids.every((id) => /^[a-z]\w*$/.test(id))).toBe(true);
    }
    expect(expressions.filter((one) => !/^(DIFF\()?SEARCH\('.+', '\w+'\)\)?$/.test(one))).toEqual(
      [],
    );
  });
});
