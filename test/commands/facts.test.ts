// berth facts as a user meets it: the real program against the local IMDS and EC2.
import { describe, expect, test } from 'vitest';
import type { Facts } from '../../src/commands/facts-document.ts';
import { berth, type Ran } from '../fixtures/berth-command.ts';
import { createLab, type Lab } from '../lab/lab.ts';

const instanceId = 'i-00000000000000009';
const subnetId = 'subnet-0000000000000000a';

/** An instance in a placement group, with a second ENI that has all that an ENI can have. */
async function createInstance(): Promise<Lab> {
  const lab = await createLab();
  const zone = { availabilityZone: 'eu-west-1a', availabilityZoneId: 'euw1-az1' };
  lab.ec2.addSubnet({ ...zone, subnetId, vpcId: 'vpc-0123456789abcdef0', ipv4Cidr: '10.0.1.0/24' });
  lab.ec2.launch({
    instanceId,
    subnetId,
    instanceType: 'm5.large',
    placementGroup: { name: 'close', strategy: 'cluster' },
  });
  const { eniId } = lab.ec2.addEni({
    eniId: 'eni-0123456789abcdef0',
    mac: '02:db:00:00:00:aa',
    subnetId,
    privateIpv4: '10.0.1.50',
    secondaryIpv4: ['10.0.1.51'],
  });
  lab.ec2.attach({ eniId, instanceId, deviceIndex: 1, networkCardIndex: 0 });
  await lab.ec2.settled();
  return lab;
}

/** What the role may do. */
const allow = (lab: Lab, ...Action: readonly string[]): void =>
  lab.setPolicies(instanceId, [
    {
      Version: '2012-10-17',
      Statement: [{ Sid: 'Facts', Effect: 'Allow', Action, Resource: '*' }],
    },
  ]);

const facts = async (lab: Lab, ...args: readonly string[]): Promise<Ran> => {
  const env = {
    AWS_ENDPOINT_URL: lab.endpoint,
    AWS_EC2_METADATA_SERVICE_ENDPOINT: await lab.imdsFor(instanceId),
  };
  return berth(['facts', ...args], { env });
};

describe('berth facts', () => {
  test('tells all of it, and changes nothing', async () => {
    await using lab = await createInstance();
    allow(lab, 'ec2:Describe*');
    const { code, stdout, stderr } = await facts(lab, '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const told = JSON.parse(stdout) as Facts;
    expect(told).toMatchObject({
      instance: {
        instanceId,
        instanceType: 'm5.large',
        lifeCycle: 'on-demand',
        ebsOptimized: false,
        enaSupport: true,
      },
      placement: {
        availabilityZone: 'eu-west-1a',
        availabilityZoneId: 'euw1-az1',
        group: 'close',
        strategy: 'cluster',
        partitionNumber: null,
        tenancy: 'default',
      },
      limits: { enis: 3, networkCards: 1, ipv4PerEni: 10, ebsOptimized: 'default' },
      needs: [],
    });
    expect(told.interfaces.map(({ deviceIndex }) => deviceIndex)).toEqual([0, 1]);
    expect(told.interfaces[1]).toMatchObject({
      eniId: 'eni-0123456789abcdef0',
      mac: '02:db:00:00:00:aa',
      ipv4: ['10.0.1.50', '10.0.1.51'],
      sourceDestCheck: true,
      nic: null,
    });
    expect(
      lab.front.calls.map(({ action }) => action).filter((name) => !name.startsWith('Desc')),
    ).toEqual([]);
  });

  test('without permissions: what IMDS knows, and which permission the rest needs', async () => {
    await using lab = await createInstance();
    allow(lab, 'ssm:GetParameter');
    const told = JSON.parse((await facts(lab, '--json')).stdout) as Facts;
    expect(told.placement).toMatchObject({ group: 'close', strategy: null, tenancy: null });
    expect(told.interfaces[1]).toMatchObject({
      eniId: 'eni-0123456789abcdef0',
      ipv4: ['10.0.1.50', '10.0.1.51'],
      sourceDestCheck: null,
    });
    expect(told.needs.map(({ permission }) => permission)).toEqual([
      'ec2:DescribeInstances',
      'ec2:DescribeInstanceTypes',
      'ec2:DescribePlacementGroups',
    ]);
    const { code, stdout, stderr } = await facts(lab);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^ {2}strategy +\? \(needs ec2:DescribePlacementGroups\)$/m);
    expect(stdout).toMatch(/^ {2}source\/dest check +\? \(needs ec2:DescribeInstances\)$/m);
    expect(stdout).toMatch(/^ {2}enis +\? \(needs ec2:DescribeInstanceTypes\)$/m);
    expect(stdout).toMatch(/^ {2}addresses +10\.0\.1\.50 10\.0\.1\.51$/m);
  });

  test('without a role: what IMDS and the kernel know, and why not more', async () => {
    await using lab = await createInstance();
    lab.imds.change(instanceId, { roleName: undefined });
    const { code, stdout, stderr } = await facts(lab, '--json');
    expect(code).toBe(0);
    const told = JSON.parse(stdout) as Facts;
    expect(told.instance).toMatchObject({ instanceId, instanceType: 'm5.large' });
    expect(told.needs.map(({ permission }) => permission)).toEqual([
      'ec2:DescribeInstances',
      'ec2:DescribeInstanceTypes',
      'ec2:DescribePlacementGroups',
    ]);
    expect(stderr).toContain('cannot ask EC2 (ec2:DescribeInstances): ');
  });

  test('an ENI that IMDS does not list yet is there, one that it still lists is not', async () => {
    await using lab = await createInstance();
    allow(lab, 'ec2:Describe*');
    const view = lab.imds.view(instanceId)!;
    const gone = { ...view.macs[1]!, mac: '02:db:00:00:00:bb', interfaceId: 'eni-0dead' };
    const late = { ...view.macs[0]!, localIpv4s: ['10.0.1.99'] };
    lab.imds.change(instanceId, { macs: [late, gone] });
    const told = JSON.parse((await facts(lab, '--json')).stdout) as Facts;
    expect(told.interfaces.map(({ mac }) => mac)).toEqual([view.mac, '02:db:00:00:00:aa']);
    expect(told.interfaces[0]!.ipv4).toEqual([view.localIpv4]);
  });
});
