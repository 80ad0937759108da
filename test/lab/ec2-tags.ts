// Tags of ENIs and instances: overwrite, compare-and-delete, limits.
import { faults } from './ec2-faults.ts';
import { findEni, findInstance, looksLike } from './ec2-lookup.ts';
import type { Ec2World, Tags } from './ec2-world.ts';

const most = { tags: 50, key: 128, value: 256 };

/** What DeleteTags may say of a tag; without a value it goes whatever its value is. */
export type TagToDelete = { readonly key: string; readonly value: string | undefined };

/** Adds or overwrites: there is no expected value. All of the resources or none. Throws AwsFault. */
export function createTags(world: Ec2World, ids: readonly string[], tags: Tags): void {
  refuseConcurrent(world, ids);
  const changes = ids.map((id) => {
    const before = tagsOf(world, id);
    checkTags(before, tags);
    return [id, { ...before, ...tags }] as const;
  });
  for (const [id, after] of changes) putTags(world, id, after);
}

/**
 * Deletes what matches; without a list all tags of the user. A value that does not match deletes nothing and is
 * no error (not confirmed on AWS, claim.md section 2). Throws AwsFault.
 */
export function deleteTags(
  world: Ec2World,
  ids: readonly string[],
  list: readonly TagToDelete[] | undefined,
): void {
  refuseConcurrent(world, ids);
  const changes = ids.map((id) => {
    const before = Object.entries(tagsOf(world, id));
    const after = before.filter(([key, value]) => {
      if (isReserved(key)) return true;
      if (list === undefined) return false;
      return !list.some(
        (tag) => tag.key === key && (tag.value === undefined || tag.value === value),
      );
    });
    return [id, before, after] as const;
  });
  for (const [id, before, after] of changes) {
    if (after.length < before.length) putTags(world, id, Object.fromEntries(after));
  }
}

/** Throws AwsFault unless `added` may join `before`. */
export function checkTags(before: Tags, added: Tags): void {
  for (const [key, value] of Object.entries(added)) {
    if (key === '') throw faults.emptyTagKey();
    if (isReserved(key)) throw faults.reservedTagKey();
    if (key.length > most.key) {
      throw faults.value(`Tag key exceeds the maximum length of ${most.key} characters`);
    }
    if (value.length > most.value) {
      throw faults.value(`Tag value exceeds the maximum length of ${most.value} characters`);
    }
  }
  const keys = Object.keys({ ...before, ...added }).filter((key) => !isReserved(key));
  if (keys.length > most.tags) throw faults.tagLimit();
}

/** Throws AwsFault. */
export function tagsOf(world: Ec2World, id: string): Tags {
  const found = world.enis.get(id) ?? world.addresses.get(id);
  if (found !== undefined) return found.tags;
  if (looksLike('eni', id)) throw faults.eniNotFound(id);
  if (looksLike('i', id) || world.instances.get(id) !== undefined) {
    return findInstance(world, id).tags;
  }
  throw faults.unknownId(id);
}

/** A write is under way for a while after its answer. */
function refuseConcurrent(world: Ec2World, ids: readonly string[]): void {
  const atMs = world.options.clock.monotonicMs();
  const isBusy = ids.some((id) => {
    const beforeMs = world.tagsWritten.get(id);
    return beforeMs !== undefined && atMs - beforeMs < world.dials.tagWriteMs;
  });
  if (isBusy) throw faults.concurrentTagAccess();
}

function putTags(world: Ec2World, id: string, tags: Tags): void {
  world.tagsWritten.set(id, world.options.clock.monotonicMs());
  const address = world.addresses.get(id);
  if (address !== undefined) world.addresses.put(id, { ...address, tags });
  else if (id.startsWith('eni-')) world.enis.put(id, { ...findEni(world, id), tags });
  else world.instances.put(id, { ...findInstance(world, id), tags });
}

function isReserved(key: string): boolean {
  return key.toLowerCase().startsWith('aws:');
}
