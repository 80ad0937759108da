// The Terraform modules. Without the AWS provider: formatted, parsed, and every argument is one of the list that the
// provider was asked for (test/fixtures/terraform-arguments.json). With it: validated, and applied against moto.
import { cpSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateTagsCommand } from '@aws-sdk/client-ec2';
import { describe, expect, test, vi } from 'vitest';
import { packaging, renderedUserData, words, terraformPolicies } from '../fixtures/templates.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { readPolicy } from '../lab/iam.ts';
import { ec2OfMoto, hasMoto, needsMoto, startMotoServer } from '../lab/moto.ts';
import {
  hasHclParser,
  hasProvider,
  hasTerraform,
  initialise,
  needsHclParser,
  needsProvider,
  needsTerraform,
  parseHcl,
  terraform,
  type HclBlock,
} from '../lab/terraform.ts';
import {
  argumentsOf,
  merged,
  problemsOf,
  unquoted,
  type Arguments,
  type ProviderSchemas,
} from '../lab/terraform-arguments.ts';

vi.setConfig({ testTimeout: 900_000 });

const modules = join(packaging, 'terraform');
const files = globSync('**/*.tf', { cwd: modules }).toSorted();
const argumentsFile = join(import.meta.dirname, '..', 'fixtures', 'terraform-arguments.json');

const known = JSON.parse(readFileSync(argumentsFile, 'utf8')) as Readonly<
  Record<string, Arguments>
>;

/** Every resource as [type, block]. */
async function resources(): Promise<readonly (readonly [string, HclBlock])[]> {
  const parsed = await Promise.all(files.map((file) => parseHcl(join(modules, file))));
  return parsed.flatMap(({ resource = [] }) =>
    (resource as readonly HclBlock[]).flatMap((one) =>
      Object.entries(one).flatMap(([type, named]) =>
        Object.values(named as HclBlock).map(
          (block) => [unquoted(type), block as HclBlock] as const,
        ),
      ),
    ),
  );
}

test.skipIf(!hasTerraform)(`the modules are formatted${needsTerraform}`, async () => {
  const { code, stdout } = await terraform(modules, 'fmt', '-check', '-recursive', '-diff');
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
});

test.skipIf(!hasHclParser)(
  `every argument is one of the provider's, none is missing${needsHclParser}`,
  async () => {
    const all = await resources();
    expect(all.length).toBeGreaterThan(14);
    expect(all.flatMap(([type, block]) => problemsOf(type, block, known[type]))).toEqual([]);
  },
);

test.skipIf(!hasHclParser)(
  `IMDSv2 alone, in service only when berth is ready, every instance is one of the pool${needsHclParser}`,
  async () => {
    const blocks = new Map(await resources());
    expect(blocks.get('aws_launch_template')!['metadata_options']).toMatchObject([
      {
        http_tokens: '"required"',
        http_put_response_hop_limit: 1,
        instance_metadata_tags: '"enabled"',
      },
    ]);
    const group = blocks.get('aws_autoscaling_group')!;
    expect(group['initial_lifecycle_hook']).toMatchObject([
      {
        name: '"berth-ready"',
        lifecycle_transition: '"autoscaling:EC2_INSTANCE_LAUNCHING"',
        default_result: '"ABANDON"',
      },
    ]);
    expect(group['dynamic']).toMatchObject([
      {
        '"tag"': {
          for_each: { '"berth:pool"': '${var.pool}' },
          content: [{ key: '${tag.key}', value: '${tag.value}', propagate_at_launch: true }],
        },
      },
    ]);
  },
);

