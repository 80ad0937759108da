// A VPC made of network namespaces: the caller's namespace is the router, with one port per ENI.
// Each port drops what does not come from an address of its ENI, as a VPC does, and the kernel counts that.
import type { Actuator } from './actuator.ts';
import type { AgentCommand, ProbeResult } from './host-agent.ts';
import { createHost, type Host } from './host.ts';
import {
  execPrefix,
  ipBatch,
  requireNamespaces,
  routerCounter,
  routerSysctl,
} from './namespace.ts';
import { takeRouter } from './router-lock.ts';
import { createVpcIpv6, gateway6, type Ipv6Input } from './vpc-ipv6.ts';

export type VpcInput = {
  readonly subnets: readonly { readonly subnetId: string; readonly ipv4Cidr: string }[];
  /** Default: 169.254.169.254. */
  readonly imdsAddress?: string;
  /** Where the lab serves the AWS APIs; reached through the router. */
  readonly endpointAddress: string;
};

export type HostInput = {
  readonly eniId: string;
  readonly mac: string;
  readonly ipv4: readonly string[];
  readonly subnetCidr: string;
  readonly ipv6?: Ipv6Input;
};

export type Vpc = AsyncDisposable & {
  /** A namespace whose primary NIC `eth0` is configured as cloud-init would. */
  addHost(name: string, primary: HostInput): Promise<void>;
  /** A host that is a machine of its own: each of its ENIs is a tap, which `slots` puts into it and takes out. */
  addMachine(name: string, primary: HostInput, slots: MachineSlots): Promise<void>;
  /** Pulls all its ENIs and removes the namespace; what runs in it is cut off, not ended. */
  removeHost(name: string): Promise<void>;
  /** Plugs ENIs into hosts: a bare NIC that is down, named `eth<deviceIndex>`, MTU 1500 like a new ENA. */
  actuator(hostOf: (instanceId: string) => string): Actuator;
  /** Argv prefix that runs a program inside a host. */
  exec(host: string): readonly [string, ...string[]];
  /** Echo server on 0.0.0.0 that answers which of its addresses was spoken to. */
  serve(host: string, port: number): Promise<void>;
  /** Connects and exchanges some bytes. `ok`: the address that was asked for answered. */
  probe(
    host: string,
    toIp: string,
    port: number,
    timeoutMs: number,
    localAddress?: string,
  ): Promise<ProbeResult>;
  /** For what has to happen inside a host's namespace, e.g. /proc/sys. */
  ask(host: string, command: AgentCommand): Promise<unknown>;
  /**
   * Packets dropped so far, since their source did not belong to the ENI they came from.
   * ARP requests with a wrong sender are dropped as well, but not counted.
   */
  wrongSourceDrops(): Promise<number>;
};

export type MachineSlots = {
  plug(nic: { readonly tap: string; readonly mac: string }): Promise<void>;
  /** Resolves when nobody holds the tap any more. */
  unplug(tap: string): Promise<void>;
};

type Port = { readonly name: string; readonly host: string };

/** Inherited by each port. Strict reverse path = source check; proxy ARP = the VPC answers for all addresses. */
const portSettings = {
  'ipv4/conf/default/rp_filter': '1',
  'ipv4/conf/default/proxy_arp': '1',
  'ipv4/conf/default/send_redirects': '0',
  'ipv4/conf/default/accept_redirects': '0',
  // Ports of ENIs without IPv6: no router solicitations and no duplicate detection on them.
  'ipv6/conf/default/disable_ipv6': '1',
  'ipv4/conf/all/send_redirects': '0',
  // Effective is the larger of `all` and the port's own.
  'ipv4/conf/all/rp_filter': '0',
  'ipv4/ip_forward': '1',
};
/** ENIs, subnets in AWS and the router between them carry jumbo frames. */
const mtu = 9001;
/** The same on all ports: a VPC's router has one. */
const routerMac = '02:00:0a:00:00:01';

