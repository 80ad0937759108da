// What the daemon is told to do by `berth release` and `berth reload`: a socket for root and the daemon's own user, a line of JSON each way.
import { join } from 'node:path';
import { BerthError, messageOf, type ErrorCode } from '../errors.ts';
import type { LocalSockets } from '../system/local-socket.ts';

export type Control = {
  /** `pool`: undefined where there is but one. Returns a sentence for people. Throws `usage`, and what a detach throws. */
  release(pool: string | undefined): Promise<string>;
  /** Returns a sentence for people. Throws why the newest configuration is not used. */
  reload(): Promise<string>;
  /** The same of what it would do. */
  checkReload(): Promise<string>;
};

type Request = { readonly release: string | null } | { readonly reload: 'now' | 'check' };
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
    const request = JSON.parse(line) as Request;
    return { ok: true, message: await done(control, request) };
  } catch (error) {
    const code = error instanceof BerthError ? error.code : 'command-failed';
    return { ok: false, code, message: messageOf(error) };
  }
}

function done(control: Control, request: Request): Promise<string> {
  if ('release' in request) return control.release(request.release ?? undefined);
  return request.reload === 'check' ? control.checkReload() : control.reload();
}

/** Throws `daemon-absent`, `not-permitted`, and what the daemon says. */
export async function askRelease(
  sockets: LocalSockets,
  { runtimeDir, pool }: { readonly runtimeDir: string; readonly pool: string | undefined },
  signal: AbortSignal,
): Promise<string> {
  const unknown =
    'cannot say whether the ENI was released: berth ended meanwhile; run "berth release" again';
  return ask(sockets, { runtimeDir, request: { release: pool ?? null }, unknown }, signal);
}

/** Throws `daemon-absent`, `not-permitted`, and what the daemon says. */
export async function askReload(
  sockets: LocalSockets,
  { runtimeDir, reload }: { readonly runtimeDir: string; readonly reload: 'now' | 'check' },
  signal: AbortSignal,
): Promise<string> {
  const unknown =
    'cannot say whether the new configuration is used: berth ended meanwhile; its next start reads it';
  return ask(sockets, { runtimeDir, request: { reload }, unknown }, signal);
}

async function ask(
  sockets: LocalSockets,
  input: { readonly runtimeDir: string; readonly request: Request; readonly unknown: string },
  signal: AbortSignal,
): Promise<string> {
  const path = pathIn(input.runtimeDir);
  const line = await sockets.ask(path, JSON.stringify(input.request), signal);
  if (line === undefined) throw new BerthError('command-failed', input.unknown);
  const answer = JSON.parse(line) as Answer;
  if (!answer.ok) throw new BerthError(answer.code, answer.message);
  return answer.message;
}
