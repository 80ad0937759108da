// Tags of the local EC2 over HTTP, by the real SDK.
import * as sdk from '@aws-sdk/client-ec2';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createTestWorld, errorOf, inPool, one, subnetA2, type TestWorld } from './test-world.ts';

let world: TestWorld;
let eni: string;

beforeEach(async () => {
  world = await createTestWorld();
  eni = world.lab.ec2.addEni({ subnetId: subnetA2, tags: inPool }).eniId;
});
afterEach(() => world[Symbol.asyncDispose]());

const createTags = (Tags: sdk.Tag[], Resources = [eni]) =>
  world.ec2.send(new sdk.CreateTagsCommand({ Resources, Tags }));
const deleteTags = (Tags?: sdk.Tag[]) =>
  world.ec2.send(new sdk.DeleteTagsCommand({ Resources: [eni], Tags }));
const tags = () => world.lab.ec2.eni(eni)!.tags;
const long = (length: number): string => 'x'.repeat(length);

describe('tags', () => {
  const owner = { Key: 'berth:owner', Value: 'a' };

  test('are overwritten without a question, and deleted only by a value that matches', async () => {
    await createTags([owner]);
    await createTags([{ Key: 'berth:owner', Value: 'b' }]);
    expect(tags()).toEqual({ ...inPool, 'berth:owner': 'b' });
    await deleteTags([owner]);
    expect(tags()).toEqual({ ...inPool, 'berth:owner': 'b' });
    await deleteTags([{ Key: 'berth:owner', Value: 'b' }]);
    expect(tags()).toEqual(inPool);
  });

  test('without a value whatever it is; with "" only if it is empty; without a list all', async () => {
    await createTags([owner, { Key: 'Owner', Value: '' }, { Key: 'x', Value: 'y' }]);
    await deleteTags([{ Key: 'berth:owner', Value: '' }]);
    expect(tags()).toHaveProperty('berth:owner');
    await deleteTags([{ Key: 'Owner', Value: '' }, { Key: 'berth:owner' }]);
    expect(tags()).toEqual({ ...inPool, x: 'y' });
    await deleteTags();
    expect(tags()).toEqual({});
  });

  test('the limits', async () => {
    expect(await errorOf(createTags([{ Key: 'aws:x', Value: '' }]))).toMatch(
      /^InvalidTagKey.Malformed/,
    );
    expect(await errorOf(createTags([{ Key: '', Value: '' }]))).toMatch(/^InvalidTagKey.Malformed/);
    expect(await errorOf(createTags([{ Key: long(129), Value: '' }]))).toMatch(/128 characters/);
    expect(await errorOf(createTags([{ Key: 'k', Value: long(257) }]))).toMatch(/256 characters/);
    await createTags([{ Key: long(128), Value: long(256) }]);
    const many = Array.from({ length: 48 }, (_, index) => ({ Key: `k${index}`, Value: '' }));
    await createTags(many);
    expect(await errorOf(createTags([owner]))).toMatch(/^TagLimitExceeded/);
    expect(await errorOf(createTags([{ ...owner }, { ...owner }]))).toMatch(/Duplicate tag key/);
    world.lab.judge.expect('CreateTags.Tags: is required');
    expect(await errorOf(createTags([]))).toMatch(/^MissingParameter/);
  });

  test('all of the resources or none', async () => {
    expect(await errorOf(createTags([owner], [eni, 'eni-12345678']))).toMatch(/NotFound/);
    expect(tags()).toEqual(inPool);
    await createTags([owner], [eni, one]);
    const { Tags } = await world.ec2.send(
      new sdk.DescribeTagsCommand({ Filters: [{ Name: 'key', Values: ['berth:owner'] }] }),
    );
    expect(Tags).toEqual([
      { ResourceId: eni, ResourceType: 'network-interface', ...owner },
      { ResourceId: one, ResourceType: 'instance', ...owner },
    ]);
  });
});
