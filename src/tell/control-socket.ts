// What the daemon is told to do by `berth release`: a socket for root and the daemon's own user, a line of JSON each way.
import { join } from 'node:path';
import { BerthError, messageOf, type ErrorCode } from '../errors.ts';
import type { LocalSockets } from '../system/local-socket.ts';

export type Control = {
  /** `pool`: undefined where there is but one. Returns a sentence for people. Throws `usage`, and what a detach throws. */
  release(pool: string | undefined): Promise<string>;
};

type Request = { readonly release: string | null };
type Answer =
  | { readonly ok: true; readonly message: string }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

const socketMode = 0o600;

function pathIn(runtimeDir: string): string {
  return join(runtimeDir, 'control.sock');
}

/** Throws `already-running`, `disk`. */
export function serveControl(
  sockets: LocalSockets,
  runtimeDir: string,
  control: Control,
): Promise<AsyncDisposable> {
  return sockets.serve({
    path: pathIn(runtimeDir),
    mode: socketMode,
    greeting: undefined,
    answer: async (line) => JSON.stringify(await obey(control, line)),
  });
}

async function obey(control: Control, line: string): Promise<Answer> {
  try {
    const { release } = JSON.parse(line) as Request;
    return { ok: true, message: await control.release(release ?? undefined) };
  } catch (error) {
    const code = error instanceof BerthError ? error.code : 'command-failed';
    return { ok: false, code, message: messageOf(error) };
  }
}

/** Throws `daemon-absent`, `not-permitted`, and what the daemon says. */
export async function askRelease(
  sockets: LocalSockets,
  { runtimeDir, pool }: { readonly runtimeDir: string; readonly pool: string | undefined },
  signal: AbortSignal,
): Promise<string> {
  const request: Request = { release: pool ?? null };
  const line = await sockets.ask(pathIn(runtimeDir), JSON.stringify(request), signal);
  if (line === undefined)
    throw new BerthError(
      'command-failed',
      'cannot say whether the ENI was released: berth ended meanwhile; run "berth release" again',
    );
  const answer = JSON.parse(line) as Answer;
  if (!answer.ok) throw new BerthError(answer.code, answer.message);
  return answer.message;
}
