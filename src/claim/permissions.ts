// May the role do what a claim needs? Rehearsed by DryRun, which changes nothing (EC2 API: DryRun).
import { BerthError, hasCode } from '../errors.ts';
import type { StandbyConfig } from '../model/config.ts';
import type { Eni, EniAttachment } from '../model/eni.ts';
import type { Identity } from '../model/instance.ts';
import type { AwsAccess } from '../system/aws.ts';
import { createEc2Calls, type Ec2CallsDeps } from './ec2-calls.ts';
import type * as Sdk from './ec2-sdk.ts';
import { instanceArn, ownerOf, tagKeys } from './tags.ts';
import type { EC2Client } from '@aws-sdk/client-ec2';

export type Permission = {
  /** `ec2:AttachNetworkInterface` */
  readonly action: string;
  /** In packaging/iam. */
  readonly policy: EniPolicy;
  /** undefined: it could not be rehearsed now. */
  readonly allowed: boolean | undefined;
};

export type EniPolicy = 'base.json' | 'keep.json' | 'takeover.json' | 'standby.json';

type Rehearsal = Pick<Permission, 'policy'> & {
  readonly action: string;
  readonly send: (sdk: typeof Sdk, client: EC2Client, abortSignal: AbortSignal) => Promise<unknown>;
};

export type RehearseInput = {
  readonly access: AwsAccess;
  readonly identity: Identity;
  /**
   * Of the pool: ours, else one that is free. Policies let an instance attach only what bears its name, so that of a free one
   * only the claim itself can be rehearsed. undefined: there is neither.
   */
  readonly eni: Eni | undefined;
  /** One that bears the name of an instance that is gone, to be taken over. */
  readonly stale: Eni | undefined;
  /** One that another instance holds, to be fenced. */
  readonly held: Eni | undefined;
  readonly fence: StandbyConfig['fence'];
};

/** Throws what a call to EC2 throws, but for `aws-denied`. */
export async function rehearsePermissions(
  deps: Ec2CallsDeps,
  input: RehearseInput,
  signal: AbortSignal,
): Promise<readonly Permission[]> {
  const { call, [Symbol.dispose]: dispose } = createEc2Calls(deps, input.access);
  using _calls = { [Symbol.dispose]: dispose };
  const rehearse = async ({ action, policy, send }: Rehearsal): Promise<Permission> => {
    const said = (allowed: boolean | undefined) => ({
      action: `ec2:${action}`,
      policy,
      allowed,
    });
    try {
      await call(action, (sdk, client) => send(sdk, client, signal), signal);
      return said(undefined);
    } catch (error) {
      if (hasCode(error, 'aws-denied')) return said(false);
      const code = error instanceof BerthError ? error.details['awsCode'] : undefined;
      if (code === 'DryRunOperation') return said(true);
      if (hasCode(error, 'aws-throttled', 'aws-unavailable', 'aws-unknown-outcome')) throw error;
      return said(undefined);
    }
  };
  const { identity, eni, stale, held, fence } = input;
  const owner = instanceArn(identity);
  const rehearsals = [
    ...(eni === undefined ? [] : ofOwn(identity, eni)),
    ...(stale === undefined ? [] : [claimOf(stale, owner, 'takeover.json')]),
    ...(held?.attachment === undefined ? [] : ofPeer(held, held.attachment, owner, fence)),
  ];
  return Promise.all(rehearsals.map(rehearse));
}

function claimOf(eni: Eni, owner: string, policy: EniPolicy): Rehearsal {
  const Tags = [
    { Key: tagKeys.owner, Value: owner },
    { Key: tagKeys.claim, Value: eni.tags[tagKeys.claim] ?? '' },
  ];
  return {
    action: 'CreateTags',
    policy,
    send: (sdk, client, abortSignal) =>
      client.send(new sdk.CreateTagsCommand({ DryRun: true, Resources: [eni.eniId], Tags }), {
        abortSignal,
      }),
  };
}

function detachOf({ attachmentId }: EniAttachment, policy: EniPolicy): Rehearsal {
  return {
    action: 'DetachNetworkInterface',
    policy,
    send: (sdk, client, abortSignal) =>
      client.send(
        new sdk.DetachNetworkInterfaceCommand({ DryRun: true, AttachmentId: attachmentId }),
        { abortSignal },
      ),
  };
}

function ofOwn(identity: Identity, eni: Eni): readonly Rehearsal[] {
  const owner = instanceArn(identity);
  const { eniId, attachment } = eni;
  const base = { policy: 'base.json' } as const;
  const both: readonly Rehearsal[] = [
    {
      ...base,
      action: 'DescribeSubnets',
      send: (sdk, client, abortSignal) =>
        client.send(new sdk.DescribeSubnetsCommand({ DryRun: true, SubnetIds: [eni.subnetId] }), {
          abortSignal,
        }),
    },
    claimOf(eni, owner, 'base.json'),
  ];
  if (ownerOf(eni) !== owner) return both;
  const attach: Rehearsal = {
    ...base,
    action: 'AttachNetworkInterface',
    send: (sdk, client, abortSignal) =>
      client.send(
        new sdk.AttachNetworkInterfaceCommand({
          DryRun: true,
          NetworkInterfaceId: eniId,
          InstanceId: identity.instanceId,
          DeviceIndex: attachment?.deviceIndex ?? 1,
        }),
        { abortSignal },
      ),
  };
  const drop: Rehearsal = {
    ...base,
    action: 'DeleteTags',
    send: (sdk, client, abortSignal) =>
      client.send(
        new sdk.DeleteTagsCommand({
          DryRun: true,
          Resources: [eniId],
          Tags: [{ Key: tagKeys.owner, Value: owner }],
        }),
        { abortSignal },
      ),
  };
  if (attachment === undefined) return [...both, attach, drop];
  const keep: Rehearsal = {
    action: 'ModifyNetworkInterfaceAttribute',
    policy: 'keep.json',
    send: (sdk, client, abortSignal) =>
      client.send(
        new sdk.ModifyNetworkInterfaceAttributeCommand({
          DryRun: true,
          NetworkInterfaceId: eniId,
          Attachment: { AttachmentId: attachment.attachmentId, DeleteOnTermination: false },
        }),
        { abortSignal },
      ),
  };
  // Only then is it called.
  const kept = attachment.deleteOnTermination ? [keep] : [];
  return [...both, attach, detachOf(attachment, 'base.json'), drop, ...kept];
}

/** What a standby may have to do to the holder, and then to the ENI. */
function ofPeer(
  held: Eni,
  attachment: EniAttachment,
  owner: string,
  fence: StandbyConfig['fence'],
): readonly Rehearsal[] {
  const { instanceId } = attachment;
  const policy = 'standby.json';
  const InstanceIds = instanceId === undefined ? [] : [instanceId];
  const look: Rehearsal = {
    action: 'DescribeInstanceStatus',
    policy,
    send: (sdk, client, abortSignal) =>
      client.send(new sdk.DescribeInstanceStatusCommand({ DryRun: true, InstanceIds }), {
        abortSignal,
      }),
  };
  const stop: Rehearsal = {
    action: 'StopInstances',
    policy,
    send: (sdk, client, abortSignal) =>
      client.send(
        new sdk.StopInstancesCommand({
          DryRun: true,
          InstanceIds,
          Force: true,
          SkipOsShutdown: true,
        }),
        { abortSignal },
      ),
  };
  return [
    look,
    ...(fence === 'stop' ? [stop] : []),
    detachOf(attachment, policy),
    claimOf(held, owner, policy),
  ];
}
