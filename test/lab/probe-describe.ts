// Probes of EC2's Describe calls: each filter, pages, ids, and what instance types tell.
import * as sdk from '@aws-sdk/client-ec2';
import type { Ground } from './probe-ground.ts';
import { answerOf, changing, found, reading, type Answer, type Probe } from './probe.ts';

const describe = (
  { ec2 }: Pick<Ground, 'ec2'>,
  input: sdk.DescribeNetworkInterfacesCommandInput,
  tell: (answer: sdk.DescribeNetworkInterfacesCommandOutput) => unknown = () => undefined,
): Promise<Answer> => answerOf(ec2.send(new sdk.DescribeNetworkInterfacesCommand(input)), tell);

type Value = (eni: sdk.NetworkInterface) => string;

/** Is an attached ENI found by this filter with its own value, and not with another? */
const byFilter =
  (Name: string, value: Value, otherValue: string): Probe['ask'] =>
  async (ground) => {
    const eniId = await ground.eniId();
    await ground.attach(eniId, ground.place.instances[0]);
    const eni = await ground.look(eniId);
    const has = async (Values: string[]): Promise<Answer> =>
      describe(ground, { Filters: [{ Name, Values }] }, ({ NetworkInterfaces }) =>
        NetworkInterfaces!.some((each) => each.NetworkInterfaceId === eniId),
      );
    const own = await has([value(eni)]);
    if (!own.said.startsWith('200')) return own;
    return found({ own: own.said, other: (await has([otherValue])).said });
  };

const filters: readonly (readonly [string, Value, string])[] = [
  ['attachment.attachment-id', (eni) => eni.Attachment!.AttachmentId!, 'eni-attach-0'],
  ['attachment.delete-on-termination', () => 'false', 'true'],
  ['attachment.device-index', (eni) => String(eni.Attachment!.DeviceIndex), '14'],
  ['attachment.instance-id', (eni) => eni.Attachment!.InstanceId!, 'i-0'],
  ['attachment.status', () => 'attached', 'detaching'],
  ['addresses.private-ip-address', (eni) => eni.PrivateIpAddress!, '203.0.113.9'],
  ['availability-zone', (eni) => eni.AvailabilityZone!, 'xx-none-1a'],
  ['description', (eni) => eni.Description!, 'another'],
  ['group-id', (eni) => eni.Groups![0]!.GroupId!, 'sg-0'],
  ['interface-type', () => 'interface', 'trunk'],
  ['mac-address', (eni) => eni.MacAddress!, '02:00:00:00:00:00'],
  ['network-interface-id', (eni) => eni.NetworkInterfaceId!, 'eni-0'],
  ['owner-id', (eni) => eni.OwnerId!, '000000000000'],
  ['private-dns-name', (eni) => eni.PrivateDnsName ?? '', 'nowhere.internal'],
  ['private-ip-address', (eni) => eni.PrivateIpAddress!, '203.0.113.9'],
  ['requester-managed', () => 'false', 'true'],
  ['source-dest-check', () => 'true', 'false'],
  ['status', () => 'in-use', 'available'],
  ['subnet-id', (eni) => eni.SubnetId!, 'subnet-0'],
  ['tag-key', (eni) => eni.TagSet![0]!.Key!, 'no-such-key'],
  ['vpc-id', (eni) => eni.VpcId!, 'vpc-0'],
];

/** Two ENIs with the tag `kind`, and how many of them the filter finds. */
const ofTwo =
  (filtersOf: (run: string) => sdk.Filter[]): Probe['ask'] =>
  async (ground) => {
    const run = crypto.randomUUID();
    for (const letter of ['a', 'b']) {
      const own = [
        { Key: `kind-${run}`, Value: letter },
        { Key: `only-${letter}-${run}`, Value: '' },
      ];
      const TagSpecifications = ground.marks.map((mark) => ({
        ...mark,
        Tags: [...mark.Tags!, ...own],
      }));
      await ground.eni({ TagSpecifications });
    }
    return describe(
      ground,
      { Filters: filtersOf(run) },
      (answer) => answer.NetworkInterfaces?.length,
    );
  };

