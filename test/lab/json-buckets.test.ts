// Parameter Store and CloudWatch Logs throttle each kind of call by itself, over HTTP, by the real SDK.
import * as logs from '@aws-sdk/client-cloudwatch-logs';
import {
  GetParameterCommand,
  GetParametersCommand,
  PutParameterCommand,
} from '@aws-sdk/client-ssm';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createManualClock, type ManualClock } from './manual-clock.ts';
import { createTestWorld, errorOf, type TestWorld } from './test-world.ts';

let world: TestWorld;
let clock: ManualClock;

beforeEach(async () => {
  clock = createManualClock();
  world = await createTestWorld({ clock, dials: { bucketScale: 0.1 } });
  world.lab.ssm.put({ name: '/berth/a', value: 'v' });
});
afterEach(() => world[Symbol.asyncDispose]());

const get = () => world.ssm.send(new GetParameterCommand({ Name: '/berth/a' }));
const getMany = () => world.ssm.send(new GetParametersCommand({ Names: ['/berth/a', '/none'] }));

test('reads of parameters share a bucket, writes have another', async () => {
  for (let count = 0; count < 4; count++) await get();
  expect(await errorOf(get())).toBe('ThrottlingException: Rate exceeded');
  expect(await errorOf(getMany())).toMatch(/^ThrottlingException/);
  const put = new PutParameterCommand({ Name: '/berth/b', Value: 'v', Type: 'String' });
  await world.ssm.send(put);
  clock.advance(250);
  await getMany();
  world.lab.ec2.dials.bucketScale = 0;
  for (let count = 0; count < 50; count++) await get();
});

test('Logs', async () => {
  const { lab } = world;
  const config = { endpoint: lab.endpoint, region: lab.region, maxAttempts: 1 };
  const client = new logs.CloudWatchLogsClient({ ...config, credentials: lab.operator });
  const create = (logGroupName: string) =>
    client.send(new logs.CreateLogGroupCommand({ logGroupName }));
  await create('a');
  expect(await errorOf(create('b'))).toMatch(/^ThrottlingException/);
  expect(lab.logs.groups()).toEqual(['a']);
  for (let count = 0; count < 5; count++) {
    const command = new logs.CreateLogStreamCommand({
      logGroupName: 'a',
      logStreamName: `${count}`,
    });
    await client.send(command);
  }
  clock.advance(1000);
  await create('b');
  client.destroy();
});
