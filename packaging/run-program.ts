// Runs the tools that do the packaging; their output is shown only where they fail.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const exec = promisify(execFile);

/** Resolves with the standard output. Throws with all that the program said. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  try {
    const { stdout } = await exec(program, args, { maxBuffer: 64 << 20, ...options });
    return stdout;
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & Partial<Output>;
    const said = `${stdout}${stderr}`.trim();
    throw new Error(`cannot run ${program}: ${said === '' ? message : said}`, { cause: error });
  }
}

type Output = { readonly stdout: string; readonly stderr: string };
