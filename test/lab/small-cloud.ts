// The demo's and the benchmark's small cloud: the lab behind a VPC of two subnets, instances that run the real
// daemon, clients, and a pool of one ENI in the subnet of the instances' primaries.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createChaos, type Chaos } from './chaos.ts';
import type { ChaosInput } from './chaos-options.ts';
import { mainFile, startDaemon, unitRights, type DaemonProcess } from './daemon-process.ts';
import { createLab, type Lab, type LabOptions } from './lab.ts';
import { scratch } from './environment.ts';
import { ipBatch } from './namespace.ts';
import { createVpc, type MachineSlots, type Vpc } from './vpc.ts';

export const endpointAddress = '10.0.255.10';
const endpointPort = 8080;
const chaosPort = 8081;
const imdsAddress = '169.254.169.254';

export const subnets = {
  a: {
    subnetId: 'subnet-0a000000000000001',
    vpcId: 'vpc-00000000000000001',
    availabilityZone: 'eu-west-1a',
    availabilityZoneId: 'euw1-az1',
    ipv4Cidr: '10.0.1.0/24',
  },
  b: {
    subnetId: 'subnet-0b000000000000001',
    vpcId: 'vpc-00000000000000001',
    availabilityZone: 'eu-west-1b',
    availabilityZoneId: 'euw1-az2',
    ipv4Cidr: '10.0.2.0/24',
  },
} as const;

export const poolEni = {
  eniId: 'eni-0db10000000000001',
  mac: '02:db:00:00:00:01',
  privateIpv4: '10.0.1.50',
} as const;

/** Instances and clients by the name of their namespace. */
export const instances = {
  'inst-a': { instanceId: 'i-0a000000000000001', privateIpv4: '10.0.1.10' },
  'inst-b': { instanceId: 'i-0b000000000000001', privateIpv4: '10.0.1.11' },
} as const;
export type InstanceName = keyof typeof instances;

const clients = {
  near: { subnet: subnets.a, ipv4: '10.0.1.100', mac: '02:c1:00:00:00:01' },
  far: { subnet: subnets.b, ipv4: '10.0.2.100', mac: '02:c1:00:00:00:02' },
} as const;

export type SmallCloud = AsyncDisposable & {
  readonly lab: Lab;
  readonly vpc: Vpc;
  /** Between the instances and AWS, where it was asked for. */
  readonly chaos: Chaos | undefined;
  /** Starts a berth in the instance, with the rights of the unit. */
  berth(name: InstanceName, args: readonly string[]): DaemonProcess;
  /** Argv and environment for any program inside the instance: its own /var and /run/berth. */
  inside(name: InstanceName): { prefix: readonly string[]; env: Readonly<Record<string, string>> };
  /** Where the instance's /var is, seen from here. */
  readonly varOf: (name: InstanceName) => string;
  /** Power off: its processes and its network are gone at once; EC2 frees the ENI in its own time. */
  terminate(name: InstanceName, daemon: DaemonProcess): Promise<void>;
};

const hostOf = (instanceId: string): string =>
  Object.entries(instances).find(([, instance]) => instance.instanceId === instanceId)![0];

/** A view of the file system for one instance; a constant script, its arguments are positional. */
const view = 'mount --bind "$1/var" /var && mount --bind "$1/run" /run/berth && shift && exec "$@"';

export async function createSmallCloud(
  options: Pick<LabOptions, 'dials' | 'latency' | 'clock' | 'maxSkewMs'> & {
    readonly chaos?: ChaosInput | undefined;
    /** inst-a is a machine of its own, with these slots for network cards; nothing runs in it yet. */
    readonly slots?: MachineSlots;
    /** The program; default: the source. */
    readonly main?: string;
  },
): Promise<SmallCloud> {
  await using undo = new AsyncDisposableStack();
  const home = join(scratch, 'small-cloud');
  undo.defer(() => rm(home, { recursive: true, force: true }));
  const vpc = undo.use(await createVpc({ subnets: Object.values(subnets), endpointAddress }));
  const lab = undo.use(
    await createLab({
      host: endpointAddress,
      port: endpointPort,
      actuator: vpc.actuator(hostOf),
      reaper: true,
      ...options,
    }),
  );
  const chaos =
    options.chaos === undefined
      ? undefined
      : undo.use(
          await createChaos({
            ...options.chaos,
            target: lab.endpoint,
            judge: lab.judge,
            host: endpointAddress,
            port: chaosPort,
          }),
        );
  await lab.imdsBySource({ host: imdsAddress, port: 80 });
  for (const subnet of Object.values(subnets)) lab.ec2.addSubnet(subnet);
  await mkdir('/run/berth', { recursive: true });
  for (const [name, { instanceId, privateIpv4 }] of Object.entries(instances)) {
    lab.ec2.launch({
      instanceId,
      subnetId: subnets.a.subnetId,
      privateIpv4,
      tags: { Name: name, 'berth:pool': 'db' },
    });
    const primary = lab.ec2.enisOf(instanceId)[0]!;
    const card = {
      eniId: primary.eniId,
      mac: primary.mac,
      ipv4: [privateIpv4],
      subnetCidr: subnets.a.ipv4Cidr,
    };
    if (name === 'inst-a' && options.slots !== undefined) {
      await vpc.addMachine(name, card, options.slots);
    } else await vpc.addHost(name, card);
    for (const folder of ['var/log', 'var/lib', 'run']) {
      await mkdir(join(home, name, folder), { recursive: true });
    }
  }
  for (const [name, { subnet, ipv4, mac }] of Object.entries(clients)) {
    const eniId = `eni-client-${name}`;
    await vpc.addHost(name, { eniId, mac, ipv4: [ipv4], subnetCidr: subnet.ipv4Cidr });
  }
  lab.ec2.addEni({ ...poolEni, subnetId: subnets.a.subnetId, tags: { 'berth:pool': 'db' } });

  const inside = (name: InstanceName) => ({
    prefix: [...vpc.exec(name), 'unshare', '--mount', 'sh', '-c', view, 'sh', join(home, name)],
    env: { AWS_ENDPOINT_URL: (chaos ?? lab).endpoint },
  });
  const owned = undo.move();
  return {
    lab,
    vpc,
    chaos,
    inside,
    berth: (name, args) => {
      const { prefix, env } = inside(name);
      const { main = mainFile } = options;
      return startDaemon({ prefix: [...prefix, ...unitRights], args, env, main });
    },
    varOf: (name) => join(home, name, 'var'),
    terminate: async (name, daemon) => {
      lab.ec2.terminate(instances[name].instanceId);
      daemon.kill('SIGKILL');
      await daemon.ended;
      // Nothing answers any more, though EC2 keeps the attachment for a while.
      const nics = lab.ec2
        .enisOf(instances[name].instanceId)
        .map((eni) => eni.attachment!.deviceIndex);
      await ipBatch(
        nics.map((index) => `link set dev eth${index} down`),
        name,
      );
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