describe.skipIf(!hasProvider)(`with the provider${needsProvider}`, () => {
  test.skipIf(!hasHclParser)(
    `the list of arguments is the provider's${needsHclParser}`,
    async () => {
      using folder = temporaryFolder();
      cpSync(packaging, join(folder.path, 'packaging'), { recursive: true });
      const module = join(folder.path, 'packaging', 'terraform');
      expect(await initialise(module)).toMatchObject({ code: 0 });
      const { stdout } = await terraform(module, 'providers', 'schema', '-json');
      const schema = JSON.parse(stdout) as ProviderSchemas;
      const [provider] = Object.values(schema.provider_schemas);
      const asked: Record<string, Arguments> = {};
      for (const [type, block] of await resources()) {
        asked[type] = merged(
          argumentsOf(provider!.resource_schemas[type]!.block, block),
          asked[type],
        );
      }
      if (process.env['BERTH_WRITE_TERRAFORM_ARGUMENTS'] === '1') {
        writeFileSync(argumentsFile, `${JSON.stringify(asked, undefined, 2)}\n`);
      }
      expect(JSON.parse(readFileSync(argumentsFile, 'utf8'))).toEqual(asked);
    },
  );

  test.each(['', 'reaper'])('terraform validate: packaging/terraform/%s', async (name) => {
    using folder = temporaryFolder();
    cpSync(packaging, join(folder.path, 'packaging'), { recursive: true });
    const module = join(folder.path, 'packaging', 'terraform', name);
    expect(await initialise(module)).toMatchObject({ code: 0 });
    const { stdout } = await terraform(module, 'validate', '-json');
    expect(JSON.parse(stdout)).toMatchObject({ valid: true, warning_count: 0 });
  });

  test.skipIf(!hasMoto)(
    `applied: the policies of packaging/iam, the user data, and a claim is no drift${needsMoto}`,
    async () => {
      using folder = temporaryFolder();
      await using moto = await startMotoServer({ accountId: words.ACCOUNT });
      cpSync(packaging, join(folder.path, 'packaging'), { recursive: true });
      folder.file('main.tf', rootModule(moto.endpoint));
      expect(await initialise(folder.path)).toMatchObject({ code: 0 });
      const apply = await terraform(folder.path, 'apply', '-auto-approve', '-no-color');
      expect(apply).toMatchObject({ code: 0 });
      const { stdout } = await terraform(folder.path, 'show', '-json');
      const { values } = JSON.parse(stdout) as { readonly values: State };
      const made = values.root_module.child_modules[0]!.resources;
      const one = (address: string): HclBlock =>
        made.find((resource) => resource.address === `module.berth.${address}`)!.values;

      for (const name of terraformPolicies()) {
        const { policy } = one(`aws_iam_role_policy.packaged["${name}"]`);
        expect(JSON.parse(policy as string)).toEqual(readPolicy(name, words));
      }
      const template = one('aws_launch_template.instance');
      const userData = Buffer.from(template['user_data'] as string, 'base64').toString();
      expect(userData).toBe(renderedUserData());
      expect(template).toMatchObject({
        metadata_options: [
          {
            http_tokens: 'required',
            http_put_response_hop_limit: 1,
            instance_metadata_tags: 'enabled',
          },
        ],
      });
      expect(one('aws_autoscaling_group.instances')).toMatchObject({
        min_size: 2,
        max_size: 2,
        tag: expect.arrayContaining([
          { key: 'berth:pool', value: 'db', propagate_at_launch: true },
        ]),
      });
      const eni = one('aws_network_interface.pool["a"]');
      expect(eni).toMatchObject({ private_ip: '172.31.0.50', tags: { 'berth:pool': 'db' } });

      using client = ec2OfMoto(moto.endpoint);
      const Tags = [{ Key: 'berth:owner', Value: 'me' }];
      await client.send(new CreateTagsCommand({ Resources: [eni['id'] as string], Tags }));
      // moto forgets things of others, so that only the ENIs are looked at.
      const target = '-target=module.berth.aws_network_interface.pool';
      const plan = await terraform(folder.path, 'plan', '-detailed-exitcode', target);
      expect(plan).toMatchObject({ code: 0, stdout: expect.stringContaining('No changes') });
    },
  );
});

type State = {
  readonly root_module: {
    readonly child_modules: readonly {
      readonly resources: readonly { readonly address: string; readonly values: HclBlock }[];
    }[];
  };
};

/** moto knows no ValidateStateMachineDefinition, without which the provider makes no state machine. */
const rootModule = (endpoint: string): string => `
provider "aws" {
  region                      = "${words.REGION}"
  access_key                  = "x"
  secret_key                  = "y"
  max_retries                 = 1
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  endpoints {
    autoscaling = "${endpoint}"
    ec2         = "${endpoint}"
    iam         = "${endpoint}"
    logs        = "${endpoint}"
    sts         = "${endpoint}"
  }
}
data "aws_subnet" "default" {
  for_each          = toset(["a", "b"])
  availability_zone = "${words.REGION}\${each.key}"
}
data "aws_security_groups" "default" {
  filter {
    name   = "vpc-id"
    values = [data.aws_subnet.default["a"].vpc_id]
  }
}
module "berth" {
  source             = "./packaging/terraform"
  image_id           = "ami-12c6146b"
  security_group_ids = data.aws_security_groups.default.ids
  interfaces = {
    a = { subnet_id = data.aws_subnet.default["a"].id, private_ip = "172.31.0.50" }
    b = { subnet_id = data.aws_subnet.default["b"].id }
  }
}
`;
