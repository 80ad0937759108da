// nftables: runs `nft`, and says what to do where it is not installed.
import { BerthError, hasCode } from '../errors.ts';
import type { Exec, ExecResult } from './exec.ts';

const timeoutMs = 10_000;

/** Whatever its exit code. Throws `command-missing`, `timeout`. */
export async function runNft(
  deps: { readonly exec: Exec },
  input: { readonly args: readonly string[]; readonly stdin: string | undefined },
  signal: AbortSignal,
): Promise<ExecResult> {
  try {
    const { args, stdin } = input;
    return await deps.exec.run({ argv: ['nft', ...args], stdin, timeoutMs }, signal);
  } catch (error) {
    if (!hasCode(error, 'command-missing')) throw error;
    throw new BerthError(
      'command-missing',
      'cannot run "nft": install nftables, which routing.connmark needs',
      { cause: error },
    );
  }
}
