// Probes of CloudWatch Logs beside PutLogEvents: groups, streams, retention.
import * as sdk from '@aws-sdk/client-cloudwatch-logs';
import type { Ground } from './probe-ground.ts';
import { markKey } from './probe-sweep.ts';
import { answerOf, changing, reading, type Answer } from './probe.ts';

const none = `/${markKey}/none`;

/** A new group; returns its name. */
export const newGroup = async (
  ground: Ground,
  input: Partial<sdk.CreateLogGroupCommandInput> = {},
): Promise<string> => {
  const logGroupName = ground.name();
  await ground.logs.send(new sdk.CreateLogGroupCommand({ logGroupName, ...input }));
  return logGroupName;
};

const createGroup = ({ logs }: Ground, logGroupName: string): Promise<Answer> =>
  answerOf(logs.send(new sdk.CreateLogGroupCommand({ logGroupName })));

const createStream = (
  { logs }: Ground,
  logGroupName: string,
  logStreamName: string,
): Promise<Answer> =>
  answerOf(logs.send(new sdk.CreateLogStreamCommand({ logGroupName, logStreamName })));

const retain = ({ logs }: Ground, logGroupName: string, days: number): Promise<Answer> =>
  answerOf(logs.send(new sdk.PutRetentionPolicyCommand({ logGroupName, retentionInDays: days })));

const reads = reading('logs', {
  'stream: in an unknown group': (ground) => createStream(ground, none, 's'),
  'retention: of an unknown group': (ground) => retain(ground, none, 7),
  'describe groups: none': ({ logs }) =>
    answerOf(
      logs.send(new sdk.DescribeLogGroupsCommand({ logGroupNamePrefix: none })),
      ({ logGroups }) => logGroups?.length,
    ),
  'describe groups: 51 to a page': ({ logs }) =>
    answerOf(logs.send(new sdk.DescribeLogGroupsCommand({ limit: 51 }))),
  'describe streams: of an unknown group': ({ logs }) =>
    answerOf(logs.send(new sdk.DescribeLogStreamsCommand({ logGroupName: none }))),
});

const changes = changing('logs', {
  'group: a new one': (ground) => createGroup(ground, ground.name()),
  'group: again': async (ground) => createGroup(ground, await newGroup(ground)),
  'group: a bad name': (ground) => createGroup(ground, `${ground.name()} x`),
  'group: of an unknown class': (ground) =>
    answerOf(
      ground.logs.send(
        new sdk.CreateLogGroupCommand({
          logGroupName: ground.name(),
          logGroupClass: 'CHEAP' as sdk.LogGroupClass,
        }),
      ),
    ),
  'group: what is seen': async (ground) => {
    const logGroupNamePrefix = await newGroup(ground, { logGroupClass: 'INFREQUENT_ACCESS' });
    await retain(ground, logGroupNamePrefix, 7);
    return answerOf(
      ground.logs.send(new sdk.DescribeLogGroupsCommand({ logGroupNamePrefix })),
      ({ logGroups }) =>
        logGroups!.map((group) => ({
          days: group.retentionInDays,
          class: group.logGroupClass,
          dated: group.creationTime !== undefined,
        })),
    );
  },
  'stream: a new one': async (ground) => createStream(ground, await newGroup(ground), 'a/b'),
  'stream: again': async (ground) => {
    const group = await newGroup(ground);
    await createStream(ground, group, 's');
    return createStream(ground, group, 's');
  },
  'stream: a name with a colon': async (ground) =>
    createStream(ground, await newGroup(ground), 'a:b'),
  'stream: a name with an asterisk': async (ground) =>
    createStream(ground, await newGroup(ground), 'a*b'),
  'streams: what is seen': async (ground) => {
    const logGroupName = await newGroup(ground);
    await createStream(ground, logGroupName, 'one');
    await createStream(ground, logGroupName, 'two');
    return answerOf(
      ground.logs.send(
        new sdk.DescribeLogStreamsCommand({ logGroupName, logStreamNamePrefix: 'o' }),
      ),
      ({ logStreams }) => logStreams!.map(({ logStreamName }) => logStreamName),
    );
  },
  'retention: 7 days': async (ground) => retain(ground, await newGroup(ground), 7),
  'retention: 6 days': async (ground) => retain(ground, await newGroup(ground), 6),
  'delete: a group': async (ground) =>
    answerOf(
      ground.logs.send(new sdk.DeleteLogGroupCommand({ logGroupName: await newGroup(ground) })),
    ),
});

export const logsProbes = [...reads, ...changes];