const reads = reading('describe', {
  'an unknown ENI': (ground) =>
    describe(ground, { NetworkInterfaceIds: ['eni-0123456789abcdef0'] }),
  'a malformed ENI': (ground) => describe(ground, { NetworkInterfaceIds: ['eni-xyz'] }),
  'an unknown filter': (ground) =>
    describe(ground, { Filters: [{ Name: 'no-such-filter', Values: ['x'] }] }),
  'filter availability-zone-id': (ground) =>
    describe(
      ground,
      { Filters: [{ Name: 'availability-zone-id', Values: ['none1-az1'] }] },
      (answer) => answer.NetworkInterfaces?.length,
    ),
  'MaxResults 4': (ground) => describe(ground, { MaxResults: 4 }),
  'MaxResults 1001': (ground) => describe(ground, { MaxResults: 1001 }),
  'MaxResults with ids': (ground) =>
    describe(ground, { MaxResults: 5, NetworkInterfaceIds: ['eni-0123456789abcdef0'] }),
  'a bad NextToken': (ground) => describe(ground, { NextToken: 'nonsense' }),
  'as a dry run': (ground) => describe(ground, { DryRun: true }),
  'instances: an unknown one': ({ ec2 }) =>
    answerOf(ec2.send(new sdk.DescribeInstancesCommand({ InstanceIds: ['i-0123456789abcdef0'] }))),
  'instances: a malformed one': ({ ec2 }) =>
    answerOf(ec2.send(new sdk.DescribeInstancesCommand({ InstanceIds: ['i-xyz'] }))),
  'instances: MaxResults 4': ({ ec2 }) =>
    answerOf(ec2.send(new sdk.DescribeInstancesCommand({ MaxResults: 4 }))),
  'instances: an unknown filter': ({ ec2 }) =>
    answerOf(
      ec2.send(
        new sdk.DescribeInstancesCommand({ Filters: [{ Name: 'no-such-filter', Values: ['x'] }] }),
      ),
    ),
  'subnets: an unknown one': ({ ec2 }) =>
    answerOf(ec2.send(new sdk.DescribeSubnetsCommand({ SubnetIds: ['subnet-0123456789abcdef0'] }))),
  'stop: an unknown instance': ({ ec2 }) =>
    answerOf(ec2.send(new sdk.StopInstancesCommand({ InstanceIds: ['i-0123456789abcdef0'] }))),
  'instance types: the limits of some': ({ ec2 }) =>
    answerOf(
      ec2.send(
        new sdk.DescribeInstanceTypesCommand({
          InstanceTypes: ['t3.micro', 't3.medium', 'm5.large', 'c6i.4xlarge', 'p4d.24xlarge'],
        }),
      ),
      ({ InstanceTypes }) =>
        Object.fromEntries(
          InstanceTypes!
            .map(({ InstanceType, NetworkInfo }) => {
              const { MaximumNetworkInterfaces, MaximumNetworkCards, Ipv4AddressesPerInterface } =
                NetworkInfo!;
              const limits = [
                MaximumNetworkInterfaces,
                MaximumNetworkCards,
                Ipv4AddressesPerInterface,
              ];
              return [InstanceType!, limits.join(' ')] as const;
            })
            .toSorted(([a], [b]) => (a < b ? -1 : 1)),
        ),
    ),
  'instance types: an unknown one': ({ ec2 }) =>
    answerOf(
      ec2.send(
        new sdk.DescribeInstanceTypesCommand({
          InstanceTypes: ['t99.none' as sdk._InstanceType],
        }),
      ),
    ),
});

const changes = changing('describe', {
  ...Object.fromEntries(
    filters.map(([name, value, other]) => [`filter ${name}`, byFilter(name, value, other)]),
  ),
  'tag:key, either of two values': ofTwo((run) => [
    { Name: `tag:kind-${run}`, Values: ['a', 'b'] },
  ]),
  'tag:key, one value': ofTwo((run) => [{ Name: `tag:kind-${run}`, Values: ['a'] }]),
  'tag:key with a wildcard': ofTwo((run) => [{ Name: `tag:kind-${run}`, Values: ['*'] }]),
  'tag:key, other case': ofTwo((run) => [{ Name: `tag:kind-${run}`, Values: ['A'] }]),
  'tag-key, either of two values': ofTwo((run) => [
    { Name: 'tag-key', Values: [`only-a-${run}`, `only-b-${run}`] },
  ]),
  'two filters must both hold': ofTwo((run) => [
    { Name: `tag:kind-${run}`, Values: ['a'] },
    { Name: 'tag-key', Values: [`only-b-${run}`] },
  ]),
  'pages of 5': async (ground) => {
    for (let left = 6; left > 0; left--) await ground.eniId();
    const Filters = [{ Name: 'tag-key', Values: [ground.marks[0]!.Tags![0]!.Key!] }];
    return describe(ground, { Filters, MaxResults: 5 }, (answer) => ({
      items: answer.NetworkInterfaces?.length,
      more: answer.NextToken !== undefined,
    }));
  },
});

export const describeProbes = [...reads, ...changes];
