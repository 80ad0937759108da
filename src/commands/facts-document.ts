// Puts together what IMDS, EC2 and the kernel know of this instance. Pure. Where they differ on an ENI, EC2 is right:
// IMDS lags behind (imds.md section 4).
import type { ImdsFacts } from '../boot/imds-facts.ts';
import type { Asked, InstanceFacts, TypeFacts } from '../claim/instance-facts.ts';
import type { Identity } from '../model/instance.ts';
import type { NicFacts } from './nic-facts.ts';

/** null: nobody says it, or the role may not ask: then `needs` has it. */
export type Facts = {
  readonly instance: {
    readonly instanceId: string;
    readonly instanceType: string;
    readonly imageId: string | null;
    readonly accountId: string;
    readonly region: string;
    readonly partition: string;
    readonly architecture: string;
    readonly hostname: string | null;
    readonly lifeCycle: string | null;
    readonly ebsOptimized: boolean | null;
    readonly enaSupport: boolean | null;
  };
  readonly placement: {
    readonly availabilityZone: string;
    readonly availabilityZoneId: string | null;
    readonly group: string | null;
    readonly strategy: string | null;
    readonly partitionNumber: number | null;
    readonly tenancy: string | null;
    readonly hostId: string | null;
  };
  /** Of the instance type. */
  readonly limits: {
    readonly enis: number | null;
    readonly networkCards: number | null;
    readonly ipv4PerEni: number | null;
    readonly ipv6PerEni: number | null;
    readonly ena: string | null;
    readonly ebsOptimized: string | null;
  };
  /** In the order of network card and device index. */
  readonly interfaces: readonly FactsInterface[];
  readonly needs: readonly Need[];
};

export type FactsInterface = {
  readonly eniId: string | null;
  readonly mac: string;
  readonly deviceIndex: number | null;
  readonly networkCardIndex: number | null;
  readonly subnetId: string | null;
  readonly vpcId: string | null;
  readonly ipv4: readonly string[];
  readonly ipv4Prefixes: readonly string[];
  readonly ipv6: readonly string[];
  readonly ipv6Prefixes: readonly string[];
  readonly publicIpv4: readonly { readonly publicIp: string; readonly privateIp: string }[];
  readonly securityGroups: readonly string[];
  readonly sourceDestCheck: boolean | null;
  /** null: the kernel does not show it. */
  readonly nic: NicFacts | null;
};

export type Need = {
  /** Paths of this document: `placement.strategy`. */
  readonly facts: readonly string[];
  /** `ec2:DescribePlacementGroups` */
  readonly permission: string;
};

export type FactsInput = {
  readonly identity: Identity;
  readonly imds: ImdsFacts;
  readonly instance: Asked<InstanceFacts>;
  readonly type: Asked<TypeFacts>;
  readonly strategy: Asked<string>;
  readonly nics: ReadonlyMap<string, NicFacts>;
};

const ofInstance = [
  'instance.ebsOptimized',
  'instance.enaSupport',
  'placement.tenancy',
  'interfaces[].sourceDestCheck',
];

export function factsOf(input: FactsInput): Facts {
  const { identity, imds } = input;
  const instance = known(input.instance);
  const type = known(input.type);
  return {
    instance: {
      instanceId: identity.instanceId,
      instanceType: identity.instanceType,
      imageId: identity.imageId ?? null,
      accountId: identity.accountId,
      region: identity.region,
      partition: identity.partition,
      architecture: identity.architecture,
      hostname: identity.hostname ?? null,
      lifeCycle: imds.lifeCycle ?? null,
      ebsOptimized: instance?.ebsOptimized ?? null,
      enaSupport: instance?.enaSupport ?? null,
    },
    placement: {
      availabilityZone: identity.availabilityZone,
      availabilityZoneId: identity.availabilityZoneId ?? null,
      group: imds.placementGroup ?? instance?.placementGroup ?? null,
      strategy: known(input.strategy) ?? null,
      partitionNumber: imds.partitionNumber ?? null,
      tenancy: instance?.tenancy ?? null,
      hostId: imds.hostId ?? null,
    },
    limits: {
      enis: type?.enis ?? null,
      networkCards: type?.networkCards ?? null,
      ipv4PerEni: type?.ipv4PerEni ?? null,
      ipv6PerEni: type?.ipv6PerEni ?? null,
      ena: type?.ena ?? null,
      ebsOptimized: type?.ebsOptimized ?? null,
    },
    interfaces: interfacesOf(imds, instance, input.nics),
    needs: [
      ...needOf(input.instance, ofInstance),
      ...needOf(input.type, ['limits']),
      ...needOf(input.strategy, ['placement.strategy']),
    ],
  };
}

function interfacesOf(
  imds: ImdsFacts,
  instance: InstanceFacts | undefined,
  nics: ReadonlyMap<string, NicFacts>,
): readonly FactsInterface[] {
  const fromEc2 = new Map(instance?.interfaces.map((one) => [one.mac, one]));
  // IMDS goes on to list what was detached.
  const fromImds = new Map(
    imds.interfaces
      .filter(({ mac }) => instance === undefined || fromEc2.has(mac))
      .map((one) => [one.mac, one]),
  );
  return [...new Set([...fromEc2.keys(), ...fromImds.keys()])]
    .map((mac): FactsInterface => {
      const ec2 = fromEc2.get(mac);
      const seen = (ec2 ?? fromImds.get(mac))!;
      return {
        eniId: seen.eniId ?? null,
        mac,
        deviceIndex: seen.deviceIndex ?? null,
        networkCardIndex: seen.networkCardIndex ?? null,
        subnetId: seen.subnetId ?? null,
        vpcId: seen.vpcId ?? null,
        ipv4: seen.ipv4,
        ipv4Prefixes: seen.ipv4Prefixes,
        ipv6: seen.ipv6,
        ipv6Prefixes: seen.ipv6Prefixes,
        publicIpv4: seen.publicIpv4,
        securityGroups: seen.securityGroups,
        sourceDestCheck: ec2?.sourceDestCheck ?? null,
        nic: nics.get(mac) ?? null,
      };
    })
    .toSorted((a, b) => orderOf(a) - orderOf(b));
}

function orderOf({ networkCardIndex, deviceIndex }: FactsInterface): number {
  return (networkCardIndex ?? 0) * 1_000 + (deviceIndex ?? 999);
}

function known<T>(asked: Asked<T>): T | undefined {
  return 'facts' in asked ? asked.facts : undefined;
}

function needOf(asked: Asked<unknown>, facts: readonly string[]): readonly Need[] {
  return 'needs' in asked ? [{ facts, permission: asked.needs }] : [];
}
