// The calls to the services of AWS that wait for this instance: CloudFormation and Auto Scaling.
import { BerthError, messageOf } from '../errors.ts';
import type { LifecycleHooksConfig, StackConfig } from '../model/config.ts';
import {
  awsClientConfig,
  classifyAwsError,
  type AwsAccess,
  type ClientHeritage,
} from '../system/aws.ts';

/**
 * Each throws `aws-not-found` where nothing waits (any more, or yet), and what every call of AWS throws. All are safe to
 * repeat: a stack counts an instance once, by its id, and a hook that was completed waits for nothing.
 */
export type SignalCalls = {
  signalStack(
    stack: StackConfig,
    status: 'SUCCESS' | 'FAILURE',
    signal: AbortSignal,
  ): Promise<void>;
  completeHook(hook: Hook, result: 'CONTINUE' | 'ABANDON', signal: AbortSignal): Promise<void>;
  recordHeartbeat(hook: Hook, signal: AbortSignal): Promise<void>;
};

export type Hook = Pick<LifecycleHooksConfig, 'group'> & { readonly hook: string };

/** All of them are ValidationErrors; only the text says which (convox/rack #2432 has both). */
const nothingWaits = /cannot be signaled|No active Lifecycle Action/i;

type Client = { destroy(): void; readonly config: { readonly systemClockOffset: number } };

export function createSignalCalls(access: AwsAccess, instanceId: string): SignalCalls {
  let before: ClientHeritage = { refused: false, clockOffsetMs: 0 };

  /** Calls are few and far between: a client each. */
  const call = async (
    action: string,
    client: Client,
    send: () => Promise<unknown>,
  ): Promise<void> => {
    let refused = false;
    try {
      await send();
    } catch (error) {
      const classified = classifyAwsError(action, error);
      refused = classified.code === 'aws-credentials';
      throw classified.code === 'aws-invalid' && nothingWaits.test(messageOf(error))
        ? new BerthError('aws-not-found', messageOf(error), { cause: error })
        : classified;
    } finally {
      before = { refused, clockOffsetMs: client.config.systemClockOffset };
      client.destroy();
    }
  };

  const of = ({ group, hook }: Hook) => ({
    AutoScalingGroupName: group,
    LifecycleHookName: hook,
    InstanceId: instanceId,
  });

  return {
    signalStack: async ({ stack, resource }, status, abortSignal) => {
      const { CloudFormationClient, SignalResourceCommand } =
        await import('./cloudformation-sdk.ts');
      const client = new CloudFormationClient(awsClientConfig(access, before));
      const command = new SignalResourceCommand({
        StackName: stack,
        LogicalResourceId: resource,
        // Any other id fails a CreationPolicy on an instance (aws-cli #7133).
        UniqueId: instanceId,
        Status: status,
      });
      const send = () => client.send(command, { abortSignal });
      await call('cloudformation:SignalResource', client, send);
    },
    completeHook: async (hook, result, abortSignal) => {
      const sdk = await import('./auto-scaling-sdk.ts');
      const client = new sdk.AutoScalingClient(awsClientConfig(access, before));
      const command = new sdk.CompleteLifecycleActionCommand({
        ...of(hook),
        LifecycleActionResult: result,
      });
      const send = () => client.send(command, { abortSignal });
      await call('autoscaling:CompleteLifecycleAction', client, send);
    },
    recordHeartbeat: async (hook, abortSignal) => {
      const sdk = await import('./auto-scaling-sdk.ts');
      const client = new sdk.AutoScalingClient(awsClientConfig(access, before));
      const command = new sdk.RecordLifecycleActionHeartbeatCommand(of(hook));
      const send = () => client.send(command, { abortSignal });
      await call('autoscaling:RecordLifecycleActionHeartbeat', client, send);
    },
  };
}
