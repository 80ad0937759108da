// docs/bake.md is run from top to bottom: moto makes the stacks, and what moto lacks the AWS CLI itself parses.
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as sdk from '@aws-sdk/client-ec2';
import { describe, expect, test, vi } from 'vitest';
import { systemExec } from '../../src/system/exec.ts';
import { packaging, poolUserData, words } from '../fixtures/templates.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { hasAwsCli, needsAwsCli } from '../lab/awscli.ts';
import { ec2OfMoto, hasMoto, needsMoto, startMotoServer } from '../lab/moto.ts';
import { unquoted } from '../lab/terraform-arguments.ts';
import { hasHclParser, needsHclParser, parseHcl, type HclBlock } from '../lab/terraform.ts';

vi.setConfig({ testTimeout: 600_000 });

const root = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(root, 'docs', 'bake.md'), 'utf8');
const blocks = (language: string): readonly string[] =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    (match) => match[1]!,
  );

/** A checkout with packages, in which `aws` asks moto, and packer and terraform only write down their arguments. */
function checkout(endpoint: string) {
  const folder = temporaryFolder();
  const bin = join(folder.path, 'bin');
  const program = (name: string, lines: string): void =>
    chmodSync(folder.file(`bin/${name}`, `#!/bin/sh\n${lines}\n`), 0o755);
  mkdirSync(bin);
  mkdirSync(join(folder.path, 'build', 'packages'), { recursive: true });
  cpSync(packaging, join(folder.path, 'packaging'), { recursive: true });
  folder.file('build/packages/berth-0.1.0-1.x86_64.rpm', '');
  for (const name of ['packer', 'terraform']) {
    program(name, `echo "${name} $*" >>'${folder.path}/asked'`);
  }
  program(
    'aws',
    `case $1 in
imagebuilder) exec /usr/bin/aws "$@" --generate-cli-skeleton output ;;
*) exec /usr/bin/aws --endpoint-url ${endpoint} "$@" ;;
esac`,
  );
  const environment = {
    PATH: `${bin}:/usr/bin:/bin`,
    HOME: folder.path,
    AWS_ACCESS_KEY_ID: 'x',
    AWS_SECRET_ACCESS_KEY: 'y',
    AWS_DEFAULT_REGION: words.REGION,
    AWS_PAGER: '',
  };
  return {
    /** One shell for all the lines, which ends at the first that fails. */
    run: (lines: string) =>
      systemExec.run(
        {
          argv: ['bash', '--norc', '-euc', `cd '${folder.path}'\n${lines}`],
          stdin: undefined,
          timeoutMs: 500_000,
          environment,
        },
        new AbortController().signal,
      ),
    asked: () => readFileSync(join(folder.path, 'asked'), 'utf8').trim().split('\n'),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

describe.skipIf(!hasMoto || !hasAwsCli)(`docs/bake.md${needsMoto}${needsAwsCli}`, () => {
  test('every command does what it says', async () => {
    await using moto = await startMotoServer({ accountId: words.ACCOUNT });
    using here = checkout(moto.endpoint);
    // moto gives outputs only to a stack that was made without a change set.
    const before = `aws s3 mb s3://my-bucket
aws cloudformation create-stack --stack-name berth-demo-vpc --template-body file://packaging/cloudformation/demo.yaml`;
    const lines = await withIdsOf(moto.endpoint, blocks('sh'));
    const made = await here.run([before, ...lines.slice(0, -1)].join('\n'));
    expect(made).toMatchObject({ code: 0, stderr: '' });
    expect(here.asked().map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      'packer init',
      'packer build',
      'packer build',
      'terraform init',
      'terraform apply',
    ]);
    const variables = readFileSync(join(packaging, 'packer', 'berth.pkr.hcl'), 'utf8');
    for (const [, name] of here
      .asked()
      .join(' ')
      .matchAll(/-var (\w+)=/g)) {
      expect(variables).toContain(`variable "${name}" {`);
    }

    const look =
      await here.run(`aws ec2 describe-launch-template-versions --versions '$Latest' --launch-template-id $(
  aws cloudformation describe-stack-resource --stack-name berth-demo --logical-resource-id Template \
    --query StackResourceDetail.PhysicalResourceId --output text)`);
    expect(look).toMatchObject({ code: 0 });
    const { LaunchTemplateVersions } = JSON.parse(look.stdout) as {
      readonly LaunchTemplateVersions: readonly [
        { readonly LaunchTemplateData: { UserData: string } },
      ];
    };
    // moto resolves the functions of the template as test/lab/cloudformation.ts does.
    expect(
      Buffer.from(LaunchTemplateVersions[0].LaunchTemplateData.UserData, 'base64').toString(),
    ).toBe(poolUserData({ Pool: 'demo' }).replace('the-stack', 'berth-demo'));

    // moto deletes no VPC that has a route table.
    const remove = lines
      .at(-1)!
      .split('\n')
      .filter((line) => !line.endsWith(' berth-demo-vpc'));
    expect(remove.length).toBeGreaterThan(3);
    expect(await here.run(remove.join('\n'))).toMatchObject({ code: 0, stderr: '' });
    const left = await here.run(
      `aws cloudformation describe-stacks --query 'Stacks[].StackName' --output text`,
    );
    expect(left.stdout.trim().split('\t').toSorted()).toEqual(['berth-db', 'berth-demo-vpc']);
  });
});

test.skipIf(!hasHclParser)(
  `its Terraform names what the modules have${needsHclParser}`,
  async () => {
    using folder = temporaryFolder();
    const used = await parseHcl(folder.file('main.tf', blocks('hcl')[0]!));
    const declared = await parseHcl(join(packaging, 'terraform', 'variables.tf'));
    const names = (declared['variable'] as object[]).flatMap(Object.keys).map(unquoted);
    const modules = Object.assign({}, ...(used['module'] as object[])) as Record<string, HclBlock>;
    expect(Object.keys(modules).map(unquoted)).toEqual(['reaper', 'berth']);
    for (const { source, __is_block__: _block, ...given } of Object.values(modules)) {
      expect(existsSync(join(root, unquoted(source as string), 'main.tf'))).toBe(true);
      expect(names).toEqual(expect.arrayContaining(Object.keys(given).map(unquoted)));
    }
  },
);

/** The ids of the page stand for some that are there. */
async function withIdsOf(endpoint: string, lines: readonly string[]): Promise<readonly string[]> {
  using ec2 = ec2OfMoto(endpoint);
  const { Subnets } = await ec2.send(new sdk.DescribeSubnetsCommand({}));
  const { SecurityGroups } = await ec2.send(new sdk.DescribeSecurityGroupsCommand({}));
  return lines.map((line) =>
    line
      .replaceAll(/subnet-0123456789abcdef(\d)/g, (_whole, n: string) => Subnets![+n]!.SubnetId!)
      .replaceAll('sg-0123456789abcdef0', SecurityGroups![0]!.GroupId!),
  );
}
