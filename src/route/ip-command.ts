// What iproute2 answers to a batch that reads, and what its failures mean.
import { BerthError } from '../errors.ts';
import type { Exec } from '../system/exec.ts';
import { runIp } from '../system/iproute.ts';

export type IpDeps = { readonly exec: Exec };
export type Family = 'ipv4' | 'ipv6';

export function familyFlag(family: Family): '-4' | '-6' {
  return family === 'ipv4' ? '-4' : '-6';
}

export type Json = Readonly<Record<string, unknown>>;

/**
 * Runs lines that read, in one process, and parses the answer to each. Lines after a failure are not run.
 * Numbers instead of names wherever `ip` knows both.
 */
export async function readIp(
  deps: IpDeps,
  input: { readonly family: Family; readonly lines: readonly string[] },
  signal: AbortSignal,
): Promise<{
  readonly answers: readonly (readonly Json[])[];
  readonly failure: BerthError | undefined;
}> {
  const { family, lines } = input;
  const args = [familyFlag(family), '-json', '-N', '-details', '-batch', '-'];
  const { code, stdout, stderr } = await runIp(
    deps,
    { args, stdin: `${lines.join('\n')}\n` },
    signal,
  );
  const answers = stdout
    .split('\n')
    // One that begins and does not end belongs to the line that failed.
    .filter((line) => line.startsWith('[') && line.endsWith(']'))
    // A list may begin with empty objects.
    .map((line) => (JSON.parse(line) as Json[]).filter((entry) => Object.keys(entry).length > 0));
  if (code === 0) return { answers, failure: undefined };
  return { answers, failure: batchError(family, lines, stderr) };
}

/** Of a batch: names the line that failed. */
export function batchError(family: Family, lines: readonly string[], stderr: string): BerthError {
  const number = /Command failed -:(\d+)/.exec(stderr)?.[1];
  const line = number === undefined ? undefined : lines[Number(number) - 1];
  const flag = family === 'ipv6' ? '-6 ' : '';
  return ipError(`ip ${flag}${line ?? '-batch -'}`, stderr);
}

/** `what`: the command that failed, as a person would type it. */
function ipError(what: string, stderr: string): BerthError {
  const said = stderr
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('Command failed'))
    .join('; ');
  const details = { command: what, stderr: said };
  if (/Operation not permitted|Permission denied/.test(said)) {
    return new BerthError(
      'not-permitted',
      `cannot run "${what}": berth lacks CAP_NET_ADMIN; run it as root, or set AmbientCapabilities=CAP_NET_ADMIN in its unit`,
      { details },
    );
  }
  if (/Cannot find device|does not exist|No such device/.test(said)) {
    return new BerthError('device-missing', `cannot run "${what}": the device is gone (${said})`, {
      retryable: true,
      details,
    });
  }
  return new BerthError('routing-failed', `cannot run "${what}": the kernel refuses it (${said})`, {
    retryable: true,
    details,
  });
}
