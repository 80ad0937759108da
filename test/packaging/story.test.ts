// The role that pool.yaml makes, over HTTP against the lab's IAM: it suffices for the life of one claim, and without any
// one of its statements it does not.
import * as sdk from '@aws-sdk/client-ec2';
import * as cwl from '@aws-sdk/client-cloudwatch-logs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packaging, policiesOf, poolParameters } from '../fixtures/templates.ts';
import { readStack } from '../lab/cloudformation.ts';
import type { LabEni } from '../lab/ec2-world.ts';
import type { Policy } from '../lab/iam-evaluate.ts';
import { mutantsOf } from '../lab/iam-mutants.ts';
import { createTestWorld, errorOf, one, subnetA } from '../lab/test-world.ts';

const { resources } = readStack(join(packaging, 'cloudformation', 'pool.yaml'), poolParameters);
const role = Object.values(policiesOf(resources['Role']));
const { Tags } = resources['EniA']!.Properties as { Tags: { Key: string; Value: string }[] };
const tags = Object.fromEntries(Tags.map(({ Key, Value }) => [Key, Value]));

/** What berth calls from boot to release; returns the ENI after it. Throws at the first refusal. */
async function story(policies: readonly Policy[]): Promise<LabEni> {
  await using world = await createTestWorld();
  const { lab } = world;
  lab.setPolicies(one, policies);
  const { eniId } = lab.ec2.addEni({ subnetId: subnetA, tags });
  const { ec2 } = world.clientsOf(one);
  const credentials = lab.credentialsFor(one);
  const config = { endpoint: lab.endpoint, region: lab.region, maxAttempts: 1, credentials };
  using logs = disposable(new cwl.CloudWatchLogsClient(config));
  const owner = { Key: 'berth:owner', Value: lab.ec2.arnOf(one) };
  const claim = (epoch: number) =>
    new sdk.CreateTagsCommand({
      Resources: [eniId],
      Tags: [owner, { Key: 'berth:claim', Value: `${epoch}:x` }],
    });
  await ec2.send(new sdk.DescribeInstancesCommand({ InstanceIds: [one] }));
  await ec2.send(new sdk.DescribeInstanceTypesCommand({ InstanceTypes: ['t3.medium'] }));
  await ec2.send(new sdk.DescribeSubnetsCommand({ SubnetIds: [subnetA] }));
  const Filters = [{ Name: 'tag:berth:pool', Values: ['db'] }];
  const found = await ec2.send(new sdk.DescribeNetworkInterfacesCommand({ Filters }));
  expect(found.NetworkInterfaces).toHaveLength(1);
  await ec2.send(claim(1));
  const { AttachmentId } = await ec2.send(
    new sdk.AttachNetworkInterfaceCommand({
      NetworkInterfaceId: eniId,
      InstanceId: one,
      DeviceIndex: 1,
    }),
  );
  await lab.ec2.settled();
  await ec2.send(claim(2));
  const logGroupName = '/berth/db';
  await logs.send(new cwl.CreateLogGroupCommand({ logGroupName }));
  const stream = { logGroupName, logStreamName: one };
  await logs.send(new cwl.CreateLogStreamCommand(stream));
  const logEvents = [{ timestamp: Date.now(), message: 'berth is ready' }];
  await logs.send(new cwl.PutLogEventsCommand({ ...stream, logEvents }));
  await ec2.send(new sdk.DetachNetworkInterfaceCommand({ AttachmentId }));
  await lab.ec2.settled();
  await ec2.send(new sdk.DeleteTagsCommand({ Resources: [eniId], Tags: [owner] }));
  return lab.ec2.eni(eniId)!;
}

const disposable = <T extends { destroy(): void }>(client: T): T & Disposable =>
  Object.assign(client, { [Symbol.dispose]: () => client.destroy() });

test('the role suffices', async () => {
  expect(await story(role)).toMatchObject({ status: 'available', attachment: undefined });
});

const removed = role.flatMap((policy, index) =>
  mutantsOf(policy)
    .filter(({ name }) => name.startsWith('statement ') || name.startsWith('action '))
    .map((mutant) => [mutant.name, role.with(index, mutant.policy)] as const),
);

/** What the story does not need: the one only forbids, the other is for the stack. */
const others = /NeverTouchPoolTag|SignalMyStack/;

test.each(removed.filter(([name]) => !others.test(name)))('not without %s', async (_name, less) => {
  expect(await errorOf(story(less))).toMatch(/^(UnauthorizedOperation|AccessDeniedException): /);
});

test.each(removed.filter(([name]) => others.test(name)))('but without %s', async (_name, less) => {
  expect(await story(less)).toMatchObject({ status: 'available' });
});
