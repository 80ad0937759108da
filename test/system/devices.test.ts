// Finding a device by MAC, and waiting for one, without and with a real kernel.
import { describe, expect, test } from 'vitest';
import { BerthError } from '../../src/errors.ts';
import { systemClock } from '../../src/system/clock.ts';
import { createDevices, parseLinks } from '../../src/system/devices.ts';
import { systemExec, type Exec } from '../../src/system/exec.ts';
import { inNamespaces, needsNamespaces } from '../lab/environment.ts';
import { createHost, type Host } from '../lab/host.ts';
import { createInside, type Inside } from '../lab/inside.ts';
import { ipBatch } from '../lab/namespace.ts';

const { signal } = new AbortController();
const mac = '02:00:00:00:01:20';

function linkJson(name: string, kind?: string, address = mac): unknown {
  const linkinfo = kind === undefined ? {} : { linkinfo: { info_kind: kind } };
  return { ifindex: 3, ifname: name, flags: ['BROADCAST', 'UP'], mtu: 9001, address, ...linkinfo };
}

/** An `ip` whose answers change, and whose monitor speaks when told. */
function scriptedExec(answers: readonly (readonly unknown[])[]) {
  let looks = 0;
  const monitors: (() => void)[] = [];
  const exec: Exec = {
    run: () => {
      const stdout = JSON.stringify(answers[Math.min(looks++, answers.length - 1)]);
      return Promise.resolve({ code: 0, stdout, stderr: '' });
    },
    follow: (_argv, onLine, following) =>
      new Promise((resolve) => {
        monitors.push(() => onLine('3: eth1: <BROADCAST>'));
        following.addEventListener('abort', () => resolve(), { once: true });
      }),
  };
  const speak = (): void => monitors.forEach((monitor) => monitor());
  return { exec, looks: () => looks, speak };
}

function failingRun(): ReturnType<Exec['run']> {
  return Promise.resolve({ code: 255, stdout: '', stderr: 'Option "-json" is unknown' });
}

async function createWorld(): Promise<Host & { readonly inside: Inside }> {
  const host = await createHost(`devices-${process.pid}`);
  const inside = createInside({ namespace: host.name, ask: (command) => host.ask(command) });
  return Object.assign(host, { inside });
}

