// What monitoring systems ask: /metrics, /healthz and /readyz over HTTP, on a unix socket and on a loopback port.
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { MonitoringConfig } from '../model/config.ts';
import type { Status } from '../model/status.ts';
import type { HttpAddress, HttpAnswer, HttpServers } from '../system/http-server.ts';
import { openMetricsType, renderOpenMetrics } from './open-metrics.ts';

export type MonitoringDeps = { readonly httpServers: HttpServers; readonly log: Log };

export type Monitoring = AsyncDisposable & {
  /**
   * Instead of what was served before; undefined: nobody is. What cannot be served is a warning: an address is served
   * without being watched. Never throws.
   */
  serve(config: MonitoringConfig | undefined): Promise<void>;
};

export type MonitoringInput = {
  readonly runtimeDir: string;
  readonly status: () => Status;
};

/** For root and the group of the daemon's user. */
const socketMode = 0o660;
const plain = 'text/plain; charset=utf-8';

export function createMonitoring(
  { httpServers, log }: MonitoringDeps,
  { runtimeDir, status }: MonitoringInput,
): Monitoring {
  let servers = new AsyncDisposableStack();
  let served: MonitoringConfig | undefined;

  const open = async (address: HttpAddress): Promise<void> => {
    try {
      servers.use(await httpServers.serve(address, (path) => answerOf(path, status())));
    } catch (error) {
      log.warn(`${messageOf(error)}; berth goes on without it, restart it to try again`);
    }
  };

  return {
    serve: async (config) => {
      if (isDeepStrictEqual(config, served)) return;
      await servers.disposeAsync();
      servers = new AsyncDisposableStack();
      served = config;
      if (config === undefined) return;
      await open({ path: join(runtimeDir, 'http.sock'), mode: socketMode });
      if (config.port !== undefined) await open({ host: '127.0.0.1', port: config.port });
    },
    [Symbol.asyncDispose]: () => servers.disposeAsync(),
  };
}

/** Who gets an answer knows that the process lives; whether the addresses are served is another question. */
function answerOf(path: string, status: Status): HttpAnswer | undefined {
  switch (path) {
    case '/metrics':
      return { status: 200, contentType: openMetricsType, body: renderOpenMetrics(status) };
    case '/healthz':
      return { status: 200, contentType: plain, body: 'ok\n' };
    case '/readyz': {
      const { ready, message } = status;
      return { status: ready ? 200 : 503, contentType: plain, body: `${message}\n` };
    }
    default:
      return undefined;
  }
}
