// How berth and others lay out routing for secondary ENIs, on the ground of the matrix. The others as their sources say
// (routing.md section 8): amazon-ec2-net-utils 2.7.4, cloud-init 26.2 (netplan), nm-cloud-setup; and a plain second NIC.
import type { ClaimedEni } from '../../src/model/eni.ts';
import { planRoutes } from '../../src/route/plan.ts';
import { applyRoutes } from '../../src/route/route.ts';
import { plainRouting } from '../fixtures/claimed-eni.ts';
import { ipBatch } from './namespace.ts';
import type { Ground } from './route-ground.ts';
import { gatewayOf } from './vpc.ts';
import { gateway6 } from './vpc-ipv6.ts';

export type Layout = {
  readonly name: string;
  /** From ENIs that are plugged and bare. */
  readonly apply: (ground: Ground) => Promise<void>;
};

const never = new AbortController().signal;
const primary = { ip: '10.0.1.10', net: '10.0.1.0/24', gateway: '10.0.1.1' } as const;

/** Of one ENI. */
type Lines = { readonly ipv4: readonly string[]; readonly ipv6: readonly string[] };

function byLines(name: string, first: readonly string[], of: (eni: Nic) => Lines): Layout {
  return {
    name,
    apply: async ({ host, enis }) => {
      await ipBatch(first, host);
      for (const eni of enis) {
        const nic = nicOf(eni);
        const { ipv4, ipv6 } = of(nic);
        await ipBatch([`link set dev ${nic.dev} mtu 9001 up`, ...ipv4], host);
        await ipBatch(ipv6, host, ['-6']);
      }
    },
  };
}

type Nic = {
  readonly dev: string;
  /** 1, 2, ... */
  readonly index: number;
  readonly net: string;
  readonly gateway: string;
  readonly length: string;
  readonly ipv4: readonly string[];
  readonly net6: string;
  readonly ipv6: readonly string[];
};

function nicOf({ eni, subnet, deviceIndex }: ClaimedEni): Nic {
  const net = subnet.ipv4Cidr!;
  return {
    dev: `eth${deviceIndex}`,
    index: deviceIndex,
    net,
    gateway: gatewayOf(net),
    length: net.split('/')[1]!,
    ipv4: eni.ipv4,
    net6: subnet.ipv6Cidrs[0]!,
    ipv6: eni.ipv6,
  };
}

export function berthLayout(connmark?: number): Layout {
  return {
    name: connmark === undefined ? 'berth' : 'berth, connmark',
    apply: async ({ inside, enis }) => {
      for (const claimed of enis) {
        const options = { ...plainRouting, connmark };
        const plan = planRoutes({ claimed, device: undefined, mtu: 9001, ...options });
        await applyRoutes(inside, plan, never);
      }
    },
  };
}

/** DHCP and router advertisements on both, as Debian's cloud image has it. */
const plain = byLines(
  'no policy routing',
  [],
  ({ dev, index, net, length, gateway, ipv4, net6, ipv6 }) => ({
    ipv4: [
      ...ipv4.map((ip, n) => `addr add ${ip}/${n === 0 ? length : 32} dev ${dev} noprefixroute`),
      `route append ${net} dev ${dev} src ${ipv4[0]} metric ${index}`,
      `route add default via ${gateway} dev ${dev} src ${ipv4[0]} metric ${index}`,
    ],
    ipv6: [
      ...ipv6.map((ip) => `addr add ${ip}/128 dev ${dev} nodad`),
      `route append ${net6} dev ${dev} metric ${1_024 + index}`,
      `route append default via ${gateway6} dev ${dev} metric ${1_024 + index}`,
    ],
  }),
);

