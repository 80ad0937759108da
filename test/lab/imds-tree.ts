// What the lab's IMDS says of one instance: the tree of imds.md section 2, built anew for every request.

/** One instance as its IMDS sees it. */
export type ImdsView = {
  readonly instanceId: string;
  readonly instanceType: string;
  readonly imageId: string;
  readonly accountId: string;
  readonly region: string;
  readonly partition: string;
  readonly availabilityZone: string;
  readonly availabilityZoneId: string;
  readonly architecture: 'x86_64' | 'arm64';
  readonly hostname: string;
  /** undefined: an IPv6-only instance. */
  readonly localIpv4: string | undefined;
  /** Of the primary ENI. */
  readonly mac: string;
  readonly macs: readonly ImdsMac[];
  /** undefined: InstanceMetadataTags is off, the category is 404. */
  readonly tags: Readonly<Record<string, string>> | undefined;
  readonly userData: Buffer | undefined;
  /** What `ssh-keygen` writes, by the name of the key pair. Default: launched without one. */
  readonly publicKeys?: Readonly<Record<string, string>>;
  /** undefined: no instance profile. */
  readonly roleName: string | undefined;
  /** Asked once for each request of the credentials. */
  credentials(): ImdsCredentials;
  /** undefined: in no Auto Scaling group. */
  readonly targetLifecycleState: string | undefined;
  readonly spotInstanceAction: { readonly action: string; readonly time: Date } | undefined;
  readonly rebalanceNoticed?: Date;
  /** The JSON of `events/maintenance/scheduled`. Default: `[]`. */
  readonly scheduledEvents?: string;
  /** `placement/group-name`, `host-id`, `partition-number`. */
  readonly placement?: Readonly<Record<string, string>>;
};

export type ImdsCredentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly token: string;
  readonly expiration: Date;
};

export type ImdsMac = {
  readonly mac: string;
  readonly interfaceId: string;
  readonly deviceNumber: number;
  /** undefined: the key is absent (card 0). */
  readonly networkCard: number | undefined;
  readonly ownerId: string;
  readonly subnetId: string;
  readonly vpcId: string;
  readonly subnetIpv4Cidr: string | undefined;
  readonly subnetIpv6Cidrs: readonly string[];
  readonly vpcIpv4Cidr: string | undefined;
  /** The first is the primary address. */
  readonly localIpv4s: readonly string[];
  readonly ipv6s: readonly string[];
  readonly securityGroupIds: readonly string[];
  /** false: the MAC is listed, and all keys under it are 404. */
  readonly hasKeys?: boolean;
  readonly ipv4Prefixes?: readonly string[];
  readonly ipv6Prefixes?: readonly string[];
  /** Elastic IP addresses, each with the private address that it stands for. */
  readonly associations?: readonly { readonly publicIp: string; readonly privateIp: string }[];
};

/** A container, or a value: text, raw bytes (user data), or text made when it is read (a listing issues no credentials). */
export type ImdsNode = string | Buffer | (() => string) | ImdsContainer;
export type ImdsContainer = ReadonlyMap<string, ImdsNode>;
/** The key, which is no part of a path, of a listing that is other than the names in it. */
export const listing = '';

/** Everything under `/latest/`. `omit`: MACs that IMDS does not list yet, or no more. */
export function imdsTree(view: ImdsView, omit: ReadonlySet<string>): ImdsContainer {
  return container({
    dynamic: container({
      fws: container({ 'instance-monitoring': 'disabled' }),
      'instance-identity': container({
        document: identityDocument(view),
        // Nobody has signed it.
        ...Object.fromEntries(['pkcs7', 'rsa2048', 'signature'].map((name) => [name, 'bm9ib2R5'])),
      }),
    }),
    'meta-data': metaData(view, omit),
    'user-data': view.userData,
  });
}

function metaData(view: ImdsView, omit: ReadonlySet<string>): ImdsContainer {
  const macs = view.macs.filter(({ mac }) => !omit.has(mac));
  const { tags, roleName, spotInstanceAction } = view;
  const primary = view.macs.find(({ mac }) => mac === view.mac);
  const elastic = primary?.associations?.find(({ privateIp }) => privateIp === view.localIpv4);
  return container({
    'ami-id': view.imageId,
    'ami-launch-index': '0',
    'ami-manifest-path': '(unknown)',
    autoscaling:
      view.targetLifecycleState === undefined
        ? undefined
        : container({ 'target-lifecycle-state': view.targetLifecycleState }),
    'block-device-mapping': container({ ami: '/dev/xvda', root: '/dev/xvda' }),
    events: container({
      maintenance: container({ history: '[]', scheduled: view.scheduledEvents ?? '[]' }),
      recommendations:
        view.rebalanceNoticed === undefined
          ? undefined
          : container({
              rebalance: JSON.stringify({ noticeTime: isoSeconds(view.rebalanceNoticed) }),
            }),
    }),
    hostname: view.hostname,
    iam:
      roleName === undefined
        ? undefined
        : container({
            info: instanceProfile(view, roleName),
            'security-credentials': container({ [roleName]: () => credentialsDocument(view) }),
          }),
    'instance-action': 'none',
    'instance-id': view.instanceId,
    'instance-life-cycle': spotInstanceAction === undefined ? 'on-demand' : 'spot',
    'instance-type': view.instanceType,
    'local-hostname': view.hostname,
    ipv6: primary?.ipv6s[0],
    'local-ipv4': view.localIpv4,
    mac: view.mac,
    metrics: container({ vhostmd: '<?xml version="1.0" encoding="UTF-8"?>' }),
    network: container({
      interfaces: container({
        macs: new Map(macs.map((eni) => [eni.mac, networkInterface(eni, view)])),
      }),
    }),
    placement: container({
      'availability-zone': view.availabilityZone,
      'availability-zone-id': view.availabilityZoneId,
      region: view.region,
      ...view.placement,
    }),
    profile: 'default-hvm',
    'public-keys': view.publicKeys && publicKeys(view.publicKeys),
    'public-hostname': elastic && publicHostname(elastic.publicIp, view),
    'public-ipv4': elastic?.publicIp,
    'reservation-id': `r-${view.instanceId.slice(2)}`,
    'security-groups': 'default',
    services: container({
      domain: view.partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com',
      partition: view.partition,
    }),
    spot:
      spotInstanceAction === undefined
        ? undefined
        : container({
            'instance-action': JSON.stringify({
              action: spotInstanceAction.action,
              time: isoSeconds(spotInstanceAction.time),
            }),
            'termination-time':
              spotInstanceAction.action === 'terminate'
                ? isoSeconds(spotInstanceAction.time)
                : undefined,
          }),
    system: 'nitro',
    tags: tags === undefined ? undefined : container({ instance: container(tags) }),
  });
}

