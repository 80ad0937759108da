// The daemon as a process that holds an ENI, hour after hour: on the kernel's own routing, and on fast time.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  createDaemonCloud,
  instance,
  isReady,
  ownArn,
  type DaemonCloud,
} from './fixtures/daemon-cloud.ts';
import { startProgram, type DaemonProcess } from './lab/daemon-process.ts';
import { inNamespaces, needsNamespaces } from './lab/environment.ts';
import { until } from './lab/progress.ts';
import type { LabCall } from './lab/service.ts';
import { poolEni } from './lab/small-cloud.ts';

/** Other files may have the VPC for a while. */
const vpcWithinMs = 400_000;
const port = 7000;
const { eniId, privateIpv4: primary } = poolEni;
const secondary = '10.0.1.77';
const preload = `--import=${join(import.meta.dirname, 'lab', 'fast-time.ts')}`;

let cloud: DaemonCloud;

/** Ready, and from then on so many times faster. */
const startFast = (factor: number): Promise<DaemonProcess> =>
  cloud.startReady({ env: { NODE_OPTIONS: preload, TIME_FACTOR: String(factor) } });

/** Each that the log has had since then. */
function phasesSinceReady({ lines }: DaemonProcess): readonly unknown[] {
  const since = lines.slice(lines.findIndex(isReady));
  return [...new Set(since.map((line) => line['phase']))].filter((phase) => phase !== undefined);
}

const ofEc2 = (): readonly LabCall[] =>
  cloud.lab.front.calls.filter(({ service }) => service === 'ec2');

const ip = (...args: readonly string[]): string =>
  execFileSync('ip', ['-n', instance, ...args], { encoding: 'utf8' });

/** All that berth has in the kernel. */
const inKernel = () => ({
  addresses: [...ip('-4', 'addr', 'show', 'dev', 'eth1').matchAll(/inet ([\d.]+)/g)].map(
    ([, address]) => address,
  ),
  rules: ip('rule')
    .split('\n')
    .filter((line) => line.includes('20001')),
  routes: ip('route', 'show', 'table', '20001').trim().split('\n'),
});

const answers = async (address: string): Promise<boolean> =>
  (await cloud.vpc.probe('far', address, port, 1_000)).ok;

/** Looks again and again for so long. */
async function throughout(realMs: number, look: () => Promise<void>): Promise<void> {
  const startMs = performance.now();
  await until('the end of it', 2 * realMs, async () => {
    await look();
    return performance.now() - startMs >= realMs || undefined;
  });
}

/** Until EC2 has had a call more. */
async function called(): Promise<void> {
  const before = ofEc2().length;
  await until('a call to EC2', 20_000, () => ofEc2().length > before || undefined);
}

