// Reading where the file system may never answer, a dead file server's say: given up after a time, and not asked again
// before it answers. Each read that hangs holds one of the four threads that Node has for files, those of the logs too.
import { readFileSync } from 'node:fs';
import { BerthError } from '../errors.ts';

const answerMs = 10_000;
/** The others are for the rest of the process. */
const maxHanging = 2;

/** By mount point: what was read there. */
const hanging = new Map<string, string>();

/** Throws `timeout`, and what `work` throws. */
export async function readAt<T>(path: string, work: () => Promise<T>): Promise<T> {
  if (hanging.size > 0 && hanging.has(mountOf(path))) throw noAnswer(path);
  if (hanging.size >= maxHanging) {
    const others = [...hanging.values()].join(', ');
    throw timeout(`cannot read ${path} before the file systems of ${others} answer`);
  }
  const working = work();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const mount = mountOf(path);
    const answered = (): boolean => hanging.delete(mount);
    hanging.set(mount, path);
    working.then(answered, answered);
    late.reject(noAnswer(path));
  }, answerMs);
  try {
    return await Promise.race([working, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** A process does not end by itself while a thread of it hangs: exit(3) waits for it. */
export function endThoughHanging(): void {
  if (hanging.size > 0) process.kill(process.pid, 'SIGKILL');
}

function noAnswer(path: string): BerthError {
  return timeout(`cannot read ${path}: its file system does not answer`);
}

function timeout(message: string): BerthError {
  return new BerthError('timeout', message, { retryable: true });
}

/** The longest mount point above it, without a look at the path itself (proc_pid_mountinfo(5); blanks in it are octal). */
function mountOf(path: string): string {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .map((point) => point.replaceAll(/\\(\d{3})/g, (_, octal: string) => charOf(octal)))
    .filter((point) => point === '/' || path === point || path.startsWith(`${point}/`));
  return points.toSorted((a, b) => b.length - a.length)[0] ?? '/';
}

function charOf(octal: string): string {
  return String.fromCharCode(Number.parseInt(octal, 8));
}
