// The CloudFormation templates: the policies are those of packaging/iam, and what the launch template, the group and the
// pool must say. test/lab/cloudformation.ts resolves their functions.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseTemplate, readStack } from '../lab/cloudformation.ts';
import { readPolicy } from '../lab/iam.ts';
import { packaging, policiesOf, poolParameters, words } from '../fixtures/templates.ts';

const fileOf = (name: string): string => join(packaging, 'cloudformation', `${name}.yaml`);
const pool = readStack(fileOf('pool'), poolParameters).resources;
const reaper = readStack(fileOf('reaper')).resources;
const machine = readFileSync(join(packaging, 'reaper.asl.json'), 'utf8');

describe('policies', () => {
  test('the role of an instance has base.json, logs.json and cloudformation.json, and no more', () => {
    expect(policiesOf(pool['Role'])).toEqual({
      base: readPolicy('base', words),
      logs: readPolicy('logs', words),
      cloudformation: readPolicy('cloudformation', words),
    });
    expect(pool['Role']!.Properties).not.toHaveProperty('ManagedPolicyArns');
  });

  test('more is what the operator names', () => {
    const ManagedPolicyArns = 'arn:aws:iam::aws:policy/A,arn:aws:iam::aws:policy/B';
    const { resources } = readStack(fileOf('pool'), { ...poolParameters, ManagedPolicyArns });
    expect(resources['Role']!.Properties).toMatchObject({
      ManagedPolicyArns: ManagedPolicyArns.split(','),
    });
  });

  test('the state machine has reaper.json, the rule may start it', () => {
    expect(policiesOf(reaper['MachineRole'])).toEqual({ reaper: readPolicy('reaper', words) });
    const [statement] = policiesOf(reaper['RuleRole'])['start']!.Statement;
    expect(statement).toMatchObject({ Action: 'states:StartExecution', Resource: 'Machine' });
  });

  test.each([
    ['Role', 'ec2', pool],
    ['MachineRole', 'states', reaper],
    ['RuleRole', 'events', reaper],
  ])('%s is for %s alone', (name, service, resources) => {
    expect(resources[name]!.Properties['AssumeRolePolicyDocument']).toEqual({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { Service: `${service}.amazonaws.com` },
          Action: 'sts:AssumeRole',
        },
      ],
    });
  });
});

describe('pool.yaml', () => {
  const inPool = { Key: 'berth:pool', Value: 'db' };

  test('an ENI in each subnet, in the pool from its creation on', () => {
    const enis = Object.values(pool).filter(({ Type }) => Type === 'AWS::EC2::NetworkInterface');
    expect(enis.map(({ Properties }) => Properties)).toEqual(
      ['subnet-a', 'subnet-b'].map((SubnetId) => ({
        SubnetId,
        GroupSet: ['sg-1'],
        Tags: [inPool],
      })),
    );
  });

  test('an instance for each ENI, in its subnet, with the tag of the pool', () => {
    expect(pool['Group']!.Properties).toMatchObject({
      MinSize: '2',
      MaxSize: '2',
      VPCZoneIdentifier: ['subnet-a', 'subnet-b'],
      AvailabilityZoneDistribution: { CapacityDistributionStrategy: 'balanced-only' },
      Tags: expect.arrayContaining([{ ...inPool, PropagateAtLaunch: true }]),
    });
  });

  test('the stack stands when both are ready, an update goes one by one, the end begins with the instances', () => {
    expect(pool['Group']).toMatchObject({
      DependsOn: ['EniA', 'EniB'],
      CreationPolicy: { ResourceSignal: { Count: 2, Timeout: 'PT10M' } },
      UpdatePolicy: {
        AutoScalingRollingUpdate: {
          MinInstancesInService: 1,
          MaxBatchSize: 1,
          WaitOnResourceSignals: true,
        },
      },
    });
  });

  test('IMDSv2 alone, for the instance alone, with its tags', () => {
    expect(pool['Template']!.Properties['LaunchTemplateData']).toMatchObject({
      MetadataOptions: {
        HttpTokens: 'required',
        HttpPutResponseHopLimit: 1,
        InstanceMetadataTags: 'enabled',
      },
      IamInstanceProfile: { Arn: 'Profile.Arn' },
    });
    expect(pool['Profile']!.Properties['Roles']).toEqual(['Role']);
  });
});

describe('reaper.yaml', () => {
  test('the state machine is reaper.asl.json', () => {
    const text = reaper['Machine']!.Properties['DefinitionString'] as string;
    expect(JSON.parse(text)).toEqual(JSON.parse(machine.replaceAll('PARTITION', 'aws')));
  });

  test('it is started by the end of an instance', () => {
    expect(reaper['Rule']!.Properties).toMatchObject({
      EventPattern: {
        source: ['aws.ec2'],
        'detail-type': ['EC2 Instance State-change Notification'],
        detail: { state: ['terminated'] },
      },
      Targets: [{ Arn: 'Machine', RoleArn: 'RuleRole.Arn' }],
    });
  });
});

test('the outputs of demo.yaml are parameters of pool.yaml', () => {
  const { outputs } = readStack(fileOf('demo'));
  const { Parameters } = parseTemplate(readFileSync(fileOf('pool'), 'utf8')) as {
    Parameters: object;
  };
  expect(Object.keys(Parameters)).toEqual(expect.arrayContaining(Object.keys(outputs)));
  expect(outputs).toMatchObject({ SubnetIds: { Value: 'SubnetA,SubnetB' } });
});

/** Older readers of YAML 1.1 take a colon within braces for the end of a key. */
test.each(['pool', 'reaper', 'demo'])('%s.yaml has no bare colon within braces', (name) => {
  const text = readFileSync(fileOf(name), 'utf8').replaceAll(
    /^( *)[^\n]*\|\n(\1 +[^\n]*\n|\n)+/gm,
    '',
  );
  const bare = text
    .split('\n')
    .filter((line) => !line.trim().startsWith('#'))
    .map((line) => line.replaceAll(/'[^']*'/g, 'x'))
    .filter((line) => /[[{].*[^\s,[{]:[^\s]/.test(line));
  expect(bare).toEqual([]);
});
