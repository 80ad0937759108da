// What the kernel is to hold for an ENI. Types only.

/** What berth wants the kernel to hold for one ENI (routing.md section 3). */
export type RoutePlan = {
  readonly eniId: string;
  readonly mac: string;
  /** Name of the device; a placeholder while it does not exist yet. */
  readonly ifname: string;
  readonly table: number;
  readonly priority: number;
  /** Of the primary's device. */
  readonly mtu: number;
  readonly ipv4: AddressFamilyPlan;
  readonly ipv6: AddressFamilyPlan;
  /** Addresses of the ENI that this kernel cannot hold, since its IPv6 is off. */
  readonly unserved: readonly string[];
  /** The link group of this host's ENIs: what main has of other devices, bridges of containers, is reached too. */
  readonly bridgeGroup: number | undefined;
  /** Of connections that came in by this ENI, also where they are forwarded to a container. */
  readonly mark: Mark | undefined;
};

export type AddressFamilyPlan = {
  /** With prefix length, in the order of the ENI: `10.0.1.20/24`, then `/32` (`/128`). */
  readonly addresses: readonly string[];
  /** Sources of the `from` rules: each address and each delegated prefix, with length. */
  readonly sources: readonly string[];
  /** Subnets reached directly. */
  readonly subnets: readonly string[];
  readonly gateway: string | undefined;
};

/** What the configuration says of routing. */
export type RoutingConfig = {
  /** `verify`: another tool sets the routes, and berth says whether they are right. */
  readonly mode: 'own' | 'verify';
  readonly localBridges: boolean;
  readonly connmark: number | undefined;
};

export type Mark = { readonly value: number; readonly mask: number };

/** What is set for an ENI, for people. */
export type RoutingDescription = {
  /** Which subnet, which addresses, which device they leave by: a line each. */
  readonly picture: readonly string[];
  /** As they could be typed, for a device that is down and bare. */
  readonly commands: readonly string[];
};
