// The generations of one log file: names that rotation gives to the older ones, their age, and a look that is not torn.
import { basename, dirname, extname, join } from 'node:path';
import { isArchive, type LogFiles, type LogFileStat } from '../system/log-files.ts';

export type Generation = { readonly path: string; readonly stat: LogFileStat };
export type Aged = { readonly path: string; readonly stat: Age };

/** A rotation takes a moment, and none follows the other at once. */
export const maxLooks = 10;

/**
 * The file itself and its older generations in plain text, the oldest first. Names move on while they are read, and a
 * file that does could be passed over: looks until two looks agree. undefined: they never did.
 */
export async function findGenerations(
  logFiles: Pick<LogFiles, 'list' | 'stat'>,
  path: string,
): Promise<readonly Generation[] | undefined> {
  let last = '';
  for (let look = 0; look < maxLooks; look++) {
    const found = await lookAt(logFiles, path);
    const seen = found.map((one) => `${one.stat.inode} ${one.path}`).join('\n');
    if (look > 0 && seen === last) return found.toSorted(compareGenerations);
    last = seen;
  }
  return undefined;
}

async function lookAt(
  logFiles: Pick<LogFiles, 'list' | 'stat'>,
  path: string,
): Promise<readonly Generation[]> {
  const folder = dirname(path);
  const found: Generation[] = [];
  for (const name of (await logFiles.list(folder)).toSorted()) {
    if (name !== basename(path) && !isGenerationName(path, name)) continue;
    const stat = await logFiles.stat(join(folder, name)).catch(() => undefined);
    if (stat !== undefined) found.push({ path: join(folder, name), stat });
  }
  return found;
}

/**
 * Is `name` an older generation of the file `current`, in plain text? `app.log.1`, `app.log-20260131`, `app.log.2026-01-31`
 * (logrotate, logback, ...) and `app-20260131.log` (logrotate's `extension`); a lone `app-2.log` may be another file.
 */
export function isGenerationName(current: string, name: string): boolean {
  const base = basename(current);
  if (name === base || isArchive(name)) return false;
  if (name.startsWith(base)) return /^[.\-_]\d[\d\-_.T:]*$/.test(name.slice(base.length));
  const end = extname(base);
  const stem = base.slice(0, base.length - end.length);
  if (end === '' || !name.startsWith(stem) || !name.endsWith(end)) return false;
  return /^[.\-_]\d{4}-?\d\d-?\d\d[\d\-_.T:]*$/.test(name.slice(stem.length, -end.length));
}

type Age = Pick<LogFileStat, 'birthNs' | 'mtimeMs'>;

/**
 * Without births, by the last change: the youngest generations are the ones that were written last. The kernel's clock
 * for files ticks each 4 ms, so equal may be younger.
 */
export function isYounger(stat: Age, than: Age): boolean {
  return stat.birthNs !== undefined && than.birthNs !== undefined
    ? BigInt(stat.birthNs) >= BigInt(than.birthNs)
    : stat.mtimeMs >= than.mtimeMs;
}

/** The oldest first. */
export function compareGenerations(a: Aged, b: Aged): number {
  const [first, second] = [a.stat, b.stat];
  const byBirth =
    first.birthNs === undefined || second.birthNs === undefined
      ? 0
      : Number(BigInt(first.birthNs) - BigInt(second.birthNs));
  if (byBirth !== 0) return byBirth;
  if (first.mtimeMs !== second.mtimeMs) return first.mtimeMs - second.mtimeMs;
  return compareNames(a.path, b.path);
}

/** `app.log.2` is older than `app.log.1`, `app.log-20260130` than `app.log-20260131`, and all than `app.log`. */
function compareNames(a: string, b: string): number {
  if (a.startsWith(b)) return -1;
  if (b.startsWith(a)) return 1;
  const counted = /\.\d{1,4}$/.test(a) && /\.\d{1,4}$/.test(b);
  return (counted ? -1 : 1) * a.localeCompare(b, 'en', { numeric: true });
}
