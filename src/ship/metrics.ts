// Collects the metrics of the host and berth's own health, each in its interval, and hands them on as EMF documents.
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Dimensions, MetricsConfig, MetricsSection } from '../model/metrics.ts';
import { createCollector, isLike, type Collect, type CollectorDeps } from './collectors.ts';
import { emfDocument, type EmfMetric } from './emf.ts';
import { createHealth, type Health } from './health.ts';
import type { Fields } from './proc-stats.ts';

export type MetricsDeps = CollectorDeps & { readonly log: Log };

export type MetricsInput = {
  readonly config: MetricsConfig;
  readonly health: () => Health;
  /** Must not reject. */
  readonly write: (documents: readonly string[]) => Promise<void>;
};

export type Metrics = {
  /** What a collector has to complain of; undefined: nothing. */
  readonly error: string | undefined;
  /** Everything once, whatever is due: for tests and the benchmark. */
  collect(signal: AbortSignal): Promise<readonly string[]>;
  /** Until the signal aborts; what was gathered is written then. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
};

/** What is collected together, and from where. */
type Job = {
  readonly name: string;
  readonly intervalMs: number;
  readonly read: (signal: AbortSignal) => Promise<readonly Group[]>;
  dueMs: number;
};

/** Metrics that have the same dimensions. */
type Group = {
  readonly namespace: string;
  readonly dimensions: Dimensions;
  readonly metrics: readonly EmfMetric[];
};

/** Below this the agent, too, has CloudWatch keep metrics by the second. */
const highResolutionBelowMs = 60_000;

export function createMetrics(deps: MetricsDeps, input: MetricsInput): Metrics {
  const { clock, log } = deps;
  const { config, write } = input;
  const errors = new Map<string, string>();
  const told = new Set<string>();
  const jobs: readonly Job[] = [
    ...config.sections.map((section) => jobOf(deps, config, section)),
    healthJob(deps, input),
  ];

  const readOf = async (job: Job, signal: AbortSignal): Promise<readonly Group[]> => {
    try {
      const groups = await job.read(signal);
      errors.delete(job.name);
      return groups;
    } catch (error) {
      if (signal.aborted) return [];
      errors.set(job.name, messageOf(error));
      const details = { metrics: job.name, error: messageOf(error) };
      if (!told.has(job.name)) log.warn(details, `cannot collect the metrics of ${job.name}`);
      told.add(job.name);
      return [];
    }
  };

  const collectFrom = async (due: readonly Job[], signal: AbortSignal): Promise<string[]> => {
    const timestampMs = clock.nowMs();
    const documents: string[] = [];
    for (const resolution of [1, 60] as const) {
      const jobs = due.filter(
        ({ intervalMs }) => intervalMs < highResolutionBelowMs === (resolution === 1),
      );
      const read = await Promise.all(jobs.map((job) => readOf(job, signal)));
      for (const group of joined(read.flat())) {
        const { aggregations } = config;
        const document = emfDocument({ ...group, timestampMs, aggregations, resolution });
        if (document !== undefined) documents.push(document);
      }
    }
    return documents;
  };

  const run = async (signal: AbortSignal): Promise<void> => {
    let gathered: string[] = [];
    let flushAtMs = 0;
    try {
      for (;;) {
        const nowMs = clock.monotonicMs();
        const due = jobs.filter(({ dueMs }) => dueMs <= nowMs);
        for (const job of due) {
          // A host that slept does not catch up.
          job.dueMs = Math.max(job.dueMs + job.intervalMs, nowMs + job.intervalMs / 2);
        }
        if (gathered.length === 0) flushAtMs = nowMs + config.flushMs;
        gathered.push(...(await collectFrom(due, signal)));
        if (clock.monotonicMs() >= flushAtMs && gathered.length > 0) {
          const ready = gathered;
          gathered = [];
          await write(ready);
        }
        const nextMs = Math.min(...jobs.map(({ dueMs }) => dueMs));
        await clock.sleep(Math.max(0, nextMs - clock.monotonicMs()), signal);
      }
    } catch (error) {
      if (!signal.aborted) {
        log.error({ err: error }, 'no more metrics: this is a mistake in berth, please report it');
      }
    }
    if (gathered.length > 0) await write(gathered);
  };

  return {
    get error() {
      return errors.values().next().value;
    },
    collect: (signal) => collectFrom(jobs, signal),
    run,
  };
}

function jobOf(deps: MetricsDeps, config: MetricsConfig, section: MetricsSection): Job {
  const { kind, intervalMs } = section;
  const collect: Collect = createCollector(deps, section);
  return {
    name: kind,
    intervalMs,
    dueMs: deps.clock.monotonicMs(),
    read: async (signal) =>
      (await collect(signal)).map(({ dimensions, fields }) => ({
        namespace: config.namespace,
        dimensions: { ...config.dimensions, ...section.dimensions, ...dimensions },
        metrics: metricsOf(section, fields),
      })),
  };
}

function metricsOf({ kind, metrics }: MetricsSection, fields: Fields): readonly EmfMetric[] {
  return metrics.flatMap(({ field, name, unit }) => {
    if (kind !== 'ethtool') {
      const value = fields[field];
      return value === undefined ? [] : [{ name, unit, value }];
    }
    return Object.entries(fields)
      .filter(([found]) => isLike(field, found))
      .map(([found, value]) => ({ name: `${name}${found}`, unit, value }));
  });
}

const healthNamespace = 'Berth';

function healthJob({ clock }: MetricsDeps, { config, health }: MetricsInput): Job {
  const read = createHealth();
  return {
    name: 'berth',
    intervalMs: config.intervalMs,
    dueMs: clock.monotonicMs(),
    read: async () =>
      read(health()).map(({ dimensions, metrics }) => ({
        namespace: healthNamespace,
        dimensions: { ...config.dimensions, ...dimensions },
        metrics,
      })),
  };
}

/** Groups of the same dimensions are one document. */
function joined(groups: readonly Group[]): readonly Group[] {
  const found = new Map<string, Group>();
  for (const group of groups) {
    const key = JSON.stringify([group.namespace, group.dimensions]);
    const metrics = [...(found.get(key)?.metrics ?? []), ...group.metrics];
    found.set(key, { ...group, metrics });
  }
  return [...found.values()];
}
