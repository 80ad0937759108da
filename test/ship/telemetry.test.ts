// Metrics and EMF documents from where they arise to the local CloudWatch Logs: through an outage, a restart and a rotation.
import { createSocket } from 'node:dgram';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { checkConfig } from '../../src/boot/check-config.ts';
import type { Config } from '../../src/model/config.ts';
import type { Shipping } from '../../src/ship/ship.ts';
import { createSpool, spoolSource } from '../../src/ship/spool.ts';
import { startTelemetry, telemetrySources, type Telemetry } from '../../src/ship/telemetry.ts';
import { systemClock } from '../../src/system/clock.ts';
import { systemExec } from '../../src/system/exec.ts';
import { systemFiles } from '../../src/system/files.ts';
import { systemListeners } from '../../src/system/listeners.ts';
import { systemProc } from '../../src/system/proc.ts';
import { systemSpoolFiles } from '../../src/system/spool-files.ts';
import { identityOf } from '../fixtures/identity.ts';
import { emfProblems } from '../fixtures/emf-rules.ts';
import { createRig, instanceId, numbered, type Rig } from './rig.ts';

const metricsGroup = '/berth/metrics';
const emfGroup = 'emf/logs/default';

function configOf(port: number): Config {
  const checked = checkConfig(
    {
      metrics: {
        metrics_collected: {
          mem: { measurement: ['used_percent'], metrics_collection_interval: 1 },
        },
      },
      logs: { metrics_collected: { emf: { service_address: `udp://127.0.0.1:${port}` } } },
    },
    { identity: identityOf({ instanceId }), localHostname: 'host-1', nowMs: 0 },
    undefined,
  );
  if (!checked.ok) throw new Error(JSON.stringify(checked.issues));
  return checked.config;
}

function startBoth(
  rig: Rig,
  config: Config,
  signal: AbortSignal,
): { readonly shipping: Shipping; readonly telemetry: Telemetry } {
  const place = { instanceId, stateDir: rig.stateDir };
  const shipping = rig.start({ sources: telemetrySources(config, place) });
  const telemetry = startTelemetry(
    {
      clock: systemClock,
      proc: systemProc,
      exec: systemExec,
      log: rig.log,
      spoolFiles: systemSpoolFiles,
      files: systemFiles,
      listeners: systemListeners,
    },
    {
      ...place,
      config,
      isDelivered: (file) => shipping.isDelivered(file),
      health: () => ({ pools: [], logs: shipping.status() }),
    },
    signal,
  );
  return { shipping, telemetry };
}