const netUtils = byLines(
  'amazon-ec2-net-utils (layout)',
  [],
  ({ dev, index, net, length, gateway, ipv4, net6, ipv6 }) => {
    const table = 10_000 + index;
    const metric = 512 + index;
    return {
      ipv4: [
        ...ipv4.map((ip, n) => `addr add ${ip}/${n === 0 ? length : 32} dev ${dev} noprefixroute`),
        `route add ${net} dev ${dev} src ${ipv4[0]} metric ${metric}`,
        `route add default via ${gateway} dev ${dev} src ${ipv4[0]} metric ${metric}`,
        `route add ${net} dev ${dev} src ${ipv4[0]} table ${table}`,
        `route add default via ${gateway} dev ${dev} table ${table}`,
        ...ipv4.map((ip) => `rule add priority ${table} from ${ip} lookup ${table}`),
      ],
      ipv6: [
        ...ipv6.map((ip) => `addr add ${ip}/128 dev ${dev} nodad`),
        `route add ${net6} dev ${dev} metric ${1_024 + metric}`,
        `route add default via ${gateway6} dev ${dev} metric ${1_024 + metric}`,
        `route add ${net6} dev ${dev} table ${table}`,
        `route add default via ${gateway6} dev ${dev} table ${table}`,
        ...ipv6.map((ip) => `rule add priority ${table} from ${ip} lookup ${table}`),
      ],
    };
  },
);

const cloudInit = byLines(
  'cloud-init (layout)',
  [],
  ({ dev, index, net, length, gateway, ipv4, net6, ipv6 }) => {
    const table = 100 + index;
    const metric = 100 * (index + 1);
    return {
      ipv4: [
        ...ipv4.map((ip) => `addr add ${ip}/${length} dev ${dev} noprefixroute`),
        `route add ${net} dev ${dev} src ${ipv4[0]} metric ${metric}`,
        `route add default via ${gateway} dev ${dev} src ${ipv4[0]} metric ${metric}`,
        `route add ${net} dev ${dev} table ${table}`,
        `route add default via ${gateway} dev ${dev} table ${table}`,
        ...ipv4.map((ip) => `rule add from ${ip} lookup ${table}`),
      ],
      ipv6: [
        ...ipv6.map((ip) => `addr add ${ip}/128 dev ${dev} nodad`),
        `route add ${net6} dev ${dev} metric ${1_024 + metric}`,
        `route add default via ${gateway6} dev ${dev} metric ${1_024 + metric}`,
        // No default for IPv6 in the table.
        `route add ${net6} dev ${dev} table ${table}`,
        ...ipv6.map((ip) => `rule add from ${ip} lookup ${table}`),
      ],
    };
  },
);

/** Rules for the primary too; nothing for IPv6. */
const networkManager = byLines(
  'nm-cloud-setup (layout)',
  [
    `route add ${primary.net} dev eth0 table 30200`,
    `route add default via ${primary.gateway} dev eth0 table 30400`,
    `rule add priority 30200 from ${primary.ip} lookup 30200`,
    'rule add priority 30350 lookup main suppress_prefixlength 0',
    `rule add priority 30400 from ${primary.ip} lookup 30400`,
    'rule add priority 30200 from 10.0.1.13 lookup 30200',
    'rule add priority 30400 from 10.0.1.13 lookup 30400',
  ],
  ({ dev, index, net, length, gateway, ipv4, net6, ipv6 }) => ({
    ipv4: [
      ...ipv4.map((ip) => `addr add ${ip}/${length} dev ${dev} noprefixroute`),
      `route append ${net} dev ${dev} src ${ipv4[0]} metric ${100 + index}`,
      `route add default via ${gateway} dev ${dev} src ${ipv4[0]} metric ${100 + index}`,
      `route add ${net} dev ${dev} table ${30_200 + index}`,
      `route add default via ${gateway} dev ${dev} table ${30_400 + index}`,
      ...ipv4.flatMap((ip) => [
        `rule add priority ${30_200 + index} from ${ip} lookup ${30_200 + index}`,
        `rule add priority ${30_400 + index} from ${ip} lookup ${30_400 + index}`,
      ]),
    ],
    ipv6: [
      ...ipv6.map((ip) => `addr add ${ip}/128 dev ${dev} nodad`),
      `route append ${net6} dev ${dev} metric ${1_024 + index}`,
      `route append default via ${gateway6} dev ${dev} metric ${1_024 + index}`,
    ],
  }),
);

export const otherLayouts: readonly Layout[] = [plain, netUtils, cloudInit, networkManager];
