// Terraform, its AWS provider and a parser of HCL, where this machine has them; nothing here downloads any.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { systemExec, type ExecResult } from '../../src/system/exec.ts';
import { pythonEnvironment } from './api-models.ts';
import { hasProgram } from './environment.ts';

export const hasTerraform = hasProgram('terraform');
export const needsTerraform = hasTerraform ? '' : ' (skipped: no terraform in PATH)';

/** Laid out as Terraform's filesystem mirror: registry.terraform.io/hashicorp/aws/VERSION/OS_ARCH. */
const plugins = process.env['BERTH_TERRAFORM_PLUGINS'] ?? '';
export const hasProvider = hasTerraform && existsSync(join(plugins, 'registry.terraform.io'));
export const needsProvider = hasProvider
  ? ''
  : ' (skipped: BERTH_TERRAFORM_PLUGINS names no folder with the AWS provider)';

const python = join(pythonEnvironment, 'bin', 'python');
const lib = join(pythonEnvironment, 'lib');
export const hasHclParser = existsSync(python) && hasModule('hcl2');
export const needsHclParser = hasHclParser ? '' : ' (skipped: no python-hcl2, see .ci/run)';

function hasModule(name: string): boolean {
  return ['3.11', '3.12', '3.13', '3.14'].some((version) =>
    existsSync(join(lib, `python${version}`, 'site-packages', name)),
  );
}

/** The provider alone takes seconds to start. */
const timeoutMs = 600_000;

/** In a folder; whatever the user has configured for Terraform is left aside. */
export function terraform(folder: string, ...args: readonly string[]): Promise<ExecResult> {
  return systemExec.run(
    {
      argv: ['terraform', `-chdir=${folder}`, ...args],
      stdin: undefined,
      timeoutMs,
      environment: {
        HOME: folder,
        TF_CLI_CONFIG_FILE: '/dev/null',
        CHECKPOINT_DISABLE: '1',
        TF_IN_AUTOMATION: '1',
      },
    },
    new AbortController().signal,
  );
}

export function initialise(folder: string): Promise<ExecResult> {
  return terraform(folder, 'init', '-input=false', '-no-color', `-plugin-dir=${plugins}`);
}

export type HclBlock = Readonly<Record<string, unknown>>;

/** python-hcl2's own form: blocks are lists, texts keep their quotation marks. */
export async function parseHcl(file: string): Promise<HclBlock> {
  const program = 'import hcl2, json, sys; print(json.dumps(hcl2.load(open(sys.argv[1]))))';
  const { code, stdout, stderr } = await systemExec.run(
    { argv: [python, '-c', program, file], stdin: undefined, timeoutMs },
    new AbortController().signal,
  );
  if (code !== 0) throw new Error(`cannot parse ${file}: ${stderr}`);
  return JSON.parse(stdout) as HclBlock;
}
