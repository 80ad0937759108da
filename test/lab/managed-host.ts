// A host of its own with the real udevd and a real network manager: its network, /sys, /run and /var/lib; it cannot write the
// machine's /etc, or NetworkManager would take its resolv.conf over. A gateway answers behind each of its devices, and gives
// out addresses by DHCP behind one of them.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createDevices } from '../../src/system/devices.ts';
import { systemClock } from '../../src/system/clock.ts';
import { systemExec, type Exec } from '../../src/system/exec.ts';
import type { Sysctl } from '../../src/system/sysctl.ts';
import { createUdev } from '../../src/system/udev.ts';
import { createMemoryLog } from '../fakes/log.ts';
import type { Inside } from './inside.ts';
import { until } from './progress.ts';

const exec = promisify(execFile);
const packaged = join(import.meta.dirname, '..', '..', 'systemd');

export type Program = {
  readonly argv: readonly [string, ...string[]];
  /** A file that is there when it listens. */
  readonly ready: string;
};

export type ManagedHost = AsyncDisposable & {
  readonly inside: Inside;
  /** As the daemon's own state folder would be seen from out here. */
  readonly stateDir: string;
  run(...argv: readonly string[]): Promise<string>;
  start(program: Program): Promise<void>;
  stop(program: Program): Promise<void>;
  /** A device with a gateway behind it; `10.0.N.1/24` answers there. */
  plug(name: string, mac: string, net: number): Promise<void>;
  unplug(name: string): Promise<void>;
};

/** `extra`: lines of bash that write the configuration of the manager. */
export async function createManagedHost(extra: string): Promise<ManagedHost> {
  const setUp = `
set -e
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mount --bind /etc /etc
mount -o remount,bind,ro /etc
mkdir -p /run/udev/rules.d /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases /run/dbus /run/netns
cp "$1/81-berth.rules" /run/udev/rules.d/
cp "$1/01-berth.network" /run/systemd/network/
chown -R systemd-network /run/systemd/netif
ip link set lo up
ip netns add gateway
ip -n gateway link set lo up
${extra}
echo up
exec sleep infinity
`;
  const host = spawn('unshare', ['--net', '--mount', 'bash', '-c', setUp, 'bash', packaged], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => createInterface(host.stdout).once('line', resolve));
  const running = new Map<string, ChildProcess>();
  const nsenter = (argv: readonly string[]): [string, ...string[]] => [
    'nsenter',
    '-t',
    String(host.pid),
    '-m',
    '-n',
    '--',
    ...argv,
  ];
  const run = async (...argv: readonly string[]): Promise<string> => {
    const [file, ...args] = nsenter(argv);
    return (await exec(file, args)).stdout;
  };
  const stop = async ({ argv, ready }: Program): Promise<void> => {
    const child = running.get(argv[0]);
    running.delete(argv[0]);
    if (child !== undefined) await endOf(child, 'SIGTERM');
    // A folder is its memory over a restart.
    await run('rm', '-f', ready).catch(() => undefined);
  };
  return {
    inside: insideOf(nsenter),
    stateDir: `/proc/${host.pid}/root/var/lib/berth`,
    run,
    start: async ({ argv, ready }) => {
      const inGateway = argv[0].endsWith('dnsmasq')
        ? ['nsenter', '--net=/run/netns/gateway', '--']
        : [];
      const [file, ...args] = nsenter([...inGateway, ...argv]);
      running.set(argv[0], spawn(file, args, { stdio: 'ignore' }));
      await until(`${argv[0]} is up`, 15_000, async () =>
        run('test', '-e', ready).then(
          () => true,
          () => undefined,
        ),
      );
    },
    stop,
    plug: async (name, mac, net) => {
      const peer = `p-${name}`;
      await run(
        'ip',
        'link',
        'add',
        name,
        'address',
        mac,
        'type',
        'veth',
        'peer',
        peer,
        'netns',
        'gateway',
      );
      await run('ip', '-n', 'gateway', 'addr', 'add', `10.0.${net}.1/24`, 'dev', peer);
      await run('ip', '-n', 'gateway', 'link', 'set', peer, 'up');
    },
    unplug: async (name) => void (await run('ip', 'link', 'del', name)),
    [Symbol.asyncDispose]: async () => {
      for (const child of [...running.values()].toReversed()) await endOf(child, 'SIGKILL');
      await endOf(host, 'SIGKILL');
    },
  };
}

export const udevd: Program = {
  argv: ['/usr/lib/systemd/systemd-udevd'],
  ready: '/run/udev/control',
};
export const networkd: Program = {
  argv: ['/usr/lib/systemd/systemd-networkd'],
  ready: '/run/systemd/netif/links/1',
};
export const bus: Program = {
  argv: ['/usr/bin/dbus-daemon', '--system', '--nofork', '--nopidfile'],
  ready: '/run/dbus/system_bus_socket',
};
/** 10.0.8.50 to .99, behind whatever is plugged as `other`. */
export const dhcp: Program = {
  argv: [
    '/usr/sbin/dnsmasq',
    '--keep-in-foreground',
    '--port=0',
    '--interface=p-other',
    '--bind-dynamic',
    '--dhcp-range=10.0.8.50,10.0.8.99,1h',
    '--dhcp-leasefile=/run/leases',
    '--user=root',
    '--pid-file=/run/dnsmasq.pid',
  ],
  ready: '/run/dnsmasq.pid',
};

type Nsenter = (argv: readonly string[]) => [string, ...string[]];

function insideOf(nsenter: Nsenter): Inside {
  const inside: Exec = {
    run: (input, signal) => systemExec.run({ ...input, argv: nsenter(input.argv) }, signal),
    follow: (argv, onLine, signal) => systemExec.follow(nsenter(argv), onLine, signal),
  };
  return {
    exec: inside,
    sysctl: sysctlOf(nsenter),
    devices: createDevices({ exec: inside, clock: systemClock }),
    udev: createUdev('/run/no-udev'),
    clock: systemClock,
    log: createMemoryLog(),
  };
}

function sysctlOf(nsenter: Nsenter): Sysctl {
  const call = async (argv: readonly string[], stdin: string | undefined): Promise<string> => {
    const input = { argv: nsenter(argv), stdin, timeoutMs: 5_000 };
    const { code, stdout, stderr } = await systemExec.run(input, new AbortController().signal);
    if (code !== 0) throw new Error(stderr);
    return stdout.trim();
  };
  return {
    read: (name) => call(['cat', `/proc/sys/${name}`], undefined).catch(() => undefined),
    write: async (name, value) => void (await call(['tee', `/proc/sys/${name}`], value)),
    isWritable: () => Promise.resolve(true),
  };
}

async function endOf(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await ended;
}
