// Asks the writer, which systemd starts for each connection.
import * as v from 'valibot';
import { BerthError, hasCode } from '../errors.ts';
import type { FileConfig } from '../model.ts';
import { maskSecrets } from '../secrets.ts';
import type { Clock } from '../system/clock.ts';
import { isErrno } from '../system/files.ts';
import type { LocalSockets } from '../system/local-socket.ts';
import { answerSchema, type WriteAnswer, type WriteRequest } from './request.ts';

export type AskWriterDeps = { readonly clock: Clock; readonly sockets: LocalSockets };

export type AskWriterInput = {
  readonly socketPath: string;
  readonly files: readonly FileConfig[];
  /** Paths whose reload did not come to its end, as far as is known. */
  readonly due: ReadonlySet<string>;
};

/** Beside what the programs may take. */
const answerMs = 30_000;
/** systemd takes no second connection before the process of the first is gone. */
const maxTries = 4;
const againMs = 1_000;

const noAnswer =
  "cannot write files: the writer ended without an answer, or is busy: journalctl -u 'berth-files@*'";

/** Outside of the folder of the daemon, which goes when the daemon stops. */
export function writerSocket(runtimeDir: string): string {
  return `${runtimeDir}-files.sock`;
}

/** Throws `daemon-absent` (nobody listens, or it died), `not-permitted`, `timeout`, and the signal's reason. */
export async function askWriter(
  { clock, sockets }: AskWriterDeps,
  { socketPath, files, due }: AskWriterInput,
  signal: AbortSignal,
): Promise<WriteAnswer> {
  const programsMs = files.reduce(
    (sum, { check, reload }) => sum + (check?.timeoutMs ?? 0) + (reload?.timeoutMs ?? 0),
    0,
  );
  using deadline = clock.deadline(answerMs + programsMs, signal);
  try {
    for (let tries = 1; ; tries++) {
      // One that died may have written what it did not reload.
      const request = requestOf(files, (path) => tries > 1 || due.has(path));
      const line = await ask(sockets, { socketPath, request }, deadline.signal);
      const answer = v.safeParse(answerSchema, parsed(line));
      if (answer.success) return answer.output;
      if (tries === maxTries) {
        throw new BerthError('daemon-absent', noAnswer, { retryable: true });
      }
      await clock.sleep(againMs, deadline.signal);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!deadline.expired) throw error;
    throw new BerthError('timeout', 'cannot write files: no answer of the writer', {
      cause: error,
      retryable: true,
    });
  }
}

/** undefined: the connection ended without an answer. */
async function ask(
  sockets: LocalSockets,
  { socketPath, request }: { readonly socketPath: string; readonly request: WriteRequest },
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    return await sockets.ask(socketPath, JSON.stringify(request), signal);
  } catch (error) {
    if (!hasCode(error, 'daemon-absent')) throw error;
    if (!isErrno(error.cause, 'ENOENT', 'ECONNREFUSED')) return undefined;
    throw new BerthError(
      'daemon-absent',
      `cannot write files: nobody listens on ${socketPath}: systemctl enable --now berth-files.socket`,
      { cause: error, retryable: true },
    );
  }
}

function requestOf(files: readonly FileConfig[], isDue: (path: string) => boolean): WriteRequest {
  return {
    files: files.map(({ check, reload, ...file }) => ({
      ...file,
      check: check && { ...check, argv: [...check.argv] },
      reload: reload && { ...reload, argv: [...reload.argv] },
      reloadDue: isDue(file.path),
      quiet: maskSecrets(file.content) !== file.content,
    })),
  };
}

function parsed(line: string | undefined): unknown {
  try {
    return JSON.parse(line ?? '') as unknown;
  } catch {
    return undefined;
  }
}
