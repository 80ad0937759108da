// One virtual machine in QEMU that looks like an EC2 instance: a kernel of its own, a disk that loses what was not
// flushed, and network devices that come and go by PCI hot-plug. Its monitor (QMP) is on its standard input and output.
// QEMU documentation, "QEMU Machine Protocol Specification".
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/**
 * Hardware for a stock kernel. Where the host is itself a guest, /dev/kvm may be for kernels that know of it alone (PVM):
 * its processor has neither flag then.
 */
const hasKvm =
  existsSync('/dev/kvm') && /^flags.*\b(vmx|svm)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));

/** By software alone a boot takes ten times as long. */
export const accelerator = hasKvm ? 'kvm' : 'tcg';

export type Nic = { readonly tap: string; readonly mac: string };

export type VirtualMachineInput = {
  readonly kernel: string;
  /** A qcow2 file. */
  readonly disk: string;
  /** There from the start, in this order. */
  readonly nics: readonly Nic[];
  /** A file that gets the words of kernel and systemd. */
  readonly console: string;
  /** What its clock says at the start: `1970-01-02`. Default: the time. */
  readonly clock?: string | undefined;
};

export type VirtualMachine = {
  /** Throws what QEMU says, also when it has ended meanwhile. */
  plug(nic: Nic): Promise<void>;
  /** Resolves when the guest has let it go. Throws as `plug` does. */
  unplug(tap: string): Promise<void>;
  readonly isOff: boolean;
  /** The power fails: what was not flushed to the disk is lost. Resolves when it is gone. */
  cut(): Promise<void>;
};

/** For ENIs; the primary and the disk have theirs. */
const freePorts = ['port1', 'port2', 'port3'] as const;
const uuid = 'ec2e1916-9099-7caf-fd21-012345abcdef';

export async function startVirtualMachine(input: VirtualMachineInput): Promise<VirtualMachine> {
  const ports = new Map<string, string>();
  const portFor = ({ tap }: Nic): string => {
    const free = freePorts.find((port) => ![...ports.values()].includes(port));
    if (free === undefined) throw new Error(`cannot plug ${tap}: no port is free`);
    ports.set(tap, free);
    return free;
  };
  const [primary, ...others] = input.nics;
  const argv = [
    ...machineArguments,
    ['-serial', `file:${input.console}`],
    input.clock === undefined ? [] : ['-rtc', `base=${input.clock}`],
    ['-kernel', input.kernel, '-append', kernelArguments.join(' ')],
    // Where new clusters are is written with a flush: until then they are lost with QEMU, as in a disk's own cache.
    ['-drive', `file=${input.disk},format=qcow2,if=none,id=root,cache=writeback`],
    ['-device', 'nvme,drive=root,serial=vol0123456789abcdef0'],
    ...freePorts.map((id, i) => [
      '-device',
      optionsOf({ driver: 'pcie-root-port', id, chassis: i + 1, slot: i + 1 }),
    ]),
    cardArguments(primary!, 'pcie.0'),
    ...others.map((nic) => cardArguments(nic, portFor(nic))),
  ];
  const child = spawn('qemu-system-x86_64', argv.flat(), { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()));
  child.stdin.on('error', () => undefined);
  const ended = once(child, 'close');
  const isOff = (): boolean => child.exitCode !== null || child.signalCode !== null;

  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  const leaving = new Map<string, () => void>();
  let lastId = 0;
  createInterface({ input: child.stdout }).on('line', (line) => {
    const said = JSON.parse(line) as Said;
    if (said.event === 'DEVICE_DELETED') leaving.get(said.data?.device ?? '')?.();
    const asked = waiting.get(said.id ?? 0);
    if (said.error === undefined) asked?.resolve(said.return);
    else asked?.reject(new Error(said.error.desc));
  });
  const over = (async (): Promise<never> => {
    await ended;
    throw new Error(`the machine is off: ${complaints}`);
  })();
  // Nobody may be asking just then.
  over.catch(() => undefined);
  const call = async (command: string, options: Options): Promise<void> => {
    const asked = Promise.withResolvers<unknown>();
    waiting.set(++lastId, asked);
    child.stdin.write(`${JSON.stringify({ execute: command, arguments: options, id: lastId })}\n`);
    await Promise.race([asked.promise, over]);
  };

  await call('qmp_capabilities', {});
  return {
    plug: async (nic) => {
      const port = portFor(nic);
      await call('netdev_add', netdevOf(nic));
      await call('device_add', deviceOf(nic, port));
    },
    unplug: async (tap) => {
      const gone = Promise.withResolvers<void>();
      leaving.set(`nic-${tap}`, gone.resolve);
      await call('device_del', { id: `nic-${tap}` });
      await Promise.race([gone.promise, over]);
      await call('netdev_del', { id: tap });
      ports.delete(tap);
    },
    get isOff() {
      return isOff();
    },
    cut: async () => {
      if (!isOff()) child.kill('SIGKILL');
      await ended;
    },
  };
}

type Said = {
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
  readonly event?: string;
  readonly data?: { readonly device?: string };
};

const machineArguments = [
  ['-machine', 'q35', '-smp', '2', '-m', '768'],
  // With the newer instructions emulation is slower.
  hasKvm ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg', '-cpu', 'qemu64,+rdrand'],
  ['-nodefaults', '-no-user-config', '-display', 'none'],
  ['-chardev', 'stdio,id=monitor', '-mon', 'chardev=monitor,mode=control'],
  // As on Nitro: berth knows EC2 by this.
  ['-uuid', uuid, '-smbios', 'type=0,vendor=Amazon EC2'],
  ['-smbios', `type=1,manufacturer=Amazon EC2,product=t3.medium,uuid=${uuid},serial=${uuid}`],
  ['-smbios', 'type=3,manufacturer=Amazon EC2,asset=Amazon EC2'],
];

const kernelArguments = [
  'root=/dev/nvme0n1',
  'rw',
  'console=ttyS0',
  'panic=-1',
  'quiet',
  'systemd.show_status=no',
  // Code that lies elsewhere in each process has to be translated for each of them.
  ...(hasKvm
    ? []
    : ['norandmaps', 'nokaslr', 'mitigations=off', 'random.trust_cpu=on', 'lsm=capability']),
];

type Options = Readonly<Record<string, string | number>>;

function netdevOf({ tap }: Nic): Options {
  return { type: 'tap', id: tap, ifname: tap, script: 'no', downscript: 'no' };
}

function deviceOf({ tap, mac }: Nic, bus: string): Options {
  // Nobody boots from it.
  return { driver: 'virtio-net-pci', id: `nic-${tap}`, netdev: tap, mac, bus, romfile: '' };
}

function cardArguments(nic: Nic, bus: string): readonly string[] {
  return ['-netdev', optionsOf(netdevOf(nic)), '-device', optionsOf(deviceOf(nic, bus))];
}

function optionsOf({ type, driver, ...rest }: Options): string {
  const pairs = Object.entries(rest).map(([key, value]) => `${key}=${value}`);
  return [type ?? driver, ...pairs].join(',');
}
