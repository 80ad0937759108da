// What goes to CloudWatch: log files, the journal, metrics and what applications hand over. It goes over to another
// configuration while berth runs, each line once.
import { isDeepStrictEqual } from 'node:util';
import { BerthError, messageOf } from './errors.ts';
import type { Config } from './model/config.ts';
import type { LogSource } from './model/logs.ts';
import type { MetricsStatus, ShipStatus, StatusPool } from './model/status.ts';
import { agentStateFolder } from './ship/agent-state.ts';
import { startShipping, type Shipping } from './ship/ship.ts';
import {
  startTelemetry,
  telemetrySources,
  type Telemetry,
  type TelemetryPlace,
} from './ship/telemetry.ts';
import type { AwsAccess } from './system/aws.ts';
import type { Ports } from './system/ports.ts';
import { within } from './system/within.ts';

export type SendingConfig = Pick<Config, 'logs' | 'metrics' | 'emf'>;

export type SendingInput = TelemetryPlace & {
  readonly access: AwsAccess;
  readonly pools: () => readonly StatusPool[];
};

export type Sending = {
  logs(): ShipStatus | undefined;
  metrics(): MetricsStatus | undefined;
  /** Returns at once; all goes on until the signal aborts. */
  start(config: SendingConfig): void;
  /** Before `start` it does nothing. Throws where the new configuration does not get going: then the old one goes on. */
  change(config: SendingConfig): Promise<void>;
  /** Everything is sent, the last metrics too, or the time is over. Never throws. */
  stop(): Promise<void>;
};

type Running = {
  readonly config: SendingConfig;
  readonly shipping: Shipping;
  readonly telemetry: Telemetry;
};

const flushWithinMs = 8_000;
/** It ends soon after its deadline; what does not is left behind. */
const stuckAfterMs = 10_000;
/** To find all files once. */
const startWithinMs = 10_000;

export function createSending(ports: Ports, input: SendingInput, signal: AbortSignal): Sending {
  let running: Running | undefined;
  /** A change that is under way. */
  let changing: Promise<void> = Promise.resolve();
  /** Of those that ended. */
  let past = { eventsSent: 0, eventsRefused: 0, batchesSent: 0, bytesDropped: 0 };

  const sourcesOf = (config: SendingConfig): readonly LogSource[] => [
    ...config.logs.sources,
    ...telemetrySources(config, input),
  ];

  const logs = (): ShipStatus | undefined => {
    const now = running?.shipping.status();
    return now === undefined ? undefined : { ...now, ...sum(past, now) };
  };

  const ship = (config: SendingConfig): Shipping => {
    const { instanceId, stateDir, access } = input;
    const logs = { ...config.logs, sources: sourcesOf(config) };
    const place = { instanceId, stateDir, agentState: agentStateFolder };
    // `stop` ends it, once the last metrics are in the spool.
    return startShipping(ports, { ...place, logs, access }, new AbortController().signal);
  };

  const measure = (config: SendingConfig): Telemetry =>
    startTelemetry(
      ports,
      {
        ...input,
        config,
        isDelivered: (file) => (running === undefined ? false : running.shipping.isDelivered(file)),
        health: () => ({ pools: input.pools(), logs: logs()! }),
      },
      signal,
    );

  const end = async (shipping: Shipping, next: readonly LogSource[]): Promise<void> => {
    const done = new AbortController();
    const stuck = ports.clock.sleep(stuckAfterMs, done.signal).then(() => {
      throw new Error('it hangs in a file system');
    });
    await within(ports, flushWithinMs, 'send the last log lines', (deadline) =>
      Promise.race([shipping.stop(deadline, next), stuck]),
    );
    done.abort();
    await stuck.catch(() => undefined);
  };

  /** Throws `timeout`, and why not all files could be found. */
  const replace = async (old: Running, config: SendingConfig): Promise<void> => {
    const isSame = isDeepStrictEqual(
      [config.metrics, config.emf],
      [old.config.metrics, old.config.emf],
    );
    if (!isSame) await old.telemetry.stop();
    await end(old.shipping, sourcesOf(config));
    signal.throwIfAborted();
    past = sum(past, old.shipping.status());
    const shipping = ship(config);
    running = { config, shipping, telemetry: old.telemetry };
    if (!isSame) running = { ...running, telemetry: measure(config) };
    using deadline = ports.clock.deadline(startWithinMs, signal);
    try {
      await Promise.race([shipping.started, aborted(deadline.signal)]);
    } catch (error) {
      const why = deadline.expired ? `not within ${startWithinMs / 1000} s` : messageOf(error);
      throw new BerthError('timeout', `cannot begin to ship logs with it: ${why}`, {
        cause: error,
      });
    }
  };

  const change = async (old: Running, config: SendingConfig): Promise<void> => {
    try {
      await replace(old, config);
    } catch (error) {
      signal.throwIfAborted();
      await replace(running!, old.config);
      throw error;
    }
  };

  return {
    logs,
    metrics: () => running?.telemetry.status(),
    start: (config) => {
      const shipping = ship(config);
      running = { config, shipping, telemetry: measure(config) };
    },
    change: async ({ logs, metrics, emf }) => {
      const config = { logs, metrics, emf };
      if (running === undefined || isDeepStrictEqual(config, running.config)) return;
      const work = change(running, config);
      changing = work.catch(() => undefined);
      await work;
    },
    stop: async () => {
      await changing;
      if (running === undefined) return;
      await running.telemetry.stop();
      await end(running.shipping, []);
    },
  };
}

type Counts = Pick<ShipStatus, 'eventsSent' | 'eventsRefused' | 'batchesSent' | 'bytesDropped'>;

function sum(a: Counts, b: Counts): Counts {
  return {
    eventsSent: a.eventsSent + b.eventsSent,
    eventsRefused: a.eventsRefused + b.eventsRefused,
    batchesSent: a.batchesSent + b.batchesSent,
    bytesDropped: a.bytesDropped + b.bytesDropped,
  };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = (): void => reject(signal.reason);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}
