// The EC2 service of the lab: reads a call, asks IAM, lets the model act, and shapes the answer.
import { stateShape } from './ec2-answers.ts';
import {
  anyResource,
  deleteTagContext,
  eniResource,
  instanceResource,
  resourceOf,
  tagContext,
  type IamContext,
  type IamResource,
} from './ec2-authorization.ts';
import { bucketOf } from './ec2-buckets.ts';
import {
  describeInstances,
  describeInstanceStatus,
  describeInstanceTypes,
  describeNetworkInterfaces,
  describePlacementGroups,
  describeSubnets,
  describeTags,
  type Describe,
} from './ec2-describe.ts';
import { addressOperations } from './ec2-address-operations.ts';
import { elasticOperations } from './ec2-elastic-operations.ts';
import { createNetworkInterface, eniOperations, type CreatedEni } from './ec2-eni-operations.ts';
import { faults } from './ec2-faults.ts';
import { readInput, readTags, readTagsToDelete } from './ec2-input.ts';
import type { StateChange } from './ec2-lifecycle.ts';
import { findByAttachment } from './ec2-lookup.ts';
import type { Ec2Model } from './ec2-model.ts';
import { done, type Operation } from './ec2-operation.ts';
import type { Caller, LabService } from './service.ts';

/** Throws AwsFault unless the caller may do `action` with each of the resources. */
export type AuthorizeEc2 = (
  caller: Caller,
  action: string,
  resources: readonly IamResource[],
  context: IamContext,
) => void;

export function createEc2Service(
  model: Ec2Model,
  authorize: AuthorizeEc2 = () => undefined,
): LabService {
  /** ENIs that CreateNetworkInterface made, by client token. */
  const created = new Map<string, CreatedEni>();
  const all: Readonly<Record<string, Operation>> = {
    ...operations,
    ...eniOperations,
    ...addressOperations,
    ...elasticOperations,
    CreateNetworkInterface: createNetworkInterface(created),
  };
  return {
    handle: async ({ action, input, caller }) => {
      const operation = Object.hasOwn(all, action) ? all[action] : undefined;
      if (operation === undefined) throw faults.invalidAction(action);
      const unknown = Object.keys(input).find(
        (name) => name !== 'DryRun' && !operation.parameters.includes(name),
      );
      if (unknown !== undefined) throw faults.unknownParameter(unknown);
      const parsed = readInput(input);
      const { buckets, dials } = model.world;
      if (!buckets.take(bucketOf(action, parsed), dials.bucketScale)) throw faults.throttled();
      return operation.run({
        model,
        input: parsed,
        allow: (resources, context = {}) => {
          authorize(caller, `ec2:${action}`, resources, context);
          if (parsed.flag('DryRun')) throw faults.dryRun();
        },
      });
    },
  };
}

const describe = (describe: Describe, ...parameters: readonly string[]): Operation => ({
  parameters: ['Filter', 'MaxResults', 'NextToken', ...parameters],
  run: ({ model, input, allow }) => {
    allow(anyResource);
    return describe(model, input);
  },
});

const changeState = (
  change: (model: Ec2Model, instanceId: string) => StateChange,
  ...parameters: readonly string[]
): Operation => ({
  parameters: ['InstanceId', ...parameters],
  run: ({ model, input, allow }) => {
    const ids = input.texts('InstanceId');
    if (ids.length === 0) throw faults.missing('InstanceId');
    allow(ids.map((id) => instanceResource(model.world, id)));
    return {
      instancesSet: ids.map((id) => {
        const { instanceId, before, after } = change(model, id);
        return {
          instanceId,
          currentState: stateShape(after),
          previousState: stateShape(before),
        };
      }),
    };
  },
});

const operations: Readonly<Record<string, Operation>> = {
  DescribeNetworkInterfaces: describe(describeNetworkInterfaces, 'NetworkInterfaceId'),
  DescribeInstances: describe(describeInstances, 'InstanceId'),
  DescribeInstanceStatus: describe(describeInstanceStatus, 'InstanceId', 'IncludeAllInstances'),
  DescribeInstanceTypes: describe(describeInstanceTypes, 'InstanceType'),
  DescribePlacementGroups: {
    parameters: ['GroupName'],
    run: ({ model, input, allow }) => {
      allow(anyResource);
      return describePlacementGroups(model, input);
    },
  },
  DescribeSubnets: describe(describeSubnets, 'SubnetId'),
  DescribeTags: describe(describeTags),
  StopInstances: changeState((model, id) => model.stop(id), 'Force', 'Hibernate', 'SkipOsShutdown'),
  StartInstances: changeState((model, id) => model.start(id)),
  TerminateInstances: changeState((model, id) => model.terminate(id), 'Force', 'SkipOsShutdown'),

  AttachNetworkInterface: {
    parameters: ['NetworkInterfaceId', 'InstanceId', 'DeviceIndex', 'NetworkCardIndex'],
    run: ({ model, input, allow }) => {
      const eniId = input.required('NetworkInterfaceId');
      const instanceId = input.required('InstanceId');
      const deviceIndex = input.integer('DeviceIndex');
      if (deviceIndex === undefined) throw faults.missing('DeviceIndex');
      if (deviceIndex < 0) throw faults.value('Value for parameter DeviceIndex is invalid.');
      const networkCardIndex = input.integer('NetworkCardIndex') ?? 0;
      allow([eniResource(model.world, eniId), instanceResource(model.world, instanceId)]);
      const { attachmentId } = model.attach({ eniId, instanceId, deviceIndex, networkCardIndex });
      return { attachmentId, networkCardIndex };
    },
  },

  DetachNetworkInterface: {
    parameters: ['AttachmentId', 'Force'],
    run: ({ model, input, allow }) => {
      const attachmentId = input.required('AttachmentId');
      const { eniId, attachment } = findByAttachment(model.world, attachmentId);
      allow([eniId, attachment!.instanceId].map((id) => resourceOf(model.world, id)));
      model.detach(attachmentId, input.flag('Force'));
      return done;
    },
  },

  CreateTags: {
    parameters: ['ResourceId', 'Tag'],
    run: ({ model, input, allow }) => {
      const ids = input.texts('ResourceId');
      const tags = readTags(input);
      if (ids.length === 0) throw faults.missing('ResourceId');
      if (Object.keys(tags).length === 0) throw faults.missing('Tag');
      allow(
        ids.map((id) => resourceOf(model.world, id)),
        tagContext(tags),
      );
      model.createTags(ids, tags);
      return done;
    },
  },

  DeleteTags: {
    parameters: ['ResourceId', 'Tag'],
    run: ({ model, input, allow }) => {
      const ids = input.texts('ResourceId');
      const list = readTagsToDelete(input);
      if (ids.length === 0) throw faults.missing('ResourceId');
      allow(
        ids.map((id) => resourceOf(model.world, id, false)),
        deleteTagContext(list),
      );
      model.deleteTags(ids, list);
      return done;
    },
  },
};
