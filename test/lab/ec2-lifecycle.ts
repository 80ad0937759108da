// Instances: launch, stop, start, terminate, and what that does to their ENIs.
import { takeAddress } from './ec2-addresses.ts';
import { free } from './ec2-attach.ts';
import { faults } from './ec2-faults.ts';
import { instanceTypeOf } from './ec2-instance-types.ts';
import { createEni } from './ec2-interfaces.ts';
import { enisOf, findInstance, findSubnet } from './ec2-lookup.ts';
import type {
  Ec2World,
  InstanceState,
  LabInstance,
  LabMetadataOptions,
  PlacementGroup,
  Tags,
} from './ec2-world.ts';

export type NewInstance = {
  readonly subnetId: string;
  readonly instanceId?: string;
  readonly privateIpv4?: string;
  /** Default: t3.medium. */
  readonly instanceType?: string;
  readonly tags?: Tags;
  readonly userData?: string | Buffer;
  readonly placementGroup?: PlacementGroup;
  /** Default: IMDSv2 required, hop limit 1, tags. */
  readonly metadata?: Partial<LabMetadataOptions>;
  /** Default: running. */
  readonly state?: 'pending' | 'running' | 'stopped';
};

export type StateChange = {
  readonly instanceId: string;
  readonly before: InstanceState;
  readonly after: InstanceState;
};

/** With its primary ENI at index 0, which goes when the instance is terminated. */
export function launch(world: Ec2World, input: NewInstance): LabInstance {
  const subnet = findSubnet(world, input.subnetId);
  const nowMs = world.options.clock.nowMs();
  const instance: LabInstance = {
    instanceId: input.instanceId ?? world.newId('i'),
    instanceType: instanceTypeOf(input.instanceType ?? 't3.medium').name,
    subnetId: subnet.subnetId,
    vpcId: subnet.vpcId,
    availabilityZone: subnet.availabilityZone,
    availabilityZoneId: subnet.availabilityZoneId,
    privateIpv4: takeAddress(world, subnet, input.privateIpv4),
    state: input.state ?? 'running',
    tags: input.tags ?? {},
    userData: input.userData === undefined ? undefined : Buffer.from(input.userData),
    placementGroup: input.placementGroup,
    metadata: { tokens: 'required', hopLimit: 1, tags: 'enabled', ...input.metadata },
    launchedAtMs: nowMs,
    terminatedAtMs: undefined,
    health: 'ok',
  };
  const { instanceId } = instance;
  if (world.instances.get(instanceId) !== undefined) {
    throw new Error(`there is an instance ${instanceId} already`);
  }
  const { privateIpv4, subnetId } = instance;
  createEni(
    world,
    { subnetId, privateIpv4 },
    {
      attachmentId: world.newId('eni-attach'),
      instanceId,
      deviceIndex: 0,
      networkCardIndex: 0,
      status: 'attached',
      isForced: false,
      deleteOnTermination: true,
      attachedAtMs: nowMs,
    },
  );
  world.instances.put(instanceId, instance);
  return instance;
}

/** Its ENIs become free only at the end of it. Throws AwsFault. */
export function terminate(world: Ec2World, instanceId: string): StateChange {
  const { state: before } = findInstance(world, instanceId);
  if (before === 'terminated' || before === 'shutting-down') {
    return { instanceId, before, after: before };
  }
  setState(world, instanceId, 'shutting-down');
  world.after(world.drawMs(world.dials.terminateMs), async () => {
    await Promise.all(
      enisOf(world.enis.all(), instanceId).map(({ eniId, attachment }) =>
        free(world, eniId, attachment!.attachmentId, attachment!.deleteOnTermination),
      ),
    );
    setState(world, instanceId, 'terminated');
  });
  return { instanceId, before, after: 'shutting-down' };
}

/** A stopped instance keeps its ENIs, but for those whose detach was stuck. Throws AwsFault. */
export function stop(world: Ec2World, instanceId: string): StateChange {
  const { state: before } = findInstance(world, instanceId);
  if (before === 'stopping' || before === 'stopped') return { instanceId, before, after: before };
  if (before !== 'running') throw faults.wrongState(instanceId, 'stopped');
  return pass(world, instanceId, 'stopping', 'stopped', world.dials.stopMs, async () => {
    const leaving = enisOf(world.enis.all(), instanceId).filter(
      ({ attachment }) => attachment!.status === 'detaching',
    );
    for (const { eniId, attachment } of leaving) await free(world, eniId, attachment!.attachmentId);
  });
}

/** Throws AwsFault. */
export function start(world: Ec2World, instanceId: string): StateChange {
  const { state: before } = findInstance(world, instanceId);
  if (before === 'pending' || before === 'running') return { instanceId, before, after: before };
  if (before !== 'stopped') throw faults.wrongState(instanceId, 'started');
  return pass(world, instanceId, 'pending', 'running', world.dials.startMs);
}

/** The status checks fail from now on, or pass again. */
export function setHealth(
  world: Ec2World,
  instanceId: string,
  health: LabInstance['health'],
): void {
  world.instances.put(instanceId, { ...findInstance(world, instanceId), health });
}

function pass(
  world: Ec2World,
  instanceId: string,
  through: InstanceState,
  to: InstanceState,
  ms: number,
  beforeEnd: () => Promise<void> = async () => undefined,
): StateChange {
  const { state: before } = findInstance(world, instanceId);
  setState(world, instanceId, through);
  world.after(world.drawMs(ms), async () => {
    if (world.instances.get(instanceId)?.state !== through) return;
    await beforeEnd();
    if (world.instances.get(instanceId)?.state === through) setState(world, instanceId, to);
  });
  return { instanceId, before, after: through };
}

function setState(world: Ec2World, instanceId: string, state: InstanceState): void {
  const instance = world.instances.get(instanceId)!;
  const terminatedAtMs = state === 'terminated' ? world.options.clock.nowMs() : undefined;
  world.instances.put(instanceId, { ...instance, state, terminatedAtMs });
}