describe('createDevices', () => {
  test('a listing that is young enough is not made again, unless it lacks the device', async () => {
    let nowMs = 0;
    const clock = { ...systemClock, monotonicMs: () => nowMs };
    const { exec, looks } = scriptedExec([
      [linkJson('eth0', undefined, '02:00:00:00:01:10')],
      [linkJson('ens6')],
    ]);
    const devices = createDevices({ exec, clock });
    expect(await devices.find('02:00:00:00:01:10', signal)).toMatchObject({ name: 'eth0' });
    nowMs = 999;
    expect(await devices.find('02:00:00:00:01:10', signal, 1_000)).toMatchObject({ name: 'eth0' });
    expect(looks()).toBe(1);
    expect(await devices.find(mac, signal, 1_000)).toMatchObject({ name: 'ens6' });
    expect(looks()).toBe(2);
    nowMs = 1_999;
    await devices.find(mac, signal, 1_000);
    await devices.find(mac, signal);
    expect(looks()).toBe(4);
  });

  test('finds by MAC, and never what is stacked upon the device', async () => {
    const links = ['vlan', 'bridge', 'macvlan', 'bond'].map((kind) => linkJson(`${kind}0`, kind));
    const { exec } = scriptedExec([[...links, linkJson('ens6')]]);
    const devices = createDevices({ exec, clock: systemClock });
    expect(await devices.find(mac, signal)).toEqual({
      name: 'ens6',
      index: 3,
      mac,
      mtu: 9001,
      up: true,
      kind: undefined,
    });
    expect(await devices.find('02:00:00:00:09:99', signal)).toBeUndefined();
  });

  test('old versions print empty objects and upper-case hex', () => {
    expect(
      parseLinks(JSON.stringify([{}, linkJson('eth1', undefined, mac.toUpperCase())])),
    ).toEqual([expect.objectContaining({ name: 'eth1', mac })]);
    expect(parseLinks('')).toEqual([]);
  });

  test('looks again when the monitor speaks, long before the sweep', async () => {
    const scripted = scriptedExec([[], [linkJson('eth1')]]);
    const never = { ...systemClock, sleep: () => new Promise<void>(() => undefined) };
    const found = createDevices({ exec: scripted.exec, clock: never }).wait(mac, signal);
    await expect.poll(scripted.looks).toBe(1);
    scripted.speak();
    expect(await found).toMatchObject({ name: 'eth1' });
  });

  test('sweeps when the monitor is silent', async () => {
    const { exec } = scriptedExec([[], [], [linkJson('eth1')]]);
    const slept: number[] = [];
    const sleep = (ms: number): Promise<void> => {
      slept.push(ms);
      return Promise.resolve();
    };
    await createDevices({ exec, clock: { ...systemClock, sleep } }).wait(mac, signal);
    expect(slept).toEqual([50, 200]);
  });

  test('a deadline becomes device-missing, any other abort stays what it is', async () => {
    const { exec } = scriptedExec([[]]);
    const devices = createDevices({ exec, clock: systemClock });
    using deadline = systemClock.deadline(30, signal);
    await expect(devices.wait(mac, deadline.signal)).rejects.toMatchObject({
      code: 'device-missing',
      message: expect.stringContaining(mac) as unknown,
    });
    const stopped = new AbortController();
    const reason = new Error('stopping');
    setImmediate(() => stopped.abort(reason));
    await expect(devices.wait(mac, stopped.signal)).rejects.toBe(reason);
  });

  test('an ip that a busy host is too slow for is asked again', async () => {
    const { exec } = scriptedExec([[linkJson('eth1')]]);
    let slow = true;
    const run: Exec['run'] = (input, abort) => {
      if (!slow) return exec.run(input, abort);
      slow = false;
      return Promise.reject(new BerthError('timeout', 'cannot wait for "ip"'));
    };
    const devices = createDevices({ exec: { ...exec, run }, clock: systemClock });
    expect(await devices.wait(mac, signal)).toMatchObject({ name: 'eth1' });
  });

  test('a failing ip is an error, not a missing device', async () => {
    const devices = createDevices({
      exec: { ...systemExec, run: failingRun },
      clock: systemClock,
    });
    await expect(devices.find(mac, signal)).rejects.toMatchObject({ code: 'command-failed' });
  });
});

describe.skipIf(!inNamespaces)(`devices of the real kernel${needsNamespaces}`, () => {
  test('a device that appears is found within milliseconds, and the monitor ends', async () => {
    await using host = await createWorld();
    const { inside } = host;
    const ended: Promise<void>[] = [];
    const heard: string[] = [];
    const devices = createDevices({
      clock: systemClock,
      exec: {
        run: (input, abort) => inside.exec.run(input, abort),
        follow: (argv, onLine, abort) => {
          const hear = (line: string): void => {
            heard.push(line);
            onLine(line);
          };
          const end = inside.exec.follow(argv, hear, abort);
          ended.push(end);
          return end;
        },
      },
    });
    const found = devices.wait(mac, signal);
    // Until the monitor hears something, it is not yet listening.
    while (heard.length === 0)
      await ipBatch(['link set dev lo down', 'link set dev lo up'], host.name);
    const startMs = performance.now();
    await ipBatch([`link add eth1 address ${mac} type veth peer name other`], host.name);
    expect(await found).toMatchObject({ name: 'eth1', mac, mtu: 1500, up: false, kind: 'veth' });
    expect(performance.now() - startMs).toBeLessThan(1_000);
    expect(ended).toHaveLength(1);
    await Promise.all(ended);
  });

  test('a device that is there already is returned at once', async () => {
    await using host = await createWorld();
    await ipBatch([`link add eth1 mtu 9001 address ${mac} type veth peer name other`], host.name);
    expect(await host.inside.devices.wait(mac, signal)).toMatchObject({ name: 'eth1', mtu: 9001 });
  });
});