function networkInterface(eni: ImdsMac, view: ImdsView): ImdsContainer {
  if (eni.hasKeys === false) return container({});
  const associations = eni.associations ?? [];
  return container({
    'device-number': String(eni.deviceNumber),
    'interface-id': eni.interfaceId,
    'ipv4-associations':
      associations.length === 0
        ? undefined
        : container(
            Object.fromEntries(
              associations.map(({ publicIp, privateIp }) => [publicIp, privateIp]),
            ),
          ),
    'ipv4-prefix': lines(eni.ipv4Prefixes ?? []),
    'ipv6-prefix': lines(eni.ipv6Prefixes ?? []),
    ipv6s: lines(eni.ipv6s),
    'local-hostname': localHostname(eni, view),
    'local-ipv4s': lines(eni.localIpv4s),
    mac: eni.mac,
    'network-card': eni.networkCard === undefined ? undefined : String(eni.networkCard),
    'owner-id': eni.ownerId,
    'public-hostname': associations[0] && publicHostname(associations[0].publicIp, view),
    'public-ipv4s': lines(associations.map(({ publicIp }) => publicIp)),
    'security-group-ids': lines(eni.securityGroupIds),
    'security-groups': 'default',
    'subnet-id': eni.subnetId,
    'subnet-ipv4-cidr-block': eni.subnetIpv4Cidr,
    'subnet-ipv6-cidr-blocks': lines(eni.subnetIpv6Cidrs),
    'vpc-id': eni.vpcId,
    'vpc-ipv4-cidr-block': eni.vpcIpv4Cidr,
    'vpc-ipv4-cidr-blocks': eni.vpcIpv4Cidr,
  });
}

function publicHostname(publicIp: string, view: ImdsView): string {
  return `ec2-${publicIp.replaceAll('.', '-')}.${view.region}.compute.amazonaws.com`;
}

/** Of this ENI, in the domain of the instance. */
function localHostname(eni: ImdsMac, view: ImdsView): string {
  const [ipv4] = eni.localIpv4s;
  if (eni.mac === view.mac || ipv4 === undefined) return view.hostname;
  return view.hostname.replace(/^[^.]*/, `ip-${ipv4.replaceAll('.', '-')}`);
}

/** Lists `0=NAME`, though the key is at `0/openssh-key`. */
function publicKeys(keys: Readonly<Record<string, string>>): ImdsContainer {
  const entries = Object.entries(keys);
  return container({
    [listing]: entries.map(([name], index) => `${index}=${name}`).join('\n'),
    ...Object.fromEntries(
      entries.map(([, key], index) => [index, container({ 'openssh-key': key })]),
    ),
  });
}

function identityDocument(view: ImdsView): string {
  return JSON.stringify(
    {
      accountId: view.accountId,
      architecture: view.architecture,
      availabilityZone: view.availabilityZone,
      billingProducts: null,
      devpayProductCodes: null,
      marketplaceProductCodes: null,
      imageId: view.imageId,
      instanceId: view.instanceId,
      instanceType: view.instanceType,
      kernelId: null,
      pendingTime: '2026-01-01T00:00:00Z',
      privateIp: view.localIpv4 ?? null,
      ramdiskId: null,
      region: view.region,
      version: '2017-09-30',
    },
    undefined,
    2,
  );
}

function instanceProfile(view: ImdsView, roleName: string): string {
  return JSON.stringify({
    Code: 'Success',
    LastUpdated: '2026-01-01T00:00:00Z',
    InstanceProfileArn: `arn:${view.partition}:iam::${view.accountId}:instance-profile/${roleName}`,
    InstanceProfileId: 'AIPALAB00000000000000',
  });
}

function credentialsDocument(view: ImdsView): string {
  const { accessKeyId, secretAccessKey, token, expiration } = view.credentials();
  return JSON.stringify({
    Code: 'Success',
    LastUpdated: '2026-01-01T00:00:00Z',
    Type: 'AWS-HMAC',
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    Token: token,
    Expiration: isoSeconds(expiration),
  });
}

function container(nodes: Readonly<Record<string, ImdsNode | undefined>>): ImdsContainer {
  return new Map(Object.entries(nodes).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])));
}

/** IMDS has no key for an empty list. */
function lines(values: readonly string[]): string | undefined {
  return values.length === 0 ? undefined : values.join('\n');
}

function isoSeconds(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}
