// Elastic IP addresses of the local EC2 over HTTP, by the real SDK.
import * as sdk from '@aws-sdk/client-ec2';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createManualClock } from './manual-clock.ts';
import { createTestWorld, errorOf, one, subnetA, type TestWorld } from './test-world.ts';

let world: TestWorld;
let eni: string;
let AllocationId: string;
let PublicIp: string;

beforeEach(async () => {
  world = await createTestWorld();
  eni = world.lab.ec2.addEni({ subnetId: subnetA, secondaryIpv4Count: 1 }).eniId;
  const made = await world.ec2.send(
    new sdk.AllocateAddressCommand({
      TagSpecifications: [{ ResourceType: 'elastic-ip', Tags: [{ Key: 'Name', Value: 'nat' }] }],
    }),
  );
  AllocationId = made.AllocationId!;
  PublicIp = made.PublicIp!;
});
afterEach(() => world[Symbol.asyncDispose]());

const associate = (input: Partial<sdk.AssociateAddressCommandInput> = {}) =>
  world.ec2.send(
    new sdk.AssociateAddressCommand({ AllocationId, NetworkInterfaceId: eni, ...input }),
  );
const describeAddresses = async (input: sdk.DescribeAddressesCommandInput = {}) =>
  (await world.ec2.send(new sdk.DescribeAddressesCommand(input))).Addresses!;
const describeEni = async (id = eni) => {
  const command = new sdk.DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [id] });
  return (await world.ec2.send(command)).NetworkInterfaces![0]!;
};

