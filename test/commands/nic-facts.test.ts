// What the kernel says of a device, of texts as sysfs and ethtool print them for an ENA device.
import { expect, test } from 'vitest';
import { readNic } from '../../src/commands/nic-facts.ts';
import { BerthError } from '../../src/errors.ts';
import type { Exec } from '../../src/system/exec.ts';
import type { Proc } from '../../src/system/proc.ts';

const files: Readonly<Record<string, string>> = {
  '/sys/class/net/ens6/operstate': 'up\n',
  '/sys/class/net/ens6/mtu': '9001\n',
  '/sys/class/net/ens6/speed': '-1\n',
  '/sys/class/net/ens6/device/uevent': 'DRIVER=ena\nPCI_CLASS=20000\n',
  '/sys/module/ena/version': '2.13.0K\n',
  '/sys/class/net/veth0/operstate': 'lowerlayerdown\n',
};
const proc: Proc = {
  read: (path) => files[path],
  list: () => [],
  sizeOf: () => Promise.reject(new Error('not asked')),
};
const outputs: Readonly<Record<string, string>> = {
  '-i': 'driver: ena\nversion: 2.14.1g\nfirmware-version: \n',
  '-S': 'NIC statistics:\n     tx_timeout: 3\n     bw_in_allowance_exceeded: 12\n     conntrack_allowance_available: 136812\n',
};
const exec = (run: (flag: string) => Promise<string>): Exec => ({
  run: async ({ argv }) => ({ code: 0, stdout: await run(argv[1]!), stderr: '' }),
  follow: () => Promise.reject(new Error('not asked')),
});
const read = (device: string, deps: Exec) =>
  readNic({ proc, exec: deps }, device, new AbortController().signal);

test('of an ENA device: link, driver and what the allowances counted', async () => {
  expect(
    await read(
      'ens6',
      exec((flag) => Promise.resolve(outputs[flag]!)),
    ),
  ).toEqual({
    device: 'ens6',
    state: 'up',
    mtu: 9001,
    speedMbps: undefined,
    driver: 'ena',
    driverVersion: '2.14.1g',
    allowances: { bw_in_allowance_exceeded: 12, conntrack_allowance_available: 136_812 },
  });
});

test('without ethtool: what sysfs has', async () => {
  const missing = exec(() => Promise.reject(new BerthError('command-missing', 'no ethtool')));
  expect(await read('ens6', missing)).toMatchObject({
    driverVersion: '2.13.0K',
    allowances: undefined,
  });
});

test('a device without a driver is not asked', async () => {
  const never = exec(() => Promise.reject(new Error('asked')));
  expect(await read('veth0', never)).toMatchObject({
    state: 'lowerlayerdown',
    driver: undefined,
    driverVersion: undefined,
  });
});
