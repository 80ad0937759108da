// What IAM is asked before an EC2 call: each resource that it touches, with the context of iam.md section 3.
import { arnOf, findEni, findInstance } from './ec2-lookup.ts';
import { tagsOf, type TagToDelete } from './ec2-tags.ts';
import type { Ec2World, LabEni, LabInstance, Tags } from './ec2-world.ts';

/** Values of condition keys; a key that is absent has none. */
export type IamContext = Readonly<Record<string, string | readonly string[]>>;
export type IamResource = { readonly arn: string; readonly context: IamContext };

/** Describe calls take neither resources nor conditions. */
export const anyResource: readonly IamResource[] = [{ arn: '*', context: {} }];

/** `located`: with the keys of its place, which DeleteTags does not have. Throws AwsFault for an unknown id. */
export function resourceOf(world: Ec2World, id: string, located = true): IamResource {
  const tags = tagsForAuthorization(world, id);
  return {
    arn: arnOf(world, id),
    context: {
      ...Object.fromEntries(
        Object.entries(tags).flatMap(([key, value]) => [
          [`aws:ResourceTag/${key}`, value],
          [`ec2:ResourceTag/${key}`, value],
        ]),
      ),
      ...(located ? placeOf(world, id) : {}),
    },
  };
}

/** For calls that name the kind of the resource, and its errors with it. */
export function eniResource(world: Ec2World, id: string): IamResource {
  return resourceOf(world, findEni(world, id).eniId);
}

export function instanceResource(world: Ec2World, id: string): IamResource {
  return resourceOf(world, findInstance(world, id).instanceId);
}

/** For CreateTags, and where tags are given at creation. */
export function tagContext(tags: Tags): IamContext {
  return {
    ...Object.fromEntries(
      Object.entries(tags).map(([key, value]) => [`aws:RequestTag/${key}`, value]),
    ),
    ...keysContext(Object.keys(tags)),
  };
}

/** A tag without a value is in the keys alone. */
export function deleteTagContext(list: readonly TagToDelete[] | undefined): IamContext {
  const valued = (list ?? []).flatMap(({ key, value }) =>
    value === undefined ? [] : [[`aws:RequestTag/${key}`, value] as const],
  );
  return { ...Object.fromEntries(valued), ...keysContext((list ?? []).map(({ key }) => key)) };
}

function keysContext(keys: readonly string[]): IamContext {
  return keys.length === 0 ? {} : { 'aws:TagKeys': keys };
}

/** Tags that were given at creation count at once (iam.md section 8). */
function tagsForAuthorization(world: Ec2World, id: string): Tags {
  const now = tagsOf(world, id);
  const lagMs = world.drawMs(world.dials.authorizationLagMs);
  const before: LabEni | LabInstance | undefined =
    world.enis.agoOrFirst(id, lagMs) ?? world.instances.agoOrFirst(id, lagMs);
  return before?.tags ?? now;
}

function placeOf(world: Ec2World, id: string): IamContext {
  const { partition, region, accountId } = world.options;
  const eni = world.enis.get(id);
  if (eni !== undefined) {
    return {
      'ec2:NetworkInterfaceID': id,
      'ec2:AvailabilityZone': eni.availabilityZone,
      'ec2:Subnet': arnOf(world, eni.subnetId),
      'ec2:Vpc': `arn:${partition}:ec2:${region}:${accountId}:vpc/${eni.vpcId}`,
    };
  }
  const instance = world.instances.get(id);
  if (instance === undefined) return {};
  return {
    'ec2:InstanceID': id,
    'ec2:InstanceType': instance.instanceType,
    'ec2:AvailabilityZone': instance.availabilityZone,
  };
}
