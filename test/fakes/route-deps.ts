// Everything that routing needs, on a fake kernel with a primary `eth0` and a fresh `eth1`.
import type { RouteDeps } from '../../src/route/route.ts';
import { createDevices } from '../../src/system/devices.ts';
import type { Sysctl } from '../../src/system/sysctl.ts';
import type { Udev } from '../../src/system/udev.ts';
import { createFakeClock, type FakeClock } from './clock.ts';
import { createFakeKernel, type FakeKernel } from './kernel.ts';
import { createMemoryLog, type MemoryLog } from './log.ts';

export type FakeSysctl = Sysctl & {
  readonly values: Map<string, string>;
  /** Thrown by each write; undefined: writes work. */
  writeError: Error | undefined;
};

export type FakeRouteDeps = RouteDeps & {
  readonly kernel: FakeKernel;
  readonly sysctl: FakeSysctl;
  readonly clock: FakeClock;
  readonly log: MemoryLog;
  udev: Udev;
};

export function createFakeRouteDeps(): FakeRouteDeps {
  const kernel = createFakeKernel();
  const clock = createFakeClock();
  const gateways = ['10.0.1.1', '10.0.2.1'];
  kernel.links.push(
    { name: 'eth0', index: 2, mac: '02:00:00:00:01:10', mtu: 9001, up: true, neighbours: gateways },
    {
      name: 'eth1',
      index: 3,
      mac: '02:00:00:00:01:20',
      mtu: 1500,
      up: false,
      neighbours: gateways,
    },
  );
  kernel.change('addr replace 10.0.1.10/24 dev eth0', 'ipv4');
  kernel.change('route replace 10.0.1.0/24 dev eth0 src 10.0.1.10 scope link proto kernel', 'ipv4');
  kernel.change('route replace default via 10.0.1.1 dev eth0', 'ipv4');
  return {
    kernel,
    exec: kernel.exec,
    clock,
    log: createMemoryLog(),
    devices: createDevices({ exec: kernel.exec, clock }),
    udev: { stateOf: () => Promise.resolve('absent') },
    sysctl: createFakeSysctl(),
  };
}

function createFakeSysctl(): FakeSysctl {
  const values = new Map<string, string>();
  const initial = { rp_filter: '1', arp_announce: '0', accept_ra: '1', autoconf: '1' };
  for (const [name, value] of Object.entries(initial)) {
    const family = name.startsWith('a') && name !== 'arp_announce' ? 'ipv6' : 'ipv4';
    values.set(`net/${family}/conf/eth1/${name}`, value);
  }
  const sysctl: FakeSysctl = {
    values,
    writeError: undefined,
    read: (name) => Promise.resolve(values.get(name)),
    write: (name, value) => {
      if (sysctl.writeError !== undefined) return Promise.reject(sysctl.writeError);
      values.set(name, value);
      return Promise.resolve();
    },
    isWritable: () => Promise.resolve(sysctl.writeError === undefined),
  };
  return sysctl;
}
