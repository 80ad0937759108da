// Probes of attach and detach: the exclusive thing, its limits, its states.
import * as sdk from '@aws-sdk/client-ec2';
import type { Ground } from './probe-ground.ts';
import { answerOf, changing, found, NotAsked, reading, type Answer } from './probe.ts';

const unknownEni = 'eni-0123456789abcdef0';
const unknownInstance = 'i-0123456789abcdef0';
const unknownAttachment = 'eni-attach-0123456789abcdef0';

type Attach = Partial<sdk.AttachNetworkInterfaceCommandInput>;

const attach = (
  { ec2 }: Ground,
  NetworkInterfaceId: string,
  InstanceId: string,
  more: Attach = {},
): Promise<Answer> =>
  answerOf(
    ec2.send(
      new sdk.AttachNetworkInterfaceCommand({
        NetworkInterfaceId,
        InstanceId,
        DeviceIndex: 1,
        ...more,
      }),
    ),
    ({ NetworkCardIndex = 0 }) => ({ card: NetworkCardIndex }),
  );

const detach = ({ ec2 }: Ground, AttachmentId: string, more: object = {}): Promise<Answer> =>
  answerOf(ec2.send(new sdk.DetachNetworkInterfaceCommand({ AttachmentId, ...more })));

const primaryOf = async ({ ec2 }: Ground, instanceId: string) => {
  const InstanceIds = [instanceId];
  const answer = await ec2.send(new sdk.DescribeInstancesCommand({ InstanceIds }));
  const enis = answer.Reservations![0]!.Instances![0]!.NetworkInterfaces!;
  return enis.find((eni) => eni.Attachment!.DeviceIndex === 0)!;
};

const reads = reading('attach', {
  'an unknown ENI': (ground) => attach(ground, unknownEni, unknownInstance),
  'a malformed ENI': (ground) => attach(ground, 'eni-xyz', unknownInstance),
  'detach: an unknown attachment': (ground) => detach(ground, unknownAttachment),
  'detach: a malformed attachment': (ground) => detach(ground, 'eni-attach-xyz'),
});

