// What the policies of packaging/iam allow an instance of the fleet, with tags as authorization saw them a while ago.
// Written out for speed; test/simulation/authorize.test.ts holds it against those files.
import { tagKeys } from '../../src/claim/tags.ts';
import type { LabEni, Tags } from '../lab/ec2-world.ts';
import { AwsFault } from '../lab/service.ts';
import type { Change } from './facts.ts';
import type { Host } from './host.ts';
import type { World } from './world.ts';

export const haGroup = 'nat';

/** Throws AwsFault. What does not exist is EC2's to say. */
export function authorize(world: World, host: Host, change: Change): void {
  if (!isAllowed(world, host, change))
    throw new AwsFault(403, 'UnauthorizedOperation', 'You are not authorized');
}

function isAllowed(world: World, host: Host, change: Change): boolean {
  const { model, plan } = world;
  const isMine = (eniId: string): boolean => {
    if (model.eni(eniId) === undefined) return true;
    const tags = tagsOf(world, eniId);
    return isOfPool(host, tags) && tags[tagKeys.owner] === host.arn;
  };
  const isOfGroup = (tags: Tags | undefined): boolean =>
    plan.standbys > 0 && tags?.[tagKeys.haGroup] === haGroup;
  const isPeer = (instanceId: string): boolean => isOfGroup(model.instance(instanceId)?.tags);
  switch (change.do) {
    case 'attach':
      return change.instanceId === host.instanceId && isMine(change.eniId);
    case 'detach': {
      const eni = holderOf(world, change.attachmentId);
      if (eni === undefined) return true;
      const { instanceId } = eni.attachment!;
      const isOwn = instanceId === host.instanceId && isMine(eni.eniId);
      return isOwn || (isOfGroup(tagsOf(world, eni.eniId)) && isPeer(instanceId));
    }
    case 'create-tags': {
      if (model.eni(change.eniId) === undefined) return true;
      if (!onlyOurKeys(Object.keys(change.tags))) return false;
      if (change.tags[tagKeys.owner] !== host.arn) return false;
      const tags = tagsOf(world, change.eniId);
      if (isOfGroup(tags)) return true;
      const owner = tags[tagKeys.owner];
      const isFree = owner === undefined || owner === host.arn || mayTakeOver(world, owner);
      return isOfPool(host, tags) && isFree;
    }
    case 'delete-tags': {
      if (model.eni(change.eniId) === undefined) return true;
      const list = change.list ?? [];
      if (list.length === 0 || !onlyOurKeys(list.map(({ key }) => key))) return false;
      const owner = list.find(({ key }) => key === tagKeys.owner)?.value;
      return owner === host.arn && isMine(change.eniId);
    }
    case 'modify':
      return plan.mayKeep && isMine(change.eniId);
    default:
      return change.instanceId !== host.instanceId && isPeer(change.instanceId);
  }
}

function onlyOurKeys(keys: readonly string[]): boolean {
  return keys.every((key) => key === tagKeys.owner || key === tagKeys.claim);
}

function isOfPool(host: Host, tags: Tags): boolean {
  return host.config.pools.some(({ name }) => name === tags[tagKeys.pool]);
}

/** packaging/iam/takeover.json, where it is part of the role. */
function mayTakeOver({ plan }: World, owner: string): boolean {
  return plan.takeOverStale && owner.includes(':instance/');
}

function tagsOf({ model, plan, net, isCalm }: World, eniId: string): Tags {
  const lagMs = isCalm ? 0 : net.upTo(plan.ec2.authorizationLagMs);
  return model.world.enis.agoOrFirst(eniId, lagMs)?.tags ?? {};
}

export function holderOf({ model }: World, attachmentId: string): LabEni | undefined {
  return model.enis().find((eni) => eni.attachment?.attachmentId === attachmentId);
}
