// Metrics of the host and EMF documents of applications, from where they arise to the spool that the shipper follows.
import { dirname, join } from 'node:path';
import type { Log } from '../log.ts';
import type { Config } from '../model/config.ts';
import type { LogSource, SpoolTarget } from '../model/logs.ts';
import type { MetricsStatus } from '../model/status.ts';
import type { Files } from '../system/files.ts';
import type { Listeners } from '../system/listeners.ts';
import type { SpoolFile, SpoolFiles } from '../system/spool-files.ts';
import { createEmfListener, type EmfListener, type EmfNames } from './emf-listener.ts';
import type { Health } from './health.ts';
import { createMetrics, type Metrics, type MetricsDeps } from './metrics.ts';
import { fileNameOf } from './log-target.ts';
import { createSpool, namedSpoolsSource, spoolSource, type Spool } from './spool.ts';

export type TelemetryDeps = MetricsDeps & {
  readonly spoolFiles: SpoolFiles;
  readonly files: Pick<Files, 'remove'>;
  readonly listeners: Listeners;
  readonly log: Log;
};

export type TelemetryPlace = { readonly instanceId: string; readonly stateDir: string };

export type TelemetryInput = TelemetryPlace & {
  readonly config: Pick<Config, 'metrics' | 'emf'>;
  readonly isDelivered: (file: SpoolFile) => boolean | undefined;
  readonly health: () => Omit<Health, 'metrics'>;
};

export type Telemetry = {
  /** undefined: neither metrics nor EMF are configured. */
  status(): MetricsStatus | undefined;
  /** After the signal's abort or `stop`: everything is in the spool. Never rejects. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
};

/** What the shipper follows, beside the log files of the configuration. */
export function telemetrySources(
  { metrics, emf }: Pick<Config, 'metrics' | 'emf'>,
  place: TelemetryPlace,
): readonly LogSource[] {
  return [
    ...(metrics === undefined ? [] : [spoolSource(pathOf(place, 'metrics'), metrics.target)]),
    ...(emf === undefined
      ? []
      : [
          spoolSource(pathOf(place, 'emf'), emf.target),
          namedSpoolsSource(pathOf(place, 'emf@*'), emf.target),
        ]),
  ];
}

/** Starts and returns at once; all goes on until the signal aborts. Never throws. */
export function startTelemetry(
  deps: TelemetryDeps,
  input: TelemetryInput,
  signal: AbortSignal,
): Telemetry {
  const { config, isDelivered } = input;
  const over = new AbortController();
  const life = AbortSignal.any([signal, over.signal]);
  const running: Promise<void>[] = [];
  const spools: Spool[] = [];
  let metrics: Metrics | undefined;
  let emf: EmfListener | undefined;
  const spoolOf = (name: SpoolName): Spool => {
    const spool = createSpool(deps, { path: pathOf(input, name), isDelivered });
    spools.push(spool);
    return spool;
  };
  const counted = (): Pick<MetricsStatus, 'refused' | 'dropped'> => ({
    refused: emf?.refused ?? 0,
    dropped: spools.reduce((sum, { dropped }) => sum + dropped, 0),
  });

  if (config.emf !== undefined) {
    const { listeners: addresses, target } = config.emf;
    const create = (name: string): Spool => {
      const path = join(dirname(pathOf(input, 'emf')), name);
      const spool = createSpool(deps, { path, isDelivered, ...namedBounds });
      spools.push(spool);
      return spool;
    };
    const choose = createChoice({ log: deps.log, common: spoolOf('emf'), target, create });
    emf = createEmfListener(deps, { addresses, spoolOf: choose });
    running.push(emf.run(life));
  }
  if (config.metrics !== undefined) {
    const spool = spoolOf('metrics');
    metrics = createMetrics(deps, {
      config: config.metrics,
      health: () => ({ ...input.health(), metrics: counted() }),
      write: (documents) => spool.append(documents),
    });
    running.push(metrics.run(life));
  }
  const ended = Promise.all(running).then(() => undefined);
  return {
    status: () => {
      if (running.length === 0) return undefined;
      return {
        documents: spools.reduce((sum, { written }) => sum + written, 0),
        ...counted(),
        lastError:
          spools.find(({ error }) => error !== undefined)?.error ?? emf?.error ?? metrics?.error,
      };
    },
    ended,
    stop: () => {
      over.abort();
      return ended;
    },
  };
}

type SpoolName = 'metrics' | 'emf' | 'emf@*';

/** Whoever reaches the port could name any number of groups: the disk has so much room for them. */
const maxNamed = 16;
const namedBounds = { rotateBytes: 2 * 1024 * 1024, maxBytes: 16 * 1024 * 1024 };
/** PutLogEvents and CreateLogGroup. */
const groupName = /^(?!aws\/)[.\-_/#A-Za-z0-9]{1,512}$/;
const streamName = /^[^:*]{1,512}$/;

/** A spool for each target that documents name; where a name cannot be one, or there are too many, the one for all. */
function createChoice({
  log,
  common,
  target: { logGroupName, logStreamName },
  create,
}: {
  readonly log: Log;
  readonly common: Spool;
  readonly target: SpoolTarget;
  readonly create: (fileName: string) => Spool;
}): (named: EmfNames | undefined) => Spool {
  const spools = new Map<string, Spool>();
  let isFull = false;
  return (named) => {
    const { group = logGroupName, stream = logStreamName } = named ?? {};
    if (group === logGroupName && stream === logStreamName) return common;
    if (!groupName.test(group) || !streamName.test(stream)) return common;
    const name = fileNameOf('emf', { group, stream });
    if (name === undefined) return common;
    const known = spools.get(name);
    if (known !== undefined) return known;
    if (spools.size >= maxNamed) {
      if (!isFull) {
        log.warn(
          { group, stream },
          `EMF documents name more than ${maxNamed} targets: those of further ones go to ${logGroupName}`,
        );
      }
      isFull = true;
      return common;
    }
    const spool = create(name);
    spools.set(name, spool);
    return spool;
  };
}

function pathOf({ stateDir, instanceId }: TelemetryPlace, name: SpoolName): string {
  return join(stateDir, instanceId, 'spool', `${name}.log`);
}
