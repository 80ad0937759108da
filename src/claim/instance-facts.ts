// What EC2 knows of this instance and its type beyond what a claim needs: for `berth facts`.
import type { AwsAccess } from '../system/aws.ts';
import { BerthError, hasCode } from '../errors.ts';
import { createEc2Calls, type Call, type Ec2CallsDeps } from './ec2-calls.ts';

/** undefined wherever EC2 leaves it out. */
export type InstanceFacts = {
  readonly tenancy: string | undefined;
  readonly placementGroup: string | undefined;
  readonly ebsOptimized: boolean | undefined;
  readonly enaSupport: boolean | undefined;
  readonly metadata: MetadataOptions;
  readonly interfaces: readonly InterfaceFacts[];
};

export type MetadataOptions = {
  /** `required`: IMDSv2 only; `optional`: version 1 too. */
  readonly tokens: string | undefined;
  readonly hopLimit: number | undefined;
  /** `enabled` or `disabled`. */
  readonly tags: string | undefined;
};

export type InterfaceFacts = {
  readonly eniId: string;
  readonly mac: string;
  readonly deviceIndex: number;
  readonly networkCardIndex: number;
  readonly subnetId: string | undefined;
  readonly vpcId: string | undefined;
  readonly ipv4: readonly string[];
  readonly ipv4Prefixes: readonly string[];
  readonly ipv6: readonly string[];
  readonly ipv6Prefixes: readonly string[];
  /** Elastic and other public addresses. */
  readonly publicIpv4: readonly { readonly publicIp: string; readonly privateIp: string }[];
  readonly securityGroups: readonly string[];
  readonly sourceDestCheck: boolean | undefined;
};

/** Of the instance type (DescribeInstanceTypes). */
export type TypeFacts = {
  /** Of all network cards together, the primary included. */
  readonly enis: number | undefined;
  readonly networkCards: number | undefined;
  readonly ipv4PerEni: number | undefined;
  readonly ipv6PerEni: number | undefined;
  /** `required`, `supported`, `unsupported`. */
  readonly ena: string | undefined;
  /** `default`, `supported`, `unsupported`. */
  readonly ebsOptimized: string | undefined;
};

/** Facts, or the permission that the role lacks for them; undefined: EC2 knows no such thing. */
export type Asked<T> = { readonly facts: T | undefined } | { readonly needs: string };

export type Ec2Facts = Disposable & {
  instance(instanceId: string, signal: AbortSignal): Promise<Asked<InstanceFacts>>;
  type(instanceType: string, signal: AbortSignal): Promise<Asked<TypeFacts>>;
  /** `cluster`, `spread` or `partition`. */
  strategy(placementGroup: string, signal: AbortSignal): Promise<Asked<string>>;
  /** What EC2's last answer said of the time; undefined: none yet. The header has whole seconds. */
  clockOffsetMs(): number | undefined;
};

/** Each method throws what a call to EC2 throws, but for `aws-denied`. */
export function createEc2Facts(deps: Ec2CallsDeps, access: AwsAccess): Ec2Facts {
  let offsetMs: number | undefined;
  const onDate = (dateMs: number): void => {
    offsetMs = deps.clock.nowMs() - dateMs;
  };
  const { call, [Symbol.dispose]: dispose } = createEc2Calls(deps, access, onDate);
  return {
    clockOffsetMs: () => offsetMs,
    instance: (instanceId, signal) => asked(describeInstance(call, instanceId, signal)),
    type: (instanceType, signal) => asked(describeType(call, instanceType, signal)),
    strategy: (group, signal) => asked(describeStrategy(call, group, signal)),
    [Symbol.dispose]: dispose,
  };
}

const unknown = [
  'InvalidInstanceID.NotFound',
  'InvalidInstanceType',
  'InvalidPlacementGroup.Unknown',
];

async function asked<T>(call: Promise<T | undefined>): Promise<Asked<T>> {
  try {
    return { facts: await call };
  } catch (error) {
    if (hasCode(error, 'aws-denied')) return { needs: String(error.details['action']) };
    if (error instanceof BerthError && unknown.includes(String(error.details['awsCode'])))
      return { facts: undefined };
    throw error;
  }
}

