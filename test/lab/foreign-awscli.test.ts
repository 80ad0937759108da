// The AWS CLI claims an ENI of the lab, and is refused, as on AWS: what it prints, and how it ends.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  createAwsClis,
  hasAwsCli,
  needsAwsCli,
  parsed,
  printed,
  refusal,
  type AwsCli,
  type AwsClis,
} from './awscli.ts';
import { crowd, denialOf, poolTags, prepareStory, refusals, slots } from './foreign-story.ts';
import { createTestWorld, one, subnetA, two, type TestWorld } from './test-world.ts';

// It starts in a second, and this machine does other things as well.
vi.setConfig({ testTimeout: 120_000 });

describe.skipIf(!hasAwsCli)(`the AWS CLI${needsAwsCli}`, () => {
  let world: TestWorld;
  let clis: AwsClis;
  let operator: AwsCli;
  let byOne: AwsCli;
  let byTwo: AwsCli;
  beforeAll(async () => {
    world = await createTestWorld();
    prepareStory(world.lab);
    clis = await createAwsClis(world.lab);
    operator = clis.operator;
    byOne = clis.of(one);
    byTwo = clis.of(two);
  });
  afterAll(async () => {
    console.log(`the AWS CLI ran ${clis.calls()} times`);
    await clis[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  /** Pages that the last command asked for. */
  const pagesOf = (action: string, since: number): number =>
    world.lab.front.calls.slice(since).filter((call) => call.action === action).length;

  const owner = (instanceId: string) => `Key=berth:owner,Value=${world.lab.ec2.arnOf(instanceId)}`;
  const create = (privateIp: string, secondaryIp: string, description: string) =>
    operator`ec2 create-network-interface --subnet-id ${subnetA} --description ${description}
      --private-ip-addresses Primary=true,PrivateIpAddress=${privateIp} PrivateIpAddress=${secondaryIp}
      --tag-specifications ResourceType=network-interface,Tags=[{Key=berth:pool,Value=db}]`;

  const webPool = (more: readonly string[]) =>
    parsed(operator`ec2 describe-network-interfaces --filters Name=tag:berth:pool,Values=web
      --page-size 5 --query [NetworkInterfaces[].PrivateIpAddress,NextToken] ${more}`) as Promise<
      [readonly string[], string]
    >;

  describe('an ENI of a pool', () => {
    const enis: string[] = [];
    let attachmentId: string;
    const claim = (aws: AwsCli, instanceId: string) =>
      aws`ec2 create-tags --resources ${enis[0]!} --tags ${owner(instanceId)}`;
    const attach = (aws: AwsCli, instanceId: string, more: readonly string[] = []) =>
      aws`ec2 attach-network-interface --network-interface-id ${enis[0]!}
        --instance-id ${instanceId} --device-index 1 ${more}`;
    test('the operator makes the pool, each address once', async () => {
      const made = await Promise.all(
        slots.map((slot) => parsed(create(slot.privateIp, slot.secondaryIp, slot.description))),
      );
      for (const [index, answer] of made.entries()) {
        const { privateIp, secondaryIp, description } = slots[index]!;
        expect(answer).toMatchObject({
          ClientToken: expect.any(String),
          NetworkInterface: {
            AvailabilityZone: 'eu-west-1a',
            Description: description,
            InterfaceType: 'interface',
            MacAddress: expect.stringMatching(/^02(:[0-9a-f]{2}){5}$/),
            OwnerId: world.lab.accountId,
            PrivateIpAddress: privateIp,
            PrivateIpAddresses: [
              { Primary: true, PrivateIpAddress: privateIp },
              { Primary: false, PrivateIpAddress: secondaryIp },
            ],
            SourceDestCheck: true,
            SubnetId: subnetA,
            TagSet: poolTags,
          },
        });
        const { NetworkInterfaceId } = (answer as { NetworkInterface: Record<string, string> })
          .NetworkInterface;
        enis.push(NetworkInterfaceId!);
      }
      const { privateIp } = slots[0];
      expect(await create(privateIp, '10.0.1.99', '')).toEqual(
        refusal('CreateNetworkInterface', ...refusals.addressInUse(privateIp)),
      );
    });

    test('an instance finds it, claims it and attaches it', async () => {
      const found = byOne`ec2 describe-network-interfaces --output text
        --filters Name=tag:berth:pool,Values=db Name=status,Values=available
        --query sort_by(NetworkInterfaces,&PrivateIpAddress)[].[NetworkInterfaceId,PrivateIpAddress]`;
      const lines = slots.map(({ privateIp }, index) => `${enis[index]}\t${privateIp}\n`);
      expect(await printed(found)).toBe(lines.join(''));
      expect(await printed(claim(byOne, one))).toBe('');
      expect(await attach(byOne, one, ['--dry-run'])).toEqual(
        refusal('AttachNetworkInterface', ...refusals.dryRun),
      );
      const attached = await parsed(attach(byOne, one));
      expect(attached).toEqual({
        AttachmentId: expect.stringMatching(/^eni-attach-[0-9a-f]{17}$/),
        NetworkCardIndex: 0,
      });
      attachmentId = (attached as { AttachmentId: string }).AttachmentId;
    });

    test('nobody else gets it while it is held', async () => {
      const denied = `An error occurred (UnauthorizedOperation) when calling the`;
      const [tagging, attaching, byForce, deleting] = await Promise.all([
        claim(byTwo, two),
        attach(byTwo, two),
        attach(operator, two),
        operator`ec2 delete-network-interface --network-interface-id ${enis[0]!}`,
      ]);
      expect([tagging.code, attaching.code, deleting.code]).toEqual([254, 254, 254]);
      expect(tagging.stderr).toContain(
        `${denied} CreateTags operation: You are not authorized to perform this operation. ${denialOf(world.lab, two, 'ec2:CreateTags')}`,
      );
      expect(attaching.stderr).toContain(denialOf(world.lab, two, 'ec2:AttachNetworkInterface'));
      expect(byForce).toEqual(refusal('AttachNetworkInterface', ...refusals.eniInUse(enis[0]!)));
      expect(deleting.stderr).toMatch(/^An error occurred \(\S+\) .* is currently in use/);
    });

    test('both views agree who holds it', async () => {
      const [instances, interfaces] = await Promise.all([
        parsed(operator`ec2 describe-instances --instance-ids ${one}
          --query Reservations[].Instances[].NetworkInterfaces[1].[NetworkInterfaceId,Attachment]`),
        parsed(operator`ec2 describe-network-interfaces
          --filters Name=attachment.instance-id,Values=${one} Name=attachment.device-index,Values=1
          --query NetworkInterfaces[].[Status,Attachment]`),
      ]);
      const attachment = {
        // EC2 knows whole seconds.
        AttachTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/),
        AttachmentId: attachmentId,
        DeleteOnTermination: false,
        DeviceIndex: 1,
        NetworkCardIndex: 0,
        Status: 'attached',
      };
      expect(instances).toEqual([[enis[0], attachment]]);
      const seen = { ...attachment, InstanceId: one, InstanceOwnerId: world.lab.accountId };
      expect(interfaces).toEqual([['in-use', seen]]);
    });

    test('detached and released it is free for the next', async () => {
      await printed(byOne`ec2 detach-network-interface --attachment-id ${attachmentId}`);
      await printed(
        operator`ec2 wait network-interface-available --network-interface-ids ${enis[0]!}`,
      );
      await printed(byOne`ec2 delete-tags --resources ${enis[0]!} --tags ${owner(one)}`);
      await printed(claim(byTwo, two));
      const [tags, deleted] = await Promise.all([
        printed(operator`ec2 describe-tags --filters Name=resource-id,Values=${enis[0]!}
          --output text --query sort_by(Tags,&Key)[].[ResourceType,Key,Value]`),
        operator`ec2 delete-network-interface --network-interface-id ${enis[1]!}`,
      ]);
      expect(tags).toBe(
        `network-interface\tberth:owner\t${world.lab.ec2.arnOf(two)}\nnetwork-interface\tberth:pool\tdb\n`,
      );
      expect(deleted).toEqual({ code: 0, stdout: '', stderr: '' });
    });
  });

  test('reads interfaces in pages, and goes on where it stopped', async () => {
    const since = world.lab.front.calls.length;
    const [all] = await webPool([]);
    expect(all.toSorted()).toEqual(crowd);
    expect(pagesOf('DescribeNetworkInterfaces', since)).toBe(3);
    const [some, token] = await webPool(['--max-items', '7']);
    const [rest] = await webPool(['--starting-token', token]);
    expect([some.length, [...some, ...rest]]).toEqual([7, all]);
  });

  test('prints the errors of AWS', async () => {
    const unknown = 'eni-0123456789abcdef0';
    const [notFound, filter, reserved, stranger] = await Promise.all([
      operator`ec2 describe-network-interfaces --network-interface-ids ${unknown}`,
      operator`ec2 describe-network-interfaces --filters Name=colour,Values=red`,
      operator`ec2 create-tags --resources ${one} --tags Key=aws:x,Value=y`,
      clis.stranger`ec2 describe-network-interfaces`,
    ]);
    expect(notFound).toEqual(
      refusal('DescribeNetworkInterfaces', ...refusals.eniNotFound(unknown)),
    );
    expect(filter).toEqual(
      refusal('DescribeNetworkInterfaces', ...refusals.unknownFilter('colour')),
    );
    expect(reserved).toEqual(refusal('CreateTags', ...refusals.reservedTag));
    expect([stranger.code, stranger.stderr]).toEqual([
      254,
      expect.stringMatching(/^An error occurred \(AuthFailure\) when calling/),
    ]);
  });

  test('takes a throttled call for what it is, and tries again', async () => {
    const fault = { kind: 'error', status: 503, code: 'RequestLimitExceeded' } as const;
    world.lab.front.fail({ match: 'ec2:DescribeSubnets', times: 1, fault });
    const since = world.lab.front.calls.length;
    const subnet = operator`ec2 describe-subnets --subnet-ids ${subnetA}
      --output text --query Subnets[].[SubnetId,AvailabilityZoneId]`;
    expect(await printed(subnet)).toBe(`${subnetA}\teuw1-az1\n`);
    expect(world.lab.front.calls.slice(since).map(({ code }) => code)).toEqual([
      'RequestLimitExceeded',
      undefined,
    ]);
  });
});
