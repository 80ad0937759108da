// Changes of the kernel's state: lines of `ip -batch`, one run per family, IPv4 first since it brings the link up.
import { runIp } from '../system/iproute.ts';
import { batchError, familyFlag, type Family, type IpDeps } from './ip-command.ts';

/** In the order of execution. Lines of both families cannot share a batch: `ip` takes the family once. */
export type Batches = { readonly [family in Family]: readonly string[] };

export const families = ['ipv4', 'ipv6'] as const satisfies readonly Family[];

/** As a person would type them. */
export function commandLines(batches: Batches): readonly string[] {
  return families.flatMap((family) => batches[family].map((line) => commandLine(family, line)));
}

export function commandLine(family: Family, line: string): string {
  return family === 'ipv4' ? `ip ${line}` : `ip -6 ${line}`;
}

/**
 * A batch stops at the first error and the lines before it stay applied: read the state again before the next try.
 * Throws `not-permitted`, `device-missing`, `routing-failed` with the line that failed, and like `runIp`.
 */
export async function applyBatches(
  deps: IpDeps,
  batches: Batches,
  signal: AbortSignal,
): Promise<void> {
  for (const family of families) {
    const lines = batches[family];
    if (lines.length === 0) continue;
    const stdin = `${lines.join('\n')}\n`;
    // No -4: "addr flush" shall flush both families.
    const flags = family === 'ipv6' ? [familyFlag(family)] : [];
    const result = await runIp(deps, { args: [...flags, '-batch', '-'], stdin }, signal);
    if (result.code !== 0) throw batchError(family, lines, result.stderr);
  }
}
