// The rights that the simulator writes out for speed are those of packaging/iam.
import { expect, test } from 'vitest';
import { tagKeys } from '../../src/claim/tags.ts';
import {
  deleteTagContext,
  resourceOf,
  tagContext,
  type IamContext,
  type IamResource,
} from '../lab/ec2-authorization.ts';
import { readPolicy } from '../lab/iam.ts';
import { evaluate, type Policy } from '../lab/iam-evaluate.ts';
import { AwsFault } from '../lab/service.ts';
import { authorize, haGroup } from './authorize.ts';
import { createDraws, type Draws } from './draws.ts';
import type { Change } from './facts.ts';
import type { Host } from './host.ts';
import { drawPlan } from './plan.ts';
import { startBerth } from './program.ts';
import { createWorld, type World } from './world.ts';

const words = {
  PARTITION: 'aws',
  REGION: 'eu-central-1',
  ACCOUNT: '123456789012',
  POOL: 'db',
  HA_GROUP: haGroup,
  LOG_GROUPS: '*',
};

function policiesOf({ plan }: World): readonly Policy[] {
  const names = [
    'base',
    ...(plan.mayKeep ? ['keep'] : []),
    ...(plan.takeOverStale ? ['takeover'] : []),
    ...(plan.standbys > 0 ? ['standby'] : []),
  ];
  return names.map((name) => readPolicy(name, words));
}

/** What IAM is asked for a change. */
function question(
  { model }: World,
  change: Change,
): {
  readonly action: string;
  readonly resources: readonly IamResource[];
  readonly context: IamContext;
} {
  const of = (...ids: readonly string[]): readonly IamResource[] =>
    ids.map((id) => resourceOf(model.world, id));
  switch (change.do) {
    case 'attach':
      return {
        action: 'ec2:AttachNetworkInterface',
        resources: of(change.eniId, change.instanceId),
        context: {},
      };
    case 'detach': {
      const eni = model
        .enis()
        .find(({ attachment }) => attachment?.attachmentId === change.attachmentId)!;
      const resources = of(eni.eniId, eni.attachment!.instanceId);
      return { action: 'ec2:DetachNetworkInterface', resources, context: {} };
    }
    case 'create-tags':
      return {
        action: 'ec2:CreateTags',
        resources: of(change.eniId),
        context: tagContext(change.tags),
      };
    case 'delete-tags':
      return {
        action: 'ec2:DeleteTags',
        resources: [resourceOf(model.world, change.eniId, false)],
        context: deleteTagContext(change.list),
      };
    case 'modify':
      return {
        action: 'ec2:ModifyNetworkInterfaceAttribute',
        resources: of(change.eniId),
        context: {},
      };
    default:
      return { action: 'ec2:StopInstances', resources: of(change.instanceId), context: {} };
  }
}

function isAllowedByPolicy(world: World, host: Host, change: Change): boolean {
  const { action, resources, context } = question(world, change);
  const policies = policiesOf(world);
  const asked = { ...context, 'ec2:SourceInstanceARN': host.arn };
  return resources.every(
    (resource) => evaluate(policies, { action, resource, context: asked }).decision === 'allow',
  );
}

function isAllowed(world: World, host: Host, change: Change): boolean {
  try {
    authorize(world, host, change);
    return true;
  } catch (error) {
    if (!(error instanceof AwsFault)) throw error;
    return false;
  }
}

function drawChange({ model, hosts }: World, host: Host, draws: Draws): Change {
  const eni = draws.pick(model.enis().filter(({ tags }) => tags[tagKeys.pool] !== undefined));
  const other = draws.pick(hosts);
  const attached = model.enis().filter(({ attachment }) => attachment !== undefined);
  const { attachmentId } = draws.pick(attached).attachment!;
  const { eniId } = eni;
  const value = draws.pick([host.arn, other.arn, undefined]);
  const key = draws.pick([
    tagKeys.owner,
    tagKeys.owner,
    tagKeys.owner,
    tagKeys.claim,
    tagKeys.pool,
  ]);
  return draws.pick<Change>([
    { do: 'attach', eniId, instanceId: other.instanceId, deviceIndex: 1, networkCardIndex: 0 },
    { do: 'detach', attachmentId, force: draws.chance(0.5) },
    { do: 'create-tags', eniId, tags: { [tagKeys.owner]: value ?? 'x', [key]: value ?? 'x' } },
    { do: 'delete-tags', eniId, list: draws.chance(0.9) ? [{ key, value }] : undefined },
    { do: 'modify', eniId, attachmentId, deleteOnTermination: false },
    { do: 'stop', instanceId: other.instanceId },
  ]);
}

test('the simulator allows what the policies allow, and nothing else', () => {
  const seams = {
    startProgram: startBerth,
    mutate: <T>(ports: T) => ports,
    onTheWire: <T>(it: T) => it,
  };
  const verdicts = { allowed: 0, denied: 0 };
  for (let seed = 1; seed <= 40; seed++) {
    const plan = { ...drawPlan(seed), instances: 3, enis: 4, pools: 1, elsewhere: 0 };
    const standbys = seed % 2;
    const lag = { ...plan.ec2, authorizationLagMs: 0, tagWriteMs: 0 };
    const world = createWorld({ ...plan, standbys, ec2: lag }, seams);
    const draws = createDraws(seed, 'authorize');
    const { model, hosts } = world;
    for (const [i, { eniId }] of model.enis().entries()) {
      const owner = draws.pick([undefined, ...hosts.map(({ arn }) => arn)]);
      if (owner !== undefined && eniId.startsWith('eni-1')) {
        model.createTags([eniId], { [tagKeys.owner]: owner });
      }
      if (i === 0) {
        const { instanceId } = draws.pick(hosts);
        model.attach({ eniId, instanceId, deviceIndex: 1, networkCardIndex: 0 });
      }
    }
    for (let count = 0; count < 60; count++) {
      const host = draws.pick(hosts);
      const change = drawChange(world, host, draws);
      const expected = isAllowedByPolicy(world, host, change);
      expect({ seed, change, allowed: isAllowed(world, host, change) }).toEqual({
        seed,
        change,
        allowed: expected,
      });
      verdicts[expected ? 'allowed' : 'denied']++;
    }
    model[Symbol.dispose]();
  }
  expect(verdicts.allowed).toBeGreaterThan(100);
  expect(verdicts.denied).toBeGreaterThan(500);
});
