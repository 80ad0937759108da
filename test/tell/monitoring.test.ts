// /metrics, /healthz and /readyz over real sockets.
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Status } from '../../src/model/status.ts';
import { systemHttpServers } from '../../src/system/http-server.ts';
import { openMetricsType } from '../../src/tell/open-metrics.ts';
import { createMonitoring } from '../../src/tell/monitoring.ts';
import { createMemoryLog } from '../fakes/log.ts';
import { statusWith } from '../fixtures/status.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

type Answer = { readonly status: number; readonly type: string | undefined; readonly body: string };

const ask = (where: object, path: string, method = 'GET'): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const call = request({ ...where, path, method, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.on('end', () =>
        resolve({ status: response.statusCode!, type: response.headers['content-type'], body }),
      );
    });
    call.on('error', reject);
    call.end();
  });

/** One that nobody has now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('monitoring', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let log: ReturnType<typeof createMemoryLog>;
  let status: Status;
  beforeEach(() => {
    folder = temporaryFolder();
    log = createMemoryLog();
    status = statusWith();
  });
  afterEach(() => folder[Symbol.dispose]());

  const serve = async (port: number | undefined) => {
    const deps = { httpServers: systemHttpServers, log };
    const monitoring = createMonitoring(deps, { runtimeDir: folder.path, status: () => status });
    await monitoring.serve({ port });
    return monitoring;
  };
  const socketPath = () => join(folder.path, 'http.sock');

  test('on the socket: the status of now, whether it lives, whether it is ready', async () => {
    await using _server = await serve(undefined);
    const at = { socketPath: socketPath() };
    expect(statSync(socketPath()).mode & 0o777).toBe(0o660);
    expect(await ask(at, '/healthz')).toMatchObject({ status: 200, body: 'ok\n' });
    expect(await ask(at, '/readyz')).toMatchObject({ status: 503, body: 'claiming eni-1\n' });
    status = statusWith({ phase: 'ready', ready: true, message: '10.0.1.50 is served' });
    expect(await ask(at, '/readyz?verbose')).toMatchObject({
      status: 200,
      body: '10.0.1.50 is served\n',
    });
    const metrics = await ask(at, '/metrics');
    expect(metrics).toMatchObject({ status: 200, type: openMetricsType });
    expect(metrics.body).toMatch(/^berth_ready 1$[\s\S]*^# EOF\n$/m);
  });

  test('what is no GET, or nothing that is there', async () => {
    await using _server = await serve(undefined);
    const at = { socketPath: socketPath() };
    expect(await ask(at, '/')).toMatchObject({ status: 404 });
    expect(await ask(at, '/metrics', 'POST')).toMatchObject({ status: 405 });
    expect(await ask(at, '/metrics', 'HEAD')).toMatchObject({ status: 200, body: '' });
  });

  test('on the loopback port too, until it ends', async () => {
    const port = await freePort();
    const at = { host: '127.0.0.1', port };
    {
      await using _server = await serve(port);
      expect(await ask(at, '/healthz')).toMatchObject({ status: 200 });
    }
    await expect(ask(at, '/healthz')).rejects.toThrow(/ECONNREFUSED/);
    await expect(ask({ socketPath: socketPath() }, '/healthz')).rejects.toThrow(/ENOENT|ECONNREF/);
  });

  test('another port, and nobody any more', async () => {
    const [first, second] = [await freePort(), await freePort()];
    await using monitoring = await serve(first);
    await monitoring.serve({ port: second });
    expect(await ask({ host: '127.0.0.1', port: second }, '/healthz')).toMatchObject({
      status: 200,
    });
    await expect(ask({ host: '127.0.0.1', port: first }, '/healthz')).rejects.toThrow(/ECONNREF/);
    await monitoring.serve(undefined);
    await expect(ask({ socketPath: socketPath() }, '/healthz')).rejects.toThrow(/ENOENT|ECONNREF/);
  });

  test('the socket that a killed berth left is replaced', async () => {
    writeFileSync(socketPath(), '');
    await using _server = await serve(undefined);
    expect(await ask({ socketPath: socketPath() }, '/healthz')).toMatchObject({ status: 200 });
  });

  test('a port that another program has is a warning, and the socket is served', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    await using _server = await serve(port);
    expect(await ask({ socketPath: socketPath() }, '/healthz')).toMatchObject({ status: 200 });
    expect(JSON.stringify(log.lines)).toContain('another program has the port');
    await new Promise((resolve) => other.close(resolve));
  });

  test('a folder in its place is a warning', async () => {
    mkdirSync(socketPath());
    writeFileSync(join(socketPath(), 'file'), '');
    chmodSync(socketPath(), 0o700);
    await using _server = await serve(undefined);
    expect(JSON.stringify(log.lines)).toContain('cannot serve');
  });
});
