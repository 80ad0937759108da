// The local EC2 without its wire: what a test sets up, what the API does, and what can be seen of it.
import { attach, detach, type AttachInput } from './ec2-attach.ts';
import { assignAddresses, unassignAddresses, type AssignInput } from './ec2-assign.ts';
import { releaseWith } from './ec2-elastic.ts';
import { createEni, deleteEni, modifyEni, type EniChange, type NewEni } from './ec2-interfaces.ts';
import { assignIpv6, unassignIpv6, type Ipv6Input } from './ec2-ipv6.ts';
import {
  launch,
  setHealth,
  start,
  stop,
  terminate,
  type NewInstance,
  type StateChange,
} from './ec2-lifecycle.ts';
import { arnOf, enisOf, isVisible } from './ec2-lookup.ts';
import { createTags, deleteTags, type TagToDelete } from './ec2-tags.ts';
import { rangeOf } from './ec2-addresses.ts';
import {
  createEc2World,
  type Ec2Change,
  type Ec2Dials,
  type Ec2World,
  type Ec2WorldOptions,
  type LabAddress,
  type LabAttachment,
  type LabEni,
  type LabInstance,
  type LabSubnet,
  type Tags,
} from './ec2-world.ts';

/** What a read of EC2 sees. */
export type Seen = {
  readonly enis: readonly LabEni[];
  readonly instances: readonly LabInstance[];
  readonly addresses: readonly LabAddress[];
};

/**
 * Operations throw AwsFault as EC2 would, and take effect at once; what takes time goes on by itself.
 * Attach is exclusive: that is the lock of claim.md.
 */
export type Ec2Model = Disposable & {
  readonly partition: string;
  readonly region: string;
  readonly accountId: string;
  readonly dials: Ec2Dials;
  readonly world: Ec2World;

  addSubnet(subnet: LabSubnet): LabSubnet;
  launch(input: NewInstance): LabInstance;
  /** An ENI of the pool, say; its tags are there at once, for authorization too. */
  addEni(input: NewEni): LabEni;
  setHealth(instanceId: string, health: LabInstance['health']): void;

  eni(eniId: string): LabEni | undefined;
  /** Terminated ones too, whatever their age. */
  instance(instanceId: string): LabInstance | undefined;
  subnet(subnetId: string): LabSubnet | undefined;
  enis(): readonly LabEni[];
  instances(): readonly LabInstance[];
  subnets(): readonly LabSubnet[];
  /** By card and index: the first is the primary. */
  enisOf(instanceId: string): readonly LabEni[];
  /** Of an instance or ENI; that of an instance is the value of `berth:owner`. */
  arnOf(id: string): string;
  /** Returns the way to stop. */
  on(event: 'change', listener: (change: Ec2Change) => void): () => void;
  /** Resolves when no attach, detach, stop, start or terminate is under way. */
  settled(): Promise<void>;
  /** What Describe shows: `describeLagMs` old. */
  seen(): Seen;

  attach(input: AttachInput): LabAttachment;
  detach(attachmentId: string, force?: boolean): void;
  createTags(ids: readonly string[], tags: Tags): void;
  deleteTags(ids: readonly string[], list: readonly TagToDelete[] | undefined): void;
  modifyEni(eniId: string, change: EniChange): void;
  deleteEni(eniId: string): void;
  assignAddresses(eniId: string, input: AssignInput): LabEni;
  unassignAddresses(
    eniId: string,
    addresses: readonly string[],
    prefixes?: readonly string[],
  ): void;
  assignIpv6(eniId: string, input: Ipv6Input): LabEni;
  unassignIpv6(eniId: string, input: Pick<Ipv6Input, 'addresses' | 'prefixes'>): void;
  stop(instanceId: string): StateChange;
  start(instanceId: string): StateChange;
  terminate(instanceId: string): StateChange;
};

export function createEc2Model(options: Ec2WorldOptions): Ec2Model {
  const world = createEc2World(options);
  world.onChange((change) => releaseWith(world, change));
  return {
    partition: options.partition,
    region: options.region,
    accountId: options.accountId,
    dials: world.dials,
    world,

    addSubnet: (subnet) => {
      rangeOf(subnet.ipv4Cidr);
      world.subnets.set(subnet.subnetId, subnet);
      return subnet;
    },
    launch: (input) => launch(world, input),
    addEni: (input) => createEni(world, input),
    setHealth: (instanceId, health) => setHealth(world, instanceId, health),

    eni: (id) => world.enis.get(id),
    instance: (id) => world.instances.get(id),
    subnet: (id) => world.subnets.get(id),
    enis: () => world.enis.all(),
    instances: () => world.instances.all(),
    subnets: () => [...world.subnets.values()],
    enisOf: (instanceId) => enisOf(world.enis.all(), instanceId),
    arnOf: (id) => arnOf(world, id),
    on: (_event, listener) => world.onChange(listener),
    settled: () => world.settled(),
    seen: () => {
      const lagMs = world.drawMs(world.dials.describeLagMs);
      return {
        enis: [...world.enis.ago(lagMs).values()],
        instances: [...world.instances.ago(lagMs).values()].filter((instance) =>
          isVisible(world, instance),
        ),
        addresses: [...world.addresses.ago(lagMs).values()],
      };
    },

    attach: (input) => attach(world, input),
    detach: (attachmentId, force = false) => detach(world, attachmentId, force),
    createTags: (ids, tags) => createTags(world, ids, tags),
    deleteTags: (ids, list) => deleteTags(world, ids, list),
    modifyEni: (eniId, change) => modifyEni(world, eniId, change),
    deleteEni: (eniId) => deleteEni(world, eniId),
    assignAddresses: (eniId, input) => assignAddresses(world, eniId, input),
    unassignAddresses: (eniId, addresses, prefixes) =>
      unassignAddresses(world, eniId, addresses, prefixes),
    assignIpv6: (eniId, input) => assignIpv6(world, eniId, input),
    unassignIpv6: (eniId, input) => unassignIpv6(world, eniId, input),
    stop: (instanceId) => stop(world, instanceId),
    start: (instanceId) => start(world, instanceId),
    terminate: (instanceId) => terminate(world, instanceId),
    [Symbol.dispose]: () => world[Symbol.dispose](),
  };
}
