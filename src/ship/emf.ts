// Builds documents of the Embedded Metric Format, from which CloudWatch makes metrics (logs.md section 6). Pure.
import type { Dimensions } from '../model/metrics.ts';

export type EmfMetric = { readonly name: string; readonly unit: string; readonly value: number };

export type EmfInput = {
  readonly namespace: string;
  readonly timestampMs: number;
  readonly dimensions: Dimensions;
  /** Each metric by these too, where all of them are dimensions here. */
  readonly aggregations: readonly (readonly string[])[];
  /** Seconds; 1 is kept by the second, for more money. */
  readonly resolution: 1 | 60;
  readonly metrics: readonly EmfMetric[];
};

const maxMetricsPerDirective = 100;
const maxDimensions = 30;
/** Of a metric (PutMetricData). */
const maxValue = 2 ** 360;

/** One line, without its newline; undefined: there is nothing to say. Throws where there are over 30 dimensions. */
export function emfDocument(input: EmfInput): string | undefined {
  const { namespace, timestampMs, dimensions, aggregations, resolution } = input;
  const names = Object.keys(dimensions);
  if (names.length > maxDimensions) {
    throw new Error(`a metric has at most ${maxDimensions} dimensions, here are ${names.length}`);
  }
  const metrics = input.metrics.filter(
    ({ name, value }) => Math.abs(value) <= maxValue && !Object.hasOwn(dimensions, name),
  );
  if (metrics.length === 0) return undefined;
  const sets = [names, ...aggregations.filter((set) => set.every((name) => names.includes(name)))];
  const bySet = new Map(sets.map((set) => [JSON.stringify(set.toSorted()), set]));
  const directives: unknown[] = [];
  for (let from = 0; from < metrics.length; from += maxMetricsPerDirective) {
    directives.push({
      Namespace: namespace,
      Dimensions: [...bySet.values()],
      Metrics: metrics.slice(from, from + maxMetricsPerDirective).map(({ name, unit }) => ({
        Name: name,
        ...(unit === 'None' ? {} : { Unit: unit }),
        ...(resolution === 1 ? { StorageResolution: 1 } : {}),
      })),
    });
  }
  const values = metrics.map(({ name, value }) => [name, rounded(value)] as const);
  return JSON.stringify({
    _aws: { Timestamp: timestampMs, CloudWatchMetrics: directives },
    ...Object.fromEntries(names.map((name) => [name, dimensionValue(dimensions[name]!)])),
    ...Object.fromEntries(values),
  });
}

/** CloudWatch wants ASCII, and something to see: a mount point may have any name. */
function dimensionValue(text: string): string {
  const ascii = text.replaceAll(/[^ -~]/g, '?').slice(0, 1024);
  return ascii.trim() === '' ? 'none' : ascii;
}

/** Each digit is paid for. */
function rounded(value: number): number {
  return Number.isInteger(value) ? value : Math.round(value * 10_000) / 10_000;
}
