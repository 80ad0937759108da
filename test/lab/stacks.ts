// The lab's CloudFormation: stacks that wait for signals (CreationPolicy), and SignalResource.
import type { Iam } from './iam.ts';
import { AwsFault, type LabService } from './service.ts';

export type LabStack = {
  readonly name: string;
  readonly id: string;
  /** `CREATE_IN_PROGRESS`, `CREATE_COMPLETE`, `ROLLBACK_IN_PROGRESS`. */
  readonly status: string;
  /** By UniqueId, of the resource that waits. */
  readonly signals: ReadonlyMap<string, 'SUCCESS' | 'FAILURE'>;
};

export type LabStacks = LabService & {
  /** A stack whose resource waits for so many signals; it replaces one of the same name. */
  create(name: string, waiting: { readonly resource: string; readonly count: number }): void;
  stack(name: string): LabStack | undefined;
};

export type LabStacksOptions = {
  readonly partition: string;
  readonly region: string;
  readonly accountId: string;
  readonly iam: Pick<Iam, 'authorizeQuery'>;
};

type Stack = {
  readonly name: string;
  readonly id: string;
  readonly resource: string;
  readonly count: number;
  readonly signals: Map<string, 'SUCCESS' | 'FAILURE'>;
  status: string;
};

export function createStacksService(options: LabStacksOptions): LabStacks {
  const { partition, region, accountId, iam } = options;
  const stacks = new Map<string, Stack>();
  const idOf = (name: string): string =>
    `arn:${partition}:cloudformation:${region}:${accountId}:stack/${name}/0a1b2c3d-0000-11ee-8000-000000000000`;

  const signal = ({ input, caller }: Parameters<LabService['handle']>[0]): void => {
    const named = textOf(input, 'StackName');
    const resource = textOf(input, 'LogicalResourceId');
    const uniqueId = textOf(input, 'UniqueId');
    const status = textOf(input, 'Status');
    if (status !== 'SUCCESS' && status !== 'FAILURE') throw invalid(`Status ${status} is invalid`);
    const stack = [...stacks.values()].find(({ name, id }) => name === named || id === named);
    const arn = stack?.id ?? (named.startsWith('arn:') ? named : idOf(named));
    iam.authorizeQuery(caller, 'cloudformation:SignalResource', { arn, context: {} });
    if (stack === undefined) throw invalid(`Stack '${named}' does not exist`);
    // As convox/rack #2432 quotes it.
    if (!stack.status.endsWith('_IN_PROGRESS')) {
      throw invalid(`Stack ${stack.id} is in ${stack.status} state and cannot be signaled`);
    }
    if (stack.resource !== resource) {
      throw invalid(`Resource ${resource} does not exist for stack ${named}`);
    }
    // The same instance counts once.
    if (stack.signals.has(uniqueId)) return;
    stack.signals.set(uniqueId, status);
    if (status === 'FAILURE') stack.status = 'ROLLBACK_IN_PROGRESS';
    else if (stack.signals.size === stack.count) stack.status = 'CREATE_COMPLETE';
  };

  return {
    create: (name, waiting) => {
      const status = 'CREATE_IN_PROGRESS';
      stacks.set(name, { name, id: idOf(name), ...waiting, signals: new Map(), status });
    },
    stack: (name) => stacks.get(name),
    handle: async (request) => {
      if (request.action !== 'SignalResource') {
        throw new AwsFault(400, 'InvalidAction', `Could not find operation ${request.action}`);
      }
      signal(request);
      return {};
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
