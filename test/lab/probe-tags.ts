// Probes of tags: limits, overwriting, and what DeleteTags deletes.
import * as sdk from '@aws-sdk/client-ec2';
import type { Ground } from './probe-ground.ts';
import { markKey } from './probe-sweep.ts';
import { answerOf, changing, found, reading, type Answer } from './probe.ts';

const unknownEni = 'eni-0123456789abcdef0';

const create = ({ ec2 }: Ground, id: string, Tags: sdk.Tag[]): Promise<Answer> =>
  answerOf(ec2.send(new sdk.CreateTagsCommand({ Resources: [id], Tags })));

const remove = ({ ec2 }: Ground, id: string, Tags?: sdk.Tag[]): Promise<Answer> =>
  answerOf(ec2.send(new sdk.DeleteTagsCommand({ Resources: [id], Tags })));

const createOn = async (ground: Ground, Tags: sdk.Tag[]): Promise<Answer> =>
  create(ground, await ground.eniId(), Tags);

/** Beside the mark. */
const tagsOf = async (ground: Ground, eniId: string): Promise<Record<string, string>> =>
  Object.fromEntries(
    (await ground.look(eniId))
      .TagSet!.filter(({ Key }) => Key !== markKey)
      .map(({ Key, Value }) => [Key!, Value!]),
  );

/** What is left of owner=me after this deletion, and what the call said. */
const after = async (ground: Ground, value: string, Tags?: sdk.Tag[]): Promise<Answer> => {
  const eniId = await ground.eniId();
  await create(ground, eniId, [{ Key: 'owner', Value: value }]);
  const { said, text } = await remove(ground, eniId, Tags);
  return { said: found({ said, left: await tagsOf(ground, eniId) }).said, text };
};

const reads = reading('tags', {
  'create: on an unknown ENI': (ground) => create(ground, unknownEni, [{ Key: 'a', Value: 'b' }]),
  'create: on a malformed ENI': (ground) => create(ground, 'eni-xyz', [{ Key: 'a', Value: 'b' }]),
  'create: none': (ground) => create(ground, unknownEni, []),
  'delete: on an unknown ENI': (ground) => remove(ground, unknownEni, [{ Key: 'a' }]),
});

const changes = changing('tags', {
  'create: overwrites': async (ground) => {
    const eniId = await ground.eniId();
    await create(ground, eniId, [{ Key: 'owner', Value: 'one' }]);
    await create(ground, eniId, [{ Key: 'owner', Value: 'two' }]);
    return found(await tagsOf(ground, eniId));
  },
  'create: a reserved key': (ground) => createOn(ground, [{ Key: 'aws:key', Value: 'x' }]),
  'create: an empty key': (ground) => createOn(ground, [{ Key: '', Value: 'x' }]),
  'create: a key of 128': (ground) => createOn(ground, [{ Key: 'k'.repeat(128), Value: 'x' }]),
  'create: a key of 129': (ground) => createOn(ground, [{ Key: 'k'.repeat(129), Value: 'x' }]),
  'create: a value of 256': (ground) => createOn(ground, [{ Key: 'k', Value: 'v'.repeat(256) }]),
  'create: a value of 257': (ground) => createOn(ground, [{ Key: 'k', Value: 'v'.repeat(257) }]),
  'create: no value': async (ground) => {
    const eniId = await ground.eniId();
    await create(ground, eniId, [{ Key: 'owner' }]);
    return found(await tagsOf(ground, eniId));
  },
  'create: a key twice': (ground) =>
    createOn(ground, [
      { Key: 'k', Value: '1' },
      { Key: 'k', Value: '2' },
    ]),
  'create: more than 50': (ground) =>
    createOn(
      ground,
      Array.from({ length: 50 }, (_, index) => ({ Key: `k${index}`, Value: '' })),
    ),
  'create: on a known and an unknown ENI': async (ground) => {
    const eniId = await ground.eniId();
    const { said } = await answerOf(
      ground.ec2.send(
        new sdk.CreateTagsCommand({
          Resources: [eniId, unknownEni],
          Tags: [{ Key: 'owner', Value: 'me' }],
        }),
      ),
    );
    return found({ said, left: await tagsOf(ground, eniId) });
  },
  'create: as a dry run': async (ground) =>
    answerOf(
      ground.ec2.send(
        new sdk.CreateTagsCommand({
          Resources: [await ground.eniId()],
          Tags: [{ Key: 'owner', Value: 'me' }],
          DryRun: true,
        }),
      ),
    ),
  'delete: key and value': (ground) => after(ground, 'me', [{ Key: 'owner', Value: 'me' }]),
  'delete: key and another value': (ground) =>
    after(ground, 'me', [{ Key: 'owner', Value: 'you' }]),
  'delete: key and empty value, which it is not': (ground) =>
    after(ground, 'me', [{ Key: 'owner', Value: '' }]),
  'delete: key and empty value, which it is': (ground) =>
    after(ground, '', [{ Key: 'owner', Value: '' }]),
  'delete: key alone': (ground) => after(ground, 'me', [{ Key: 'owner' }]),
  'delete: another key': (ground) => after(ground, 'me', [{ Key: 'other', Value: 'me' }]),
  'delete: no list deletes all': (ground) => after(ground, 'me'),
  'describe: by resource and key': async (ground) => {
    const eniId = await ground.eniId();
    await create(ground, eniId, [{ Key: 'owner', Value: 'me' }]);
    const Filters = [
      { Name: 'resource-id', Values: [eniId] },
      { Name: 'key', Values: ['owner'] },
    ];
    return answerOf(ground.ec2.send(new sdk.DescribeTagsCommand({ Filters })), ({ Tags }) =>
      Tags!.map(({ Key, Value, ResourceType }) => ({ Key, Value, ResourceType })),
    );
  },
});

export const tagProbes = [...reads, ...changes];
