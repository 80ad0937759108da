// Asks the writer, which systemd starts for each connection, one at a time.
import * as v from 'valibot';
import { BerthError, hasCode } from '../errors.ts';
import type { FileConfig } from '../model/config.ts';
import { maskSecrets } from '../secrets.ts';
import type { Clock } from '../system/clock.ts';
import { isErrno } from '../system/files.ts';
import type { LocalSockets } from '../system/local-socket.ts';
import { answerSchema, programsMs, taken, type WriteAnswer, type WriteRequest } from './request.ts';

export type AskWriterDeps = {
  readonly clock: Clock;
  readonly sockets: Pick<LocalSockets, 'talk'>;
};

export type AskWriterInput = {
  readonly socketPath: string;
  readonly files: readonly FileConfig[];
  /** Paths whose reload did not come to its end, as far as is known. */
  readonly due: ReadonlySet<string>;
  /** From now on something may have changed. */
  readonly onTaken: () => void;
};

/** What one connection brought. */
type Heard = { readonly isTaken: boolean; readonly answer: WriteAnswer | undefined };

/** Beside what the programs may take. */
const answerMs = 30_000;
/** systemd takes no second connection before the process of the first is gone: that of a daemon before this one, say. */
const busyMs = 60_000;
const againMs = 1_000;

/** Outside of the folder of the daemon, which goes when the daemon stops. */
export function writerSocket(runtimeDir: string): string {
  return `${runtimeDir}-files.sock`;
}

/** Throws `daemon-absent` (nobody listens, it is busy, or it died), `not-permitted`, `timeout`, and the signal's reason. */
export async function askWriter(
  deps: AskWriterDeps,
  { socketPath, files, due, onTaken }: AskWriterInput,
  signal: AbortSignal,
): Promise<WriteAnswer> {
  const { clock } = deps;
  const startedMs = clock.monotonicMs();
  let isLost = false;
  for (;;) {
    // One that died may have written what it did not reload.
    const request = requestOf(files, (path) => isLost || due.has(path));
    const { isTaken, answer } = await ask(deps, { socketPath, request, onTaken }, signal);
    if (answer !== undefined) return answer;
    if (isTaken && isLost) throw failed('daemon-absent', 'the writer ended without an answer');
    if (!isTaken && clock.monotonicMs() - startedMs >= busyMs) {
      throw failed('daemon-absent', 'the writer is busy');
    }
    isLost ||= isTaken;
    await clock.sleep(againMs, signal);
  }
}

type Question = Pick<AskWriterInput, 'socketPath' | 'onTaken'> & { readonly request: WriteRequest };

async function ask(
  { clock, sockets }: AskWriterDeps,
  { socketPath, request, onTaken }: Question,
  signal: AbortSignal,
): Promise<Heard> {
  let isTaken = false;
  let answer: WriteAnswer | undefined;
  const hear = (line: string): boolean => {
    if (line !== taken) {
      answer = answerOf(line);
      return true;
    }
    isTaken = true;
    onTaken();
    return false;
  };
  using deadline = clock.deadline(answerMs + programsMs(request.files), signal);
  try {
    await sockets.talk(socketPath, JSON.stringify(request), hear, deadline.signal);
  } catch (error) {
    signal.throwIfAborted();
    if (deadline.expired) throw failed('timeout', 'no answer of the writer');
    if (!hasCode(error, 'daemon-absent')) throw error;
    if (isErrno(error.cause, 'ENOENT', 'ECONNREFUSED')) {
      throw new BerthError(
        'daemon-absent',
        `cannot write files: nobody listens on ${socketPath}: systemctl enable --now berth-files.socket`,
        { cause: error, retryable: true },
      );
    }
  }
  return { isTaken, answer };
}

function failed(code: 'timeout' | 'daemon-absent', why: string): BerthError {
  const message = `cannot write files: ${why}: journalctl -u 'berth-files@*'`;
  return new BerthError(code, message, { retryable: true });
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

/** undefined: it is none. */
function answerOf(line: string): WriteAnswer | undefined {
  try {
    return v.parse(answerSchema, JSON.parse(line));
  } catch {
    return undefined;
  }
}
