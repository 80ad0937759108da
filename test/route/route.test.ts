// Applying, verifying and repairing, on a kernel that can be made to refuse, forget and vanish.
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { BerthError } from '../../src/errors.ts';
import type { RoutePlan } from '../../src/model/routes.ts';
import { loadKernelState } from '../../src/route/kernel-state.ts';
import { planRoutes } from '../../src/route/plan.ts';
import { applyRoutes } from '../../src/route/route.ts';
import type { Exec } from '../../src/system/exec.ts';
import { verifyRoutes } from '../../src/route/verify.ts';
import { createFakeRouteDeps, type FakeRouteDeps } from '../fakes/route-deps.ts';
import { claimedEni, plainRouting } from '../fixtures/claimed-eni.ts';

const { signal } = new AbortController();
const secondRule = 'ip rule add priority 9500 from 10.0.1.21/32 lookup 20001 protocol kernel';

let deps: FakeRouteDeps;
let plan: RoutePlan;

beforeEach(() => {
  deps = createFakeRouteDeps();
  const claimed = claimedEni({ eni: { ipv4: ['10.0.1.20', '10.0.1.21'] } });
  plan = planRoutes({ claimed, device: undefined, mtu: 9001, ...plainRouting });
});

describe('applyRoutes', () => {
  test('reaches the plan, and has nothing to do the second time', async () => {
    const first = await applyRoutes(deps, plan, signal);
    expect(first.plan.ifname).toBe('eth1');
    expect(first.changes).toEqual(deps.kernel.lines);
    const state = await loadKernelState(deps, 'eth1', signal);
    expect(state.ipv4.addresses.map(({ address }) => address)).toEqual(plan.ipv4.addresses);
    expect(await verifyRoutes(deps, first.plan, signal)).toEqual([]);
    const second = await applyRoutes(deps, plan, signal);
    expect(second.changes).toEqual([]);
    expect(await loadKernelState(deps, 'eth1', signal)).toEqual(state);
    expect(deps.log.lines).toEqual([]);
  });

  test('takes three processes: one for each family that looks, one that writes, asks and looks again', async () => {
    const run = vi.spyOn(deps.kernel.exec, 'run');
    await applyRoutes(deps, { ...plan, ifname: 'eth1' }, signal);
    expect(run).toHaveBeenCalledTimes(3);
    const [, , last] = run.mock.calls.map(([{ stdin }]) => stdin?.trim().split('\n') ?? []);
    expect(last).toEqual(
      expect.arrayContaining([
        'link set dev eth1 mtu 9001 up',
        'rule show',
        'neigh show 10.0.1.1 dev eth1',
        'route get 192.0.2.1 from 10.0.1.20',
      ]),
    );
  });

  test('an answer that is wrong right behind the writes is asked for again until it is right', async () => {
    deps.kernel.links[1]!.neighbours = [];
    const sleep = vi.spyOn(deps.clock, 'sleep').mockImplementation(() => {
      deps.kernel.links[1]!.neighbours = ['10.0.1.1'];
      return Promise.resolve();
    });
    const { changes } = await applyRoutes(deps, plan, signal);
    expect(sleep).toHaveBeenCalledOnce();
    expect(changes).toEqual(deps.kernel.lines);
    expect(deps.log.lines).toEqual([]);
  });

  test('a way that is not there right behind the writes is asked for again', async () => {
    const { exec } = deps.kernel;
    const asked: number[] = [];
    const run: Exec['run'] = async (input, signal) => {
      const answer = await exec.run(input, signal);
      if (input.stdin?.includes('route get') !== true) return answer;
      asked.push(input.stdin.split('route get').length - 1);
      if (asked.length > 1) return answer;
      const stdout = answer.stdout.replace(/.*\n$/, '');
      return {
        code: 2,
        stdout,
        stderr: 'RTNETLINK answers: Invalid argument\nCommand failed -:19',
      };
    };
    await applyRoutes({ ...deps, exec: { ...exec, run } }, plan, signal);
    expect(asked).toEqual([7, 7]);
  });

  test('another device under the name that the plan has is left alone', async () => {
    deps.kernel.links[1]!.name = 'ens6';
    deps.kernel.links.push({
      ...deps.kernel.links[0]!,
      name: 'eth1',
      index: 9,
      mac: '02:00:00:00:09:09',
    });
    const applied = await applyRoutes(deps, { ...plan, ifname: 'eth1' }, signal);
    expect(applied.plan.ifname).toBe('ens6');
    expect(deps.kernel.lines.filter((line) => line.includes('eth1'))).toEqual([]);
  });

  test('sets the sysctls before the link goes up, and only those of the device', async () => {
    let atLinkUp: string | undefined;
    deps.kernel.before = (line) => {
      if (line.includes('link set'))
        atLinkUp = deps.sysctl.values.get('net/ipv6/conf/eth1/accept_ra');
    };
    await applyRoutes(deps, plan, signal);
    expect(atLinkUp).toBe('0');
    expect(Object.fromEntries(deps.sysctl.values)).toEqual({
      'net/ipv4/conf/eth1/rp_filter': '2',
      'net/ipv4/conf/eth1/arp_announce': '2',
      'net/ipv6/conf/eth1/accept_ra': '0',
      'net/ipv6/conf/eth1/autoconf': '0',
    });
  });

  test('waits for udev, and takes the name that it gave', async () => {
    let looks = 0;
    deps.udev = {
      stateOf: () => {
        if (++looks < 4) return Promise.resolve('busy');
        deps.kernel.links[1]!.name = 'ens6';
        return Promise.resolve('done');
      },
    };
    deps.sysctl.values.clear();
    const applied = await applyRoutes(deps, plan, signal);
    expect(applied.plan.ifname).toBe('ens6');
    expect(applied.changes).toContain('ip link set dev ens6 mtu 9001 up');
    expect(looks).toBe(4);
  });

  test('goes on without udev after 10 s', async () => {
    deps.udev = { stateOf: () => Promise.resolve('busy') };
    const find = vi.spyOn(deps.devices, 'find');
    await applyRoutes(deps, plan, signal);
    // Once before the wait, once after it.
    expect(find).toHaveBeenCalledTimes(2);
    expect(deps.clock.monotonicMs()).toBeGreaterThanOrEqual(10_000);
    expect(deps.clock.monotonicMs()).toBeLessThan(10_100);
    expect(deps.log.lines).toMatchObject([{ level: 'warn', device: 'eth1' }]);
  });

  test('a batch that fails in the middle is completed by a second pass', async () => {
    let refusals = 1;
    deps.kernel.refuse = (line) =>
      line === secondRule && refusals-- > 0 ? 'RTNETLINK answers: File exists' : undefined;
    const { changes } = await applyRoutes(deps, plan, signal);
    expect(await verifyRoutes(deps, { ...plan, ifname: 'eth1' }, signal)).toEqual([]);
    const firstRule = 'ip rule add priority 9500 from 10.0.1.20/32 lookup 20001 protocol kernel';
    expect(deps.kernel.lines.filter((line) => line === firstRule)).toHaveLength(1);
    expect(changes.filter((line) => line === secondRule)).toHaveLength(2);
  });

  test('a line that always fails is named; what is applied stays, and a later call converges', async () => {
    deps.kernel.refuse = (line) =>
      line === secondRule ? 'RTNETLINK answers: No buffer space' : undefined;
    await expect(applyRoutes(deps, plan, signal)).rejects.toMatchObject({
      code: 'routing-failed',
      retryable: true,
      message: expect.stringMatching(
        /^cannot route eni-0123456789abcdef0 on eth1: cannot run "ip rule add priority 9500 from 10\.0\.1\.21\/32 .*No buffer space/,
      ) as unknown,
    });
    deps.kernel.refuse = () => undefined;
    const { changes } = await applyRoutes(deps, plan, signal);
    expect(changes[0]).toBe(secondRule);
  });

  test('a rule that somebody deletes meanwhile is repaired', async () => {
    let times = 1;
    deps.kernel.before = (line) => {
      if (line.includes('default via') && times-- > 0) deps.kernel.ipv4.rules.shift();
    };
    const { changes } = await applyRoutes(deps, plan, signal);
    expect(changes.at(-1)).toBe(
      'ip rule add priority 9500 from 10.0.1.20/32 lookup 20001 protocol kernel',
    );
    expect(deps.log.lines).toMatchObject([{ msg: 'routes repaired once more' }]);
  });

  test('a route of another device that main loses meanwhile is said', async () => {
    let times = 1;
    deps.kernel.before = (line) => {
      if (!line.includes('default via') || times-- === 0) return;
      const { ipv4 } = deps.kernel;
      ipv4.routes = ipv4.routes.filter(({ table, dst }) => table !== 254 || dst !== 'default');
    };
    await applyRoutes(deps, plan, signal);
    expect(deps.log.lines).toMatchObject([
      { problems: ['main has lost "route replace default via 10.0.1.1 dev eth0 proto 3"'] },
    ]);
  });

  test('somebody who deletes it each time: everything that is wrong is said', async () => {
    deps.kernel.before = (line) => {
      if (/default via|rule add/.test(line)) deps.kernel.ipv4.rules.length = 0;
    };
    await expect(applyRoutes(deps, plan, signal)).rejects.toMatchObject({
      code: 'routing-failed',
      message: expect.stringContaining('Does another network manager own eth1?') as unknown,
    });
  });

  test('a gateway that does not answer within 3 s', async () => {
    deps.kernel.links[1]!.neighbours = [];
    await expect(applyRoutes(deps, plan, signal)).rejects.toMatchObject({
      code: 'routing-failed',
      details: {
        problems: ['the gateway 10.0.1.1 does not answer ARP on eth1 (neighbour FAILED)'],
      },
    });
    // Two attempts.
    expect(deps.clock.monotonicMs()).toBeGreaterThanOrEqual(6_000);
    expect(deps.clock.monotonicMs()).toBeLessThan(6_500);
  });

  test('a question for the gateway is given up only where the routing was just set', async () => {
    await applyRoutes(deps, plan, signal);
    const run = vi.spyOn(deps.kernel.exec, 'run');
    const givenUp = (): boolean =>
      run.mock.calls.some(([{ stdin }]) => stdin?.includes('nud failed') === true);
    deps.kernel.links[1]!.neighbours = [];
    expect(await verifyRoutes(deps, { ...plan, ifname: 'eth1' }, signal)).toHaveLength(1);
    expect(givenUp()).toBe(false);
    await expect(applyRoutes(deps, plan, signal)).rejects.toThrow('does not answer ARP');
    expect(givenUp()).toBe(true);
  });

  test('a carrier that comes a second after the link is up', async () => {
    const { links } = deps.kernel;
    const fresh = { ...links[1]! };
    Object.defineProperty(fresh, 'carrier', { get: () => deps.clock.monotonicMs() >= 1_000 });
    links[1] = fresh;
    await applyRoutes(deps, plan, signal);
    expect(deps.clock.monotonicMs()).toBeGreaterThanOrEqual(1_000);
    expect(deps.log.lines).toEqual([]);
  });

  test('no device with this MAC', async () => {
    deps.kernel.unplug('eth1');
    await expect(applyRoutes(deps, plan, signal)).rejects.toMatchObject({
      code: 'device-missing',
      retryable: true,
    });
  });

  test('the device goes in the middle of a batch', async () => {
    deps.kernel.before = (line) => {
      if (line.includes('addr replace 10.0.1.21')) deps.kernel.unplug('eth1');
    };
    await expect(applyRoutes(deps, plan, signal)).rejects.toMatchObject({
      code: 'device-missing',
      message: expect.stringContaining('addr replace 10.0.1.21/32 dev eth1') as unknown,
    });
  });

  test('no CAP_NET_ADMIN', async () => {
    deps.kernel.refuse = () => 'RTNETLINK answers: Operation not permitted';
    await expect(applyRoutes(deps, plan, signal)).rejects.toMatchObject({
      code: 'not-permitted',
      message: expect.stringContaining('CAP_NET_ADMIN') as unknown,
    });
    expect(deps.kernel.lines).toHaveLength(1);
  });

  test('no iproute2', async () => {
    deps.kernel.missing = true;
    await expect(applyRoutes(deps, plan, signal)).rejects.toMatchObject({
      code: 'command-missing',
      message: expect.stringContaining('install iproute2') as unknown,
    });
  });

  test('a read-only /proc/sys: an error where a router could change main, a warning else', async () => {
    const readOnly = new BerthError('not-permitted', 'cannot set it: EROFS');
    deps.sysctl.writeError = readOnly;
    await expect(applyRoutes(deps, plan, signal)).rejects.toBe(readOnly);
    expect(deps.kernel.lines).toEqual([]);
    deps.sysctl.values.set('net/ipv6/conf/eth1/accept_ra', '0');
    const applied = await applyRoutes(deps, plan, signal);
    expect(applied.changes).not.toEqual([]);
    const warned = deps.log.lines.map((line) => line['sysctl']);
    expect(warned).toContain('net/ipv4/conf/eth1/rp_filter');
    expect(warned).not.toContain('net/ipv6/conf/eth1/accept_ra');
    expect(await verifyRoutes(deps, applied.plan, signal)).toEqual([]);
  });
});

