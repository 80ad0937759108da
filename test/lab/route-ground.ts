// The ground of the routing matrix: an instance with a primary and one to three claimed ENIs, and peers at every position.
import type { ClaimedEni, Eni } from '../../src/model/eni.ts';
import { claimedEni } from '../fixtures/claimed-eni.ts';
import { createInside, type Inside } from './inside.ts';
import { createVpc, type Vpc } from './vpc.ts';

export type Placement = 'same' | 'other';

const subnets = [1, 2, 3].map((n) => ({
  subnetId: `subnet-${n}`,
  ipv4Cidr: `10.0.${n}.0/24`,
  ipv6Cidr: `2001:db8:${n}::/64`,
}));
/** One in the primary's subnet, one in that of an ENI in another, one in neither. */
export const peers = ['near', 'far', 'third'] as const;
export const ports = { tcp: 8_080, udp: 9_000, udpAny: 9_001 } as const;
const instance = 'instance';
export const primaryMac = '02:00:00:00:01:10';
const primary = { ipv4: ['10.0.1.10', '10.0.1.13'], ipv6: ['2001:db8:1::10'] };

export type Ground = AsyncDisposable & {
  readonly vpc: Vpc;
  readonly host: string;
  readonly inside: Inside;
  readonly enis: readonly ClaimedEni[];
  /** By who owns them. */
  readonly addresses: { readonly primary: readonly string[]; readonly enis: readonly string[] };
  setRpFilter(value: string): Promise<void>;
  /** After the addresses are there. */
  serve(): Promise<void>;
};

/** `more`: of each claimed ENI. */
export async function createGround(
  placement: Placement,
  count: number,
  more: Partial<Eni> = {},
): Promise<Ground> {
  await using undo = new AsyncDisposableStack();
  const vpc = undo.use(await createVpc({ subnets, endpointAddress: '10.0.255.10' }));
  const [home, elsewhere] = subnets;
  await vpc.addHost(instance, {
    eniId: 'eni-primary',
    mac: primaryMac,
    ipv4: primary.ipv4,
    subnetCidr: home!.ipv4Cidr,
    ipv6: { addresses: primary.ipv6, subnetCidr: home!.ipv6Cidr },
  });
  for (const [n, peer] of peers.entries()) {
    const { ipv4Cidr, ipv6Cidr } = subnets[n]!;
    await vpc.addHost(peer, {
      eniId: `eni-${peer}`,
      mac: `02:00:00:00:09:0${n}`,
      ipv4: [`10.0.${n + 1}.1${n + 1}`],
      subnetCidr: ipv4Cidr,
      ipv6: { addresses: [`2001:db8:${n + 1}::1${n + 1}`], subnetCidr: ipv6Cidr },
    });
  }
  const at = placement === 'same' ? home! : elsewhere!;
  const net = placement === 'same' ? 1 : 2;
  const enis = Array.from({ length: count }, (_, n) =>
    claimedEni({
      eni: {
        eniId: `eni-pool-${n}`,
        mac: `02:00:00:00:01:2${n}`,
        ipv4: [`10.0.${net}.${20 + 10 * n}`, `10.0.${net}.${21 + 10 * n}`],
        ipv6: [`2001:db8:${net}::${20 + 10 * n}`],
        ...more,
      },
      subnet: { subnetId: at.subnetId, ipv4Cidr: at.ipv4Cidr, ipv6Cidrs: [at.ipv6Cidr] },
      deviceIndex: n + 1,
    }),
  );
  for (const { eni, deviceIndex } of enis) {
    const { eniId, mac, ipv4, ipv6 } = eni;
    await vpc
      .actuator(() => instance)
      .plug('i-1', {
        eniId,
        mac,
        ipv4,
        subnetCidr: at.ipv4Cidr,
        deviceIndex,
        ipv6: { addresses: ipv6, subnetCidr: at.ipv6Cidr },
      });
  }
  const inside = createInside({
    namespace: instance,
    ask: (command) => vpc.ask(instance, command),
  });
  const addresses = {
    primary: [...primary.ipv4, ...primary.ipv6],
    enis: enis.flatMap(({ eni }) => [...eni.ipv4, ...eni.ipv6]),
  };
  const owned = undo.move();
  return {
    vpc,
    host: instance,
    inside,
    enis,
    addresses,
    setRpFilter: async (value) => {
      const names = ['all', 'default', 'eth0', ...enis.map((_, n) => `eth${n + 1}`)];
      for (const name of names) await inside.sysctl.write(`net/ipv4/conf/${name}/rp_filter`, value);
    },
    serve: async () => {
      await vpc.serve(instance, ports.tcp);
      for (const ip of ['0.0.0.0', '::'])
        await vpc.ask(instance, { kind: 'serve-udp', ip, port: ports.udpAny });
      for (const ip of [...addresses.primary, ...addresses.enis])
        await vpc.ask(instance, { kind: 'serve-udp', ip, port: ports.udp });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
