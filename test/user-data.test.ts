// The examples of packaging/user-data, through the real cloud-init, with a berth that reads the same user data.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMachines, type Machine, type Machines } from './fixtures/machines.ts';
import { whyNoCheckout } from './lab/booted-instance.ts';
import { hasCloudInit, needsCloudInit } from './lab/cloud-init.ts';
import { poolEni } from './lab/small-cloud.ts';

const reason = whyNoCheckout === undefined ? needsCloudInit : ` (skipped: ${whyNoCheckout})`;
const folder = join(import.meta.dirname, '..', 'packaging', 'user-data');

type Example = {
  readonly name: string;
  readonly baked: boolean;
  /** What the status says of its configuration. */
  readonly source: string;
  readonly also?: (machine: Machine) => Promise<void>;
};

const examples: readonly Example[] = [
  { name: 'berth-key.yaml', baked: true, source: 'user data' },
  { name: 'write-files.yaml', baked: false, source: 'file /etc/berth/config.json' },
  {
    name: 'script.mime',
    baked: true,
    source: 'user data',
    also: async (machine) => {
      expect(await machine.succeed('cat', '/var/log/served')).toBe(
        `served: ${poolEni.privateIpv4} on eth1`,
      );
    },
  },
];

test('each example is tried', () => {
  expect(examples.map(({ name }) => name).toSorted()).toEqual(readdirSync(folder).toSorted());
});

describe.skipIf(whyNoCheckout !== undefined || !hasCloudInit)(`user data${reason}`, () => {
  let machines: Machines;
  const stack = new AsyncDisposableStack();
  beforeAll(async () => {
    machines = stack.use(await createMachines());
  }, 400_000);
  afterAll(() => stack.disposeAsync());

  test.each(examples)(
    '$name',
    async ({ name, baked, source, also }) => {
      const { ec2 } = machines.cloud.lab;
      await using disk = await machines.image.copy();
      if (baked) await disk.enable('berth.service');
      const text = readFileSync(join(folder, name), 'utf8');
      await using machine = await machines.launch('inst-a', disk, text);
      expect(await machine.ready()).toContain(poolEni.privateIpv4);
      expect(await machines.isServed()).toBe(true);
      expect(await machine.cloudInitEnds()).toBe('done');
      expect(await machine.said('systemctl', 'is-enabled', 'berth')).toBe('enabled');
      expect(await machine.succeed('berth', 'status')).toContain(source);
      const log = await machine.succeed('cat', '/var/log/cloud-init.log');
      expect(log.split('\n').filter((line) => /\[(WARNING|ERROR)\]|Invalid/.test(line))).toEqual(
        [],
      );
      await also?.(machine);
      await machine.succeed('berth', 'release');
      expect(ec2.eni(poolEni.eniId)!.attachment).toBeUndefined();
    },
    200_000,
  );
});
