// The examples of packaging/user-data, and the user data of the templates, through the real cloud-init, with a berth that reads the same user data.
import { readFileSync, readdirSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Status } from '../src/model/status.ts';
import { createMachines, type Machine, type Machines } from './fixtures/machines.ts';
import { rolePolicies } from './fixtures/role.ts';
import { poolUserData, renderedUserData, templateRoles } from './fixtures/templates.ts';
import { whyNoBoot } from './lab/booted-instance.ts';
import { hasCloudInit, needsCloudInit } from './lab/cloud-init.ts';
import type { Policy } from './lab/iam-evaluate.ts';
import { createBareImage } from './lab/installed-image.ts';
import { copyHostPackage, hostArch, whyNoPackages } from './lab/package-tools.ts';
import { until } from './lab/progress.ts';
import { instances, poolEni } from './lab/small-cloud.ts';

const whyNotHere = whyNoBoot ?? whyNoPackages([hostArch], ['deb', 'rpm']);
const reason = whyNotHere === undefined ? needsCloudInit : ` (skipped: ${whyNotHere})`;
const folder = join(import.meta.dirname, '..', 'packaging', 'user-data');
/** The only one for an image without the package. */
const installing = 'install.sh';

type Row = {
  readonly name: string;
  readonly userData: string;
  readonly baked: boolean;
  /** What the status says of its configuration. */
  readonly source: string;
  /** What the role may do; default: what berth's own can do. */
  readonly role?: readonly Policy[];
  readonly before?: (machines: Machines) => void;
  /** What comes of it, and what should. */
  readonly outcome?: (machine: Machine, machines: Machines) => Promise<unknown>;
  readonly expected?: unknown;
};

const example = (row: Omit<Row, 'userData'>): Row => ({
  ...row,
  userData: readFileSync(join(folder, row.name), 'utf8'),
});

const examples: readonly Row[] = [
  example({ name: 'berth-key.yaml', baked: true, source: 'user data' }),
  example({ name: 'write-files.yaml', baked: false, source: 'file /etc/berth/config.json' }),
  example({
    name: 'script.mime',
    baked: true,
    source: 'user data',
    outcome: (machine) => machine.succeed('cat', '/var/log/served'),
    expected: `served: ${poolEni.privateIpv4} on eth1`,
  }),
];

const { instanceId } = instances['inst-a'];
const roles = templateRoles();
const templates: readonly Row[] = [
  {
    name: 'cloudformation/pool.yaml',
    userData: poolUserData(),
    baked: true,
    source: 'user data',
    role: roles.pool,
    before: ({ cloud }) => cloud.lab.stacks.create('the-stack', { resource: 'Group', count: 1 }),
    outcome: (_machine, { cloud }) =>
      until('the stack has heard', 60_000, () => {
        const { status } = cloud.lab.stacks.stack('the-stack')!;
        return status === 'CREATE_IN_PROGRESS' ? undefined : status;
      }),
    expected: 'CREATE_COMPLETE',
  },
  {
    name: 'terraform/user-data.yaml.tftpl',
    userData: renderedUserData(),
    baked: true,
    source: 'user data',
    role: roles.terraform,
    before: ({ cloud }) => {
      const hooks = { 'berth-ready': { on: 'launch', heartbeatTimeoutMs: 600_000 } } as const;
      cloud.lab.groups.put({ name: 'berth-db', tags: { 'berth:pool': 'db' }, hooks });
      cloud.lab.groups.move('berth-db', instanceId, 'InService');
    },
    outcome: async (_machine, { cloud }) => {
      const { groups } = cloud.lab;
      const isOver = (): boolean => groups.waiting(instanceId).length === 0;
      try {
        await until('the hook is over', 60_000, () => isOver() || undefined);
        return groups.events.map(({ what }) => what);
      } finally {
        groups.forget(instanceId);
      }
    },
    expected: ['CONTINUE'],
  },
];

test('each example is tried', () => {
  const names = [...examples.map(({ name }) => name), installing].toSorted();
  expect(names).toEqual(readdirSync(folder).toSorted());
});

