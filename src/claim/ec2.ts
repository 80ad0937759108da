// The small port to EC2 that the claim needs. The SDK adapter, the simulator and tests implement it.
import type { Eni, EniAttachment } from '../model/eni.ts';
import type { Subnet } from '../model/instance.ts';

/** An instance as EC2 describes it. */
export type Instance = {
  /** `pending`, `running`, `shutting-down`, `terminated`, `stopping`, `stopped`. */
  readonly state: string;
  readonly attachments: readonly (Pick<EniAttachment, 'deviceIndex' | 'networkCardIndex'> & {
    readonly eniId: string;
  })[];
  /** Of its primary ENI. */
  readonly privateIpv4: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly profileArn: string | undefined;
};

/** What EC2's status checks say; `unknown` too while there is no result yet, and for what does not run. */
export type Health = 'ok' | 'impaired' | 'unknown';

export type PoolPart = {
  /** Only ids that end so. */
  readonly idEnd: string | undefined;
  /** Only what is not attached, whoever claims it. */
  readonly available: boolean;
};

export type InstancesOf = {
  readonly profileArn: string;
  readonly availabilityZone: string;
  /** Only ids that end so. */
  readonly idEnd: string;
  /** Counted up to this, 5 to 1000. */
  readonly most: number;
};

/** What a standby may have to do to a peer. */
export type Fencing =
  | { readonly do: 'stop'; readonly instanceId: string }
  | { readonly do: 'detach'; readonly attachmentId: string };

/** What an instance type can hold (DescribeInstanceTypes.NetworkInfo). */
export type Limits = {
  /** Of network card 0, the primary included. */
  readonly enis: number;
  readonly ipv4PerEni: number;
};

export type AttachInput = {
  readonly eniId: string;
  readonly instanceId: string;
  readonly deviceIndex: number;
  readonly networkCardIndex: number;
};

/**
 * Every method may throw a BerthError with one of: `aws-denied` (details.action names the permission),
 * `aws-credentials`, `aws-throttled`, `aws-unavailable` (nothing happened), `aws-unknown-outcome` (it may have
 * happened), `aws-invalid`. What a method throws beside these stands with it.
 */
export type Ec2 = {
  /** All ENIs tagged `berth:pool` = `pool`, whatever their state and Availability Zone. */
  describePool(pool: string, signal: AbortSignal): Promise<readonly Eni[]>;
  /** One page of them, in one call. */
  describePart(pool: string, part: PoolPart, signal: AbortSignal): Promise<readonly Eni[]>;
  /** All ENIs tagged `berth:owner` = `owner`. */
  describeClaimed(owner: string, signal: AbortSignal): Promise<readonly Eni[]>;
  /** undefined: EC2 knows no such ENI (or not yet). */
  describeEni(eniId: string, signal: AbortSignal): Promise<Eni | undefined>;
  /** undefined: EC2 does not know this instance (yet, or any more). */
  describeInstance(instanceId: string, signal: AbortSignal): Promise<Instance | undefined>;
  /** How many run, in one call. */
  countInstances(
    of: InstancesOf,
    signal: AbortSignal,
  ): Promise<{ readonly count: number; readonly isCut: boolean }>;
  describeHealth(instanceId: string, signal: AbortSignal): Promise<Health>;
  describeLimits(instanceType: string, signal: AbortSignal): Promise<Limits>;
  describeSubnet(subnetId: string, signal: AbortSignal): Promise<Subnet>;
  /** CreateTags of owner and claim. `aws-denied`: the guard (it has an owner) or the policy. `eni-gone`. */
  createClaim(eniId: string, owner: string, claim: string, signal: AbortSignal): Promise<void>;
  /** DeleteTags of the owner tag if its value is `owner`; no error when it is not. `eni-gone`. */
  deleteClaim(eniId: string, owner: string, signal: AbortSignal): Promise<void>;
  /**
   * Returns the attachment id. `eni-in-use` (perhaps by us), `eni-index-taken`, `eni-limit`, `eni-unsuitable`
   * (another AZ, too many addresses), `eni-state` (the instance or the ENI is not ready), `eni-gone`.
   */
  attach(input: AttachInput, signal: AbortSignal): Promise<string>;
  /** Sets DeleteOnTermination to false. `eni-gone`: there is no such attachment any more. */
  keepOnTermination(eniId: string, attachmentId: string, signal: AbortSignal): Promise<void>;
  /** Never with Force. `eni-gone`: there is no such attachment any more; `eni-state`. */
  detach(attachmentId: string, signal: AbortSignal): Promise<void>;
  /** With Force: only from a peer that is known to have failed. Throws like `detach`. */
  forceDetach(attachmentId: string, signal: AbortSignal): Promise<void>;
  /** With Force and without the shutdown of its system. Returns its state now. `eni-state`: it cannot be stopped now. */
  stop(instanceId: string, signal: AbortSignal): Promise<string>;
  /** A DryRun: resolves where we might do it. `aws-denied`, and what the call itself would throw. */
  rehearse(what: Fencing, signal: AbortSignal): Promise<void>;
};
