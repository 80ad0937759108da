// What the local EC2 is made of: records of subnets, instances and ENIs, time, ids, and the news of a change.
import type { Clock } from '../../src/system/clock.ts';
import type { Random } from '../../src/system/random.ts';
import type { Actuator } from './actuator.ts';
import { ec2Buckets, type Ec2BucketName } from './ec2-buckets.ts';
import { createEc2Store, type Ec2Store } from './ec2-store.ts';
import { createTokenBuckets, type TokenBuckets } from './token-buckets.ts';

export type Tags = Readonly<Record<string, string>>;

export type LabSubnet = {
  readonly subnetId: string;
  readonly vpcId: string;
  readonly availabilityZone: string;
  readonly availabilityZoneId: string;
  readonly ipv4Cidr: string;
  /** A /64 that ends in `::`. */
  readonly ipv6Cidr?: string;
};

/** An Elastic IP address. */
export type LabAddress = {
  readonly allocationId: string;
  readonly publicIp: string;
  readonly tags: Tags;
  readonly association:
    | { readonly associationId: string; readonly eniId: string; readonly privateIp: string }
    | undefined;
};

export type InstanceState =
  | 'pending'
  | 'running'
  | 'shutting-down'
  | 'terminated'
  | 'stopping'
  | 'stopped';

export type PlacementGroup = {
  readonly name: string;
  readonly strategy: 'cluster' | 'spread' | 'partition';
};

export type LabMetadataOptions = {
  readonly tokens: 'required' | 'optional';
  readonly hopLimit: number;
  readonly tags: 'enabled' | 'disabled';
};

export type LabInstance = {
  readonly instanceId: string;
  readonly instanceType: string;
  readonly subnetId: string;
  readonly vpcId: string;
  readonly availabilityZone: string;
  readonly availabilityZoneId: string;
  readonly privateIpv4: string;
  readonly state: InstanceState;
  readonly tags: Tags;
  readonly userData: Buffer | undefined;
  readonly placementGroup: PlacementGroup | undefined;
  readonly metadata: LabMetadataOptions;
  readonly launchedAtMs: number;
  readonly terminatedAtMs: number | undefined;
  /** What the status checks say while it runs. */
  readonly health: 'ok' | 'impaired';
};

export type LabAttachment = {
  readonly attachmentId: string;
  readonly instanceId: string;
  readonly deviceIndex: number;
  readonly networkCardIndex: number;
  readonly status: 'attaching' | 'attached' | 'detaching';
  /** Its detach was forced. */
  readonly isForced: boolean;
  readonly deleteOnTermination: boolean;
  readonly attachedAtMs: number;
};

export type LabEni = {
  readonly eniId: string;
  /** Lower case, colons. */
  readonly mac: string;
  readonly subnetId: string;
  readonly vpcId: string;
  readonly availabilityZone: string;
  readonly availabilityZoneId: string;
  readonly description: string;
  readonly status: 'available' | 'attaching' | 'in-use' | 'detaching';
  readonly interfaceType: string;
  readonly requesterManaged: boolean;
  readonly operatorManaged: boolean;
  readonly sourceDestCheck: boolean;
  readonly groupIds: readonly string[];
  /** The first is the primary address. */
  readonly ipv4: readonly string[];
  readonly ipv4Prefixes: readonly string[];
  readonly ipv6: readonly string[];
  readonly ipv6Prefixes: readonly string[];
  readonly tags: Tags;
  readonly attachment: LabAttachment | undefined;
};

/** Durations in milliseconds, chances of 0 to 1; each may be turned at any time, and 0 is none of it. */
export type Ec2Dials = {
  /** From the call until attached. */
  attachMs: number;
  /** From the call until available. */
  detachMs: number;
  /** From the call to attach until the host sees the device. */
  deviceMs: number;
  /** From the call until terminated, which frees the ENIs. */
  terminateMs: number;
  stopMs: number;
  startMs: number;
  /** Describe shows the state of so long ago. */
  describeLagMs: number;
  /** Authorization sees the tags of so long ago. */
  authorizationLagMs: number;
  /** 1: each time, each duration and each lag is drawn from none up to what its dial says. */
  jitter: number;
  /** Chance that an attach stays `attaching`, and the host sees no device. */
  attachStuck: number;
  /** Chance that a detach stays `detaching`, until it is forced or the instance is stopped. */
  detachStuck: number;
  /** Chance that a forced detach does too. */
  forceStuck: number;
  /** Chance that the host never sees the device of an attached ENI. */
  deviceNever: number;
  /** Chance that an attach of an ENI in use is answered by InvalidParameterValue, as was seen on AWS too. */
  inUseAsValue: number;
  /** Another write to the tags of a resource within this time is a ConcurrentTagAccess. */
  tagWriteMs: number;
  /**
   * With more ENIs in the account than this, a Describe of them must be paged, by id or by a filter that AWS names. So
   * must one of instances: paged, by id or by any filter. 0: never.
   */
  pagedAbove: number;
  /** Size of the token buckets, of the other services too: 1 is that of AWS. 0: no throttling. */
  bucketScale: number;
};

