// What the role may do of what the configuration needs: rehearsed, seen in what the daemon has done, or said to be untried.
import type { Permission, RehearseInput } from '../claim/permissions.ts';
import { hasCode } from '../errors.ts';
import type { Config, SignalTarget } from '../model/config.ts';
import type { LogSource } from '../model/logs.ts';
import type { ShipStatus, Status } from '../model/status.ts';
import { createAssumedRole } from '../ship/assumed-role.ts';
import { createCloudWatchLogs } from '../ship/cloudwatch.ts';
import type { Ports } from '../system/ports.ts';
import { reporter, type Finding } from './finding.ts';
import type { InstanceInput } from './instance-checks.ts';

const report = reporter('permissions');

/** `file`: of packaging/iam. */
export function lacking(action: string, file: string, role?: string): Finding {
  return report('failure', `${role ?? 'the role'} lacks ${action}`, attach(file, role));
}

function attach(file: string, role = 'the role of the instance'): string {
  return `attach packaging/iam/${file} to ${role}`;
}

/** Of a message that names an action which the role lacks; undefined: none. */
export function fixOfLack(message: string): string | undefined {
  const [, action = ''] = /lacks ([a-z]+:[A-Za-z]+)/.exec(message) ?? [];
  const found = Object.entries<readonly string[]>(policies).find(([, actions]) =>
    actions.includes(action),
  );
  return found === undefined ? undefined : attach(found[0], 'that role');
}

/** It would change something, or has nothing to be tried at. */
function untried(actions: readonly string[], why: string, file: string, role?: string): Finding {
  return report('unknown', `${actions.join(', ')}: ${why}`, attach(file, role));
}

export function eniPermissionFindings(
  permissions: readonly Permission[],
  {
    isOurs,
    eni,
    stale,
    held,
    takeOverStale,
    standby,
  }: Pick<RehearseInput, 'eni' | 'stale' | 'held'> &
    Pick<Config, 'takeOverStale' | 'standby'> & { readonly isOurs: boolean },
): readonly Finding[] {
  const granted = permissions.filter(({ allowed }) => allowed === true);
  const names = new Set(granted.map(({ action }) => action));
  const claims = ['ec2:AttachNetworkInterface', 'ec2:DetachNetworkInterface', 'ec2:DeleteTags'];
  const fences = ['ec2:DescribeInstanceStatus', 'ec2:DetachNetworkInterface', 'ec2:CreateTags'];
  return [
    ...permissions
      .filter(({ allowed }) => allowed === false)
      .map(({ action, policy }) => lacking(action, policy)),
    ...(names.size === 0 ? [] : [report('ok', `${[...names].join(', ')} (DryRun)`)]),
    ...permissions
      .filter(({ allowed }) => allowed === undefined)
      .map(({ action, policy }) => untried([action], 'EC2 does not say', policy)),
    ...(eni === undefined ? [untried(['ec2:CreateTags'], 'no ENI is free', 'base.json')] : []),
    ...(isOurs ? [] : [untried(claims, 'to be seen once an ENI is claimed', 'base.json')]),
    ...(takeOverStale && stale === undefined
      ? [untried(['ec2:CreateTags'], 'no claim of a dead instance is there', 'takeover.json')]
      : []),
    ...(standby !== undefined && held === undefined
      ? [
          untried(
            standby.fence === 'stop' ? [...fences, 'ec2:StopInstances'] : fences,
            'no peer of this zone holds an ENI now',
            'standby.json',
          ),
        ]
      : []),
  ];
}

/** Without DryRun. */
const policies = {
  'logs.json': ['logs:PutLogEvents', 'logs:CreateLogStream', 'logs:CreateLogGroup'],
  'retention.json': ['logs:DescribeLogGroups', 'logs:PutRetentionPolicy', 'logs:TagResource'],
  'assume-role.json': ['sts:AssumeRole'],
  'cloudformation.json': ['cloudformation:SignalResource'],
  'auto-scaling.json': [
    'autoscaling:CompleteLifecycleAction',
    'autoscaling:RecordLifecycleActionHeartbeat',
  ],
} as const satisfies Readonly<Record<string, readonly string[]>>;

