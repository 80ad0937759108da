// What is the one plain spelling of an absolute path, so that a rule about paths cannot be got round by another spelling.
import { posix } from 'node:path';

/** PATH_MAX has the NUL in it; NAME_MAX is 255, and a name may get something before and after it. */
const longestPath = 4_000;
const longestName = 200;

/** Absolute, normalised, of no folder, and printable. */
export function isPlainPath(path: string): boolean {
  return (
    path.length <= longestPath &&
    /^\/[^\p{Cc}]*[^/\p{Cc}]$/u.test(path) &&
    posix.normalize(path) === path &&
    path.split('/').every((name) => Buffer.byteLength(name) <= longestName)
  );
}
