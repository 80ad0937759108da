// The EC2 client of the SDK tells the same story as the AWS CLI, with its paginator, its waiter and its errors.
import * as sdk from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pagesOf, refused } from './foreign-sdk.ts';
import { crowd, denialOf, poolTags, prepareStory, refusals, slots } from './foreign-story.ts';
import { createTestWorld, one, subnetA, two, type TestWorld } from './test-world.ts';

let world: TestWorld;
let byOne: ReturnType<TestWorld['clientsOf']>;
let byTwo: ReturnType<TestWorld['clientsOf']>;
beforeAll(async () => {
  world = await createTestWorld();
  prepareStory(world.lab);
  byOne = world.clientsOf(one);
  byTwo = world.clientsOf(two);
});
afterAll(() => world[Symbol.asyncDispose]());

const claim = (client: sdk.EC2Client, instanceId: string, eniId: string) =>
  client.send(
    new sdk.CreateTagsCommand({
      Resources: [eniId],
      Tags: [{ Key: 'berth:owner', Value: world.lab.ec2.arnOf(instanceId) }],
    }),
  );
const attach = (
  client: sdk.EC2Client,
  InstanceId: string,
  NetworkInterfaceId: string,
  DryRun = false,
) =>
  client.send(
    new sdk.AttachNetworkInterfaceCommand({
      NetworkInterfaceId,
      InstanceId,
      DeviceIndex: 1,
      DryRun,
    }),
  );
const create = (slot: (typeof slots)[number]) =>
  world.ec2.send(
    new sdk.CreateNetworkInterfaceCommand({
      SubnetId: subnetA,
      Description: slot.description,
      PrivateIpAddresses: [
        { Primary: true, PrivateIpAddress: slot.privateIp },
        { Primary: false, PrivateIpAddress: slot.secondaryIp },
      ],
      TagSpecifications: [{ ResourceType: 'network-interface', Tags: poolTags }],
    }),
  );
const describeEnis = (input: sdk.DescribeNetworkInterfacesCommandInput) =>
  world.ec2.send(new sdk.DescribeNetworkInterfacesCommand(input));