describe('verifyRoutes', () => {
  test.each<[string, (deps: FakeRouteDeps) => void, RegExp]>([
    ['a rule is gone', ({ kernel }) => kernel.ipv4.rules.shift(), /still needs "ip rule add/],
    ['the link is down', ({ kernel }) => (kernel.links[1]!.up = false), /still needs "ip link set/],
    [
      'the carrier is gone',
      ({ kernel }) => (kernel.links[1]!.carrier = false),
      /^eth1 is up, but has no carrier$/m,
    ],
    ['the device is gone', ({ kernel }) => kernel.unplug('eth1'), /the device eth1 is gone/],
    [
      'a sysctl was written by somebody else',
      ({ sysctl }) => sysctl.values.set('net/ipv4/conf/eth1/rp_filter', '1'),
      /rp_filter is 1, not 2/,
    ],
    [
      'a rule for our address comes first',
      ({ kernel }) => kernel.change('rule add priority 100 from 10.0.1.21/32 lookup 254', 'ipv4'),
      /another rule comes first: priority 100 from 10\.0\.1\.21\/32 lookup 254/,
    ],
  ])('%s', async (_what, change, problem) => {
    const applied = await applyRoutes(deps, plan, signal);
    change(deps);
    const problems = await verifyRoutes(deps, applied.plan, signal);
    expect(problems.join('\n')).toMatch(problem);
  });
});
