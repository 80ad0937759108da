// The world in which the lab's own tests play: a lab, two zones, two instances, and clients of the SDK.
import { EC2Client } from '@aws-sdk/client-ec2';
import { SSMClient } from '@aws-sdk/client-ssm';
import { expect } from 'vitest';
import { createLab, type Lab, type LabOptions } from './lab.ts';

export const vpcId = 'vpc-0123456789abcdef0';
export const subnetA = 'subnet-0000000000000000a';
export const subnetA2 = 'subnet-000000000000000a2';
export const subnetB = 'subnet-0000000000000000b';
export const one = 'i-00000000000000001';
export const two = 'i-00000000000000002';
export const inPool = { 'berth:pool': 'db' };

export type TestWorld = AsyncDisposable & {
  readonly lab: Lab;
  /** Of the operator. */
  readonly ec2: EC2Client;
  readonly ssm: SSMClient;
  /** With the role of an instance. */
  clientsOf(instanceId: string): { readonly ec2: EC2Client; readonly ssm: SSMClient };
};

export async function createTestWorld(options: LabOptions = {}): Promise<TestWorld> {
  const lab = await createLab(options);
  const zoneA = { vpcId, availabilityZone: 'eu-west-1a', availabilityZoneId: 'euw1-az1' };
  const zoneB = { vpcId, availabilityZone: 'eu-west-1b', availabilityZoneId: 'euw1-az2' };
  lab.ec2.addSubnet({ ...zoneA, subnetId: subnetA, ipv4Cidr: '10.0.1.0/24' });
  lab.ec2.addSubnet({ ...zoneA, subnetId: subnetA2, ipv4Cidr: '10.0.2.0/24' });
  lab.ec2.addSubnet({ ...zoneB, subnetId: subnetB, ipv4Cidr: '10.0.3.0/24' });
  for (const instanceId of [one, two]) {
    lab.ec2.launch({ instanceId, subnetId: subnetA, tags: inPool });
  }
  const clients: { destroy(): void }[] = [];
  const make = (credentials: { accessKeyId: string; secretAccessKey: string }) => {
    const config = { endpoint: lab.endpoint, region: lab.region, maxAttempts: 1, credentials };
    const made = { ec2: new EC2Client(config), ssm: new SSMClient(config) };
    clients.push(made.ec2, made.ssm);
    return made;
  };
  return {
    lab,
    ...make(lab.operator),
    clientsOf: (instanceId) => make(lab.credentialsFor(instanceId)),
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) client.destroy();
      await lab[Symbol.asyncDispose]();
    },
  };
}

/** Name and message of the error with which `work` ends. */
export async function errorOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => expect.unreachable('there was no error'),
    (error: unknown) => {
      const { name, message } = error as Error;
      return `${name}: ${message}`;
    },
  );
}
