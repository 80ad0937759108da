// May the role do what a claim needs? Rehearsed by DryRun, which changes nothing (EC2 API: DryRun).
import { BerthError, hasCode } from '../errors.ts';
import type { Eni, Identity } from '../model.ts';
import type { AwsAccess } from '../system/aws.ts';
import { createEc2Calls, type Ec2CallsDeps } from './ec2-calls.ts';
import type * as Sdk from './ec2-sdk.ts';
import { instanceArn, ownerOf, tagKeys } from './tags.ts';
import type { EC2Client } from '@aws-sdk/client-ec2';

export type Permission = {
  /** `ec2:AttachNetworkInterface` */
  readonly action: string;
  /** undefined: it could not be rehearsed now. */
  readonly allowed: boolean | undefined;
};

type Rehearsal = {
  readonly action: string;
  readonly send: (sdk: typeof Sdk, client: EC2Client, abortSignal: AbortSignal) => Promise<unknown>;
};

/**
 * For one ENI of the pool: ours, else one that is free. Policies let an instance attach only what bears its name, so that
 * of a free one only the claim itself can be rehearsed. Throws what a call to EC2 throws, but for `aws-denied`.
 */
export async function rehearsePermissions(
  deps: Ec2CallsDeps,
  input: { readonly access: AwsAccess; readonly identity: Identity; readonly eni: Eni },
  signal: AbortSignal,
): Promise<readonly Permission[]> {
  const { access, identity, eni } = input;
  const { call, [Symbol.dispose]: dispose } = createEc2Calls(deps, access);
  using _calls = { [Symbol.dispose]: dispose };
  const rehearse = async ({ action, send }: Rehearsal): Promise<Permission> => {
    const said = (allowed: boolean | undefined) => ({ action: `ec2:${action}`, allowed });
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
  return Promise.all(rehearsalsOf(identity, eni).map(rehearse));
}

function rehearsalsOf(identity: Identity, eni: Eni): readonly Rehearsal[] {
  const owner = instanceArn(identity);
  const { eniId, attachment } = eni;
  const claim: Rehearsal = {
    action: 'CreateTags',
    send: (sdk, client, abortSignal) =>
      client.send(
        new sdk.CreateTagsCommand({
          DryRun: true,
          Resources: [eniId],
          Tags: [
            { Key: tagKeys.owner, Value: owner },
            { Key: tagKeys.claim, Value: eni.tags[tagKeys.claim] ?? '' },
          ],
        }),
        { abortSignal },
      ),
  };
  if (ownerOf(eni) !== owner) return [claim];
  const attach: Rehearsal = {
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
  if (attachment === undefined) return [claim, attach, drop];
  const detach: Rehearsal = {
    action: 'DetachNetworkInterface',
    send: (sdk, client, abortSignal) =>
      client.send(
        new sdk.DetachNetworkInterfaceCommand({
          DryRun: true,
          AttachmentId: attachment.attachmentId,
        }),
        { abortSignal },
      ),
  };
  return [claim, attach, detach, drop];
}
