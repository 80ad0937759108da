// The calls of the EC2 port that are about another instance: its health, and its fencing.
import { BerthError } from '../errors.ts';
import type { Call } from './ec2-calls.ts';
import type { Ec2, Fencing, Health } from './ec2.ts';

export function createPeerCalls(
  call: Call,
): Pick<Ec2, 'describeHealth' | 'forceDetach' | 'stop' | 'rehearse'> {
  async function detach(
    attachmentId: string,
    options: { readonly Force?: boolean; readonly DryRun?: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    await call(
      'DetachNetworkInterface',
      (sdk, client) =>
        client.send(
          new sdk.DetachNetworkInterfaceCommand({ AttachmentId: attachmentId, ...options }),
          { abortSignal: signal },
        ),
      signal,
    );
  }

  /** Its system may hang: it is not asked to shut down (fence-agents, `fence_aws.py`, does the same). */
  async function stop(
    instanceId: string,
    options: { readonly DryRun?: boolean },
    signal: AbortSignal,
  ): Promise<string> {
    const answer = await call(
      'StopInstances',
      (sdk, client) =>
        client.send(
          new sdk.StopInstancesCommand({
            InstanceIds: [instanceId],
            Force: true,
            SkipOsShutdown: true,
            ...options,
          }),
          { abortSignal: signal },
        ),
      signal,
    );
    return answer.StoppingInstances?.[0]?.CurrentState?.Name ?? 'unknown';
  }

  return {
    describeHealth: async (instanceId, signal) => {
      const answer = await call(
        'DescribeInstanceStatus',
        (sdk, client) =>
          client.send(new sdk.DescribeInstanceStatusCommand({ InstanceIds: [instanceId] }), {
            abortSignal: signal,
          }),
        signal,
      );
      const checks = answer.InstanceStatuses?.[0];
      return worst([checks?.InstanceStatus?.Status, checks?.SystemStatus?.Status]);
    },

    forceDetach: (attachmentId, signal) => detach(attachmentId, { Force: true }, signal),
    stop: (instanceId, signal) => stop(instanceId, {}, signal),

    rehearse: async (what: Fencing, signal) => {
      try {
        if (what.do === 'stop') await stop(what.instanceId, { DryRun: true }, signal);
        else await detach(what.attachmentId, { DryRun: true }, signal);
      } catch (error) {
        // EC2's way to say yes.
        const said = error instanceof BerthError ? error.details['awsCode'] : undefined;
        if (said !== 'DryRunOperation') throw error;
      }
    },
  };
}

function worst(statuses: readonly (string | undefined)[]): Health {
  if (statuses.includes('impaired')) return 'impaired';
  return statuses.every((status) => status === 'ok') ? 'ok' : 'unknown';
}
