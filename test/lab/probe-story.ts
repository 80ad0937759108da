// The daemon's main job as one probe after another's steps: pool, claim, conflict, release; configuration; logs.
import * as logs from '@aws-sdk/client-cloudwatch-logs';
import * as ec2 from '@aws-sdk/client-ec2';
import * as ssm from '@aws-sdk/client-ssm';
import type { Ground } from './probe-ground.ts';
import { answerOf, changing, found, type Answer } from './probe.ts';

/** What each step said, in order. */
async function story(steps: readonly (() => Promise<Answer>)[]): Promise<Answer> {
  const said: string[] = [];
  for (const step of steps) said.push((await step()).said);
  return found(said);
}

const inPool = async (ground: Ground, pool: string): Promise<string> => {
  const TagSpecifications = ground.marks.map((mark) => ({
    ...mark,
    Tags: [...mark.Tags!, { Key: 'berth:pool', Value: pool }],
  }));
  return (await ground.eni({ TagSpecifications })).NetworkInterfaceId!;
};

const owner = (Value: string): ec2.Tag[] => [{ Key: 'berth:owner', Value }];

async function claim(ground: Ground): Promise<Answer> {
  const pool = crypto.randomUUID();
  const NetworkInterfaceId = await inPool(ground, pool);
  const [a, b] = ground.place.instances;
  const Resources = [NetworkInterfaceId];
  const free = async (): Promise<Answer> => {
    const Filters = [
      { Name: 'tag:berth:pool', Values: [pool] },
      { Name: 'status', Values: ['available'] },
    ];
    return answerOf(
      ground.ec2.send(new ec2.DescribeNetworkInterfacesCommand({ Filters })),
      (answer) => answer.NetworkInterfaces!.length,
    );
  };
  const tag = (value: string) =>
    answerOf(ground.ec2.send(new ec2.CreateTagsCommand({ Resources, Tags: owner(value) })));
  const untag = (value: string) =>
    answerOf(ground.ec2.send(new ec2.DeleteTagsCommand({ Resources, Tags: owner(value) })));
  const seen = async (): Promise<Answer> => {
    const { Attachment, TagSet } = await ground.look(NetworkInterfaceId);
    const holder = [a, b].indexOf(Attachment?.InstanceId ?? '');
    const tagged = TagSet!.find(({ Key }) => Key === 'berth:owner')?.Value ?? null;
    return found({ holder: holder === -1 ? null : 'ab'[holder], owner: tagged });
  };
  const attachTo = async (InstanceId: string) =>
    answerOf(
      ground.ec2.send(
        new ec2.AttachNetworkInterfaceCommand({
          NetworkInterfaceId,
          InstanceId,
          DeviceIndex: await ground.freeIndex(InstanceId),
          NetworkCardIndex: 0,
        }),
      ),
    );
  let attachmentId = '';
  return story([
    free,
    () => tag('a'),
    async () => {
      ({ attachmentId } = await ground.attach(NetworkInterfaceId, a));
      return seen();
    },
    free,
    () => attachTo(b),
    async () => {
      const { Attachment } = await ground.look(NetworkInterfaceId);
      attachmentId = Attachment!.AttachmentId!;
      await ground.detach(attachmentId, NetworkInterfaceId);
      return seen();
    },
    () => untag('b'),
    seen,
    () => untag('a'),
    seen,
    free,
  ]);
}

async function configuration(ground: Ground): Promise<Answer> {
  const path = ground.name();
  const Name = `${path}/config`;
  const put = (Value: string, Overwrite: boolean) =>
    answerOf(
      ground.ssm.send(new ssm.PutParameterCommand({ Name, Value, Type: 'String', Overwrite })),
      ({ Version }) => Version,
    );
  const get = (suffix: string) =>
    answerOf(
      ground.ssm.send(new ssm.GetParameterCommand({ Name: Name + suffix })),
      ({ Parameter }) => [Parameter!.Value, Parameter!.Version],
    );
  return story([
    () => get(''),
    () => put('one', false),
    () => put('two', false),
    () => put('two', true),
    () => get(''),
    () => get(':1'),
    () =>
      answerOf(
        ground.ssm.send(
          new ssm.LabelParameterVersionCommand({ Name, Labels: ['stable'], ParameterVersion: 1 }),
        ),
      ),
    () => get(':stable'),
    () => get(':unstable'),
    () =>
      answerOf(
        ground.ssm.send(new ssm.GetParametersByPathCommand({ Path: path })),
        ({ Parameters }) => Parameters!.map(({ Value }) => Value),
      ),
  ]);
}

async function shipping(ground: Ground): Promise<Answer> {
  const target = { logGroupName: ground.name(), logStreamName: 's' };
  const put = (...messages: string[]) =>
    answerOf(
      ground.logs.send(
        new logs.PutLogEventsCommand({
          ...target,
          logEvents: messages.map((message) => ({ timestamp: ground.clock.nowMs(), message })),
        }),
      ),
    );
  const stream = () => answerOf(ground.logs.send(new logs.CreateLogStreamCommand(target)));
  const { logGroupName } = target;
  return story([
    () => put('one'),
    stream,
    () => answerOf(ground.logs.send(new logs.CreateLogGroupCommand({ logGroupName }))),
    () =>
      answerOf(
        ground.logs.send(new logs.PutRetentionPolicyCommand({ logGroupName, retentionInDays: 7 })),
      ),
    () => put('one'),
    stream,
    stream,
    () => put('one'),
    () => put('two', 'three'),
  ]);
}

export const storyProbes = changing('story', { claim, configuration, shipping });