/** Takes the router for itself: a second VPC of this network namespace waits for the end of the first. */
export async function createVpc(input: VpcInput): Promise<Vpc> {
  requireNamespaces();
  await using undo = new AsyncDisposableStack();
  undo.defer(await takeRouter());
  for (const [name, value] of Object.entries(portSettings)) {
    const before = await routerSysctl(name, value);
    undo.defer(async () => void (await routerSysctl(name, before)));
  }
  const routerAddresses = [
    ...input.subnets.map(({ ipv4Cidr }) => gatewayOf(ipv4Cidr)),
    input.imdsAddress ?? '169.254.169.254',
    input.endpointAddress,
  ];
  await ipBatch([
    'link set dev lo up',
    ...routerAddresses.map((address) => `addr replace ${address}/32 dev lo`),
  ]);
  undo.defer(() => ipBatch(routerAddresses.map((address) => `addr del ${address}/32 dev lo`)));

  const ipv6 = undo.use(createVpcIpv6());
  const hosts = new Map<string, Host>();
  const ports = new Map<string, Port>();
  let lastPort = 0;

  const machines = new Map<string, MachineSlots>();
  const addPort = async (
    host: string,
    eni: HostInput,
    link: (port: string) => readonly string[],
  ): Promise<string> => {
    if (ports.has(eni.eniId)) throw new Error(`cannot plug ${eni.eniId}: it is plugged already`);
    const port = `port${++lastPort}`;
    ports.set(eni.eniId, { name: port, host });
    await ipBatch([
      ...link(port),
      // By default a proxy waits up to 0.8 s before it answers ARP.
      `ntable change name arp_cache dev ${port} proxy_delay 0`,
      // The VPC's router asks by ARP as the subnet's base + 1.
      `addr add ${gatewayOf(eni.subnetCidr)}/32 dev ${port}`,
      `link set dev ${port} up`,
      ...eni.ipv4.map((address) => `route add ${address}/32 dev ${port}`),
    ]);
    if (eni.ipv6 !== undefined) await ipv6.plug(port, eni.ipv6);
    return port;
  };
  const plug = async (host: string, inner: string, eni: HostInput): Promise<void> => {
    await addPort(host, eni, (port) => [
      `link add ${port} mtu ${mtu} address ${routerMac} type veth peer name ${inner} address ${eni.mac} netns ${host}`,
    ]);
  };
  const plugTap = async (machine: string, eni: HostInput): Promise<void> => {
    const tap = await addPort(machine, eni, (port) => [
      `tuntap add dev ${port} mode tap`,
      `link set dev ${port} mtu ${mtu} address ${routerMac}`,
    ]);
    await machines.get(machine)!.plug({ tap, mac: eni.mac });
  };
  /** Routes go with their device. */
  const unplug = async (eniId: string): Promise<void> => {
    const port = ports.get(eniId);
    ports.delete(eniId);
    if (port === undefined) return;
    await machines.get(port.host)?.unplug(port.name);
    await ipv6.unplug(port.name);
    await ipBatch([`link del dev ${port.name}`]);
  };
  const hostNamed = (name: string): Host => {
    const host = hosts.get(name);
    if (host === undefined) throw new Error(`cannot find host ${name} in this VPC`);
    return host;
  };
  const removeHost = async (name: string): Promise<void> => {
    const host = hostNamed(name);
    for (const [eniId, port] of ports) if (port.host === name) await unplug(eniId);
    hosts.delete(name);
    await host[Symbol.asyncDispose]();
  };
  undo.defer(async () => {
    for (const name of hosts.keys()) await removeHost(name);
    for (const eniId of ports.keys()) await unplug(eniId);
  });

  const dropsBefore = await routerCounter('IPReversePathFilter');
  const owned = undo.move();
  return {
    addHost: async (name, primary) => {
      hosts.set(name, await createHost(name));
      await plug(name, 'eth0', primary);
      const [first, ...others] = primary.ipv4;
      const gateway = gatewayOf(primary.subnetCidr);
      await ipBatch(
        [
          `link set dev eth0 mtu ${mtu} up`,
          `addr add ${first}/${primary.subnetCidr.split('/')[1]} dev eth0`,
          ...others.map((address) => `addr add ${address}/32 dev eth0`),
          `route add default via ${gateway} dev eth0`,
          // Known from boot, when the instance spoke to IMDS. Else a packet with a wrong source would end at its
          // ARP request: the port ignores that too (its sender is wrong), but the kernel does not count it.
          `neigh replace ${gateway} lladdr ${routerMac} dev eth0 nud stale`,
        ],
        name,
      );
      if (primary.ipv6 === undefined) return;
      const { addresses, subnetCidr } = primary.ipv6;
      await ipBatch(
        [
          ...addresses.map((address) => `addr add ${address}/128 dev eth0 nodad`),
          `route add ${subnetCidr} dev eth0`,
          `route add default via ${gateway6} dev eth0`,
          `neigh replace ${gateway6} lladdr ${routerMac} dev eth0 nud stale`,
        ],
        name,
        ['-6'],
      );
    },
    addMachine: async (name, primary, slots) => {
      machines.set(name, slots);
      await plugTap(name, primary);
    },
    removeHost,
    actuator: (hostOf) => ({
      plug: async (instanceId, eni) => {
        const host = hostOf(instanceId);
        if (machines.has(host)) await plugTap(host, eni);
        else await plug(hostNamed(host).name, `eth${eni.deviceIndex}`, eni);
      },
      unplug: (_instanceId, eniId) => unplug(eniId),
    }),
    exec: (host) => execPrefix(hostNamed(host).name),
    serve: async (host, port) => void (await hostNamed(host).ask({ kind: 'serve', host, port })),
    probe: async (host, ip, port, timeoutMs, localAddress) => {
      const command: AgentCommand = { kind: 'probe', ip, port, timeoutMs, localAddress };
      const result = (await hostNamed(host).ask(command)) as ProbeResult;
      // IPC leaves out what is undefined.
      return { ...result, answer: result.answer, error: result.error };
    },
    ask: (host, command) => hostNamed(host).ask(command),
    wrongSourceDrops: async () =>
      (await routerCounter('IPReversePathFilter')) - dropsBefore + (await ipv6.wrongSourceDrops()),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The VPC's router is at the subnet's base + 1. */
export function gatewayOf(ipv4Cidr: string): string {
  const [base = ''] = ipv4Cidr.split('/');
  const bytes = base.split('.').map(Number);
  return [...bytes.slice(0, 3), bytes[3]! + 1].join('.');
}
