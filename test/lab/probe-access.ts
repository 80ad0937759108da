// Probes of who may: signatures, keys, denials, resources, conditions; and the content types of answers.
import {
  DescribeLogGroupsCommand,
  DescribeLogStreamsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import * as sdk from '@aws-sdk/client-ec2';
import { GetParameterCommand, GetParametersByPathCommand } from '@aws-sdk/client-ssm';
import type { Clients, Credentials } from './probe-clients.ts';
import type { Ground } from './probe-ground.ts';
import { answerOf, changing, found, reading, type Answer, type Probe } from './probe.ts';

type Call = (clients: Clients) => Promise<Answer>;

const none = '/berth-conformance/none';

const calls: Readonly<Record<string, Call>> = {
  ec2: ({ ec2 }) => answerOf(ec2.send(new sdk.DescribeNetworkInterfacesCommand({}))),
  ssm: ({ ssm }) => answerOf(ssm.send(new GetParametersByPathCommand({ Path: none }))),
  logs: ({ logs }) =>
    answerOf(logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: none }))),
};

const failing: typeof calls = {
  ec2: ({ ec2 }) =>
    answerOf(
      ec2.send(
        new sdk.DescribeNetworkInterfacesCommand({
          NetworkInterfaceIds: ['eni-0123456789abcdef0'],
        }),
      ),
    ),
  ssm: ({ ssm }) => answerOf(ssm.send(new GetParameterCommand({ Name: none }))),
  logs: ({ logs }) => answerOf(logs.send(new DescribeLogStreamsCommand({ logGroupName: none }))),
};

const each = (topic: string, ask: (call: Call, service: string) => Probe['ask']) =>
  Object.fromEntries(
    Object.entries(calls).map(([service, call]) => [`${topic}, ${service}`, ask(call, service)]),
  );

const statement = (Action: string, Resource: string, Condition?: object, Effect = 'Allow') => ({
  Effect,
  Action,
  Resource,
  ...(Condition === undefined ? {} : { Condition }),
});

const policy = (...Statement: object[]) => ({ Version: '2012-10-17', Statement });

const limitedTo = async (ground: Ground, ...statements: object[]): Promise<Clients> =>
  ground.as(await ground.powers.limited(policy(...statements)));

const unknownKey: Credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'not-a-secret',
};

const tag = async (ground: Ground, clients: Clients): Promise<Answer> =>
  answerOf(
    clients.ec2.send(
      new sdk.CreateTagsCommand({
        Resources: [await ground.eniId()],
        Tags: [{ Key: 'owner', Value: 'me' }],
      }),
    ),
  );

const anyEni = 'arn:aws:ec2:*:*:network-interface/*';

const reads = reading('access', {
  ...each('an unknown key', (call) => async (ground) => call(ground.as(unknownKey))),
  ...each('content type', (call) => async (ground) => {
    using clients = ground.as(await ground.credentials());
    await call(clients);
    return found(clients.last.contentType);
  }),
  ...each('content type of an error', (_, service) => async (ground) => {
    using clients = ground.as(await ground.credentials());
    await failing[service]!(clients);
    return found(clients.last.contentType);
  }),
});

const changes = changing('access', {
  ...each('a wrong secret', (call) => async (ground) => {
    const own = await ground.powers.limited(policy(statement('*', '*')));
    return call(ground.as({ ...own, secretAccessKey: 'not-a-secret' }));
  }),
  ...each(
    'denied',
    (call) => async (ground) => call(await limitedTo(ground, statement('ec2:StopInstances', '*'))),
  ),
  ...each(
    'allowed',
    (call) => async (ground) => call(await limitedTo(ground, statement('*', '*'))),
  ),
  'denied in words': async (ground) =>
    tag(
      ground,
      await limitedTo(
        ground,
        statement('ec2:*', '*'),
        statement('ec2:CreateTags', '*', undefined, 'Deny'),
      ),
    ),
  'a resource that fits': async (ground) =>
    tag(ground, await limitedTo(ground, statement('ec2:CreateTags', anyEni))),
  'a resource that does not fit': async (ground) =>
    tag(ground, await limitedTo(ground, statement('ec2:CreateTags', 'arn:aws:ec2:*:*:instance/*'))),
  'a condition that holds': async (ground) =>
    tag(
      ground,
      await limitedTo(
        ground,
        statement('ec2:CreateTags', '*', { StringEquals: { 'aws:RequestTag/owner': 'me' } }),
      ),
    ),
  'a condition that does not hold': async (ground) =>
    tag(
      ground,
      await limitedTo(
        ground,
        statement('ec2:CreateTags', '*', { StringEquals: { 'aws:RequestTag/owner': 'you' } }),
      ),
    ),
  'a guard against a second owner': async (ground) => {
    const clients = await limitedTo(
      ground,
      statement('ec2:CreateTags', '*', { Null: { 'aws:ResourceTag/owner': 'true' } }),
    );
    const Resources = [await ground.eniId()];
    const claim = (Value: string) =>
      answerOf(
        clients.ec2.send(new sdk.CreateTagsCommand({ Resources, Tags: [{ Key: 'owner', Value }] })),
      );
    return found([(await claim('one')).said, (await claim('two')).said]);
  },
});

export const accessProbes = [...reads, ...changes];