export type Ec2Change =
  | { readonly kind: 'eni'; readonly id: string; readonly eni: LabEni | undefined }
  | { readonly kind: 'instance'; readonly id: string; readonly instance: LabInstance | undefined };

export type Ec2WorldOptions = {
  readonly clock: Clock;
  readonly random: Random;
  readonly actuator: Actuator | undefined;
  readonly dials: Partial<Ec2Dials>;
  readonly partition: string;
  readonly region: string;
  readonly accountId: string;
};

export type Ec2World = Disposable & {
  readonly options: Ec2WorldOptions;
  readonly dials: Ec2Dials;
  readonly subnets: Map<string, LabSubnet>;
  /** By allocation id. */
  readonly addresses: Ec2Store<LabAddress>;
  readonly instances: Ec2Store<LabInstance>;
  readonly enis: Ec2Store<LabEni>;
  /** Does `work` in `ms` (0: in the next microtask), unless the world is disposed by then. */
  after(ms: number, work: () => void | Promise<void>): void;
  /** Resolves when nothing is under way any more. */
  settled(): Promise<void>;
  /** One request of the actuator at a time for each ENI, so that a pull never overtakes a plug. */
  inTurn(eniId: string, work: () => Promise<void>): Promise<void>;
  /** Ids of the attachments whose device the actuator was asked to plug. */
  readonly plugged: Set<string>;
  readonly buckets: TokenBuckets<Ec2BucketName>;
  /** Monotonic times at which tags were written last, by resource. */
  readonly tagsWritten: Map<string, number>;
  /** What a dial's duration or lag is this time. */
  drawMs(ms: number): number;
  /** Does it happen this time? A chance of 0 or 1 takes no random number. */
  happens(chance: number): boolean;
  onChange(listener: (change: Ec2Change) => void): () => void;
  /** `i-` and 17 hexadecimal digits. */
  newId(prefix: string): string;
  newMac(): string;
};

export function createEc2World(options: Ec2WorldOptions): Ec2World {
  const { clock, random } = options;
  const stopping = new AbortController();
  const pending = new Set<Promise<void>>();
  const turns = new Map<string, Promise<void>>();
  const listeners = new Set<(change: Ec2Change) => void>();
  const tell = (change: Ec2Change): void => {
    for (const listener of listeners) listener(change);
  };
  const hex = (digits: number): string => random.uuid().replaceAll('-', '').slice(-digits);
  const dials: Ec2Dials = {
    attachMs: 0,
    detachMs: 0,
    deviceMs: 0,
    terminateMs: 0,
    stopMs: 0,
    startMs: 0,
    describeLagMs: 0,
    authorizationLagMs: 0,
    jitter: 0,
    attachStuck: 0,
    detachStuck: 0,
    forceStuck: 0,
    deviceNever: 0,
    inUseAsValue: 0,
    tagWriteMs: 0,
    pagedAbove: 0,
    bucketScale: 0,
    ...options.dials,
  };
  return {
    options,
    dials,
    subnets: new Map(),
    addresses: createEc2Store(clock, () => undefined),
    instances: createEc2Store(clock, (id, instance) => tell({ kind: 'instance', id, instance })),
    enis: createEc2Store(clock, (id, eni) => tell({ kind: 'eni', id, eni })),
    after: (ms, work) => {
      const run = async (): Promise<void> => {
        try {
          if (ms > 0) await clock.sleep(ms, stopping.signal);
          else await Promise.resolve();
          if (!stopping.signal.aborted) await work();
        } catch (error) {
          if (!stopping.signal.aborted) console.error('lab: EC2', error);
        }
      };
      const promise = run().finally(() => pending.delete(promise));
      pending.add(promise);
    },
    settled: async () => {
      while (pending.size > 0) await Promise.all(pending);
    },
    inTurn: async (eniId, work) => {
      const mine = (turns.get(eniId) ?? Promise.resolve()).then(work);
      const after = mine.catch(() => undefined);
      turns.set(eniId, after);
      await mine;
    },
    plugged: new Set(),
    buckets: createTokenBuckets(clock, ec2Buckets),
    tagsWritten: new Map(),
    drawMs: (ms) => (ms > 0 && dials.jitter > 0 ? ms * (1 - dials.jitter * random.next()) : ms),
    happens: (chance) => chance >= 1 || (chance > 0 && random.next() < chance),
    onChange: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    newId: (prefix) => `${prefix}-0${hex(12)}${hex(4)}`,
    newMac: () => `02:${hex(10).replaceAll(/..(?=.)/g, '$&:')}`,
    [Symbol.dispose]: () => stopping.abort(new Error('the lab is stopping')),
  };
}
