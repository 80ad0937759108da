// IPv6 on the ports of the VPC's router. Its reverse path filter knows IPv4 only: a rule for each address that a port owns,
// and everything else goes to a device behind which nobody is, and which counts it.
import { readFile } from 'node:fs/promises';
import { ipBatch, routerSysctl } from './namespace.ts';

export type Ipv6Input = {
  readonly addresses: readonly string[];
  readonly subnetCidr: string;
};

export type VpcIpv6 = AsyncDisposable & {
  /** `port` is up. */
  plug(port: string, eni: Ipv6Input): Promise<void>;
  unplug(port: string): Promise<void>;
  wrongSourceDrops(): Promise<number>;
};

/** In every subnet with IPv6 (routing.md section 1). */
export const gateway6 = 'fe80:ec2::1';
const sink = 'wrong6';
const sinkTable = 999;
const nobody = 'fe80::dead';
const fromOwner = 1_000;
const fromOthers = 2_000;

export function createVpcIpv6(): VpcIpv6 {
  const undo = new AsyncDisposableStack();
  const ports = new Map<string, Ipv6Input>();
  let isReady: Promise<void> | undefined;

  const prepare = async (): Promise<void> => {
    const forwarding = 'ipv6/conf/all/forwarding';
    const before = await routerSysctl(forwarding, '1');
    undo.defer(async () => void (await routerSysctl(forwarding, before)));
    await ipBatch([`link add ${sink} type bridge`, `link set dev ${sink} addrgenmode none`]);
    undo.defer(() => ipBatch([`link del dev ${sink}`]));
    await routerSysctl(`ipv6/conf/${sink}/disable_ipv6`, '0');
    await ipBatch([
      `link set dev ${sink} up`,
      `neigh add ${nobody} lladdr 02:00:00:00:de:ad dev ${sink} nud permanent`,
      `route add default via ${nobody} dev ${sink} table ${sinkTable}`,
    ]);
  };
  const rules = (verb: 'add' | 'del', port: string, { addresses }: Ipv6Input): string[] => [
    ...[...addresses.map((address) => `${address}/128`), 'fe80::/10'].map(
      (from) => `rule ${verb} priority ${fromOwner} iif ${port} from ${from} lookup main`,
    ),
    `rule ${verb} priority ${fromOthers} iif ${port} lookup ${sinkTable}`,
  ];

  return {
    plug: async (port, eni) => {
      await (isReady ??= prepare());
      for (const [name, value] of [
        ['disable_ipv6', '0'],
        ['accept_dad', '0'],
        ['proxy_ndp', '1'],
      ] as const) {
        await routerSysctl(`ipv6/conf/${port}/${name}`, value);
      }
      await ip6([
        `addr add ${gateway6}/128 dev ${port} nodad`,
        ...eni.addresses.map((address) => `route add ${address}/128 dev ${port}`),
        ...rules('add', port, eni),
      ]);
      await ipBatch([`ntable change name ndisc_cache dev ${port} proxy_delay 0`]);
      for (const [other, { addresses, subnetCidr }] of ports) {
        if (subnetCidr !== eni.subnetCidr) continue;
        await ip6([
          ...addresses.map((address) => `neigh add proxy ${address} dev ${port}`),
          ...eni.addresses.map((address) => `neigh add proxy ${address} dev ${other}`),
        ]);
      }
      ports.set(port, eni);
    },
    unplug: async (port) => {
      const eni = ports.get(port);
      if (eni === undefined) return;
      ports.delete(port);
      await ip6(rules('del', port, eni));
      for (const [other, { subnetCidr }] of ports) {
        if (subnetCidr !== eni.subnetCidr) continue;
        await ip6(eni.addresses.map((address) => `neigh del proxy ${address} dev ${other}`));
      }
    },
    wrongSourceDrops: async () => {
      if (isReady === undefined) return 0;
      // What it sends of its own is not counted here.
      const text = await readFile(`/proc/net/dev_snmp6/${sink}`, 'utf8');
      return Number(/^Ip6OutForwDatagrams\s+(\d+)/m.exec(text)![1]);
    },
    [Symbol.asyncDispose]: () => undo.disposeAsync(),
  };
}

function ip6(lines: readonly string[]): Promise<void> {
  return ipBatch(lines, undefined, ['-6']);
}
