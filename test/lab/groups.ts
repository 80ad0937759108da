// The lab's Auto Scaling: groups with lifecycle hooks, instances that move between states, and what IMDS says of it.
// Rules: "Amazon EC2 Auto Scaling lifecycle hooks" and "Use lifecycle hooks with a warm pool" of its User Guide.
import type { Tags } from './ec2-world.ts';
import type { Iam } from './iam.ts';
import { AwsFault, type LabService } from './service.ts';

export type LabHook = {
  readonly on: 'launch' | 'terminate';
  /** Of PutLifecycleHook; a heartbeat extends the wait by it. */
  readonly heartbeatTimeoutMs: number;
};

/** What IMDS tells as the target. */
export type TargetState =
  | 'InService'
  | 'Terminated'
  | 'Warmed:Running'
  | 'Warmed:Stopped'
  | 'Warmed:Terminated';

export type LabGroup = {
  readonly name: string;
  readonly tags: Tags;
  readonly hooks: Readonly<Record<string, LabHook>>;
};

/** What the group was told, in order. */
export type GroupEvent = {
  readonly hook: string;
  readonly instanceId: string;
  readonly what: 'CONTINUE' | 'ABANDON' | 'heartbeat';
  readonly target: TargetState;
};

export type LabGroups = LabService & {
  put(group: LabGroup): void;
  /**
   * The instance is on its way to this state: IMDS says so, and each hook of that transition waits for it. A launch hook
   * waits both for `Warmed:*` and for `InService`, a terminating one also where the instance returns to the warm pool.
   */
  move(name: string, instanceId: string, target: TargetState): void;
  /** Takes it out of its group. */
  forget(instanceId: string): void;
  readonly events: readonly GroupEvent[];
  /** Names of the hooks that wait for the instance. */
  waiting(instanceId: string): readonly string[];
};

export type LabGroupsOptions = {
  readonly partition: string;
  readonly region: string;
  readonly accountId: string;
  readonly clock: { nowMs(): number };
  readonly iam: Pick<Iam, 'authorizeQuery'>;
  readonly setTarget: (instanceId: string, target: TargetState | undefined) => void;
};

type Action = {
  readonly hook: string;
  readonly group: string;
  readonly instanceId: string;
  readonly target: TargetState;
  untilMs: number;
};

export function createGroupsService(options: LabGroupsOptions): LabGroups {
  const { partition, region, accountId, clock, iam, setTarget } = options;
  const groups = new Map<string, LabGroup>();
  const targets = new Map<string, TargetState>();
  const events: GroupEvent[] = [];
  let actions: Action[] = [];

  const arnOf = (name: string): string =>
    `arn:${partition}:autoscaling:${region}:${accountId}:autoScalingGroup:` +
    `8f6b2c1d-0000-4000-8000-000000000000:autoScalingGroupName/${name}`;

  const findAction = ({ action, input, caller }: Parameters<LabService['handle']>[0]): Action => {
    const name = textOf(input, 'AutoScalingGroupName');
    const hook = textOf(input, 'LifecycleHookName');
    const instanceId = textOf(input, 'InstanceId');
    const tags = Object.entries(groups.get(name)?.tags ?? {}).flatMap(([key, value]) => [
      [`aws:ResourceTag/${key}`, value],
      [`autoscaling:ResourceTag/${key}`, value],
    ]);
    const resource = {
      arn: arnOf(name),
      context: Object.fromEntries(tags) as Readonly<Record<string, string>>,
    };
    iam.authorizeQuery(caller, `autoscaling:${action}`, resource);
    const found = actions.find(
      (one) =>
        one.group === name &&
        one.hook === hook &&
        one.instanceId === instanceId &&
        one.untilMs > clock.nowMs(),
    );
    // As clients quote it (convox/rack #2432).
    if (found === undefined) {
      throw invalid(`No active Lifecycle Action found with instance ID ${instanceId}`);
    }
    return found;
  };

  const hear = ({ hook, instanceId, target }: Action, what: GroupEvent['what']): void =>
    void events.push({ hook, instanceId, what, target });

  return {
    events,
    put: (group) => void groups.set(group.name, group),
    waiting: (instanceId) =>
      actions.filter((one) => one.instanceId === instanceId).map(({ hook }) => hook),
    move: (name, instanceId, target) => {
      const before = targets.get(instanceId);
      targets.set(instanceId, target);
      setTarget(instanceId, target);
      const ends = target.endsWith('Terminated');
      const transition = ends || before === 'InService' ? 'terminate' : 'launch';
      actions = actions.filter((one) => one.instanceId !== instanceId);
      for (const [hook, { on, heartbeatTimeoutMs }] of Object.entries(groups.get(name)!.hooks)) {
        if (on !== transition) continue;
        const untilMs = clock.nowMs() + heartbeatTimeoutMs;
        actions.push({ hook, group: name, instanceId, target, untilMs });
      }
    },
    forget: (instanceId) => {
      targets.delete(instanceId);
      setTarget(instanceId, undefined);
      actions = actions.filter((one) => one.instanceId !== instanceId);
      events.splice(0);
    },
    handle: async (request) => {
      const { action, input } = request;
      if (action === 'RecordLifecycleActionHeartbeat') {
        const found = findAction(request);
        const { heartbeatTimeoutMs } = groups.get(found.group)!.hooks[found.hook]!;
        found.untilMs = clock.nowMs() + heartbeatTimeoutMs;
        hear(found, 'heartbeat');
        return {};
      }
      if (action === 'CompleteLifecycleAction') {
        const result = textOf(input, 'LifecycleActionResult');
        if (result !== 'CONTINUE' && result !== 'ABANDON') {
          throw invalid('Lifecycle action result must be CONTINUE or ABANDON');
        }
        const found = findAction(request);
        actions = actions.filter((one) => one !== found);
        hear(found, result);
        return {};
      }
      throw new AwsFault(400, 'InvalidAction', `Could not find operation ${action}`);
    },
  };
}

function textOf(input: Readonly<Record<string, unknown>>, name: string): string {
  const value = input[name];
  if (typeof value !== 'string') throw invalid(`${name} is missing`);
  return value;
}

function invalid(what: string): AwsFault {
  return new AwsFault(400, 'ValidationError', what);
}
