// Processes: run one to its end, or follow its output. Never a shell.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { BerthError } from '../errors.ts';

export type ExecResult = {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
};

export type ExecInput = {
  readonly argv: readonly [string, ...string[]];
  readonly stdin: string | undefined;
  readonly timeoutMs: number;
  /** Beside PATH and LC_ALL. */
  readonly environment?: Readonly<Record<string, string>>;
};

export type Exec = {
  /**
   * Runs a program to its end, whatever its exit code.
   * Throws `command-missing` (not installed), `timeout`.
   */
  run(input: ExecInput, signal: AbortSignal): Promise<ExecResult>;
  /**
   * Starts a program and hands over each line of its output; ends it on abort.
   * Resolves when it has ended, whatever its exit code. Throws `command-missing`.
   */
  follow(
    argv: readonly [string, ...string[]],
    onLine: (line: string) => void,
    signal: AbortSignal,
  ): Promise<void>;
};

export const systemExec: Exec = {
  run: ({ argv, stdin, timeoutMs, environment }, signal) =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const [file, ...args] = argv;
      const child = spawn(file, args, {
        stdio: ['pipe', 'pipe', 'pipe'],
        env: { ...quietEnvironment(), ...environment },
      });
      const stdout: Buffer[] = [];
      const stderr: Buffer[] = [];
      let timedOut = false;
      const timer = setTimeout(() => {
        timedOut = true;
        child.kill('SIGKILL');
      }, timeoutMs);
      const abort = (): void => void child.kill('SIGKILL');
      signal.addEventListener('abort', abort, { once: true });
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
      };
      child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
      child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
      child.on('error', (error) => {
        done();
        reject(startError(file, error));
      });
      child.on('close', (code) => {
        done();
        if (signal.aborted) reject(signal.reason as Error);
        else if (timedOut) {
          reject(
            new BerthError(
              'timeout',
              `cannot wait for "${argv.join(' ')}": no end after ${timeoutMs} ms`,
              {
                retryable: true,
              },
            ),
          );
        } else {
          resolve({
            code: code ?? 255,
            stdout: Buffer.concat(stdout).toString(),
            stderr: Buffer.concat(stderr).toString(),
          });
        }
      });
      // A program that ends early closes its input; its exit code tells more than EPIPE.
      child.stdin.on('error', () => undefined);
      child.stdin.end(stdin ?? '');
    }),

  follow: (argv, onLine, signal) =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const [file, ...args] = argv;
      const child = spawn(file, args, {
        stdio: ['ignore', 'pipe', 'ignore'],
        env: quietEnvironment(),
      });
      const abort = (): void => void child.kill('SIGKILL');
      signal.addEventListener('abort', abort, { once: true });
      createInterface({ input: child.stdout }).on('line', onLine);
      child.on('error', (error) => {
        signal.removeEventListener('abort', abort);
        reject(startError(file, error));
      });
      child.on('close', () => {
        signal.removeEventListener('abort', abort);
        resolve();
      });
    }),
};

/** A child gets no AWS setting and no notify socket of ours. */
export function quietEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
}

export function startError(file: string, error: NodeJS.ErrnoException): BerthError {
  return error.code === 'ENOENT'
    ? new BerthError('command-missing', `cannot run "${file}": it is not installed`, {
        cause: error,
      })
    : new BerthError('command-failed', `cannot run "${file}": ${error.message}`, { cause: error });
}