const changes = changing('attach', {
  'a free one': async (ground) => {
    const [a] = ground.place.instances;
    return attach(ground, await ground.eniId(), a, { DeviceIndex: await ground.freeIndex(a) });
  },
  'what is seen afterwards': async (ground) => {
    const eniId = await ground.eniId();
    await ground.attach(eniId, ground.place.instances[0]);
    const { Status, Attachment } = await ground.look(eniId);
    const { DeleteOnTermination, NetworkCardIndex = 0 } = Attachment!;
    return found({
      status: Status,
      attachment: Attachment!.Status,
      DeleteOnTermination,
      card: NetworkCardIndex,
    });
  },
  'what is seen meanwhile': async (ground) => {
    using _slow = ground.powers.slow();
    const [a] = ground.place.instances;
    const eniId = await ground.eniId();
    const DeviceIndex = await ground.freeIndex(a);
    await attach(ground, eniId, a, { DeviceIndex });
    const { Status, Attachment } = await ground.look(eniId);
    return found({ status: Status, attachment: Attachment?.Status });
  },
  'the instance lists it': async (ground) => {
    const [a] = ground.place.instances;
    const eniId = await ground.eniId();
    const { deviceIndex } = await ground.attach(eniId, a);
    const { Reservations } = await ground.ec2.send(
      new sdk.DescribeInstancesCommand({ InstanceIds: [a] }),
    );
    const listed = Reservations![0]!.Instances![0]!.NetworkInterfaces!.find(
      (eni) => eni.NetworkInterfaceId === eniId,
    );
    const { DeviceIndex, Status } = listed!.Attachment!;
    return found({ sameIndex: DeviceIndex === deviceIndex, status: Status });
  },
  'one that another instance has': async (ground) => {
    const [a, b] = ground.place.instances;
    const eniId = await ground.eniId();
    await ground.attach(eniId, a);
    return attach(ground, eniId, b, { DeviceIndex: await ground.freeIndex(b) });
  },
  'one that this instance has, same index': async (ground) => {
    const [a] = ground.place.instances;
    const eniId = await ground.eniId();
    const { deviceIndex } = await ground.attach(eniId, a);
    return attach(ground, eniId, a, { DeviceIndex: deviceIndex });
  },
  'one that this instance has, other index': async (ground) => {
    const [a] = ground.place.instances;
    const eniId = await ground.eniId();
    await ground.attach(eniId, a);
    return attach(ground, eniId, a, { DeviceIndex: await ground.freeIndex(a) });
  },
  'a device index that is taken': async (ground) => {
    const [a] = ground.place.instances;
    const { deviceIndex } = await ground.attach(await ground.eniId(), a);
    return attach(ground, await ground.eniId(), a, { DeviceIndex: deviceIndex });
  },
  'at device index 0': async (ground) =>
    attach(ground, await ground.eniId(), ground.place.instances[0], { DeviceIndex: 0 }),
  'at a negative device index': async (ground) =>
    attach(ground, await ground.eniId(), ground.place.instances[0], { DeviceIndex: -1 }),
  'without a device index': async (ground) =>
    attach(ground, await ground.eniId(), ground.place.instances[0], { DeviceIndex: undefined }),
  'to a network card that is not there': async (ground) =>
    attach(ground, await ground.eniId(), ground.place.instances[0], { NetworkCardIndex: 1 }),
  'more than the type may have': async (ground) => {
    const [a] = ground.place.instances;
    const { Reservations } = await ground.ec2.send(
      new sdk.DescribeInstancesCommand({ InstanceIds: [a] }),
    );
    const { InstanceType, NetworkInterfaces } = Reservations![0]!.Instances![0]!;
    const { InstanceTypes } = await ground.ec2.send(
      new sdk.DescribeInstanceTypesCommand({ InstanceTypes: [InstanceType!] }),
    );
    const limit = InstanceTypes![0]!.NetworkInfo!.MaximumNetworkInterfaces!;
    if (limit > 4) throw new NotAsked('the instance may have more than 4 interfaces');
    for (let held = NetworkInterfaces!.length; held < limit; held++) {
      await ground.attach(await ground.eniId(), a);
    }
    const DeviceIndex = await ground.freeIndex(a);
    return attach(ground, await ground.eniId(), a, { DeviceIndex });
  },
  'in another zone': async (ground) => {
    const { farSubnetId, instances } = ground.place;
    if (farSubnetId === undefined) throw new NotAsked('no subnet in another zone');
    const eni = await ground.eni({ SubnetId: farSubnetId });
    return attach(ground, eni.NetworkInterfaceId!, instances[0]);
  },
  'to a terminated instance': async (ground) =>
    attach(ground, await ground.eniId(), ground.powers.terminated),
  'to a stopped instance': async (ground) => {
    const InstanceIds = [await ground.powers.launch()];
    await ground.ec2.send(new sdk.StopInstancesCommand({ InstanceIds }));
    return attach(ground, await ground.eniId(), InstanceIds[0]!);
  },
  'to an unknown instance': async (ground) => attach(ground, await ground.eniId(), unknownInstance),
  'to a malformed instance': async (ground) => attach(ground, await ground.eniId(), 'i-xyz'),
  'as a dry run': async (ground) => {
    const [a] = ground.place.instances;
    const DeviceIndex = await ground.freeIndex(a);
    return attach(ground, await ground.eniId(), a, { DeviceIndex, DryRun: true });
  },
  'a second time after a detach': async (ground) => {
    const [a, b] = ground.place.instances;
    const eniId = await ground.eniId();
    const { attachmentId } = await ground.attach(eniId, a);
    await ground.detach(attachmentId, eniId);
    return attach(ground, eniId, b, { DeviceIndex: await ground.freeIndex(b) });
  },
  'detach: what is seen afterwards': async (ground) => {
    const eniId = await ground.eniId();
    const { attachmentId } = await ground.attach(eniId, ground.place.instances[0]);
    await ground.detach(attachmentId, eniId);
    const { Status, Attachment } = await ground.look(eniId);
    return found({ status: Status, attachment: Attachment?.Status ?? null });
  },
  'detach: twice': async (ground) => {
    const eniId = await ground.eniId();
    const { attachmentId } = await ground.attach(eniId, ground.place.instances[0]);
    await ground.detach(attachmentId, eniId);
    return detach(ground, attachmentId);
  },
  'detach: by force': async (ground) => {
    const eniId = await ground.eniId();
    const { attachmentId } = await ground.attach(eniId, ground.place.instances[0]);
    return detach(ground, attachmentId, { Force: true });
  },
  'detach: as a dry run': async (ground) => {
    const eniId = await ground.eniId();
    const { attachmentId } = await ground.attach(eniId, ground.place.instances[0]);
    return detach(ground, attachmentId, { DryRun: true });
  },
  'detach: the primary': async (ground) => {
    const eni = await primaryOf(ground, await ground.powers.launch());
    return detach(ground, eni.Attachment!.AttachmentId!);
  },
  'terminated, DeleteOnTermination false': async (ground) => {
    const instanceId = await ground.powers.launch();
    const eniId = await ground.eniId();
    await ground.attach(eniId, instanceId);
    await ground.ec2.send(new sdk.TerminateInstancesCommand({ InstanceIds: [instanceId] }));
    const { Status } = await ground.look(eniId);
    return found({ status: Status });
  },
  'terminated, DeleteOnTermination true': async (ground) => {
    const instanceId = await ground.powers.launch();
    const { NetworkInterfaceId } = await primaryOf(ground, instanceId);
    await ground.ec2.send(new sdk.TerminateInstancesCommand({ InstanceIds: [instanceId] }));
    const NetworkInterfaceIds = [NetworkInterfaceId!];
    return answerOf(
      ground.ec2.send(new sdk.DescribeNetworkInterfacesCommand({ NetworkInterfaceIds })),
    );
  },
});

export const attachProbes = [...reads, ...changes];
