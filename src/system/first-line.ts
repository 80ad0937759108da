// The first line of a program that may never end. A process that waits for a file server dies only when that lets it, so
// nobody waits for its end.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export type FirstLineInput = {
  readonly argv: readonly [string, ...string[]];
  readonly environment: Readonly<Record<string, string | undefined>>;
};

/** `code`: it ended without a line. */
export type FirstLine = { readonly line: string } | { readonly code: number };

/**
 * Kills the program, and all that it has started, once the line is there. Its errors go to our standard error. Rejects with
 * the signal's reason, and where it cannot be started.
 */
export function firstLine(
  { argv, environment }: FirstLineInput,
  signal: AbortSignal,
): Promise<FirstLine> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const [file, ...args] = argv;
    // A group of its own, to be killed whole.
    const child = spawn(file, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: environment,
      detached: true,
    });
    const leave = (): void => {
      signal.removeEventListener('abort', abort);
      const isThere = child.exitCode === null && child.signalCode === null;
      if (child.pid !== undefined && isThere) process.kill(-child.pid, 'SIGKILL');
      child.stdout.destroy();
      child.unref();
    };
    const abort = (): void => {
      leave();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', abort, { once: true });
    createInterface({ input: child.stdout }).once('line', (line) => {
      leave();
      resolve({ line });
    });
    child.on('error', (error) => {
      leave();
      reject(error);
    });
    child.on('close', (code) => {
      leave();
      resolve({ code: code ?? 1 });
    });
  });
}
