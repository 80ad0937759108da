// What the journal has dropped before CloudWatch had it: journald deletes its oldest files when they take too much space.
import type { Lines } from '../system/lines.ts';

/**
 * How many entries are missing between the one of the cursor and the next that is there, of all that journald ever
 * numbered: also those that no selection would have taken. 0 where that cannot be told. Throws what `lines` throws.
 */
export async function missedBehind(
  lines: Lines,
  cursor: string,
  signal: AbortSignal,
): Promise<number> {
  const options = ['--output=json', '--output-fields=_BOOT_ID', '--merge', '--quiet'];
  const argv = ['journalctl', ...options, `--cursor=${cursor}`] as const;
  for await (const line of lines(argv, signal)) {
    const next = /"__CURSOR"\s*:\s*"([^"]+)"/.exec(line)?.[1];
    return next === undefined ? 0 : between(cursor, next);
  }
  return 0;
}

/** A cursor names the sequence of the journal, and the place in it, in hex (systemd.journal-fields(7)). */
function between(cursor: string, next: string): number {
  const [from, to] = [cursor, next].map((one) => /^s=([0-9a-f]+);i=([0-9a-f]+);/.exec(one));
  if (from?.[1] === undefined || from[1] !== to?.[1]) return 0;
  return Math.max(0, Number.parseInt(to[2]!, 16) - Number.parseInt(from[2]!, 16) - 1);
}
