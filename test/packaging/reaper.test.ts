// packaging/reaper.asl.json, run by moto's interpreter of Step Functions on moto's EC2. What its role may do is judged by
// test/lab/iam.test.ts.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import * as sdk from '@aws-sdk/client-ec2';
import { expect, test, vi } from 'vitest';
import { packaging, words } from '../fixtures/templates.ts';
import { ec2OfMoto, hasMoto, needsMoto, startMotoServer } from '../lab/moto.ts';

vi.setConfig({ testTimeout: 400_000 });

const region = words.REGION;
const arnOf = (id: string): string => `arn:aws:ec2:${region}:${words.ACCOUNT}:instance/${id}`;

test.skipIf(!hasMoto)(
  `the claim of the terminated instance goes, and no other${needsMoto}`,
  async () => {
    const port = await freePort();
    await using moto = await startMotoServer({ accountId: words.ACCOUNT, port });
    await post(`${moto.endpoint}/moto-api/config`, {
      stepfunctions: { execute_state_machine: true },
    });
    const ask = (action: string, body: object) =>
      post(moto.endpoint, body, `AWSStepFunctions.${action}`) as Promise<Record<string, string>>;
    using ec2 = ec2OfMoto(moto.endpoint);
    const SubnetId = (await ec2.send(new sdk.DescribeSubnetsCommand({}))).Subnets![0]!.SubnetId;
    const claimed = async (...owners: readonly string[]) => {
      const Tags = owners.map((id) => ({ Key: 'berth:owner', Value: arnOf(id) }));
      const { NetworkInterface } = await ec2.send(
        new sdk.CreateNetworkInterfaceCommand({
          SubnetId,
          TagSpecifications: [
            {
              ResourceType: 'network-interface',
              Tags: [{ Key: 'berth:pool', Value: 'db' }, ...Tags],
            },
          ],
        }),
      );
      return NetworkInterface!.NetworkInterfaceId!;
    };
    const enis = [await claimed('i-dead'), await claimed('i-alive'), await claimed('i-dead')];
    const definition = readFileSync(join(packaging, 'reaper.asl.json'), 'utf8');
    const { stateMachineArn } = await ask('CreateStateMachine', {
      name: 'reaper',
      definition: definition.replaceAll('PARTITION', 'aws'),
      roleArn: `arn:aws:iam::${words.ACCOUNT}:role/reaper`,
    });
    const ended = async (id: string) => {
      const input = JSON.stringify(terminated(arnOf(id), id));
      const { executionArn } = await ask('StartExecution', { stateMachineArn, input, name: id });
      return vi.waitFor(
        async () => {
          const { status, cause } = await ask('DescribeExecution', { executionArn });
          expect(status).not.toBe('RUNNING');
          return { status, cause };
        },
        { timeout: 200_000, interval: 200 },
      );
    };
    expect(await ended('i-dead')).toEqual({ status: 'SUCCEEDED', cause: undefined });
    // Of an instance that had none.
    expect(await ended('i-other')).toEqual({ status: 'SUCCEEDED', cause: undefined });
    const { NetworkInterfaces } = await ec2.send(
      new sdk.DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: enis }),
    );
    const owners = enis.map((id) => {
      const { TagSet } = NetworkInterfaces!.find((eni) => eni.NetworkInterfaceId === id)!;
      return TagSet!.find(({ Key }) => Key === 'berth:owner')?.Value;
    });
    expect(owners).toEqual([undefined, arnOf('i-alive'), undefined]);
  },
);

/** As EC2 sends it to EventBridge (EC2 user guide, "State change events"). */
const terminated = (arn: string, id: string) => ({
  id: '7bf73129-1428-4cd3-a780-95db273d1602',
  'detail-type': 'EC2 Instance State-change Notification',
  source: 'aws.ec2',
  account: words.ACCOUNT,
  region,
  resources: [arn],
  detail: { 'instance-id': id, state: 'terminated' },
});

async function post(url: string, body: object, target = ''): Promise<unknown> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': target,
      authorization: `AWS4-HMAC-SHA256 Credential=x/20260101/${region}/states/aws4_request, SignedHeaders=host, Signature=0`,
    },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`moto refused ${target}: ${text}`);
  return JSON.parse(text);
}

/** moto's state machines look for it where it was told to listen. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