describe('Elastic IP addresses', () => {
  test('stand for the primary address, in all Describe calls', async () => {
    const { AssociationId } = await associate();
    world.lab.ec2.attach({ eniId: eni, instanceId: one, deviceIndex: 1, networkCardIndex: 0 });
    const [PrivateIpAddress] = world.lab.ec2.eni(eni)!.ipv4;
    expect(await describeAddresses()).toEqual([
      {
        PublicIp,
        AllocationId,
        AssociationId,
        Domain: 'vpc',
        NetworkInterfaceId: eni,
        NetworkInterfaceOwnerId: '111122223333',
        PrivateIpAddress,
        InstanceId: one,
        PublicIpv4Pool: 'amazon',
        NetworkBorderGroup: 'eu-west-1',
        Tags: [{ Key: 'Name', Value: 'nat' }],
      },
    ]);
    const Association = { AllocationId, AssociationId, PublicIp, IpOwnerId: '111122223333' };
    const shown = await describeEni();
    expect(shown.Association).toMatchObject(Association);
    expect(shown.PrivateIpAddresses).toMatchObject([{ Association }, { Primary: false }]);
    expect(shown.PrivateIpAddresses![1]!.Association).toBeUndefined();
    const Filters = [{ Name: 'association.public-ip', Values: [PublicIp] }];
    const found = await world.ec2.send(new sdk.DescribeNetworkInterfacesCommand({ Filters }));
    expect(found.NetworkInterfaces).toMatchObject([{ NetworkInterfaceId: eni }]);
    const primary = world.lab.ec2.enisOf(one)[0]!.eniId;
    await associate({ NetworkInterfaceId: primary });
    const answer = await world.ec2.send(new sdk.DescribeInstancesCommand({ InstanceIds: [one] }));
    expect(answer.Reservations![0]!.Instances![0]).toMatchObject({ PublicIpAddress: PublicIp });
  });

  test('show as late as the rest of a read', async () => {
    await world[Symbol.asyncDispose]();
    const clock = createManualClock();
    world = await createTestWorld({ clock });
    const { ec2 } = world.lab;
    eni = ec2.addEni({ subnetId: subnetA }).eniId;
    ec2.attach({ eniId: eni, instanceId: one, deviceIndex: 1, networkCardIndex: 0 });
    await ec2.settled();
    clock.advance(5000);
    ec2.dials.describeLagMs = 5000;
    AllocationId = (await world.ec2.send(new sdk.AllocateAddressCommand({}))).AllocationId!;
    const byId = { AllocationIds: [AllocationId] };
    expect(await describeAddresses()).toEqual([]);
    expect(await errorOf(describeAddresses(byId))).toMatch(/^InvalidAllocationID.NotFound/);
    clock.advance(5000);
    await associate();
    expect((await describeAddresses(byId))[0]!.NetworkInterfaceId).toBeUndefined();
    expect((await describeEni()).Association).toBeUndefined();
    clock.advance(5000);
    expect(await describeAddresses()).toMatchObject([{ NetworkInterfaceId: eni, InstanceId: one }]);
    expect((await describeEni()).Association).toMatchObject({ AllocationId });
    await world.ec2.send(new sdk.DisassociateAddressCommand({ PublicIp: '203.0.113.1' }));
    expect((await describeEni()).Association).toMatchObject({ AllocationId });
    clock.advance(5000);
    expect((await describeEni()).Association).toBeUndefined();
  });

  test('move unless that is forbidden, and push another aside', async () => {
    const first = await associate();
    expect((await associate()).AssociationId).toBe(first.AssociationId);
    const other = world.lab.ec2.addEni({ subnetId: subnetA }).eniId;
    const strict = { AllowReassociation: false };
    expect(await errorOf(associate({ NetworkInterfaceId: other, ...strict }))).toMatch(
      /^Resource.AlreadyAssociated/,
    );
    await associate({ NetworkInterfaceId: other });
    expect((await describeEni()).Association).toBeUndefined();
    const second = await world.ec2.send(new sdk.AllocateAddressCommand({}));
    const onOther = { AllocationId: second.AllocationId, NetworkInterfaceId: other };
    expect(await errorOf(associate({ ...onOther, ...strict }))).toMatch(
      /^Resource.AlreadyAssociated/,
    );
    await associate(onOther);
    const [was, is] = await describeAddresses();
    expect([was!.AssociationId, is!.NetworkInterfaceId]).toEqual([undefined, other]);
  });

  test('stay with the ENI over a detach, and go free with the address or the ENI', async () => {
    const secondary = world.lab.ec2.eni(eni)!.ipv4[1]!;
    await associate({ PrivateIpAddress: secondary });
    const { attachmentId } = world.lab.ec2.attach({
      eniId: eni,
      instanceId: one,
      deviceIndex: 1,
      networkCardIndex: 0,
    });
    world.lab.ec2.detach(attachmentId);
    await world.lab.ec2.settled();
    expect((await describeAddresses())[0]!.PrivateIpAddress).toBe(secondary);
    world.lab.ec2.unassignAddresses(eni, [secondary]);
    expect((await describeAddresses())[0]!.AssociationId).toBeUndefined();
    await associate();
    world.lab.ec2.deleteEni(eni);
    expect((await describeAddresses())[0]!.AssociationId).toBeUndefined();
  });

  test('by instance: the only interface of it', async () => {
    await associate({ NetworkInterfaceId: undefined, InstanceId: one });
    expect((await describeAddresses())[0]!.InstanceId).toBe(one);
    world.lab.ec2.attach({ eniId: eni, instanceId: one, deviceIndex: 1, networkCardIndex: 0 });
    expect(await errorOf(associate({ NetworkInterfaceId: undefined, InstanceId: one }))).toMatch(
      /^InvalidInstanceID: There are multiple interfaces/,
    );
  });

  test('are let go', async () => {
    const { AssociationId } = await associate();
    const release = () => world.ec2.send(new sdk.ReleaseAddressCommand({ AllocationId }));
    expect(await errorOf(release())).toMatch(/^InvalidIPAddress.InUse/);
    const letGo = new sdk.DisassociateAddressCommand({ AssociationId });
    await world.ec2.send(letGo);
    expect(await errorOf(world.ec2.send(letGo))).toMatch(/^InvalidAssociationID.NotFound/);
    await release();
    expect(await describeAddresses()).toEqual([]);
    expect(await errorOf(associate())).toMatch(/^InvalidAllocationID.NotFound/);
    expect(await errorOf(describeAddresses({ PublicIps: [PublicIp] }))).toMatch(
      /^InvalidAddress.NotFound/,
    );
  });

  test('are five, and found by their tags', async () => {
    for (let count = 1; count < 5; count++) {
      await world.ec2.send(new sdk.AllocateAddressCommand({}));
    }
    expect(await errorOf(world.ec2.send(new sdk.AllocateAddressCommand({})))).toMatch(
      /^AddressLimitExceeded/,
    );
    await world.ec2.send(
      new sdk.CreateTagsCommand({ Resources: [AllocationId], Tags: [{ Key: 'a', Value: 'b' }] }),
    );
    const Filters = [{ Name: 'tag:a', Values: ['b'] }];
    expect(await describeAddresses({ Filters })).toMatchObject([{ AllocationId }]);
    const { ec2 } = world.clientsOf(one);
    expect(await errorOf(ec2.send(new sdk.ReleaseAddressCommand({ AllocationId })))).toMatch(
      /^UnauthorizedOperation/,
    );
  });
});
