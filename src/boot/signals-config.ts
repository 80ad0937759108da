// Which services of AWS wait for this instance: what the configuration says, and else the tags that AWS gives it. Pure.
import type { LifecycleHooksConfig, SignalsConfig, StackConfig } from '../model/config.ts';
import type { Identity } from '../model/instance.ts';
import type { RawConfig } from './config-schema.ts';

type Raw = NonNullable<RawConfig['signals']>;

/** What nobody can tell is a problem and no error: an instance that signals nothing serves all the same. */
export function signalsConfig(
  { signals }: RawConfig,
  identity: Identity | undefined,
): SignalsConfig | undefined {
  if (signals === undefined) return undefined;
  const stack = stackOf(signals, identity?.tags);
  const hooks = hooksOf(signals, identity?.tags);
  const asked = [
    ['cloudformation', 'cloudFormation', 'stack and resource', stack],
    ['launch-hook', 'autoScaling', 'group', hooks],
  ] as const;
  const why =
    identity?.tags === undefined ? 'tags in instance metadata are off' : 'its tags do not say it';
  return {
    timeoutMs: signals.timeoutSeconds === undefined ? undefined : signals.timeoutSeconds * 1000,
    stack,
    hooks,
    // Elsewhere than on the instance nobody knows its tags.
    problems: asked.flatMap(([to, key, keys, found]) =>
      identity === undefined || signals[key] === undefined || found !== undefined
        ? []
        : [{ to, message: `signals.${key}: nobody is told: set ${keys}, since ${why}` }],
    ),
  };
}

function stackOf({ cloudFormation }: Raw, tags: Identity['tags']): StackConfig | undefined {
  if (cloudFormation === undefined) return undefined;
  const stack = cloudFormation.stack ?? tags?.['aws:cloudformation:stack-name'];
  const resource = cloudFormation.resource ?? tags?.['aws:cloudformation:logical-id'];
  return stack === undefined || resource === undefined ? undefined : { stack, resource };
}

function hooksOf({ autoScaling }: Raw, tags: Identity['tags']): LifecycleHooksConfig | undefined {
  if (autoScaling === undefined) return undefined;
  const { launchHook, terminateHook, heartbeatSeconds, abandon } = autoScaling;
  const group = autoScaling.group ?? tags?.['aws:autoscaling:groupName'];
  if (group === undefined) return undefined;
  const heartbeatMs = heartbeatSeconds * 1000;
  return { group, launch: launchHook, terminate: terminateHook, heartbeatMs, abandon };
}
