// Looks at the instances that a conformance run may use, and says what it will do there.
import * as sdk from '@aws-sdk/client-ec2';
import type { ConformanceOptions } from './conformance-options.ts';
import type { Role } from './conformance-roles.ts';
import { createClients, type ProbeTarget } from './probe-clients.ts';
import type { Place } from './probe-ground.ts';
import { markKey } from './probe-sweep.ts';

export type Found = {
  readonly place: Place;
  readonly terminated: string | undefined;
  readonly roles: readonly [Role, Role] | undefined;
};

/** Throws unless both instances run in one subnet. */
export async function findPlace(
  target: ProbeTarget,
  instances: readonly [string, string],
  roleProfiles: ConformanceOptions['roleProfiles'],
): Promise<Found> {
  using clients = createClients(target);
  const { ec2 } = clients;
  const described = await Promise.all(instances.map((id) => describeInstance(ec2, id)));
  const [a, b] = described as [Described, Described];
  for (const { instance } of described) {
    if (instance.State?.Name !== 'running' || instance.SubnetId !== a.instance.SubnetId) {
      throw new Error('both instances must be running, in the same subnet');
    }
  }
  const { Subnets } = await ec2.send(
    new sdk.DescribeSubnetsCommand({
      Filters: [{ Name: 'vpc-id', Values: [a.instance.VpcId!] }],
    }),
  );
  const zone = a.instance.Placement!.AvailabilityZone;
  const far = Subnets!.find((subnet) => subnet.AvailabilityZone !== zone);
  const { Reservations: gone } = await ec2.send(
    new sdk.DescribeInstancesCommand({
      Filters: [{ Name: 'instance-state-name', Values: ['terminated'] }],
    }),
  );
  const role = ({ instance, owner }: Described, profile: string): Role => ({
    clients: createClients({ ...target, profile }),
    instanceId: instance.InstanceId!,
    arn: `arn:${partitionOf(target.region)}:ec2:${target.region}:${owner}:instance/${instance.InstanceId}`,
  });
  return {
    place: { instances, subnetId: a.instance.SubnetId!, farSubnetId: far?.SubnetId },
    terminated: gone![0]?.Instances?.[0]?.InstanceId,
    roles:
      roleProfiles === undefined ? undefined : [role(a, roleProfiles[0]), role(b, roleProfiles[1])],
  };
}

type Described = { readonly instance: sdk.Instance; readonly owner: string };

async function describeInstance(ec2: sdk.EC2Client, id: string): Promise<Described> {
  const answer = await ec2.send(new sdk.DescribeInstancesCommand({ InstanceIds: [id] }));
  const [reservation] = answer.Reservations!;
  return { instance: reservation!.Instances![0]!, owner: reservation!.OwnerId! };
}

function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}

export function announcement(options: ConformanceOptions, questions: number, run: string): string {
  const where = options.endpoint ?? `AWS, region ${options.region}`;
  if (options.mode === 'clean') {
    return `Deletes at ${where}: ENIs with the tag ${markKey}, parameters and log groups below /${markKey}/.`;
  }
  const head = `Asks ${where} ${questions} questions (mode ${options.mode}).`;
  if (options.mode === 'read-only') {
    return `${head}\nCreates and changes nothing: calls that would, name things that do not exist. Cost: none.`;
  }
  return `${head}
Creates, and deletes again:
- ENIs in the subnet of ${options.instances!.join(' and ')}, at most 10 at a time, with the tag ${markKey}=${run};
  attached to these two instances at free device indexes and detached again. Their own ENIs are not touched.
- parameters below /${markKey}/${run}/, standard tier, some of them 100 versions; one secure string under aws/ssm.
- log groups below /${markKey}/${run}/, about 5 MB of events.
Cost: below 0.05 USD. Duration on AWS: 15 to 40 minutes. Ctrl-C cleans up too; after a crash: --mode clean.`;
}