describe.skipIf(whyNotHere !== undefined || !hasCloudInit)(`user data${reason}`, () => {
  let machines: Machines;
  const stack = new AsyncDisposableStack();
  beforeAll(async () => {
    machines = stack.use(await createMachines());
  }, 400_000);
  afterAll(() => stack.disposeAsync());

  /** User data has run without a complaint, and the address is served. */
  const serves = async (
    machine: Machine,
    { name, source }: { readonly name: string; readonly source: string },
  ): Promise<void> => {
    const ended = await machine.cloudInitEnds();
    const output = await machine.said('cat', '/var/log/cloud-init-output.log');
    expect({ ended, output }).toMatchObject({ ended: 'done' });
    expect(await machine.ready()).toContain(poolEni.privateIpv4);
    expect(await machines.isServed()).toBe(true);
    expect(await machine.said('systemctl', 'is-enabled', 'berth')).toBe('enabled');
    expect(await machine.succeed('berth', 'status')).toContain(source);
    const log = await machine.succeed('cat', '/var/log/cloud-init.log');
    expect(log.split('\n').filter((line) => /\[(WARNING|ERROR)\]|Invalid/.test(line))).toEqual([]);
    console.log(`${name}: ready ${await readyAfterMs(machine)} ms after the start of systemd`);
  };
  const attachmentAfterRelease = async (machine: Machine): Promise<unknown> => {
    await machine.succeed('berth', 'release');
    return machines.cloud.lab.ec2.eni(poolEni.eniId)!.attachment;
  };

  test.each([...examples, ...templates])(
    '$name',
    async ({ before, outcome, expected, role = rolePolicies(), ...row }) => {
      await using disk = await machines.image.copy();
      if (row.baked) await disk.enable('berth.service');
      machines.cloud.lab.setPolicies(instanceId, role);
      before?.(machines);
      await using machine = await machines.launch('inst-a', disk, row.userData);
      await serves(machine, row);
      expect(await outcome?.(machine, machines)).toEqual(expected);
      expect(await attachmentAfterRelease(machine)).toBeUndefined();
    },
    200_000,
  );

  test(`${installing}, without the package in the image`, async () => {
    machines.cloud.lab.setPolicies(instanceId, rolePolicies());
    const userData = readFileSync(join(folder, installing), 'utf8');
    await using disk = await createBareImage(machines.cloud.lab.endpoint);
    await disk.remove('/usr/sbin/policy-rc.d');
    const rpm = await copyHostPackage('rpm', join(disk.root, 'bucket'));
    for (const [name, script] of Object.entries(standIns(basename(rpm)))) {
      await disk.write(`/usr/local/bin/${name}`, script);
      await chmod(join(disk.root, 'usr/local/bin', name), 0o755);
    }
    await using machine = await machines.launch('inst-a', disk, userData);
    await serves(machine, { name: installing, source: 'tag berth:pool' });
    expect(await attachmentAfterRelease(machine)).toBeUndefined();
  }, 200_000);
});

/** The AWS CLI with a bucket, and dnf, which finds no repository here: rpm does the work of both. */
function standIns(file: string): Readonly<Record<'aws' | 'dnf', string>> {
  // The example names one architecture.
  return {
    aws: `#!/bin/sh\n[ "$*" = "s3 cp s3://my-bucket/${file} /run/berth.rpm" ] && cp /bucket/${file} "$4"\n`,
    dnf: `#!/bin/sh\n[ "$1 $2" = "install -y" ] && exec rpm --dbpath /var/lib/rpm --force-debian --nodeps --install "$3"\n`,
  };
}

async function readyAfterMs(machine: Machine): Promise<number> {
  const { readyAt } = JSON.parse(await machine.succeed('berth', 'status', '--json')) as Pick<
    Status,
    'readyAt'
  >;
  const [, started] = /^UserspaceTimestamp=\w+ (.*) UTC$/.exec(
    await machine.succeed(
      'systemctl',
      'show',
      '--timestamp=us+utc',
      '--property=UserspaceTimestamp',
    ),
  )!;
  return Date.parse(readyAt!) - Date.parse(`${started!.replace(' ', 'T').slice(0, 23)}Z`);
}
