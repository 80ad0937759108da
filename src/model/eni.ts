// An ENI as EC2 has it, and as the kernel shows it. Types only.
import type { Subnet } from './instance.ts';

/** An ENI as EC2 describes it. */
export type Eni = {
  readonly eniId: string;
  /** Lower case, colons. */
  readonly mac: string;
  readonly subnetId: string;
  readonly vpcId: string;
  readonly availabilityZone: string;
  readonly availabilityZoneId: string | undefined;
  readonly status: 'available' | 'associated' | 'attaching' | 'in-use' | 'detaching' | 'unknown';
  readonly interfaceType: string;
  readonly requesterManaged: boolean;
  /** Managed by an AWS service (`Operator.Managed`). */
  readonly operatorManaged: boolean;
  readonly outpostArn: string | undefined;
  /** The first is the primary address. */
  readonly ipv4: readonly string[];
  readonly ipv4Prefixes: readonly string[];
  readonly ipv6: readonly string[];
  readonly ipv6Prefixes: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  readonly attachment: EniAttachment | undefined;
};

export type EniAttachment = {
  readonly attachmentId: string;
  /** undefined: attached by a service that hides its instance. */
  readonly instanceId: string | undefined;
  readonly deviceIndex: number;
  readonly networkCardIndex: number;
  readonly status: 'attaching' | 'attached' | 'detaching' | 'detached' | 'unknown';
  readonly deleteOnTermination: boolean;
  /** ISO 8601. undefined: EC2 was not asked yet. */
  readonly attachedAt: string | undefined;
};

/** The ENI that this instance holds: what routing needs. */
export type ClaimedEni = {
  readonly eni: Eni;
  readonly deviceIndex: number;
  readonly networkCardIndex: number;
  readonly subnet: Subnet;
};

/** A network device of the kernel. */
export type Device = { readonly name: string; readonly index: number; readonly mac: string };

/** A claimed ENI that the kernel shows. */
export type Claimed = {
  readonly claimed: ClaimedEni;
  readonly device: Device;
  /** ENIs of the pool: so many instances may ask EC2 as this one does. */
  readonly peers: number;
};