const changes = 'a call would change something';

export type ServicesInput = InstanceInput & {
  readonly config: Config;
  readonly status: Status | undefined;
};

/**
 * Beside EC2. These services have no DryRun: what only reads is called, of the rest the daemon's own work tells. Throws what
 * CloudWatch throws, but for `aws-denied`.
 */
export async function checkServices(
  ports: Ports,
  input: ServicesInput,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { config, status } = input;
  const { logs, metrics, emf, signals } = config;
  const ships =
    logs.sources.length + logs.journals.length > 0 || metrics !== undefined || emf !== undefined;
  return [
    ...(ships ? sendingFindings(status?.logs, logs.roleArn) : []),
    ...(ships ? await readingFindings(ports, input, signal) : []),
    ...(signals?.stack === undefined
      ? []
      : toldFindings(status, ['cloudformation'], 'cloudformation.json')),
    ...(signals?.hooks === undefined
      ? []
      : toldFindings(status, ['launch-hook', 'terminate-hook'], 'auto-scaling.json')),
  ];
}

function sendingFindings(
  logs: ShipStatus | undefined,
  roleArn: string | undefined,
): readonly Finding[] {
  // What fails is told by the daemon.
  if (logs?.lastError !== undefined) return [];
  return (logs?.eventsSent ?? 0) > 0
    ? [report('ok', `logs:PutLogEvents (${logs!.eventsSent} events sent)`)]
    : [untried(policies['logs.json'], `nothing is sent yet, and ${changes}`, 'logs.json', roleArn)];
}

function toldFindings(
  status: Status | undefined,
  services: readonly SignalTarget[],
  file: 'cloudformation.json' | 'auto-scaling.json',
): readonly Finding[] {
  const actions = policies[file];
  const states = (status?.signals ?? [])
    .filter(({ to }) => services.includes(to))
    .map(({ state }) => state);
  // What fails is told by the daemon.
  if (states.includes('failing') || states.includes('failed')) return [];
  return states.includes('told')
    ? [report('ok', `${actions[0]} (told)`)]
    : [untried(actions, changes, file)];
}

/** AssumeRole and DescribeLogGroups change nothing. */
async function readingFindings(
  ports: Ports,
  { identity, access, config }: ServicesInput,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { roleArn, sources, journals } = config.logs;
  const setUp = [...sources, ...journals].find(hasOptions);
  if (roleArn === undefined && setUp === undefined) return [];
  using stack = new DisposableStack();
  const input = { access, roleArn: roleArn ?? '', sessionName: identity.instanceId };
  const role = roleArn === undefined ? access : stack.use(createAssumedRole(ports, input));
  const findings: Finding[] = [];
  if (roleArn !== undefined) {
    try {
      await role.credentials(false);
      findings.push(report('ok', `sts:AssumeRole of ${roleArn}`));
    } catch (error) {
      if (!hasCode(error, 'aws-denied', 'aws-invalid')) throw error;
      const fix = `attach packaging/iam/assume-role.json to the role of the instance, and let ${roleArn} trust it`;
      return [report('failure', error.message, fix)];
    }
  }
  if (setUp === undefined) return findings;
  const cloudwatch = stack.use(createCloudWatchLogs(ports, role, config.logs));
  try {
    await cloudwatch.retentionOf(setUp.logGroupName, signal);
    findings.push(report('ok', 'logs:DescribeLogGroups'));
  } catch (error) {
    if (!hasCode(error, 'aws-denied')) throw error;
    findings.push(lacking('logs:DescribeLogGroups', 'retention.json', roleArn));
  }
  const [, ...writing] = policies['retention.json'];
  return [...findings, untried(writing, changes, 'retention.json', roleArn)];
}

function hasOptions({ groupOptions }: Pick<LogSource, 'groupOptions'>): boolean {
  return groupOptions.retentionDays !== undefined || groupOptions.tags !== undefined;
}