async function describeInstance(
  call: Call,
  instanceId: string,
  signal: AbortSignal,
): Promise<InstanceFacts | undefined> {
  const answer = await call(
    'DescribeInstances',
    (sdk, client) =>
      client.send(new sdk.DescribeInstancesCommand({ InstanceIds: [instanceId] }), {
        abortSignal: signal,
      }),
    signal,
  );
  const instance = answer.Reservations?.[0]?.Instances?.[0];
  if (instance === undefined) return undefined;
  return {
    tenancy: instance.Placement?.Tenancy,
    placementGroup: instance.Placement?.GroupName || undefined,
    ebsOptimized: instance.EbsOptimized,
    enaSupport: instance.EnaSupport,
    metadata: {
      tokens: instance.MetadataOptions?.HttpTokens,
      hopLimit: instance.MetadataOptions?.HttpPutResponseHopLimit,
      tags: instance.MetadataOptions?.InstanceMetadataTags,
    },
    interfaces: (instance.NetworkInterfaces ?? []).map((nic) => ({
      eniId: nic.NetworkInterfaceId ?? '',
      mac: (nic.MacAddress ?? '').toLowerCase(),
      deviceIndex: nic.Attachment?.DeviceIndex ?? 0,
      networkCardIndex: nic.Attachment?.NetworkCardIndex ?? 0,
      subnetId: nic.SubnetId,
      vpcId: nic.VpcId,
      ipv4: (nic.PrivateIpAddresses ?? []).flatMap(
        ({ PrivateIpAddress }) => PrivateIpAddress ?? [],
      ),
      ipv4Prefixes: (nic.Ipv4Prefixes ?? []).flatMap(({ Ipv4Prefix }) => Ipv4Prefix ?? []),
      ipv6: (nic.Ipv6Addresses ?? []).flatMap(({ Ipv6Address }) => Ipv6Address ?? []),
      ipv6Prefixes: (nic.Ipv6Prefixes ?? []).flatMap(({ Ipv6Prefix }) => Ipv6Prefix ?? []),
      publicIpv4: (nic.PrivateIpAddresses ?? []).flatMap(({ PrivateIpAddress, Association }) =>
        PrivateIpAddress === undefined || Association?.PublicIp === undefined
          ? []
          : [{ publicIp: Association.PublicIp, privateIp: PrivateIpAddress }],
      ),
      securityGroups: (nic.Groups ?? []).flatMap(({ GroupId }) => GroupId ?? []),
      sourceDestCheck: nic.SourceDestCheck,
    })),
  };
}

async function describeType(
  call: Call,
  instanceType: string,
  signal: AbortSignal,
): Promise<TypeFacts | undefined> {
  const answer = await call(
    'DescribeInstanceTypes',
    (sdk, client) =>
      client.send(
        // IMDS names types that this SDK may not know yet.
        new sdk.DescribeInstanceTypesCommand({ InstanceTypes: [instanceType as never] }),
        { abortSignal: signal },
      ),
    signal,
  );
  const type = answer.InstanceTypes?.[0];
  if (type === undefined) return undefined;
  return {
    enis: type.NetworkInfo?.MaximumNetworkInterfaces,
    networkCards: type.NetworkInfo?.MaximumNetworkCards,
    ipv4PerEni: type.NetworkInfo?.Ipv4AddressesPerInterface,
    ipv6PerEni: type.NetworkInfo?.Ipv6AddressesPerInterface,
    ena: type.NetworkInfo?.EnaSupport,
    ebsOptimized: type.EbsInfo?.EbsOptimizedSupport,
  };
}

async function describeStrategy(
  call: Call,
  placementGroup: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const answer = await call(
    'DescribePlacementGroups',
    (sdk, client) =>
      client.send(new sdk.DescribePlacementGroupsCommand({ GroupNames: [placementGroup] }), {
        abortSignal: signal,
      }),
    signal,
  );
  return answer.PlacementGroups?.[0]?.Strategy;
}
