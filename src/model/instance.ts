// What IMDS says of this instance. Types only.

/** What IMDS says of this instance. Absent values are undefined, never ''. */
export type Identity = {
  readonly instanceId: string;
  readonly instanceType: string;
  readonly imageId: string | undefined;
  readonly accountId: string;
  readonly region: string;
  /** `aws`, `aws-cn`, `aws-us-gov`: the second field of an ARN. */
  readonly partition: string;
  readonly availabilityZone: string;
  /** The same name in all accounts (`use1-az1`); compare it with ENIs where present. */
  readonly availabilityZoneId: string | undefined;
  readonly architecture: string;
  readonly hostname: string | undefined;
  readonly privateIpv4: string | undefined;
  /** Of the primary ENI: lower case, colons. */
  readonly primaryMac: string;
  /** Network interfaces that IMDS lists, the primary included: a hint, since IMDS lags. */
  readonly macCount: number;
  readonly primarySubnet: Subnet | undefined;
  readonly vpcId: string | undefined;
  /** Only keys of `berth:` and `aws:`. undefined: tags in instance metadata are not enabled. */
  readonly tags: Readonly<Record<string, string>> | undefined;
};

export type Subnet = {
  readonly subnetId: string;
  readonly ipv4Cidr: string | undefined;
  readonly ipv6Cidrs: readonly string[];
};

/** Short-lived keys of the instance role. Secret: never logged. */
export type RoleCredentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiresAtMs: number;
};

export type NoticeKind =
  | 'spot'
  | 'rebalance'
  | 'termination'
  | 'maintenance'
  /** Back into it: the group reuses its instances. */
  | 'warm-pool';

/** What AWS says is about to happen to this instance. */
export type Notice = {
  readonly kind: NoticeKind;
  readonly message: string;
  /** When, in ISO 8601; undefined: soon. */
  readonly at: string | undefined;
};
