// The port to EC2 over the AWS SDK.
import type { Filter } from '@aws-sdk/client-ec2';
import type * as Sdk from './ec2-sdk.ts';
import type { Eni } from '../model/eni.ts';
import type { AwsAccess } from '../system/aws.ts';
import { createEc2Calls, type Ec2CallsDeps } from './ec2-calls.ts';
import type { Ec2 } from './ec2.ts';
import { pageSize } from './look.ts';
import { parseEni, parseTags } from './parse-eni.ts';
import { createPeerCalls } from './peer-calls.ts';
import { tagKeys } from './tags.ts';
import { BerthError } from '../errors.ts';

export function createAwsEc2(deps: Ec2CallsDeps, access: AwsAccess): Ec2 & Disposable {
  const { call, [Symbol.dispose]: dispose } = createEc2Calls(deps, access);

  async function describePage(
    filters: readonly Filter[],
    nextToken: string | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly enis: readonly Eni[]; readonly nextToken: string | undefined }> {
    const page = await call(
      'DescribeNetworkInterfaces',
      (sdk, client) =>
        client.send(
          new sdk.DescribeNetworkInterfacesCommand({
            Filters: [...filters],
            MaxResults: pageSize,
            ...(nextToken === undefined ? {} : { NextToken: nextToken }),
          }),
          { abortSignal: signal },
        ),
      signal,
    );
    return {
      enis: (page.NetworkInterfaces ?? []).map(parseEni),
      nextToken: page.NextToken || undefined,
    };
  }

  async function describeTagged(
    key: string,
    value: string,
    signal: AbortSignal,
  ): Promise<readonly Eni[]> {
    const enis: Eni[] = [];
    let nextToken: string | undefined;
    do {
      const page = await describePage([{ Name: `tag:${key}`, Values: [value] }], nextToken, signal);
      enis.push(...page.enis);
      ({ nextToken } = page);
    } while (nextToken !== undefined);
    return enis;
  }

  return {
    describePool: (pool, signal) => describeTagged(tagKeys.pool, pool, signal),
    describePart: async (pool, { idEnd, available }, signal) => {
      const page = await describePage(
        [
          { Name: `tag:${tagKeys.pool}`, Values: [pool] },
          ...(idEnd === undefined ? [] : [{ Name: 'network-interface-id', Values: [`*${idEnd}`] }]),
          ...(available ? [{ Name: 'status', Values: ['available'] }] : []),
        ],
        undefined,
        signal,
      );
      return page.enis;
    },
    describeClaimed: (owner, signal) => describeTagged(tagKeys.owner, owner, signal),

    describeEni: async (eniId, signal) => {
      try {
        const answer = await call(
          'DescribeNetworkInterfaces',
          (sdk, client) =>
            client.send(
              new sdk.DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [eniId] }),
              {
                abortSignal: signal,
              },
            ),
          signal,
        );
        return answer.NetworkInterfaces?.map(parseEni)[0];
      } catch (error) {
        if (error instanceof BerthError && error.code === 'eni-gone') return undefined;
        throw error;
      }
    },

    describeInstance: async (instanceId, signal) => {
      try {
        const answer = await call(
          'DescribeInstances',
          (sdk, client) =>
            client.send(new sdk.DescribeInstancesCommand({ InstanceIds: [instanceId] }), {
              abortSignal: signal,
            }),
          signal,
        );
        const instance = answer.Reservations?.[0]?.Instances?.[0];
        if (instance === undefined) return undefined;
        return {
          state: instance.State?.Name ?? 'unknown',
          attachments: (instance.NetworkInterfaces ?? []).map((nic) => ({
            eniId: nic.NetworkInterfaceId ?? '',
            deviceIndex: nic.Attachment?.DeviceIndex ?? 0,
            networkCardIndex: nic.Attachment?.NetworkCardIndex ?? 0,
          })),
          privateIpv4: instance.PrivateIpAddress || undefined,
          tags: parseTags(instance.Tags),
          profileArn: instance.IamInstanceProfile?.Arn || undefined,
        };
      } catch (error) {
        if (
          error instanceof BerthError &&
          error.details['awsCode'] === 'InvalidInstanceID.NotFound'
        ) {
          return undefined;
        }
        throw error;
      }
    },

    countInstances: async ({ profileArn, availabilityZone, idEnd, most }, signal) => {
      const answer = await call(
        'DescribeInstances',
        (sdk, client) =>
          client.send(
            new sdk.DescribeInstancesCommand({
              Filters: [
                { Name: 'iam-instance-profile.arn', Values: [profileArn] },
                { Name: 'instance-state-name', Values: ['running'] },
                { Name: 'availability-zone', Values: [availabilityZone] },
                { Name: 'instance-id', Values: [`*${idEnd}`] },
              ],
              MaxResults: most,
            }),
            { abortSignal: signal },
          ),
        signal,
      );
      const found = (answer.Reservations ?? []).flatMap(({ Instances }) => Instances ?? []);
      return { count: found.length, isCut: Boolean(answer.NextToken) };
    },

    describeLimits: async (instanceType, signal) => {
      const answer = await call(
        'DescribeInstanceTypes',
        (sdk, client) =>
          client.send(
            new sdk.DescribeInstanceTypesCommand({
              InstanceTypes: [instanceType as Sdk.InstanceType],
            }),
            { abortSignal: signal },
          ),
        signal,
      );
      const network = answer.InstanceTypes?.[0]?.NetworkInfo;
      const card = network?.NetworkCards?.find(({ NetworkCardIndex }) => NetworkCardIndex === 0);
      return {
        enis: card?.MaximumNetworkInterfaces ?? network?.MaximumNetworkInterfaces ?? Infinity,
        ipv4PerEni: network?.Ipv4AddressesPerInterface ?? Infinity,
      };
    },

    describeSubnet: async (subnetId, signal) => {
      const answer = await call(
        'DescribeSubnets',
        (sdk, client) =>
          client.send(new sdk.DescribeSubnetsCommand({ SubnetIds: [subnetId] }), {
            abortSignal: signal,
          }),
        signal,
      );
      const subnet = answer.Subnets?.[0];
      if (subnet === undefined) {
        throw new BerthError(
          'aws-not-found',
          `cannot find the subnet ${subnetId} of the claimed ENI`,
          {
            retryable: true,
          },
        );
      }
      return {
        subnetId,
        ipv4Cidr: subnet.CidrBlock || undefined,
        ipv6Cidrs: (subnet.Ipv6CidrBlockAssociationSet ?? [])
          .filter((block) => block.Ipv6CidrBlockState?.State === 'associated')
          .flatMap((block) => block.Ipv6CidrBlock ?? []),
      };
    },

    createClaim: async (eniId, owner, claim, signal) => {
      await call(
        'CreateTags',
        (sdk, client) =>
          client.send(
            new sdk.CreateTagsCommand({
              Resources: [eniId],
              Tags: [
                { Key: tagKeys.owner, Value: owner },
                { Key: tagKeys.claim, Value: claim },
              ],
            }),
            { abortSignal: signal },
          ),
        signal,
      );
    },

    deleteClaim: async (eniId, owner, signal) => {
      await call(
        'DeleteTags',
        (sdk, client) =>
          client.send(
            new sdk.DeleteTagsCommand({
              Resources: [eniId],
              Tags: [{ Key: tagKeys.owner, Value: owner }],
            }),
            { abortSignal: signal },
          ),
        signal,
      );
    },

    attach: async ({ eniId, instanceId, deviceIndex, networkCardIndex }, signal) => {
      const answer = await call(
        'AttachNetworkInterface',
        (sdk, client) =>
          client.send(
            new sdk.AttachNetworkInterfaceCommand({
              NetworkInterfaceId: eniId,
              InstanceId: instanceId,
              DeviceIndex: deviceIndex,
              NetworkCardIndex: networkCardIndex,
            }),
            { abortSignal: signal },
          ),
        signal,
      );
      return answer.AttachmentId ?? '';
    },

    keepOnTermination: async (eniId, attachmentId, signal) => {
      await call(
        'ModifyNetworkInterfaceAttribute',
        (sdk, client) =>
          client.send(
            new sdk.ModifyNetworkInterfaceAttributeCommand({
              NetworkInterfaceId: eniId,
              Attachment: { AttachmentId: attachmentId, DeleteOnTermination: false },
            }),
            { abortSignal: signal },
          ),
        signal,
      );
    },

    detach: async (attachmentId, signal) => {
      await call(
        'DetachNetworkInterface',
        (sdk, client) =>
          client.send(new sdk.DetachNetworkInterfaceCommand({ AttachmentId: attachmentId }), {
            abortSignal: signal,
          }),
        signal,
      );
    },

    ...createPeerCalls(call),

    [Symbol.dispose]: dispose,
  };
}
