// What the local EC2 asks of the world behind it when an ENI is attached or detached.

export type PluggedEni = {
  readonly eniId: string;
  readonly mac: string;
  readonly ipv4: readonly string[];
  readonly subnetCidr: string;
  readonly deviceIndex: number;
};

/** The VPC of namespaces plugs a veth; without one nothing happens. */
export type Actuator = {
  plug(instanceId: string, eni: PluggedEni): Promise<void>;
  unplug(instanceId: string, eniId: string): Promise<void>;
};
