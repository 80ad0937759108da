// berth's own health as metrics: is each pool's interface claimed and ready, how far the logs are behind, what was lost.
import type { Dimensions } from '../model/metrics.ts';
import type { MetricsStatus, ShipStatus, StatusPool } from '../model/status.ts';
import type { EmfMetric } from './emf.ts';

export type Health = {
  readonly pools: readonly Pick<StatusPool, 'pool' | 'ready' | 'eni'>[];
  readonly logs: ShipStatus | undefined;
  readonly metrics: Pick<MetricsStatus, 'refused' | 'dropped'>;
};

export type HealthGroup = {
  readonly dimensions: Dimensions;
  readonly metrics: readonly EmfMetric[];
};

/** Of each pool. */
export const poolMetrics = { claimed: 'None', ready: 'None' } as const;
/** Of the process; but for the first, since the last time. */
export const processMetrics = {
  log_bytes_behind: 'Bytes',
  log_events_sent: 'Count',
  /** By CloudWatch, for good: they are in the dead-letter file. */
  log_events_refused: 'Count',
  /** Of deleted files that were let go, where `backpressure_mode` asks for it. */
  log_bytes_dropped: 'Bytes',
  /** For good: `spool_lines_dropped` and `emf_documents_refused`. */
  events_dropped: 'Count',
  spool_lines_dropped: 'Count',
  emf_documents_refused: 'Count',
} as const;

/** Returns a reader that knows what it counted the last time. */
export function createHealth(): (health: Health) => readonly HealthGroup[] {
  let last: Readonly<Record<string, number>> = {};
  return ({ pools, logs, metrics }) => {
    const { refused, dropped } = metrics;
    const counters = {
      log_events_sent: logs?.eventsSent ?? 0,
      log_events_refused: logs?.eventsRefused ?? 0,
      log_bytes_dropped: logs?.bytesDropped ?? 0,
      events_dropped: dropped + refused,
      spool_lines_dropped: dropped,
      emf_documents_refused: refused,
    };
    const before = last;
    last = counters;
    const values = {
      log_bytes_behind: logs?.bytesBehind ?? 0,
      ...Object.fromEntries(
        Object.entries(counters).map(([name, value]) => [name, value - (before[name] ?? 0)]),
      ),
    };
    return [
      ...pools.map(({ pool, eni, ready }) => ({
        dimensions: { pool },
        metrics: metricsOf(poolMetrics, {
          claimed: eni === undefined ? 0 : 1,
          ready: ready ? 1 : 0,
        }),
      })),
      { dimensions: {}, metrics: metricsOf(processMetrics, values) },
    ];
  };
}

function metricsOf(
  units: Readonly<Record<string, string>>,
  values: Readonly<Record<string, number>>,
): readonly EmfMetric[] {
  return Object.entries(units).map(([name, unit]) => ({ name, unit, value: values[name]! }));
}