describe('an ENI of a pool', () => {
  let eniId: string;
  let AttachmentId: string;

  test('the operator makes the pool, each address once', async () => {
    const made = await Promise.all(slots.map(create));
    for (const [index, { NetworkInterface }] of made.entries()) {
      const { privateIp, secondaryIp, description } = slots[index]!;
      expect(NetworkInterface).toMatchObject({
        AvailabilityZone: 'eu-west-1a',
        Description: description,
        PrivateIpAddresses: [
          { Primary: true, PrivateIpAddress: privateIp },
          { Primary: false, PrivateIpAddress: secondaryIp },
        ],
        SourceDestCheck: true,
        SubnetId: subnetA,
        TagSet: poolTags,
      });
    }
    eniId = made[0]!.NetworkInterface!.NetworkInterfaceId!;
    await expect(create(slots[0])).rejects.toEqual(
      refused(refusals.addressInUse(slots[0].privateIp)),
    );
  });

  test('an instance claims it and attaches it, and nobody else does', async () => {
    await claim(byOne.ec2, one, eniId);
    await expect(attach(byOne.ec2, one, eniId, true)).rejects.toEqual(
      refused(refusals.dryRun, 412),
    );
    const attached = await attach(byOne.ec2, one, eniId);
    AttachmentId = attached.AttachmentId!;
    expect(attached).toMatchObject({ NetworkCardIndex: 0 });
    const denied = (action: string) =>
      refused(
        [
          'UnauthorizedOperation',
          expect.stringContaining(denialOf(world.lab, two, action)) as string,
        ],
        403,
      );
    await expect(claim(byTwo.ec2, two, eniId)).rejects.toEqual(denied('ec2:CreateTags'));
    await expect(attach(byTwo.ec2, two, eniId)).rejects.toEqual(
      denied('ec2:AttachNetworkInterface'),
    );
    await expect(attach(world.ec2, two, eniId)).rejects.toEqual(refused(refusals.eniInUse(eniId)));
  });

  test('both views agree who holds it', async () => {
    const attachment = {
      AttachTime: expect.any(Date),
      AttachmentId,
      DeleteOnTermination: false,
      DeviceIndex: 1,
      NetworkCardIndex: 0,
      Status: 'attached',
    };
    const instances = await byOne.ec2.send(
      new sdk.DescribeInstancesCommand({ InstanceIds: [one] }),
    );
    const [, second] = instances.Reservations![0]!.Instances![0]!.NetworkInterfaces!;
    expect(second).toMatchObject({ NetworkInterfaceId: eniId, Status: 'in-use' });
    expect(second!.Attachment).toEqual(attachment);
    const { NetworkInterfaces } = await describeEnis({
      Filters: [
        { Name: 'attachment.instance-id', Values: [one] },
        { Name: 'attachment.device-index', Values: ['1'] },
      ],
    });
    expect(NetworkInterfaces!.map(({ Attachment }) => Attachment)).toEqual([
      { ...attachment, InstanceId: one, InstanceOwnerId: world.lab.accountId },
    ]);
  });

  test('the waiter sees it come free, and the next one takes it', async () => {
    const detached = Promise.withResolvers<unknown>();
    const stop = world.lab.front.onCall(({ action }) => {
      if (action !== 'DescribeNetworkInterfaces') return;
      stop();
      const detach = new sdk.DetachNetworkInterfaceCommand({ AttachmentId });
      detached.resolve(byOne.ec2.send(detach));
    });
    const since = world.lab.front.calls.length;
    // The delays in seconds; by default it asks every 20.
    const quick = { client: world.ec2, maxWaitTime: 15, minDelay: 0.01, maxDelay: 0.01 };
    const waited = await sdk.waitUntilNetworkInterfaceAvailable(quick, {
      NetworkInterfaceIds: [eniId],
    });
    expect(waited.state).toBe('SUCCESS');
    await detached.promise;
    const actions = world.lab.front.calls.slice(since).map(({ action }) => action);
    expect(
      actions.filter((action) => action === 'DescribeNetworkInterfaces').length,
    ).toBeGreaterThan(1);

    const Tags = [{ Key: 'berth:owner', Value: world.lab.ec2.arnOf(one) }];
    await byOne.ec2.send(new sdk.DeleteTagsCommand({ Resources: [eniId], Tags }));
    await claim(byTwo.ec2, two, eniId);
    expect((await describeEnis({ NetworkInterfaceIds: [eniId] })).NetworkInterfaces).toMatchObject([
      {
        Status: 'available',
        TagSet: expect.arrayContaining([
          { Key: 'berth:owner', Value: world.lab.ec2.arnOf(two) },
          ...poolTags,
        ]),
      },
    ]);
    await world.ec2.send(new sdk.DeleteNetworkInterfaceCommand({ NetworkInterfaceId: eniId }));
    await expect(
      sdk.waitUntilNetworkInterfaceAvailable(quick, { NetworkInterfaceIds: [eniId] }),
    ).rejects.toThrow(refusals.eniNotFound(eniId)[0]);
  });
});

test('the paginator of interfaces', async () => {
  const pages = await pagesOf(
    sdk.paginateDescribeNetworkInterfaces(
      { client: world.ec2, pageSize: 5 },
      { Filters: [{ Name: 'tag:berth:pool', Values: ['web'] }] },
    ),
    (page) => page.NetworkInterfaces,
  );
  expect(pages.map(({ length }) => length)).toEqual([5, 5, 2]);
  const addresses = pages.flat().map((eni) => eni.PrivateIpAddress!);
  expect(addresses.toSorted((a, b) => a.localeCompare(b))).toEqual(crowd);
});

test('the errors of AWS, and one attempt more where it is throttled', async () => {
  const unknown = 'eni-0123456789abcdef0';
  await expect(describeEnis({ NetworkInterfaceIds: [unknown] })).rejects.toEqual(
    refused(refusals.eniNotFound(unknown)),
  );
  await expect(describeEnis({ Filters: [{ Name: 'colour', Values: ['red'] }] })).rejects.toEqual(
    refused(refusals.unknownFilter('colour')),
  );
  const reserved = new sdk.CreateTagsCommand({
    Resources: [one],
    Tags: [{ Key: 'aws:x', Value: 'y' }],
  });
  await expect(world.ec2.send(reserved)).rejects.toEqual(refused(refusals.reservedTag));

  const { endpoint, region, operator } = world.lab;
  const patient = new sdk.EC2Client({ endpoint, region, maxAttempts: 3, credentials: operator });
  const fault = { kind: 'error', status: 503, code: 'RequestLimitExceeded' } as const;
  world.lab.front.fail({ match: 'ec2:DescribeSubnets', times: 1, fault });
  const { Subnets, $metadata } = await patient.send(
    new sdk.DescribeSubnetsCommand({ SubnetIds: [subnetA] }),
  );
  expect(Subnets).toMatchObject([{ SubnetId: subnetA, AvailabilityZoneId: 'euw1-az1' }]);
  expect($metadata.attempts).toBe(2);
  patient.destroy();
});