/** One that is free now. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  socket.close();
  return port;
}

test('both arrive, also what was heard while CloudWatch was away', async () => {
  await using rig = await createRig();
  const port = await freePort();
  const over = new AbortController();
  const { shipping, telemetry } = startBoth(rig, configOf(port), over.signal);
  const inGroup = (group: string): readonly string[] => rig.arrived(group, instanceId);
  // Empty at first, so that the shipper need not look for it again and again.
  const spoolOfEmf = join(rig.stateDir, instanceId, 'spool', 'emf.log');
  await vi.waitFor(() => expect(statSync(spoolOfEmf).size).toBe(0));
  await vi.waitFor(() => expect(inGroup(metricsGroup)[0]).toContain('"mem_used_percent":'), 10_000);
  expect(inGroup(metricsGroup).flatMap(emfProblems)).toEqual([]);

  rig.front.fail({ match: 'logs:*', times: 1_000, fault: { kind: 'reset-before' } });
  const socket = createSocket('udp4');
  await vi.waitFor(() => expect(telemetry.status()?.lastError).toBeUndefined());
  socket.send('{"_aws":{},"heard":1}', port, '127.0.0.1');
  await vi.waitFor(() => expect(telemetry.status()?.documents).toBeGreaterThan(3), 5_000);
  socket.close();
  over.abort();
  await telemetry.ended;
  await expect(shipping.stop(AbortSignal.timeout(300))).rejects.toThrow('in time');
  expect(inGroup(emfGroup)).toEqual([]);

  rig.front.clearFaults();
  const config = configOf(port);
  const again = rig.start({
    sources: telemetrySources(config, { instanceId, stateDir: rig.stateDir }),
  });
  await vi.waitFor(() => expect(inGroup(emfGroup)).toEqual(['{"_aws":{},"heard":1}']), 10_000);
  await rig.stop(again);
});

test('documents go to the group and stream that they name, also those of before a restart', async () => {
  await using rig = await createRig();
  const port = await freePort();
  const config = configOf(port);
  const over = new AbortController();
  const { shipping, telemetry } = startBoth(rig, config, over.signal);
  await vi.waitFor(() => expect(telemetry.status()?.lastError).toBeUndefined());
  const socket = createSocket('udp4');
  const send = (document: unknown): void =>
    socket.send(JSON.stringify(document), port, '127.0.0.1');
  const of = (group: string, stream = instanceId): readonly unknown[] =>
    rig.arrived(group, stream).map((text) => (JSON.parse(text) as { n: number }).n);
  const names = { LogGroupName: 'shop/metrics', LogStreamName: 'a b/@%' };
  send({ _aws: names, n: 1 });
  send({ _aws: { ...names, LogStreamName: '' }, n: 2 });
  send({ log_group_name: 'old', log_stream_name: 'format', n: 3 });
  // What can be no name, and no name at all.
  send({ _aws: { LogGroupName: '../../etc' }, n: 4 });
  send({ _aws: { LogGroupName: 'aws/x' }, n: 5 });
  send({ _aws: { LogGroupName: 'x'.repeat(400) }, n: 6 });
  send({ _aws: { LogGroupName: 7, LogStreamName: 'x' }, n: 7 });
  await vi.waitFor(() => expect(of('shop/metrics', 'a b/@%')).toEqual([1]), 30_000);
  await vi.waitFor(() => expect(of('shop/metrics')).toEqual([2]), 30_000);
  await vi.waitFor(() => expect(of('old', 'format')).toEqual([3]), 30_000);
  await vi.waitFor(() => expect(of(emfGroup)).toEqual([5, 6, 7]), 30_000);
  expect(of('../../etc')).toEqual([4]);
  // Of an outage and a restart they lose nothing.
  rig.front.fail({ match: 'logs:*', times: 1_000, fault: { kind: 'reset-before' } });
  const before = telemetry.status()!.documents;
  send({ _aws: names, n: 8 });
  for (let group = 0; group < 20; group++) send({ _aws: { LogGroupName: `g${group}` }, n: group });
  await vi.waitFor(
    () => expect(telemetry.status()!.documents).toBeGreaterThan(before + 20),
    10_000,
  );
  socket.close();
  over.abort();
  await telemetry.ended;
  await expect(shipping.stop(AbortSignal.timeout(300))).rejects.toThrow('in time');
  rig.front.clearFaults();
  const place = { instanceId, stateDir: rig.stateDir };
  const again = rig.start({ sources: telemetrySources(config, place) });
  await vi.waitFor(() => expect(of('shop/metrics', 'a b/@%')).toEqual([1, 8]), 30_000);
  // Of more than 16 names the others are in the group for all.
  const named = (): number => Array.from({ length: 20 }, (_, i) => of(`g${i}`)).flat().length;
  await vi.waitFor(() => expect(named()).toBe(12), 30_000);
  await vi.waitFor(() => expect(of(emfGroup)).toHaveLength(3 + 8), 30_000);
  await rig.stop(again);
}, 60_000);

test('nothing is started where nothing is configured', async () => {
  await using rig = await createRig();
  const config = { metrics: undefined, emf: undefined };
  const place = { instanceId, stateDir: rig.stateDir };
  expect(telemetrySources(config, place)).toEqual([]);
  const { telemetry } = startBoth(rig, { ...configOf(1), ...config }, new AbortController().signal);
  await telemetry.ended;
  expect(telemetry.status()).toBeUndefined();
});

test('the older part of a spool goes once CloudWatch has it, and each line came once', async () => {
  await using rig = await createRig();
  const path = join(rig.folder, 'spool', 'emf.log');
  const target = { logGroupName: 'app', logStreamName: 'i-1' };
  const source = spoolSource(path, target);
  const running: { shipping: Shipping } = { shipping: rig.start({ sources: [source] }) };
  const spool = createSpool(
    { spoolFiles: systemSpoolFiles, files: systemFiles, log: rig.log },
    { path, isDelivered: (file) => running.shipping.isDelivered(file), rotateBytes: 1_000 },
  );
  const lines = numbered(0, 400);
  const append = async (from: number, to: number): Promise<void> => {
    for (let i = from; i < to; i += 10) await spool.append(lines.slice(i, Math.min(i + 10, to)));
  };
  await append(0, 100);
  await vi.waitFor(() => expect(rig.arrived()).toHaveLength(100), 10_000);
  // In an outage the older part stays, and the younger one grows.
  rig.front.fail({ match: 'logs:*', times: 1_000, fault: { kind: 'reset-before' } });
  await append(100, 300);
  expect(existsSync(`${path}.1`)).toBe(true);
  expect(statSync(path).size).toBeGreaterThan(1_000);
  // A restart in the middle of it finds both.
  await expect(running.shipping.stop(AbortSignal.timeout(200))).rejects.toThrow('in time');
  rig.front.clearFaults();
  running.shipping = rig.start({ sources: [source] });
  await append(300, 400);
  expect(await rig.delivery(lines)).toMatchObject({ missing: [], unwritten: [] });
  const more = numbered(400, 3);
  await vi.waitFor(async () => {
    await spool.append(more.slice(0, 1));
    expect(existsSync(`${path}.1`)).toBe(false);
  }, 10_000);
  expect(spool.dropped).toBe(0);
});
