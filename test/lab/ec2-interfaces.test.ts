// ENIs of the local EC2 and their addresses over HTTP, by the real SDK.
import * as sdk from '@aws-sdk/client-ec2';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  createTestWorld,
  errorOf,
  inPool,
  one,
  subnetA,
  subnetA2,
  type TestWorld,
} from './test-world.ts';

let world: TestWorld;
let eni: string;

beforeEach(async () => {
  world = await createTestWorld();
  eni = world.lab.ec2.addEni({ subnetId: subnetA2, tags: inPool }).eniId;
});
afterEach(() => world[Symbol.asyncDispose]());

const attachTo = (InstanceId: string, NetworkInterfaceId = eni, DeviceIndex = 1, card = 0) =>
  world.ec2.send(
    new sdk.AttachNetworkInterfaceCommand({
      NetworkInterfaceId,
      InstanceId,
      DeviceIndex,
      NetworkCardIndex: card,
    }),
  );
const detach = (AttachmentId: string | undefined) =>
  world.ec2.send(new sdk.DetachNetworkInterfaceCommand({ AttachmentId }));
const describeEni = async (id = eni) => {
  const answer = await world.ec2.send(
    new sdk.DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [id] }),
  );
  return answer.NetworkInterfaces![0]!;
};
const create = (input: Partial<sdk.CreateNetworkInterfaceCommandInput>) =>
  world.ec2.send(new sdk.CreateNetworkInterfaceCommand({ SubnetId: subnetA, ...input }));
const modify = (input: Partial<sdk.ModifyNetworkInterfaceAttributeCommandInput>) =>
  world.ec2.send(
    new sdk.ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId: eni, ...input }),
  );

describe('ENIs and their addresses', () => {
  test('create: with its tags, once for a client token, and not on a taken address', async () => {
    const input = {
      PrivateIpAddress: '10.0.1.77',
      PrivateIpAddresses: [{ PrivateIpAddress: '10.0.1.78', Primary: false }],
      ClientToken: 't',
      TagSpecifications: [
        { ResourceType: 'network-interface' as const, Tags: [{ Key: 'berth:pool', Value: 'db' }] },
      ],
    };
    const { NetworkInterface } = await create(input);
    expect(NetworkInterface).toMatchObject({
      Status: 'available',
      SubnetId: subnetA,
      AvailabilityZone: 'eu-west-1a',
      AvailabilityZoneId: 'euw1-az1',
      InterfaceType: 'interface',
      RequesterManaged: false,
      Operator: { Managed: false },
      PrivateIpAddress: '10.0.1.77',
      PrivateIpAddresses: [
        { PrivateIpAddress: '10.0.1.77', Primary: true },
        { PrivateIpAddress: '10.0.1.78', Primary: false },
      ],
      Ipv6Addresses: [],
      Ipv4Prefixes: [],
      Ipv6Prefixes: [],
      TagSet: [{ Key: 'berth:pool', Value: 'db' }],
      SourceDestCheck: true,
      MacAddress: expect.stringMatching(/^02(:[0-9a-f]{2}){5}$/),
    });
    const again = await create(input);
    expect(again.NetworkInterface!.NetworkInterfaceId).toBe(NetworkInterface!.NetworkInterfaceId);
    expect(await errorOf(create({ ...input, Description: 'other' }))).toMatch(
      /^IdempotentParameterMismatch/,
    );
    expect(await errorOf(create({ PrivateIpAddress: '10.0.1.77' }))).toMatch(
      /^InvalidIPAddress.InUse/,
    );
    expect(await errorOf(create({ PrivateIpAddress: '10.0.9.9' }))).toMatch(
      /subnet's address range/,
    );
    expect(await errorOf(create({ SubnetId: 'subnet-12345678' }))).toMatch(
      /^InvalidSubnetID.NotFound/,
    );
  });

  test('delete: not while in use', async () => {
    const remove = new sdk.DeleteNetworkInterfaceCommand({ NetworkInterfaceId: eni });
    const { AttachmentId } = await attachTo(one);
    expect(await errorOf(world.ec2.send(remove))).toMatch(/^InvalidParameterValue: .*in use/);
    await detach(AttachmentId);
    await world.lab.ec2.settled();
    await world.ec2.send(remove);
    expect(await errorOf(world.ec2.send(remove))).toMatch(/^InvalidNetworkInterfaceID.NotFound/);
  });

  test('modify: one attribute at a time', async () => {
    await modify({ SourceDestCheck: { Value: false } });
    expect((await describeEni()).SourceDestCheck).toBe(false);
    expect(
      await errorOf(modify({ SourceDestCheck: { Value: true }, Description: { Value: 'd' } })),
    ).toMatch(/^InvalidParameterCombination/);
    expect(
      await errorOf(
        modify({ Attachment: { AttachmentId: 'eni-attach-12345678', DeleteOnTermination: true } }),
      ),
    ).toMatch(/^InvalidAttachmentID.NotFound/);
  });

  test('assign and unassign', async () => {
    const assign = (input: Partial<sdk.AssignPrivateIpAddressesCommandInput>, id = eni) =>
      world.ec2.send(new sdk.AssignPrivateIpAddressesCommand({ NetworkInterfaceId: id, ...input }));
    const addresses = () => world.lab.ec2.eni(eni)!.ipv4;
    await assign({ PrivateIpAddresses: ['10.0.2.50'] });
    expect(addresses()).toEqual(['10.0.2.4', '10.0.2.50']);
    const other = world.lab.ec2.addEni({ subnetId: subnetA2 }).eniId;
    expect(await errorOf(assign({ PrivateIpAddresses: ['10.0.2.50'] }, other))).toMatch(
      /^Resource.AlreadyAssigned/,
    );
    await assign({ PrivateIpAddresses: ['10.0.2.50'], AllowReassignment: true }, other);
    expect(addresses()).toEqual(['10.0.2.4']);
    await attachTo(one);
    expect(await errorOf(assign({ SecondaryPrivateIpAddressCount: 6 }))).toMatch(
      /^PrivateIpAddressLimitExceeded/,
    );
    await assign({ SecondaryPrivateIpAddressCount: 2 });
    expect(addresses()).toHaveLength(3);
    const unassign = (PrivateIpAddresses: string[]) =>
      world.ec2.send(
        new sdk.UnassignPrivateIpAddressesCommand({ NetworkInterfaceId: eni, PrivateIpAddresses }),
      );
    await unassign(addresses().slice(1, 2));
    expect(addresses()).toHaveLength(2);
    expect(await errorOf(unassign(['10.0.2.4']))).toMatch(/^InvalidParameterValue/);
  });
});
