// Programs of others that may hang, or start more of themselves: each has its own process group, which ends with its time.
import { spawn } from 'node:child_process';
import { quietEnvironment, startError } from './exec.ts';

export type CommandResult = {
  /** undefined: ended by a signal. */
  readonly code: number | undefined;
  readonly timedOut: boolean;
  /** Of both outputs, whichever came last; it may have a secret in it. '': there was none. */
  readonly lastLine: string;
};

export type Commands = {
  /** Never a shell, no input, PATH and LC_ALL alone. Throws `command-missing`, `command-failed`, the signal's reason. */
  run(
    input: { readonly argv: readonly string[]; readonly timeoutMs: number },
    signal: AbortSignal,
  ): Promise<CommandResult>;
};

const keptCharacters = 4_096;
const shownCharacters = 200;
/** What it started may keep its output open. */
const outputGraceMs = 500;

export const systemCommands: Commands = {
  run: ({ argv, timeoutMs }, signal) =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const [file = '', ...args] = argv;
      const child = spawn(file, args, {
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: quietEnvironment(),
      });
      let kept = '';
      let timedOut = false;
      const endGroup = (): void => {
        if (child.pid === undefined) return;
        try {
          process.kill(-child.pid, 'SIGKILL');
        } catch {
          // There is nobody left.
        }
      };
      const timer = setTimeout(() => {
        timedOut = true;
        endGroup();
      }, timeoutMs);
      signal.addEventListener('abort', endGroup, { once: true });
      const keep = (chunk: Buffer): void => {
        kept = (kept + chunk.toString()).slice(-keptCharacters);
      };
      child.stdout.on('data', keep);
      child.stderr.on('data', keep);
      const settle = (code: number | null): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', endGroup);
        child.stdout.destroy();
        child.stderr.destroy();
        if (signal.aborted) reject(signal.reason as Error);
        else resolve({ code: code ?? undefined, timedOut, lastLine: lastLineOf(kept) });
      };
      child.on('error', (error) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', endGroup);
        reject(startError(file, error));
      });
      child.on('exit', (code) => {
        const late = setTimeout(() => settle(code), outputGraceMs);
        child.on('close', () => {
          clearTimeout(late);
          settle(code);
        });
      });
    }),
};

function lastLineOf(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  return (lines.findLast(Boolean) ?? '').replaceAll(/\p{Cc}/gu, ' ').slice(0, shownCharacters);
}
