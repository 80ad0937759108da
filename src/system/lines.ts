// The lines that a program writes, as fast as they are taken and no faster: what is not taken keeps the program waiting.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { BerthError } from '../errors.ts';

/**
 * Ends with the program, which is killed when nobody wants more lines, or on abort. Throws `command-missing`,
 * `command-failed` (its exit code was not 0; with what it said), the signal's reason.
 */
export type Lines = (
  argv: readonly [string, ...string[]],
  signal: AbortSignal,
) => AsyncIterable<string>;

const maxSaidBytes = 1_000;

export const systemLines: Lines = async function* lines([file, ...args], signal) {
  signal.throwIfAborted();
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-maxSaidBytes);
  });
  const ended = new Promise<
    { readonly code: number | null } | { readonly error: NodeJS.ErrnoException }
  >((resolve) => {
    child.once('error', (error) => resolve({ error }));
    child.once('close', (code) => resolve({ code }));
  });
  const abort = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', abort, { once: true });
  try {
    yield* createInterface({ input: child.stdout, crlfDelay: Infinity });
    const end = await ended;
    signal.throwIfAborted();
    if ('error' in end) {
      const isMissing = end.error.code === 'ENOENT';
      throw new BerthError(
        isMissing ? 'command-missing' : 'command-failed',
        `cannot run "${file}": ${isMissing ? 'it is not installed' : end.error.message}`,
        { cause: end.error },
      );
    }
    if (end.code !== 0)
      throw new BerthError('command-failed', `"${file}" ended with ${end.code}: ${said.trim()}`);
  } finally {
    signal.removeEventListener('abort', abort);
    child.kill('SIGKILL');
  }
};
