// The templates before the tools of others. What a tool could not judge is in the name of its test.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { systemExec } from '../../src/system/exec.ts';
import { componentScripts, packaging } from '../fixtures/templates.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { pythonEnvironment } from '../lab/api-models.ts';
import { hasProgram } from '../lab/environment.ts';
import { hasHclParser, needsHclParser, parseHcl } from '../lab/terraform.ts';

vi.setConfig({ testTimeout: 300_000 });

const run = (argv: readonly [string, ...string[]], stdin?: string) =>
  systemExec.run(
    { argv, stdin, timeoutMs: 200_000, environment: { CHECKPOINT_DISABLE: '1', HOME: '/tmp' } },
    new AbortController().signal,
  );

const cfnLint = join(pythonEnvironment, 'bin', 'cfn-lint');
const noCfnLint = existsSync(cfnLint) ? '' : ' (skipped: no cfn-lint, see .ci/run)';

test.skipIf(noCfnLint !== '').each(['pool', 'reaper', 'demo'])(
  `cfn-lint finds nothing in cloudformation/%s.yaml${noCfnLint}`,
  async (name) => {
    const file = join(packaging, 'cloudformation', `${name}.yaml`);
    expect(await run([cfnLint, '--', file])).toMatchObject({ code: 0, stdout: '', stderr: '' });
  },
);

/** The last with the builder for EBS built in, and the one that Debian has; later ones download it. */
const packerVersion = spawnSync('packer', ['version'], { encoding: 'utf8' }).stdout ?? '';
const noPacker = packerVersion.includes('v1.6.') ? '' : ' (skipped: no Packer 1.6)';
const templateFile = join(packaging, 'packer', 'berth.pkr.hcl');

/**
 * Without what Packer 1.6 does not know: `imds_support`, `metadata_options` and the plugin's version (plugins.pkr.hcl).
 * Their names are those of hashicorp/packer-plugin-amazon, builder/common/{ami_config,run_config}.go @5028903a.
 */
const templateForPacker16 = readFileSync(templateFile, 'utf8').replace(
  /  imds_support = "v2\.0"\n  metadata_options \{\n    http_endpoint +=.*\n    http_tokens +=.*\n    http_put_response_hop_limit +=.*\n  \}\n/,
  '',
);

/** The template in a folder of its own. */
const validate = async (template: string, variables: Readonly<Record<string, string>>) => {
  using folder = temporaryFolder();
  const given = { region: 'eu-west-1', package: folder.file('berth.deb', ''), ...variables };
  const flags = Object.entries(given).flatMap(([name, value]) => ['-var', `${name}=${value}`]);
  return await run(['packer', 'validate', ...flags, folder.file('berth.pkr.hcl', template)]);
};

describe.skipIf(noPacker !== '')(`packer${noPacker}`, () => {
  test('the template is formatted', async () => {
    const check = ['packer', 'fmt', '-check', '-diff', join(packaging, 'packer')] as const;
    expect(await run(check)).toMatchObject({ code: 0, stdout: '' });
  });

  test.each(
    ['debian-12', 'al2023'].flatMap((distribution) =>
      ['x86_64', 'arm64'].map((architecture) => ({ distribution, architecture })),
    ),
  )(
    '1.6 validates it for $distribution on $architecture, but for imds_support and metadata_options',
    async (variables) => {
      expect(templateForPacker16).not.toContain('metadata_options');
      const { code, stdout, stderr } = await validate(templateForPacker16, variables);
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: '' });
    },
  );

  test.each([
    ['a key of the builder', 'ssh_username  =', 'ssh_user =', 'named "ssh_user" is not expected'],
    ['a type', 'most_recent = true', 'most_recent = "perhaps"', 'a bool is required'],
    ['a base', 'default     = "debian-12"', 'default = "debian-11"', 'does not identify'],
  ])('and would say so if %s were wrong', async (_what, right, wrong, complaint) => {
    expect(templateForPacker16).toContain(right);
    const { code, stdout } = await validate(templateForPacker16.replace(right, wrong), {});
    expect(code).toBe(1);
    expect(stdout).toContain(complaint);
  });
});

test.skipIf(!hasHclParser)(
  `Packer's builder asks IMDSv2 alone, and so do the instances of the AMI${needsHclParser}`,
  async () => {
    const { source } = await parseHcl(templateFile);
    expect(source).toMatchObject([
      {
        '"amazon-ebs"': {
          '"berth"': {
            imds_support: '"v2.0"',
            metadata_options: [
              {
                http_endpoint: '"enabled"',
                http_tokens: '"required"',
                http_put_response_hop_limit: 1,
              },
            ],
          },
        },
      },
    ]);
  },
);

/** The lines of `inline`, as Packer fills them in. */
function packerScript(): string {
  const text = readFileSync(templateFile, 'utf8');
  const [, inline = ''] = /inline = \[\n([\s\S]*?)\n    \]/.exec(text) ?? [];
  return inline
    .replaceAll(/^ *"(.*)",$/gm, '$1')
    .replaceAll('${basename(var.package)}', 'berth.deb')
    .replaceAll('${local.base.install}', 'dnf install -y');
}

const noShellcheck = hasProgram('shellcheck') ? '' : ' (skipped: no shellcheck)';

test
  .skipIf(noShellcheck !== '')
  .each([
    ['packer/berth.pkr.hcl', 'sh', packerScript()],
    [
      'user-data/install.sh',
      'sh',
      readFileSync(join(packaging, 'user-data', 'install.sh'), 'utf8'),
    ],
    ...componentScripts().map(({ phase, script }) => [`component.yaml, ${phase}`, 'bash', script]),
  ])(`shellcheck finds nothing in %s${noShellcheck}`, async (_where, shell, script) => {
  expect(script.split('\n').length).toBeGreaterThan(2);
  const checked = await run(['shellcheck', '--shell', shell, '-'], script);
  expect(checked).toMatchObject({ code: 0, stdout: '' });
});
