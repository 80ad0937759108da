// What the local EC2 asks of the world behind it when an ENI is attached or detached.

import type { Ipv6Input } from './vpc-ipv6.ts';

export type PluggedEni = {
  readonly eniId: string;
  readonly mac: string;
  readonly ipv4: readonly string[];
  readonly subnetCidr: string;
  readonly ipv6?: Ipv6Input;
  readonly deviceIndex: number;
};

/** The VPC of namespaces plugs a veth; without one nothing happens. */
export type Actuator = {
  plug(instanceId: string, eni: PluggedEni): Promise<void>;
  unplug(instanceId: string, eniId: string): Promise<void>;
};
