// Attachments of the local EC2 that do not get on, by the real SDK.
import * as sdk from '@aws-sdk/client-ec2';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createTestWorld, errorOf, one, subnetA, two, type TestWorld } from './test-world.ts';

let world: TestWorld;
let eni: string;
let plugs: string[];

beforeEach(async () => {
  plugs = [];
  world = await createTestWorld({
    actuator: {
      plug: async (instanceId) => void plugs.push(`plug ${instanceId}`),
      unplug: async (instanceId) => void plugs.push(`unplug ${instanceId}`),
    },
  });
  eni = world.lab.ec2.addEni({ subnetId: subnetA }).eniId;
});
afterEach(() => world[Symbol.asyncDispose]());

const attachTo = async (InstanceId: string): Promise<string> => {
  const input = { NetworkInterfaceId: eni, InstanceId, DeviceIndex: 1, NetworkCardIndex: 0 };
  const answer = await world.ec2.send(new sdk.AttachNetworkInterfaceCommand(input));
  await world.lab.ec2.settled();
  return answer.AttachmentId!;
};
const detach = async (AttachmentId: string, Force = false): Promise<void> => {
  await world.ec2.send(new sdk.DetachNetworkInterfaceCommand({ AttachmentId, Force }));
  await world.lab.ec2.settled();
};
const state = async (): Promise<string> => {
  const command = new sdk.DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [eni] });
  const { Status, Attachment } = (await world.ec2.send(command)).NetworkInterfaces![0]!;
  return `${Status} ${Attachment?.Status}`;
};

describe('a stuck detach', () => {
  test('keeps the ENI from others until it is forced', async () => {
    const attachment = await attachTo(one);
    world.lab.ec2.dials.detachStuck = 1;
    await detach(attachment);
    await detach(attachment);
    expect(await state()).toBe('detaching detaching');
    expect(await errorOf(attachTo(two))).toMatch(/^InvalidNetworkInterface.InUse/);
    await detach(attachment, true);
    expect(await state()).toBe('available undefined');
    await attachTo(two);
  });

  test('that force does not move ends with the stop of the instance', async () => {
    const attachment = await attachTo(one);
    Object.assign(world.lab.ec2.dials, { detachStuck: 1, forceStuck: 1 });
    await detach(attachment);
    await detach(attachment, true);
    expect(await state()).toBe('detaching detaching');
    await world.ec2.send(new sdk.StopInstancesCommand({ InstanceIds: [one] }));
    await world.lab.ec2.settled();
    expect(await state()).toBe('available undefined');
    expect(plugs).toEqual([`plug ${one}`, `unplug ${one}`]);
  });
});

describe('an attach', () => {
  test('that is stuck holds the ENI all the same, and shows no device', async () => {
    world.lab.ec2.dials.attachStuck = 1;
    const attachment = await attachTo(one);
    expect(await state()).toBe('attaching attaching');
    expect(await errorOf(attachTo(two))).toMatch(/^InvalidNetworkInterface.InUse/);
    await detach(attachment);
    expect(await state()).toBe('available undefined');
    expect(plugs).toEqual([]);
  });

  test('without a device is attached for EC2', async () => {
    world.lab.ec2.dials.deviceNever = 1;
    await attachTo(one);
    expect(await state()).toBe('in-use attached');
    expect(plugs).toEqual([]);
  });
});