describe.skipIf(!inNamespaces)(`steady${needsNamespaces}`, () => {
  beforeAll(async () => {
    cloud = await createDaemonCloud();
    await cloud.vpc.serve(instance, port);
  }, vpcWithinMs);
  afterEach(() => cloud.reset());
  afterAll(() => cloud[Symbol.asyncDispose]());

  test('EC2 is out of reach for an hour: served all the while, and looked after again when it is back', async () => {
    const factor = 240;
    const daemon = await startFast(factor);
    const routing = inKernel();
    expect(routing.addresses).toEqual([primary]);
    expect(routing.rules.length).toBeGreaterThan(0);
    await called();
    await cloud.gate.close();
    const reached = ofEc2().length;
    await throughout((60 * 60_000) / factor, async () => {
      expect(await answers(primary)).toBe(true);
      expect(await cloud.status('anything', () => true)).toMatchObject({
        phase: 'ready',
        ready: true,
        pools: [{ ready: true, eni: { eniId } }],
      });
      expect(inKernel()).toEqual(routing);
    });
    expect(ofEc2().length).toBe(reached);
    const unanswered = daemon.lines.filter(({ msg }) => msg?.endsWith('; serving on'));
    expect(unanswered.length).toBeGreaterThan(20);
    expect(phasesSinceReady(daemon)).toEqual(['ready']);

    cloud.lab.ec2.deleteTags([eniId], [{ key: 'berth:owner', value: undefined }]);
    await cloud.gate.open();
    const owner = await until(
      'the tag again',
      20_000,
      () => cloud.lab.ec2.eni(eniId)!.tags['berth:owner'],
    );
    expect(owner).toBe(ownArn);
    expect(inKernel()).toEqual(routing);
    expect(daemon.stderr()).toBe('');
  });

  test('a secondary address comes and goes within a reconcile each, the primary never', async () => {
    // From before the first address on, so that it hears of every one.
    await using monitor = startProgram({
      argv: ['ip', '-n', instance, '-o', 'monitor', 'address', 'route', 'rule'],
      env: {},
    });
    // A reconcile takes seconds: what is seen within one belongs to it, also on a busy machine.
    const daemon = await startFast(20);
    await monitor.line('the primary', ({ msg }) => msg?.includes(`inet ${primary}/`) === true);
    const before = inKernel();
    const heardOf = monitor.lines.length;
    /** Until the kernel has these, in order; then how often EC2 was asked for that. */
    const asksUntil = async (...addresses: readonly string[]): Promise<number> => {
      const sinceMs = Date.now();
      return until(addresses.join(', '), 20_000, async () => {
        expect(await answers(primary)).toBe(true);
        const now = inKernel();
        const isSo =
          now.addresses.join() === addresses.join() &&
          addresses.every((address) => now.rules.some((rule) => rule.includes(`from ${address} `)));
        return isSo ? ofEc2().filter(({ atMs }) => atMs >= sinceMs).length : undefined;
      });
    };

    await called();
    cloud.lab.ec2.assignAddresses(eniId, {
      addresses: [secondary],
      count: 0,
      allowReassignment: false,
    });
    expect(await asksUntil(primary, secondary)).toBe(1);
    // The lab's VPC routes what the ENI had when it was plugged.
    const [, toEni] = /dev (\S+)/.exec(execFileSync('ip', ['route', 'get', primary]).toString())!;
    execFileSync('ip', ['route', 'replace', `${secondary}/32`, 'dev', toEni!]);
    expect(await answers(secondary)).toBe(true);
    await cloud.status(
      'both',
      ({ pools }) => pools[0]!.eni?.ipv4.join() === `${primary},${secondary}`,
    );

    await called();
    cloud.lab.ec2.unassignAddresses(eniId, [secondary]);
    expect(await asksUntil(primary)).toBe(1);
    await cloud.status('one', ({ pools }) => pools[0]!.eni?.ipv4.join() === primary);
    expect(daemon.lines.filter(({ msg }) => msg?.startsWith('not ready any more'))).toEqual([]);
    expect(inKernel()).toEqual(before);
    const changes = monitor.lines.slice(heardOf).map(({ msg }) => msg ?? '');
    expect(changes.filter((line) => !line.includes(secondary))).toEqual([]);
    expect(changes.join('\n')).toMatch(/^Deleted .*10\.0\.1\.77\//m);
  });

  test('while nothing happens: one call to EC2 a minute at most, and only to look', async () => {
    const factor = 240;
    const looks = 20;
    const daemon = await startFast(factor);
    await called();
    const before = ofEc2().length;
    const startMs = performance.now();
    const calls = await until('the looks', 60_000, () => {
      const since = ofEc2().slice(before);
      return since.length >= looks ? since : undefined;
    });
    // Each instance has a period of its own, of 60 to 90 s, and looks at its watch every 15 to 25.
    const minutes = ((performance.now() - startMs) * factor) / 60_000;
    expect(minutes).toBeGreaterThanOrEqual(calls.length);
    expect(new Set(calls.map(({ action }) => action))).toEqual(
      new Set(['DescribeNetworkInterfaces']),
    );
    expect(phasesSinceReady(daemon)).toEqual(['ready']);
  });
});
